import { byteText, table } from '../table.ts';
import type { Judgement } from './chaos-verdict.ts';
import { costsText } from './costs.ts';
import { machineText } from './machine.ts';
import { spreadOf } from './rounds.ts';
import type { SoakFindings } from './soak.ts';
import type { SoakSample } from './soak-sample.ts';

/** One sixth of the time: medians over its samples, and of delays the worst. */
export interface Sixth {
  samples: number;
  rssBytes: Record<string, number>;
  heapBytes: Record<string, number>;
  loopDelayP99Ms: Record<string, number>;
  redisBytes: number;
  postgresBytes: number;
  backlog: number;
  p50Ms: number;
  p99Ms: number;
  benchLoopDelayP99Ms: number;
}

const SIXTHS = 6;
/** Flat memory moves by no more than this between the second sixth and the last; the first one is the start. */
const FLAT = 1.1;
/** What is more than this factor and this much more is no noise, as bench fairness has it. */
const NOISE_FACTOR = 1.5;
const NOISE_MS = 20;
/** Of the looks at the roles; a machine that stands still for seconds is not what a soak is about. */
const UNANSWERED = 0.02;
/** A load that came later than this was not steady. */
const LATE_MS = 1_000;

export function sixthsOf(samples: readonly SoakSample[]): Sixth[] {
  return Array.from({ length: SIXTHS }, (_, sixth) => {
    const from = Math.floor((samples.length * sixth) / SIXTHS);
    const to = Math.floor((samples.length * (sixth + 1)) / SIXTHS);
    return sixthOf(samples.slice(from, to));
  });
}

function sixthOf(samples: readonly SoakSample[]): Sixth {
  const median = (of: (sample: SoakSample) => number) => spreadOf(samples.map(of)).median;
  const names = Object.keys(samples[0]?.roles ?? {});
  const byRole = (of: (name: string) => number) => Object.fromEntries(names.map((name) => [name, of(name)]));
  const role = (sample: SoakSample, name: string) => sample.roles[name];
  return {
    samples: samples.length,
    rssBytes: byRole((name) => median((sample) => role(sample, name)?.rssBytes ?? Number.NaN)),
    heapBytes: byRole((name) => median((sample) => role(sample, name)?.heapBytes ?? Number.NaN)),
    loopDelayP99Ms: byRole((name) =>
      Math.max(...samples.map((sample) => role(sample, name)?.loopDelayP99Ms ?? Number.NaN)),
    ),
    redisBytes: median(({ redisBytes }) => redisBytes),
    postgresBytes: samples.at(-1)?.postgresBytes ?? Number.NaN,
    backlog: Math.round(median(({ backlog }) => backlog)),
    p50Ms: Math.round(median(({ latency }) => latency.p50Ms ?? Number.NaN)),
    p99Ms: Math.round(median(({ latency }) => latency.p99Ms ?? Number.NaN)),
    benchLoopDelayP99Ms: Math.max(...samples.map((sample) => sample.benchLoopDelayP99Ms)),
  };
}

/** Everything arrived, memory is flat, and latencies do not grow. A figure that is missing is NaN, and holds nothing. */
export function judgeSoak(findings: SoakFindings): Judgement[] {
  const [, second, , , , last] = sixthsOf(findings.samples);
  const { requested, states, receipts, redisPeakBytes } = findings;
  const count = (...names: (keyof typeof states)[]) =>
    names.reduce((sum, name) => sum + (states[name] ?? 0), 0);
  const all = count(...(Object.keys(states) as (keyof typeof states)[]));
  const arrived = count('accepted', 'delivered', 'displayed', 'clicked');
  const judgement = (what: string, holds: boolean, detail: string, example: string | null = null) => ({
    ...{ what, holds, detail, example },
  });
  const growth = (what: string, before = Number.NaN, after = Number.NaN) =>
    judgement(
      `${what} at most ${Math.round((FLAT - 1) * 100)} % above that of the second`,
      after <= before * FLAT,
      `${byteText(before)}, then ${byteText(after)}`,
    );
  const latency = (what: string, before = Number.NaN, after = Number.NaN) =>
    judgement(
      `${what} of the last sixth no more than noise above that of the second`,
      after <= before * NOISE_FACTOR + NOISE_MS,
      `${before} ms, then ${after} ms`,
    );
  return [
    judgement(
      'the load came on time',
      findings.latestMs <= LATE_MS,
      `at most ${findings.latestMs} ms late; what is later than ${LATE_MS} ms is not steady`,
    ),
    judgement(
      'roles and servers answered',
      findings.unanswered <= findings.samples.length * UNANSWERED,
      `${findings.unanswered} of ${findings.samples.length + findings.unanswered} looks at them failed`,
    ),
    judgement('every push is in the ledger once', all === requested, `${requested} requested, ${all} there`),
    judgement('every push arrived', arrived === requested, JSON.stringify(states)),
    judgement(
      'what the ledger calls taken, its vendor took',
      findings.neverTaken.count === 0,
      `${findings.neverTaken.count}`,
      findings.neverTaken.example,
    ),
    judgement(
      'what a vendor took, the ledger knows of',
      findings.takenUnknown.count === 0,
      `${findings.takenUnknown.count}`,
      findings.takenUnknown.example,
    ),
    judgement('no vendor took a push twice', findings.duplicates === 0, `${findings.duplicates}`),
    judgement(
      'every receipt was taken',
      receipts.sent === receipts.taken,
      `${receipts.taken} of ${receipts.sent}`,
    ),
    judgement('no role died', findings.deaths === 0, `${findings.deaths}`),
    ...Object.keys(last?.rssBytes ?? {}).map((name) =>
      growth(`memory (RSS) of ${name} in the last sixth`, second?.rssBytes[name], last?.rssBytes[name]),
    ),
    growth('memory of Redis in the last sixth', second?.redisBytes, last?.redisBytes),
    judgement(
      'Redis stayed under its bound',
      redisPeakBytes !== null && redisPeakBytes <= findings.redisBoundBytes,
      `${redisPeakBytes === null ? 'unknown' : byteText(redisPeakBytes)} of ${byteText(findings.redisBoundBytes)}`,
    ),
    judgement(
      'pushes under way in the last sixth no more than noise above those in the second',
      (last?.backlog ?? Number.NaN) <= (second?.backlog ?? Number.NaN) * NOISE_FACTOR + findings.perSecond,
      `${second?.backlog}, then ${last?.backlog}`,
    ),
    latency('p50', second?.p50Ms, last?.p50Ms),
    latency('p99', second?.p99Ms, last?.p99Ms),
  ];
}

/** What tells of a machine that was full. */
function coresText({ costs, requested, durationMs, machine }: SoakFindings): string[] {
  if (costs.totalCpuMicros === null) return [];
  const cores = (costs.totalCpuMicros * requested) / (durationMs * 1_000);
  return [
    `Roles and servers used ${cores.toFixed(2)} of ${machine.cores} cores; the bench with its emulators, and whatever else ran, comes on top.`,
  ];
}

export function soakText(findings: SoakFindings, judgements: readonly Judgement[]): string {
  const sixths = sixthsOf(findings.samples);
  const roles = Object.keys(sixths[0]?.rssBytes ?? {});
  const eachMinutes = Math.round((findings.minutes / SIXTHS) * 100) / 100;
  const row = (title: string, of: (sixth: Sixth) => string | number) => [title, ...sixths.map(of)];
  return [
    machineText(findings.machine),
    `${findings.perSecond} pushes a second for ${findings.minutes} minutes over ${findings.channels} channels, half of them alone and urgent; ${findings.requested} in all`,
    '',
    table(
      [`sixth of the time (${eachMinutes} minutes)`, ...sixths.map((_, n) => String(n + 1))],
      [
        ...roles.map((name) =>
          row(`${name}: RSS, heap`, ({ rssBytes, heapBytes }) =>
            [rssBytes, heapBytes].map((bytes) => byteText(bytes[name] ?? Number.NaN)).join(', '),
          ),
        ),
        ...roles.map((name) =>
          row(
            `${name}: event-loop delay, worst p99, ms`,
            ({ loopDelayP99Ms }) => loopDelayP99Ms[name] ?? '-',
          ),
        ),
        row('the bench itself, with the emulators: the same', (sixth) => sixth.benchLoopDelayP99Ms),
        row('Redis memory', ({ redisBytes }) => byteText(redisBytes)),
        row('ledger (database) at the end', ({ postgresBytes }) => byteText(postgresBytes)),
        row('pushes under way', ({ backlog }) => backlog),
        row('urgent, request until vendor has it, p50 / p99, ms', ({ p50Ms, p99Ms }) =>
          Number.isNaN(p50Ms) ? '-' : `${p50Ms} / ${p99Ms}`,
        ),
      ],
    ),
    'Medians over the samples of each sixth. At rest the event-loop delay reads about 10 ms, which is how often it is looked at.',
    '',
    'each push cost, the idle work beside it divided among them:',
    costsText(findings.costs),
    ...coresText(findings),
    '',
    table(
      ['must hold', '', 'found'],
      judgements.map(({ what, holds, detail, example }) => [
        what,
        holds ? 'ok' : 'BROKEN',
        `${detail}${example ? ` (${example})` : ''}`,
      ]),
    ),
  ].join('\n');
}
