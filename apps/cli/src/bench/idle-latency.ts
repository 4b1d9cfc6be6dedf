import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Cluster } from '../cluster.ts';
import { table } from '../table.ts';
import { type ApnsProcess, startApnsProcess } from './apns-process.ts';
import { startBulkLoad } from './bulk-load.ts';
import { latencyOf, quantilesOf, type Sent, sendUrgently } from './latency.ts';
import { describeMachine, type Machine, machineAfterwards, machineText } from './machine.ts';
import { createProducer } from './producer.ts';
import { readRole, workerUrlOf } from './role-sample.ts';
import { alternate, type Contender, type Rounds, type Spread, spreadText } from './rounds.ts';
import { serverVersions } from './server-versions.ts';

export interface IdleLatencyOptions {
  /** Urgent pushes a second. */
  perSecond: number;
  /** Of each phase of each round. */
  seconds: number;
  rounds: number;
  progress: (line: string) => void;
  signal: AbortSignal;
}

/** Milliseconds from the request, and what went on beside it. */
export type LatencyFigure =
  | 'sent'
  | 'missing'
  | 'answeredP50'
  | 'answeredP99'
  | 'begunP50'
  | 'begunP99'
  | 'takenP50'
  | 'takenP99'
  | 'callP50'
  | 'callP99'
  | 'bulkPerSecond'
  /** Of the worker's event loop, 99th percentile; about 10 at rest, which is how often it is looked at. */
  | 'workerDelayP99';

export const phases = ['idle', 'bulk on another channel', 'bulk on the same channel'] as const;
export type Phase = (typeof phases)[number];

export interface IdleLatency {
  machine: Machine;
  perSecond: number;
  seconds: number;
  rounds: number;
  phases: Record<Phase, Record<LatencyFigure, Spread>>;
  /** How often the idle latency a loaded one is. */
  ratios: Record<Exclude<Phase, 'idle'>, { p50: Spread; p99: Spread }>;
  bar: typeof bar;
  holds: boolean;
}

/** What the design promises where nothing else goes on. */
const bar = { p50Ms: 10, p99Ms: 40 };
/** The first seconds of connections and of code that was never run are nobody's latency. */
const WARM_UP_SECONDS = 5;
/** Bulk goes at its full speed when the first urgent push is sent. */
const UNDER_WAY = 5_000;
const LOOK_EVERY_MS = 50;

/**
 * Sends urgent pushes, each in a request of its own, through a channel on which and beside which nothing goes on, then
 * while bulk goes on another channel, and while it goes on the same one. The vendor is an emulator in a process of its
 * own, another for the other channel, and both tell by the same clock when they took a push.
 */
export async function runIdleLatency(cluster: Cluster, options: IdleLatencyOptions): Promise<IdleLatency> {
  const { rounds, perSecond, seconds, progress } = options;
  const machine = describeMachine(await serverVersions(cluster));
  const vendors = await Promise.all([1, 2].map((seed) => startApnsProcess({ seed })));
  const sql = new pg.Pool({ connectionString: cluster.databaseUrl, max: 2 });
  sql.on('error', () => undefined);
  try {
    const signal = AbortSignal.any([options.signal, ...vendors.map(({ died }) => died)]);
    const [own, other] = await Promise.all(vendors.map((vendor, at) => connect(cluster, vendor, at)));
    const bulkOn = { [phases[0]]: undefined, [phases[1]]: other, [phases[2]]: own };
    const contenders = phases.map(
      (phase): Contender<LatencyFigure> => ({
        name: phase,
        run: (round) =>
          runPhase(cluster, {
            ...{ sql, own: own as MeasuredVendor, bulkOn: bulkOn[phase], perSecond, signal },
            seconds: round < 0 ? Math.min(WARM_UP_SECONDS, seconds) : seconds,
            name: `${phase} ${round}`,
          }),
      }),
    );
    const found = await alternate(contenders, { rounds, progress, signal });
    return { machine: machineAfterwards(machine), perSecond, seconds, rounds, ...conclude(found) };
  } finally {
    await sql.end();
    await Promise.all(vendors.map((vendor) => vendor.stop()));
  }
}

/** The figures by phase, and whether the bar holds. A push that is missing breaks it, whatever the load. */
export function conclude(
  found: Rounds<LatencyFigure>,
): Pick<IdleLatency, 'phases' | 'ratios' | 'bar' | 'holds'> {
  const byPhase = Object.fromEntries(
    found.contenders.map(({ name, figures }) => [name, figures]),
  ) as IdleLatency['phases'];
  const ratio = (phase: Phase) => ({
    p50: found.ratio('takenP50', phase, 'idle'),
    p99: found.ratio('takenP99', phase, 'idle'),
  });
  const { takenP50, takenP99 } = byPhase.idle;
  return {
    phases: byPhase,
    ratios: { [phases[1]]: ratio(phases[1]), [phases[2]]: ratio(phases[2]) } as IdleLatency['ratios'],
    bar,
    holds:
      takenP50.median <= bar.p50Ms &&
      takenP99.median <= bar.p99Ms &&
      phases.every((phase) => byPhase[phase].missing.most === 0),
  };
}

interface MeasuredVendor {
  name: string;
  emulator: ApnsProcess;
}

async function connect({ client }: Cluster, emulator: ApnsProcess, at: number): Promise<MeasuredVendor> {
  const name = `latency-${at}`;
  await client.channels.create({ name, vendor: 'apns', ...emulator.channel });
  return { name, emulator };
}

interface PhaseOptions {
  sql: pg.Pool;
  own: MeasuredVendor;
  /** Where bulk goes meanwhile. */
  bulkOn: MeasuredVendor | undefined;
  perSecond: number;
  seconds: number;
  name: string;
  signal: AbortSignal;
}

async function runPhase(cluster: Cluster, options: PhaseOptions): Promise<Record<LatencyFigure, number>> {
  const { sql, own, bulkOn, signal } = options;
  const producer = createProducer({ urls: [cluster.url], apiKey: cluster.producerKey, signal });
  const before = bulkOn?.emulator.taken() ?? 0;
  const bulk = bulkOn && (await startBulkLoad(cluster, bulkOn.name));
  try {
    const until = AbortSignal.any([signal, ...(bulk ? [bulk.died] : [])]);
    const flows = () => !bulkOn || bulkOn.emulator.taken() - before >= UNDER_WAY;
    while (!flows()) await delay(LOOK_EVERY_MS, undefined, { signal: until });
    const [takenBefore, startedAt] = [bulkOn?.emulator.taken() ?? 0, performance.now()];
    const workerUrl = workerUrlOf(cluster);
    // Each reading tells of the time since the one before.
    await readRole(workerUrl);
    const sent = await sendUrgently({ ...options, channels: [own], producer, signal: until });
    const taken = (bulkOn?.emulator.taken() ?? 0) - takenBefore - (bulkOn === own ? count(sent) : 0);
    const bulkPerSecond = Math.round(taken / ((performance.now() - startedAt) / 1_000));
    const { loopDelayP99Ms: workerDelayP99 } = await readRole(workerUrl);
    await bulk?.stop();
    await untilNothingWaits(sql, signal);
    return { ...(await figuresOf(sql, sent.get(own.name) ?? [])), bulkPerSecond, workerDelayP99 };
  } finally {
    await bulk?.stop();
  }
}

function count(sent: ReadonlyMap<string, readonly Sent[]>): number {
  return [...sent.values()].reduce((sum, { length }) => sum + length, 0);
}

async function untilNothingWaits(sql: pg.Pool, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { rows } = await sql.query('SELECT 1 FROM batches LIMIT 1');
    if (rows.length === 0) return;
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}

/** What the producer and the vendor saw, and by the ledger what lay between. */
async function figuresOf(
  sql: pg.Pool,
  sent: readonly Sent[],
): Promise<Omit<Record<LatencyFigure, number>, 'bulkPerSecond' | 'workerDelayP99'>> {
  const { rows } = await sql.query<{ id: string; at: Date; durationMs: number }>(
    `SELECT message_id || '.' || n AS id, at, duration_ms AS "durationMs" FROM all_attempts
     WHERE message_id = ANY ($1::uuid[])`,
    [sent.map(({ id }) => id.split('.')[0])],
  );
  const calls = new Map(rows.map((row) => [row.id, row]));
  const begun = sent.flatMap(({ id, askedOn }) => {
    const call = calls.get(id);
    return call ? [call.at.getTime() - askedOn] : [];
  });
  const { missing, p50Ms, p99Ms } = latencyOf(sent);
  const both = (values: readonly number[]) => quantilesOf(values).map((value) => value ?? Number.NaN);
  const [answeredP50 = 0, answeredP99 = 0] = both(sent.map((one) => one.answeredAt - one.askedAt));
  const [begunP50 = 0, begunP99 = 0] = both(begun);
  const [callP50 = 0, callP99 = 0] = both(rows.map(({ durationMs }) => durationMs));
  return {
    ...{ sent: sent.length, missing, takenP50: p50Ms ?? Number.NaN, takenP99: p99Ms ?? Number.NaN },
    ...{ answeredP50, answeredP99, begunP50, begunP99, callP50, callP99 },
  };
}

export function idleLatencyText(found: IdleLatency): string {
  const both = (phase: Phase, stage: 'answered' | 'begun' | 'taken' | 'call') => {
    const figures = found.phases[phase];
    return `${spreadText(figures[`${stage}P50`], 1)} / ${spreadText(figures[`${stage}P99`], 1)}`;
  };
  const idle = found.phases.idle;
  const missing = phases.reduce((sum, phase) => sum + found.phases[phase].missing.most, 0);
  return [
    machineText(found.machine),
    `${found.perSecond} urgent pushes a second, each in a request of its own, ${found.seconds} s a phase, ${found.rounds} rounds in turn`,
    '',
    table(
      [
        'from the request, ms, p50 / p99',
        'until the api answered',
        'the call began',
        'the vendor had it',
        'worker late, p99',
      ],
      phases.map((phase) => [
        phase,
        both(phase, 'answered'),
        both(phase, 'begun'),
        both(phase, 'taken'),
        spreadText(found.phases[phase].workerDelayP99),
      ]),
    ),
    '',
    `The call alone until its answer, idle: ${both('idle', 'call')}. When it began and how long it took is what the ledger says, in whole milliseconds.`,
    'Worker late: how long its event loop was held up; about 10 ms at rest, which is how often it is looked at.',
    '',
    ...phases.slice(1).map((phase) => {
      const { p50, p99 } = found.ratios[phase as Exclude<Phase, 'idle'>];
      return `${phase}, at ${spreadText(found.phases[phase].bulkPerSecond)} pushes a second: p50 is ${spreadText(p50, 2)} times the idle one, p99 ${spreadText(p99, 2)} times`;
    }),
    ...(missing > 0 ? ['Pushes are MISSING: they were not at the vendor 10 s after the last.'] : []),
    `Bar: idle p50 at most ${found.bar.p50Ms} ms (${spreadText(idle.takenP50, 1)}), p99 at most ${found.bar.p99Ms} ms (${spreadText(idle.takenP99, 1)}): ${found.holds ? 'it holds' : 'it does NOT hold'}.`,
    'Figures are medians over the rounds, with the least and the most.',
  ].join('\n');
}
