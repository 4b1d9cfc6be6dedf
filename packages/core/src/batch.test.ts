import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cut, maxBatchSize } from './batch.ts';

describe('cut', () => {
  const sizes: [number, number[]][] = [
    [0, []],
    [1, [1]],
    [maxBatchSize, [500]],
    [maxBatchSize + 1, [500, 1]],
    [3 * maxBatchSize, [500, 500, 500]],
  ];
  for (const [count, expected] of sizes) {
    it(`cuts ${count} into [${expected}]`, () => {
      assert.deepEqual(
        cut(Array(count).fill(0)).map((run) => run.length),
        expected,
      );
    });
  }

  it('keeps every item, in order, in full runs but the last', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer({ min: 1, max: 20 }), (items, size) => {
        const runs = cut(items, size);
        assert.deepEqual(runs.flat(), items);
        assert.ok(runs.slice(0, -1).every((run) => run.length === size));
      }),
    );
  });
});
