import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Lane } from '@pushmill/core';
import fc from 'fast-check';
import { Slots } from './slots.ts';

/** Takes, and tells later whether it was granted. */
function take(slots: Slots, count: number, lane: Lane = 'bulk'): { granted: () => Promise<boolean> } {
  let done = false;
  const waiting = slots.take(count, lane);
  if (waiting) waiting.then(() => (done = true));
  else done = true;
  return {
    async granted() {
      await Promise.resolve();
      return done;
    },
  };
}

describe('Slots', () => {
  it('gives what is free at once, without a promise', () => {
    const slots = new Slots(3);
    assert.equal(slots.take(2, 'bulk'), undefined);
    assert.equal(slots.take(1, 'bulk'), undefined);
    assert.equal(slots.inUse, 3);
    slots.release(3);
    assert.equal(slots.inUse, 0);
  });

  it('serves waiters in order; a small one does not overtake a big one', async () => {
    const slots = new Slots(3);
    slots.take(3, 'bulk');
    const big = take(slots, 2);
    const small = take(slots, 1);
    slots.release(1);
    assert.equal(await big.granted(), false);
    assert.equal(await small.granted(), false);
    slots.release(1);
    assert.equal(await big.granted(), true);
    assert.equal(await small.granted(), false);
    slots.release(1);
    assert.equal(await small.granted(), true);
    assert.equal(slots.inUse, 3);
  });

  it('grants several waiters from one release', async () => {
    const slots = new Slots(4);
    slots.take(4, 'bulk');
    const waiters = [take(slots, 1), take(slots, 2), take(slots, 1)];
    slots.release(4);
    for (const waiter of waiters) assert.equal(await waiter.granted(), true);
  });

  it('lets a call that is bigger than the whole go alone', async () => {
    const slots = new Slots(2);
    const huge = take(slots, 500);
    assert.equal(await huge.granted(), true);
    const next = take(slots, 1);
    assert.equal(await next.granted(), false);
    slots.release(500);
    assert.equal(await next.granted(), true);
    assert.equal(slots.inUse, 1);
  });

  it('serves urgent waiters before bulk ones that came earlier', async () => {
    const slots = new Slots(1);
    slots.take(1, 'bulk');
    const bulk = take(slots, 1);
    const urgent = take(slots, 1, 'urgent');
    slots.release(1);
    assert.deepEqual([await urgent.granted(), await bulk.granted()], [true, false]);
    slots.release(1);
    assert.equal(await bulk.granted(), true);
  });

  it('follows its limit, up at once and down as what is in flight ends', async () => {
    const slots = new Slots(1);
    slots.take(1, 'bulk');
    const waiters = [take(slots, 1), take(slots, 1)];
    slots.limit = 3;
    for (const waiter of waiters) assert.equal(await waiter.granted(), true);
    slots.limit = 1;
    const late = take(slots, 1);
    slots.release(1);
    slots.release(1);
    assert.equal(await late.granted(), false, 'one is in flight, one may be');
    slots.release(1);
    assert.equal(await late.granted(), true);
  });

  it('is never over its limit but for a call that is, forgets nobody, and is empty at the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 10 }),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 15 }), fc.constantFrom<Lane>('urgent', 'bulk')), {
          maxLength: 40,
        }),
        async (limit, calls) => {
          const slots = new Slots(limit);
          await Promise.all(
            calls.map(async ([count, lane]) => {
              await slots.take(count, lane);
              assert.ok(slots.inUse <= limit || slots.inUse === count);
              await Promise.resolve();
              slots.release(count);
            }),
          );
          assert.equal(slots.inUse, 0);
        },
      ),
    );
  });
});
