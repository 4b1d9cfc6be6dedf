import { setTimeout as delay } from 'node:timers/promises';
import type { PushState } from '@pushmill/core';
import type { Emulator } from '@pushmill/vendors';
import type { Cluster } from '../cluster.ts';
import { redisPeakBytes } from '../measures.ts';
import { compareAll } from './chaos-findings.ts';
import { type PushCosts, startCosts } from './costs.ts';
import { type LedgerAudit, type Offence, openLedgerAudit } from './ledger-audit.ts';
import { describeMachine, type Machine, machineAfterwards } from './machine.ts';
import { createProducer } from './producer.ts';
import { redisBoundBytes } from './redis-bound.ts';
import { serverVersions } from './server-versions.ts';
import { startSoakLoad } from './soak-load.ts';
import { openSampler, type SoakSample } from './soak-sample.ts';

export interface SoakOptions {
  minutes: number;
  /** Pushes. */
  perSecond: number;
  progress: (line: string) => void;
  signal: AbortSignal;
}

/** Everything that a soak found out, before it is judged. */
export interface SoakFindings {
  machine: Machine;
  minutes: number;
  perSecond: number;
  channels: number;
  requested: number;
  /** From the first push until all were settled. */
  durationMs: number;
  /** How far the load was ever behind its timetable. */
  latestMs: number;
  samples: SoakSample[];
  /** Looks at the roles and servers of which one was not answered in time. */
  unanswered: number;
  states: Partial<Record<PushState, number>>;
  /** The ledger calls them taken, and no emulator took them. */
  neverTaken: Offence;
  /** The other way round. */
  takenUnknown: Offence;
  duplicates: number;
  receipts: { sent: number; taken: number };
  deaths: number;
  redisPeakBytes: number | null;
  redisBoundBytes: number;
  costs: PushCosts;
}

const SAMPLE_EVERY_MS = 10_000;
/** A short soak is looked at more often, so that each of its sixths has some. */
const LEAST_SAMPLES = 30;
/** Nothing settled and no receipt came for this long: what is missing will not come. */
const STALLED_AFTER_MS = 60_000;
const LOOK_EVERY_MS = 250;

/** A steady load over every emulated channel; what it does to memory, delays and latencies, and whether all arrived. */
export async function runSoak(cluster: Cluster, options: SoakOptions): Promise<SoakFindings> {
  const { minutes, perSecond, progress, signal } = options;
  const machine = describeMachine(await serverVersions(cluster));
  const audit = openLedgerAudit(cluster.databaseUrl);
  const sampler = await openSampler(cluster);
  const costs = await startCosts(cluster);
  const load = startSoakLoad({
    channels: cluster.channels.map(({ name, vendor }) => ({
      name,
      emulator: cluster.emulators.get(vendor) as Emulator,
    })),
    perSecond,
    seconds: minutes * 60,
    producer: createProducer({ urls: [cluster.url], apiKey: cluster.producerKey, signal }),
    signal,
  });
  const startedAt = performance.now();
  const over = new AbortController();
  // Waited for below; until then its failure ends the sampling and is no rejection that nobody handles.
  load.finished.then(
    () => over.abort(),
    () => over.abort(),
  );
  try {
    const samples: SoakSample[] = [];
    let unanswered = 0;
    const everyMs = Math.min(SAMPLE_EVERY_MS, (minutes * 60_000) / LEAST_SAMPLES);
    while (!over.signal.aborted) {
      await delay(everyMs, undefined, { signal: over.signal }).catch(() => undefined);
      if (over.signal.aborted) break;
      try {
        const sample = await sampler.sample(load);
        samples.push(sample);
        progress(lineOf(sample));
      } catch (error) {
        // An hour's findings are worth more than one look.
        unanswered += 1;
        progress(`not looked at: ${(error as Error).message}`);
      }
    }
    await load.finished;
    await untilSettled(cluster, audit, options);
    const durationMs = performance.now() - startedAt;
    const spent = await costs.perPush(load.requested());
    const accounts = [...cluster.emulators.values()].map((emulator) => emulator.account());
    const sum = (field: 'duplicates' | 'receiptsSent' | 'receiptsTaken') =>
      accounts.reduce((total, account) => total + account[field], 0);
    return {
      ...{ machine: machineAfterwards(machine), minutes, perSecond, durationMs, costs: spent },
      ...{ samples, unanswered },
      channels: cluster.channels.length,
      requested: load.requested(),
      latestMs: load.latestMs(),
      states: await audit.states(),
      ...(await compareAll(audit, await emulatorsById(cluster, audit), [])),
      duplicates: sum('duplicates'),
      receipts: { sent: sum('receiptsSent'), taken: sum('receiptsTaken') },
      deaths: [...cluster.roles.values()].reduce((total, role) => total + role.deaths(), 0),
      redisPeakBytes: await redisPeakBytes(cluster.redis.url),
      redisBoundBytes: redisBoundBytes({ channels: cluster.channels.length, feeders: 2 }),
    };
  } finally {
    load.stop();
    await Promise.all([costs.close(), sampler.close(), audit.close()]);
  }
}

function lineOf({ atMs, requested, backlog, latency, roles }: SoakSample): string {
  const memory = Object.entries(roles).map(
    ([name, role]) => `${name} ${Math.round(role.rssBytes / 2 ** 20)}`,
  );
  return `${Math.round(atMs / 1_000)} s: ${requested} pushes handed in, ${backlog} under way, p50 ${latency.p50Ms} ms, p99 ${latency.p99Ms} ms; MiB: ${memory.join(', ')}`;
}

async function emulatorsById(
  { channels, emulators }: Cluster,
  audit: LedgerAudit,
): Promise<(channelId: string) => Emulator | undefined> {
  const vendorOf = new Map(channels.map(({ name, vendor }) => [name, vendor]));
  const byId = new Map(
    (await audit.channels()).map(({ id, name }) => [id, emulators.get(vendorOf.get(name) ?? '')]),
  );
  return (channelId) => byId.get(channelId);
}

/** Nothing is queued and every receipt is taken, or nothing has changed for long. */
async function untilSettled(
  { emulators }: Cluster,
  audit: LedgerAudit,
  { progress, signal }: SoakOptions,
): Promise<void> {
  let last = '';
  let changedAt = performance.now();
  for (;;) {
    const { queued = 0 } = await audit.states();
    const accounts = [...emulators.values()].map((emulator) => emulator.account());
    const sent = accounts.reduce((total, { receiptsSent }) => total + receiptsSent, 0);
    const taken = accounts.reduce((total, { receiptsTaken }) => total + receiptsTaken, 0);
    progress(`${queued} still queued, ${taken} of ${sent} receipts in`);
    if (queued === 0 && sent === taken) return;
    const now = `${queued} ${sent} ${taken}`;
    if (now !== last) changedAt = performance.now();
    last = now;
    if (performance.now() - changedAt > STALLED_AFTER_MS) return;
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}
