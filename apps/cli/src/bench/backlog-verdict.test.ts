import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BacklogFill, type BacklogRun, backlogText, judgeBacklog } from './backlog-verdict.ts';
import { describeMachine } from './machine.ts';
import { alternate } from './rounds.ts';

const run: BacklogRun = {
  perSecond: 4_000,
  redisPeakBytes: 8_000_000,
  redisBoundBytes: 20_000_000,
  totalCpuMicros: 152,
  workerCpuMicros: 90,
  postgresCpuMicros: 60,
  redisCpuMicros: 1,
  apiCpuMicros: 1,
  vendorCpuMicros: 50,
};

const fill: BacklogFill = {
  perSecond: 60_000,
  bytesPerPush: 300,
  pushBytes: 180,
  pushIndexBytes: 100,
  batchBytes: 20,
};

async function judged(sizes: Record<number, Partial<BacklogRun>>) {
  const contenders = Object.entries(sizes).map(([name, changes]) => ({
    name,
    run: async () => ({ ...run, ...changes }),
  }));
  const found = await alternate(contenders, {
    rounds: 2,
    warmUp: false,
    progress: () => undefined,
    signal: new AbortController().signal,
  });
  const names = contenders.map(({ name }) => Number(name)).reverse();
  const fills = new Map(names.map((size) => [size, { ...fill, bytesPerPush: size }]));
  return judgeBacklog({ machine: describeMachine(), pushes: 1_000, rounds: 2, sizes: names, fills, found });
}

describe('judgeBacklog', () => {
  it('holds the largest against the smallest, in whatever order they were named', async () => {
    const found = await judged({ 10000: {}, 1000000: { perSecond: 3_700 }, 10000000: { perSecond: 3_600 } });
    assert.deepEqual(
      found.sizes.map(({ size }) => size),
      [10_000, 1_000_000, 10_000_000],
    );
    assert.ok(found.sizes.every(({ size, fill }) => fill.bytesPerPush === size));
    assert.equal(found.ratio.median, 0.9);
    assert.equal(found.holds, true);
  });

  it('does not hold when pushes leave more slowly', async () => {
    const found = await judged({ 10000: {}, 10000000: { perSecond: 3_599 } });
    assert.deepEqual([found.isRateKept, found.isRedisBounded, found.holds], [false, true, false]);
  });

  it('does not hold when Redis takes more, or nobody knows how much', async () => {
    for (const redisPeakBytes of [20_000_001, Number.NaN]) {
      const found = await judged({ 10000: {}, 10000000: { redisPeakBytes } });
      assert.deepEqual([found.isRateKept, found.isRedisBounded, found.holds], [true, false, false]);
    }
  });

  it('says when the size of the bar was not run', async () => {
    assert.match(backlogText(await judged({ 10000: {}, 1000000: {} })), /the bar's own size was not run/);
    assert.doesNotMatch(backlogText(await judged({ 10000: {}, 10000000: {} })), /was not run/);
  });
});
