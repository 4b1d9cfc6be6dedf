import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StrayBudget } from './stray-budget.ts';

describe('StrayBudget', () => {
  it('gives so many at once, then as many a minute, to each channel', () => {
    let now = 0;
    const budget = new StrayBudget(3, () => now);
    const takes = (channel: string, times: number) =>
      Array.from({ length: times }, () => budget.take(channel)).filter(Boolean).length;
    assert.equal(takes('a', 10), 3);
    assert.equal(takes('b', 10), 3);
    now += 20_000;
    assert.equal(takes('a', 10), 1);
    now += 3_600_000;
    assert.equal(takes('a', 10), 3);
  });
});
