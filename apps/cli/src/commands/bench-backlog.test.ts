import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sizes } from './bench-backlog.ts';

describe('--sizes', () => {
  it('takes numbers separated by commas, each once', () => {
    assert.deepEqual(sizes('10000, 1000000,10000'), [10_000, 1_000_000]);
  });

  for (const text of ['10000', '10000,10000', '10000,', '0,10', '1e4,10', 'many,more']) {
    it(`refuses ${text}`, () => assert.throws(() => sizes(text), { code: 'commander.invalidArgument' }));
  }
});
