import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseFaults } from './faults.ts';

describe('parseFaults', () => {
  it('reads probabilities', () => {
    assert.deepEqual(parseFaults('throttled=0.01, reset=1,slow=0'), { throttled: 0.01, reset: 1, slow: 0 });
  });

  for (const text of [
    '',
    'nope=0.1',
    'accepted=0.1',
    'reset',
    'reset=',
    'reset=2',
    'reset=-1',
    'reset=x',
    '__proto__=1',
  ]) {
    it(`refuses "${text}" with a sentence`, () => {
      assert.throws(() => parseFaults(text), /^CommandError: .*\.$/);
    });
  }
});
