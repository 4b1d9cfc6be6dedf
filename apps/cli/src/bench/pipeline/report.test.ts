import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Machine } from '../machine.ts';
import { alternate, type Figures } from '../rounds.ts';
import { type LoadFigure, noFigures } from './load.ts';
import { limitsOf, pipelineText, reportPipeline } from './report.ts';
import { contenderNames } from './run.ts';

const machine: Machine = {
  cpu: 'a CPU',
  cores: 2,
  memoryGiB: 8,
  system: 'a system',
  node: '26.10.0',
  loadBefore: 0,
  versions: {},
};
const options = { bulk: 20_000, perRequest: 5_000, single: 10_000, connections: 64, rounds: 2 };

/** Two rounds in which each contender's figures are these. */
async function measured(given: Partial<Record<keyof typeof contenderNames, Partial<Figures<LoadFigure>>>>) {
  const names = Object.keys(contenderNames) as (keyof typeof contenderNames)[];
  const rounds = await alternate<LoadFigure>(
    names.map((key) => ({
      name: contenderNames[key],
      run: async () => ({ ...noFigures(), perSecond: 1_000, busyCores: 0, ...given[key] }),
    })),
    { rounds: 2, progress: () => {}, signal: new AbortController().signal },
  );
  return { machine, rounds };
}

describe('reportPipeline', () => {
  const good = {
    bare: { perSecond: 10_000 },
    bulk: { perSecond: 6_000 },
    single: { perSecond: 3_000 },
  };

  it('holds at 60 % of the bare client and three times one job per push', async () => {
    const report = reportPipeline(await measured(good), options);
    assert.deepEqual(
      report.bars.map(({ times, holds }) => [times.median, holds]),
      [
        [0.6, true],
        [3, true],
      ],
    );
    assert.equal(report.holds, true);
    assert.match(pipelineText(report), /the bar is 3: it holds\./);
  });

  it('does not hold when one of the two is missed', async () => {
    const report = reportPipeline(await measured({ ...good, single: { perSecond: 2_990 } }), options);
    assert.equal(report.holds, false);
    assert.match(pipelineText(report), /2\.99 \(2\.99–2\.99\); the bar is 3: it does NOT hold\./);
  });

  it('shows a dash for what is not known', async () => {
    const text = pipelineText(reportPipeline(await measured(good), options));
    assert.doesNotMatch(text, /NaN CPU|\bNaN {2}/);
    assert.match(text, /node:http2, bare +10,000 \(10,000–10,000\) +- /);
  });
});

describe('limitsOf', () => {
  const limits = async (bulk: Partial<Figures<LoadFigure>>) => {
    const { rounds } = await measured({ bulk });
    return limitsOf(rounds.contenders, machine);
  };
  const ours = { totalCpu: 1_300, sinkCpu: 300, loadCpu: 200 };

  it('names who found the machine full', async () => {
    const found = await limits({ ...ours, workerCpu: 500, busyCores: 1.95 });
    assert.deepEqual(found, [
      'All 2 cores of the machine were busy, with bench and sink on them too: pushmill, bulk.',
    ]);
  });

  it('names who waited for one process', async () => {
    assert.deepEqual(
      await limits({ totalCpu: 950, workerCpu: 940, sinkCpu: 100, loadCpu: 50, busyCores: 1.2 }),
      ['One process, the one that sends, kept a whole core busy: pushmill, bulk.'],
    );
  });

  it('says when something else used the machine', async () => {
    const [first, ...others] = await limits({ ...ours, perSecond: 500, busyCores: 2 });
    assert.match(first ?? '', /^Something else used the machine meanwhile/);
    assert.deepEqual(others, []);
  });

  it('says nothing of what is not known', async () => {
    assert.deepEqual(await limits({}), []);
  });
});
