import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GroupCommit, type GroupCommitOptions, OverloadedError } from './group-commit.ts';

/** A store whose commits finish when the test says so. */
function harness(options: Partial<GroupCommitOptions<number, string>> = {}) {
  const groups: number[][] = [];
  const gates: { open: () => void; break: (error: Error) => void }[] = [];
  let arrived: (() => void) | undefined;
  const commit = (items: readonly number[]): Promise<string[]> => {
    groups.push([...items]);
    return new Promise((resolve, reject) => {
      gates.push({ open: () => resolve(items.map(String)), break: reject });
      arrived?.();
    });
  };
  const group = new GroupCommit<number, string>({
    commit,
    maxItems: 10,
    maxWeight: 100,
    maxWaitingItems: 20,
    maxWaitingWeight: 200,
    maxRunning: 1,
    isAway: (error) => error instanceof Error && error.message === 'away',
    ...options,
  });
  const nthCommit = async (n: number) => {
    while (gates.length < n) await new Promise<void>((resolve) => (arrived = resolve));
    return gates[n - 1] as (typeof gates)[number];
  };
  return { group, groups, nthCommit };
}

const reasonOf = (settled: PromiseSettledResult<unknown> | undefined) =>
  settled?.status === 'rejected' ? settled.reason.message : undefined;

describe('GroupCommit', () => {
  it('stores at once, and together what arrives meanwhile', async () => {
    const { group, groups, nthCommit } = harness();
    const first = [group.add(1), group.add(2)];
    const one = await nthCommit(1);
    const second = [group.add(3), group.add(4), group.add(5)];
    assert.equal(group.waiting, 3);
    one.open();
    (await nthCommit(2)).open();
    assert.deepEqual(await Promise.all([...first, ...second]), ['1', '2', '3', '4', '5']);
    assert.deepEqual(groups, [
      [1, 2],
      [3, 4, 5],
    ]);
    await group.drained();
  });

  it('lets the next group wait for more under load, and never the first after a quiet moment', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { group, groups, nthCommit } = harness({ lingerMs: 10_000 });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    const alone = group.add(1);
    (await nthCommit(1)).open();
    await alone;
    const together = [group.add(2), group.add(3)];
    (await nthCommit(2)).open();
    await Promise.all(together);
    const next = [group.add(4)];
    await turn();
    next.push(group.add(5));
    await turn();
    assert.equal(groups.length, 2);
    t.mock.timers.tick(10_000);
    (await nthCommit(3)).open();
    await Promise.all(next);
    assert.deepEqual(groups, [[1], [2, 3], [4, 5]]);
    await group.drained();
  });

  it('cuts groups by count and by weight; a heavy item goes alone', async () => {
    const { group, groups, nthCommit } = harness({ maxItems: 3, weigh: (item) => item, maxWeight: 10 });
    const all = [4, 4, 4, 50, 1, 1, 1, 1].map((item) => group.add(item));
    for (let n = 1; n <= 5; n += 1) (await nthCommit(n)).open();
    await Promise.all(all);
    assert.deepEqual(groups, [[4, 4], [4], [50], [1, 1, 1], [1]]);
  });

  it('runs as many groups side by side as it may', async () => {
    const { group, groups, nthCommit } = harness({ maxItems: 1, maxRunning: 2 });
    const all = [1, 2, 3].map((item) => group.add(item));
    const [, second] = [await nthCommit(1), await nthCommit(2)];
    assert.equal(group.waiting, 1);
    second.open();
    (await nthCommit(3)).open();
    (await nthCommit(1)).open();
    await Promise.all(all);
    assert.equal(groups.length, 3);
  });

  it('refuses beyond its bounds, and stores nothing of it', async () => {
    const { group, groups, nthCommit } = harness({
      maxWaitingItems: 2,
      maxWaitingWeight: 10,
      weigh: (i) => i,
    });
    const first = group.add(1);
    const gate = await nthCommit(1);
    const waiting = [group.add(2)];
    await assert.rejects(group.add(9), OverloadedError); // too heavy
    waiting.push(group.add(3));
    await assert.rejects(group.add(1), OverloadedError); // too many
    gate.open();
    (await nthCommit(2)).open();
    await Promise.all([first, ...waiting]);
    assert.deepEqual(groups, [[1], [2, 3]]);
  });

  it('finds the one item that cannot be stored and stores its neighbours', async () => {
    const commits: number[][] = [];
    const group = new GroupCommit<number, string>({
      commit: async (items) => {
        commits.push([...items]);
        if (items.includes(5)) throw new Error('five');
        return items.map(String);
      },
      maxItems: 10,
      maxWeight: 100,
      maxWaitingItems: 20,
      maxWaitingWeight: 200,
      maxRunning: 1,
      isAway: () => false,
    });
    const settled = await Promise.allSettled([1, 2, 3, 4, 5, 6, 7, 8].map((item) => group.add(item)));
    assert.deepEqual(
      settled.map((one) => (one.status === 'fulfilled' ? one.value : reasonOf(one))),
      ['1', '2', '3', '4', 'five', '6', '7', '8'],
    );
    assert.ok(commits.length <= 8);
  });

  it('fails a whole group when the store is away, and goes on with the next', async () => {
    const { group, nthCommit } = harness();
    const first = Promise.allSettled([group.add(1), group.add(2)]);
    const gate = await nthCommit(1);
    const next = group.add(3);
    gate.break(new Error('away'));
    assert.deepEqual((await first).map(reasonOf), ['away', 'away']);
    (await nthCommit(2)).open();
    assert.equal(await next, '3');
  });
});
