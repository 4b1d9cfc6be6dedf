import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { daysLeft, expiryText, expiryWarning } from './expiry.ts';

const now = new Date('2026-11-22T12:00:00Z');
const after = (days: number, ms = 0) => new Date(now.getTime() + days * 86_400_000 + ms);

describe('an expiry', () => {
  for (const [expiresAt, warning, days, text] of [
    [after(365), undefined, 365, 'expires in 365 days'],
    [after(30, 1), undefined, 30, 'expires in 30 days'],
    [after(30), 30, 30, 'expires in 30 days'],
    [after(14, 1), 30, 14, 'expires in 14 days'],
    [after(14), 14, 14, 'expires in 14 days'],
    [after(7), 7, 7, 'expires in 7 days'],
    [after(1, 1), 7, 1, 'expires in 1 day'],
    [after(1), 1, 1, 'expires in 1 day'],
    [after(0, 1), 1, 0, 'expires within a day'],
    [after(0), 0, 0, 'has expired'],
    [after(-1), 0, 0, 'expired 1 day ago'],
    [after(-9), 0, 0, 'expired 9 days ago'],
  ] as const) {
    it(`at ${expiresAt.toISOString()}: ${text}`, () => {
      assert.deepEqual(
        [expiryWarning(expiresAt, now), daysLeft(expiresAt, now), expiryText(expiresAt, now)],
        [warning, days, text],
      );
    });
  }
});
