import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Slots } from './slots.ts';

/** Takes, and tells later whether it was granted. */
function take(slots: Slots, count: number): { granted: () => Promise<boolean> } {
  let done = false;
  const waiting = slots.take(count);
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
    assert.equal(slots.take(2), undefined);
    assert.equal(slots.take(1), undefined);
    assert.equal(slots.inUse, 3);
    slots.release(3);
    assert.equal(slots.inUse, 0);
  });

  it('serves waiters in order; a small one does not overtake a big one', async () => {
    const slots = new Slots(3);
    slots.take(3);
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
    slots.take(4);
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

  it('is never over its size, forgets nobody, and is empty at the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 10 }),
        fc.array(fc.integer({ min: 1, max: 15 }), { maxLength: 40 }),
        async (size, calls) => {
          const slots = new Slots(size);
          let running = 0;
          await Promise.all(
            calls.map(async (count) => {
              await slots.take(count);
              running += Math.min(count, size);
              assert.ok(running <= size && slots.inUse <= size);
              await Promise.resolve();
              running -= Math.min(count, size);
              slots.release(count);
            }),
          );
          assert.equal(slots.inUse, 0);
        },
      ),
    );
  });
});
