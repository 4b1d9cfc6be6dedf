import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { removeDataDir } from '@pushmill/embedded';
import pg from 'pg';
import { createClosing } from '../closing.ts';
import { type Cluster, startCluster } from '../cluster.ts';
import { CommandError } from '../failure.ts';
import { redisPeakBytes } from '../measures.ts';
import type { BacklogOptions } from './backlog.ts';
import { fillBacklog } from './backlog-fill.ts';
import {
  ledgerBytes,
  ledgerTime,
  secondsBetween,
  tidyUp,
  untilAtRest,
  waitingPushes,
} from './backlog-ledger.ts';
import type { BacklogFill, BacklogRun } from './backlog-verdict.ts';
import { startCosts } from './costs.ts';
import { createProducer } from './producer.ts';
import { redisBoundBytes } from './redis-bound.ts';
import { workerUrlOf } from './role-sample.ts';
import { newTarget } from './send/load.ts';
import type { Sink } from './send/sink.ts';

/** A pushmill with so many pushes behind its one channel, which is paused between two runs. */
export interface BacklogSite {
  cluster: Cluster;
  fill: BacklogFill;
  /** Lets pushes go until enough are counted, and puts as many back as went. */
  run(): Promise<BacklogRun>;
  close(): Promise<void>;
}

/**
 * They go before those that are counted: the window of batches in Redis is filled, which is dearer the more of them wait
 * but is done once, connections are made, and the flow finds its speed.
 */
const RUN_UP = 5_000;
const LOOK_EVERY_MS = 200;
/** No push has left for this long: none will. */
const STALLED_AFTER_MS = 60_000;
const CHANNEL = 'backlog';

/** How many a cluster holds when a run begins: when the last push that is counted has gone, `size` wait. */
export const waitingAtStart = (size: number, pushes: number) => size + RUN_UP + pushes;

export async function openSite(options: BacklogOptions, sink: Sink, size: number): Promise<BacklogSite> {
  const { pushes, say, progress, signal } = options;
  const closing = createClosing(say);
  try {
    const dataDir = join(options.dataDir, String(size));
    closing.add(`the folder for ${size}`, () => removeDataDir(dataDir));
    const ports = { api: 0, receipts: 0, metrics: 0 };
    // The bench decides how much waits; what it hands in to the api must not be refused because of it.
    const env = { ...options.env, PUSHMILL_MAX_BACKLOG: '1000000000' };
    const cluster = await startCluster({ dataDir, env, ports, say, progress, signal });
    closing.add(`the cluster for ${size}`, () => cluster.stop());
    await createChannel(cluster, sink);
    const sql = new pg.Client({ connectionString: cluster.databaseUrl });
    sql.on('error', () => undefined);
    await sql.connect();
    closing.add('the connection to its ledger', () => sql.end());

    const wanted = waitingAtStart(size, pushes);
    const refill = () => topUp(cluster, sql, wanted, options);
    const before = await ledgerBytes(sql);
    const startedAt = performance.now();
    await refill();
    const seconds = (performance.now() - startedAt) / 1_000;
    const filled = await ledgerBytes(sql);
    const fill = {
      perSecond: wanted / seconds,
      bytesPerPush: (filled.all - before.all) / wanted,
      pushBytes: (filled.pushes - before.pushes) / wanted,
      pushIndexBytes: (filled.pushIndexes - before.pushIndexes) / wanted,
      batchBytes: (filled.batches - before.batches) / wanted,
    };
    progress('Postgres tidies up');
    await tidyUp(sql, signal);
    const tidied = (performance.now() - startedAt) / 1_000 - seconds;
    say(
      `${count(wanted)} pushes wait: filled in ${seconds.toFixed(0)} s, ${count(fill.perSecond)}/s, and tidied up in ${tidied.toFixed(0)} s`,
    );
    return {
      cluster,
      fill,
      async run() {
        const found = await runOnce(cluster, sql, sink, { ...options, size });
        await refill();
        await tidyUp(sql, signal);
        return found;
      },
      close: () => closing.close(),
    };
  } catch (error) {
    await closing.close();
    throw error;
  }
}

async function runOnce(
  cluster: Cluster,
  sql: pg.Client,
  sink: Sink,
  { size, pushes, progress, signal }: BacklogOptions & { size: number },
): Promise<BacklogRun> {
  const { channels } = cluster.client;
  const since = await ledgerTime(sql);
  const before = await countAccepted(cluster);
  await channels.resume(CHANNEL);
  progress(`${count(pushes)} pushes go, ${count(size)} wait behind them`);
  await untilAccepted(cluster, before + RUN_UP, signal);
  const costs = await startCosts(cluster);
  try {
    const first = await countAccepted(cluster);
    const sinkCpu = (await sink.cpuUs()) ?? Number.NaN;
    const gone = (await untilAccepted(cluster, before + RUN_UP + pushes, signal)) - first;
    // Its counters are read first thing; the log of changes, which takes longer, while the channel comes to rest.
    const [{ cpuMicros, totalCpuMicros }, sinkCpuAfter] = await Promise.all([
      costs.perPush(gone),
      sink.cpuUs(),
      channels.pause(CHANNEL),
    ]);
    await untilAtRest(sql, signal);
    return {
      perSecond: pushes / (await secondsBetween(sql, since, RUN_UP, RUN_UP + pushes)),
      redisPeakBytes: (await redisPeakBytes(cluster.redis.url)) ?? Number.NaN,
      redisBoundBytes: redisBoundBytes({ channels: 1, feeders: 2 }),
      totalCpuMicros: totalCpuMicros ?? Number.NaN,
      workerCpuMicros: cpuMicros.worker ?? Number.NaN,
      postgresCpuMicros: cpuMicros.postgres ?? Number.NaN,
      redisCpuMicros: cpuMicros.redis ?? Number.NaN,
      apiCpuMicros: cpuMicros.api ?? Number.NaN,
      vendorCpuMicros: ((sinkCpuAfter ?? Number.NaN) - sinkCpu) / gone,
    };
  } finally {
    await costs.close();
  }
}

/** Puts pushes into the ledger until so many wait. */
async function topUp(
  cluster: Cluster,
  sql: pg.Client,
  wanted: number,
  { progress, signal }: BacklogOptions,
): Promise<void> {
  const missing = wanted - (await waitingPushes(sql));
  if (missing < 1) return;
  const startedAt = performance.now();
  await fillBacklog(sql, await acceptOne(cluster, signal), missing - 1, (stored) => {
    signal.throwIfAborted();
    const perSecond = stored / ((performance.now() - startedAt) / 1_000);
    progress(`${count(stored)} of ${count(missing)} pushes put in, ${count(perSecond)}/s`);
  });
}

async function createChannel({ client }: Cluster, sink: Sink): Promise<void> {
  const { ca, apns } = newTarget(sink.port, sink.ca);
  const { topic, ...key } = apns;
  await client.channels.create({
    name: CHANNEL,
    vendor: 'apns',
    settings: { topic, origin: `https://localhost:${sink.port}`, ca, emulator: true },
    credential: { kind: 'token', ...key },
  });
  await client.channels.pause(CHANNEL);
}

/** The message that pushes are put in as copies of; @returns its id. */
async function acceptOne({ url, producerKey }: Cluster, signal: AbortSignal): Promise<string> {
  const producer = createProducer({ urls: [url], apiKey: producerKey, signal });
  const message = {
    class: 'marketing',
    notification: { title: 'Offer', body: 'Ten per cent off' },
    ttlSeconds: 86_400,
    to: [{ channel: CHANNEL, token: '0'.repeat(64) }],
  } as const;
  return (await producer.send(message, crypto.randomUUID())).id;
}

/** By the worker's own count: to ask the ledger while it works would cost the more the larger it is. */
async function countAccepted(cluster: Cluster): Promise<number> {
  const text = await (await fetch(`${workerUrlOf(cluster)}/metrics`)).text();
  return Number(/^pushmill_attempts_total\{[^}]*kind="accepted"[^}]*\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** @returns how many the vendor has accepted since the start of the worker: so many, or some more */
async function untilAccepted(cluster: Cluster, wanted: number, signal: AbortSignal): Promise<number> {
  let last = 0;
  let changedAt = performance.now();
  for (;;) {
    const found = await countAccepted(cluster);
    if (found >= wanted) return found;
    if (found !== last) changedAt = performance.now();
    last = found;
    if (performance.now() - changedAt > STALLED_AFTER_MS) {
      throw new CommandError(
        `No push has left for ${STALLED_AFTER_MS / 1_000} s; ${wanted - found} were still to go.`,
      );
    }
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}

const count = (value: number) => Math.round(value).toLocaleString('en');
