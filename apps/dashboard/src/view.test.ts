import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

// Written for browsers and not typed.
const { expiryWords } = await import(new URL('./page/view.js', import.meta.url).href);

describe('expiryWords', () => {
  const now = Date.parse('2026-11-22T12:00:00Z');
  const after = (days: number) => new Date(now + days * 86_400_000).toISOString();

  for (const [expiresAt, words] of [
    [undefined, undefined],
    ['never', undefined],
    [after(30.1), undefined],
    [after(30), 'Its credential expires in 30 days, on 2026-12-22'],
    [after(1.5), 'Its credential expires in 1 day, on 2026-11-24'],
    [after(0.2), 'Its credential expires within a day, on 2026-11-22'],
    [after(-3), 'Its credential expired on 2026-11-19'],
  ] as const) {
    it(`of ${expiresAt}`, () => {
      assert.equal(expiryWords(expiresAt, now), words);
    });
  }
});
