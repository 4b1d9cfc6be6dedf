import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readStat } from './process-cpu.ts';

describe('readStat', () => {
  it('finds the times behind a name with spaces and parentheses', () => {
    const stat = '77 (a (b) c) S 1 77 77 0 -1 4194560 9 8 0 0 12 3 40 5 20 0 11 0 100 0 0';
    assert.deepEqual(readStat(stat), { own: 150_000, gone: 450_000 });
  });
});
