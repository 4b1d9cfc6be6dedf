import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { conclude, type LatencyFigure, phases } from './idle-latency.ts';
import { alternate } from './rounds.ts';

const figures: Record<LatencyFigure, number> = {
  sent: 300,
  missing: 0,
  answeredP50: 3,
  answeredP99: 9,
  begunP50: 5,
  begunP99: 12,
  takenP50: 8,
  takenP99: 30,
  callP50: 1,
  callP99: 3,
  bulkPerSecond: 0,
  workerDelayP99: 11,
};

async function concluded(changes: Partial<Record<string, Partial<typeof figures>>>) {
  const contenders = phases.map((name) => ({ name, run: async () => ({ ...figures, ...changes[name] }) }));
  return conclude(
    await alternate(contenders, {
      rounds: 3,
      warmUp: false,
      progress: () => undefined,
      signal: new AbortController().signal,
    }),
  );
}

describe('conclude', () => {
  it('compares the loaded phases with the idle one', async () => {
    const { ratios, holds } = await concluded({ [phases[2]]: { takenP50: 20, takenP99: 120 } });
    assert.equal(holds, true);
    assert.equal(ratios[phases[1]].p50.median, 1);
    assert.equal(ratios[phases[2]].p50.median, 2.5);
    assert.equal(ratios[phases[2]].p99.median, 4);
  });

  const broken: [string, Parameters<typeof concluded>[0]][] = [
    ['a slow median', { idle: { takenP50: 10.1 } }],
    ['a slow tail', { idle: { takenP99: 40.1 } }],
    ['nothing that arrived', { idle: { takenP50: Number.NaN } }],
    ['a push that is missing under load', { [phases[1]]: { missing: 1 } }],
  ];
  for (const [what, changes] of broken) {
    it(`does not hold with ${what}`, async () => assert.equal((await concluded(changes)).holds, false));
  }
});
