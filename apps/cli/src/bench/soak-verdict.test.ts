import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeMachine } from './machine.ts';
import type { SoakFindings } from './soak.ts';
import { shareOf } from './soak-load.ts';
import type { SoakSample } from './soak-sample.ts';
import { judgeSoak, sixthsOf, soakText } from './soak-verdict.ts';

const MiB = 2 ** 20;

function sample(
  n: number,
  changes: { rss?: number; redis?: number; p99?: number; backlog?: number } = {},
): SoakSample {
  const role = { rssBytes: (changes.rss ?? 100) * MiB, heapBytes: 40 * MiB, loopDelayP99Ms: 11 };
  return {
    atMs: n * 10_000,
    requested: n * 5_000,
    roles: { api: role, worker: role },
    redisBytes: (changes.redis ?? 2) * MiB,
    postgresBytes: n * MiB,
    backlog: changes.backlog ?? 10,
    latency: { count: 2_500, p50Ms: 9, p99Ms: changes.p99 ?? 40 },
    benchLoopDelayP99Ms: 12,
  };
}

function findings(changes: Partial<SoakFindings> = {}): SoakFindings {
  const none = { count: 0, example: null };
  return {
    machine: describeMachine(),
    ...{ minutes: 2, perSecond: 500, channels: 6, requested: 60_000, durationMs: 120_000, latestMs: 12 },
    samples: Array.from({ length: 12 }, (_, n) => sample(n)),
    unanswered: 0,
    states: { accepted: 20_000, delivered: 40_000 },
    ...{ neverTaken: none, takenUnknown: none, duplicates: 0, deaths: 0 },
    receipts: { sent: 40_000, taken: 40_000 },
    ...{ redisPeakBytes: 3 * MiB, redisBoundBytes: 25 * MiB },
    costs: {
      ...{ cpuMicros: { api: 90 }, totalCpuMicros: 90, redisCommands: 3, redisCommandsByName: {} },
      ...{ writeTransactions: 1, rows: null, rowsByTable: null, walBytes: 900, databaseBytes: 800 },
    },
    ...changes,
  };
}

const broken = (changes: Partial<SoakFindings>) =>
  judgeSoak(findings(changes))
    .filter(({ holds }) => !holds)
    .map(({ what }) => what);
const lastSixth = (changes: Parameters<typeof sample>[1]) =>
  Array.from({ length: 12 }, (_, n) => sample(n, n >= 10 ? changes : {}));

describe('sixthsOf', () => {
  it('shares the samples out in order, none twice', () => {
    const of = (length: number) => sixthsOf(Array.from({ length }, (_, n) => sample(n)));
    assert.deepEqual(
      of(31).map(({ samples }) => samples),
      [5, 5, 5, 5, 5, 6],
    );
    assert.deepEqual(
      of(12).map(({ postgresBytes }) => postgresBytes / MiB),
      [1, 3, 5, 7, 9, 11],
    );
  });
});

describe('judgeSoak', () => {
  it('holds when nothing grows and all arrives', () => {
    assert.deepEqual(broken({}), []);
    assert.doesNotMatch(soakText(findings(), judgeSoak(findings())), /BROKEN|NaN|undefined/);
  });

  it('takes what memory was in the first sixth for the start', () => {
    const samples = Array.from({ length: 12 }, (_, n) => sample(n, { rss: n < 2 ? 50 : n < 10 ? 100 : 110 }));
    assert.deepEqual(broken({ samples }), []);
  });

  it('sees memory and latencies that grow', () => {
    assert.deepEqual(broken({ samples: lastSixth({ rss: 111 }) }), [
      'memory (RSS) of api in the last sixth at most 10 % above that of the second',
      'memory (RSS) of worker in the last sixth at most 10 % above that of the second',
    ]);
    assert.equal(broken({ samples: lastSixth({ redis: 3 }) }).length, 1);
    assert.equal(broken({ samples: lastSixth({ p99: 81 }) }).length, 1);
    assert.deepEqual(broken({ samples: lastSixth({ p99: 80 }) }), []);
    assert.equal(broken({ samples: lastSixth({ backlog: 516 }) }).length, 1);
    assert.deepEqual(broken({ samples: lastSixth({ backlog: 515 }) }), []);
  });

  it('sees what is lost, doubled, late or dead', () => {
    const offence = { count: 1, example: 'a.0' };
    const cases: [Partial<SoakFindings>, RegExp][] = [
      [{ states: { accepted: 59_999 } }, /in the ledger once|arrived/],
      [{ states: { accepted: 59_999, failed: 1 } }, /arrived/],
      [{ neverTaken: offence }, /its vendor took/],
      [{ takenUnknown: offence }, /the ledger knows/],
      [{ duplicates: 1 }, /twice/],
      [{ receipts: { sent: 2, taken: 1 } }, /receipt/],
      [{ deaths: 1 }, /died/],
      [{ latestMs: 1_001 }, /on time/],
      [{ unanswered: 1 }, /answered/],
      [{ redisPeakBytes: 26 * MiB }, /bound/],
      [{ redisPeakBytes: null }, /bound/],
    ];
    for (const [changes, what] of cases) {
      const found = broken(changes);
      assert.ok(found.length > 0 && found.every((one) => what.test(one)), JSON.stringify([changes, found]));
    }
  });
});

describe('shareOf', () => {
  for (const perSecond of [2, 3, 37, 500, 999]) {
    it(`hands in ${perSecond} a second, half of them alone`, () => {
      const shares = Array.from({ length: 20 }, (_, moment) => shareOf(perSecond, moment));
      const singles = shares.reduce((sum, share) => sum + share.singles, 0);
      const bulk = shares.reduce((sum, share) => sum + share.bulk, 0);
      assert.equal(singles, Math.ceil(perSecond / 2));
      assert.equal(singles + bulk, perSecond);
    });
  }
});
