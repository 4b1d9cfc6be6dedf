import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { removeDataDir } from '@pushmill/embedded';
import pg from 'pg';
import { type Cluster, startCluster } from '../cluster.ts';
import { CommandError } from '../failure.ts';
import { redisPeakBytes } from '../measures.ts';
import { fillBacklog } from './backlog-fill.ts';
import type { BacklogRun } from './backlog-verdict.ts';
import { startCosts } from './costs.ts';
import { describeMachine, type Machine } from './machine.ts';
import { createProducer } from './producer.ts';
import { redisBoundBytes } from './redis-bound.ts';
import { alternate, type Contender, type Rounds } from './rounds.ts';
import { newTarget } from './send/load.ts';
import { type Sink, startSink } from './send/sink.ts';
import { serverVersions } from './server-versions.ts';

export interface BacklogOptions {
  /** Pushes that still wait when the last one that is counted has gone. */
  sizes: readonly number[];
  /** How many are counted. */
  pushes: number;
  rounds: number;
  /** An empty folder; each run has one of its own in it. */
  dataDir: string;
  env: NodeJS.ProcessEnv;
  say: (line: string) => void;
  progress: (line: string) => void;
  signal: AbortSignal;
}

export interface BacklogMeasures {
  machine: Machine;
  sizes: readonly number[];
  pushes: number;
  rounds: number;
  found: Rounds<keyof BacklogRun>;
}

/** They go before those that are counted: connections, code that was never run, and the flow that finds its speed. */
const RUN_UP = 5_000;
const LOOK_EVERY_MS = 200;
/** No push has left for this long: none will. */
const STALLED_AFTER_MS = 60_000;
const CHANNEL = 'backlog';

/**
 * How fast pushes leave, by how many wait behind them. Each run is a pushmill of its own: its ledger is filled while the
 * channel is paused, tidied up as time would have done, and then the channel is resumed. The vendor is a server that
 * answers every push at once.
 */
export async function runBacklog(options: BacklogOptions): Promise<BacklogMeasures> {
  const { sizes, pushes, rounds, progress, signal, dataDir } = options;
  const machine = describeMachine();
  const sinkFolder = join(dataDir, 'sink');
  await mkdir(sinkFolder, { recursive: true });
  const sink = await startSink('auto', sinkFolder, signal);
  try {
    const contenders = sizes.map(
      (size): Contender<keyof BacklogRun> => ({
        name: String(size),
        run: (round) =>
          onFreshCluster(options, `${size}-${round}`, async (cluster) => {
            const servers = await serverVersions(cluster);
            machine.versions = { ...servers, [`${sink.kind} (the vendor)`]: sink.version };
            return runOnce(cluster, sink, { size, pushes, progress, signal });
          }),
      }),
    );
    // Every cluster is new: there is nothing to warm up but what each run warms up for itself.
    const found = await alternate(contenders, { rounds, warmUp: false, progress, signal });
    return { machine, sizes, pushes, rounds, found };
  } finally {
    await sink.stop();
  }
}

async function onFreshCluster<T>(
  { dataDir, env, say, progress, signal }: BacklogOptions,
  name: string,
  work: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  const folder = join(dataDir, name);
  try {
    const ports = { api: 0, receipts: 0, metrics: 0 };
    const cluster = await startCluster({ dataDir: folder, env, ports, say, progress, signal });
    try {
      return await work(cluster);
    } finally {
      await cluster.stop();
    }
  } finally {
    await removeDataDir(folder);
  }
}

async function runOnce(
  cluster: Cluster,
  sink: Sink,
  options: Pick<BacklogOptions, 'pushes' | 'progress' | 'signal'> & { size: number },
): Promise<BacklogRun> {
  const { size, pushes, progress, signal } = options;
  const { client } = cluster;
  await createChannel(cluster, sink);
  await client.channels.pause(CHANNEL);
  const sql = new pg.Client({ connectionString: cluster.databaseUrl });
  sql.on('error', () => undefined);
  await sql.connect();
  try {
    const before = await ledgerBytes(sql);
    const waiting = size + RUN_UP + pushes;
    await fillBacklog(sql, await acceptOne(cluster, signal), waiting - 1, (stored) => {
      signal.throwIfAborted();
      progress(`${stored} of ${waiting} pushes wait`);
    });
    const filled = await ledgerBytes(sql);
    // A backlog grows over hours, in which Postgres tidies up after it; the run must not pay for the hurry.
    await sql.query('VACUUM (ANALYZE)');
    await sql.query('CHECKPOINT');

    const costs = await startCosts(cluster);
    try {
      const sinkCpu = (await sink.cpuUs()) ?? Number.NaN;
      await client.channels.resume(CHANNEL);
      progress(`${pushes} pushes go, ${size} wait behind them`);
      const recorded = await untilRecorded(sql, RUN_UP + pushes, signal);
      const { cpuMicros, totalCpuMicros } = await costs.perPush(recorded);
      return {
        perSecond: pushes / ((await acceptedAt(sql, RUN_UP + pushes)) - (await acceptedAt(sql, RUN_UP))),
        redisPeakBytes: (await redisPeakBytes(cluster.redis.url)) ?? Number.NaN,
        redisBoundBytes: redisBoundBytes({ channels: 1, feeders: 2 }),
        fillBytesPerPush: (filled.all - before.all) / waiting,
        pushBytes: (filled.pushes - before.pushes) / waiting,
        pushIndexBytes: (filled.pushIndexes - before.pushIndexes) / waiting,
        batchBytes: (filled.batches - before.batches) / waiting,
        totalCpuMicros: totalCpuMicros ?? Number.NaN,
        workerCpuMicros: cpuMicros.worker ?? Number.NaN,
        postgresCpuMicros: cpuMicros.postgres ?? Number.NaN,
        redisCpuMicros: cpuMicros.redis ?? Number.NaN,
        apiCpuMicros: cpuMicros.api ?? Number.NaN,
        vendorCpuMicros: (((await sink.cpuUs()) ?? Number.NaN) - sinkCpu) / recorded,
      };
    } finally {
      await costs.close();
    }
  } finally {
    await sql.end();
  }
}

async function createChannel({ client }: Cluster, sink: Sink): Promise<void> {
  const { ca, topic, keyId, teamId, privateKey } = newTarget(sink.port, sink.ca);
  await client.channels.create({
    name: CHANNEL,
    vendor: 'apns',
    settings: { topic, origin: `https://localhost:${sink.port}`, ca, emulator: true },
    credential: { kind: 'token', keyId, teamId, privateKey },
  });
}

/** The message that the backlog is made of; @returns its id. */
async function acceptOne({ url, producerKey }: Cluster, signal: AbortSignal): Promise<string> {
  const producer = createProducer({ urls: [url], apiKey: producerKey, signal });
  const message = {
    class: 'marketing',
    notification: { title: 'Offer', body: 'Ten per cent off' },
    ttlSeconds: 86_400,
    to: [{ channel: CHANNEL, token: '0'.repeat(64) }],
  } as const;
  return (await producer.send(message, 'template')).id;
}

/** @returns how many calls the ledger knows of: so many, or some more */
async function untilRecorded(sql: pg.Client, wanted: number, signal: AbortSignal): Promise<number> {
  let last = 0;
  let changedAt = performance.now();
  for (;;) {
    const { rows } = await sql.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM all_attempts WHERE kind = 'accepted'`,
    );
    const count = rows[0]?.count ?? 0;
    if (count >= wanted) return count;
    if (count !== last) changedAt = performance.now();
    last = count;
    if (performance.now() - changedAt > STALLED_AFTER_MS) {
      throw new CommandError(`No push has left for ${STALLED_AFTER_MS / 1_000} s; ${count} had.`);
    }
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}

/** When the vendor had accepted so many, in seconds, by the ledger. */
async function acceptedAt(sql: pg.Client, count: number): Promise<number> {
  const { rows } = await sql.query<{ seconds: number }>(
    `SELECT extract(epoch FROM at)::float8 + duration_ms / 1000.0 AS seconds FROM all_attempts
     WHERE kind = 'accepted' ORDER BY 1 OFFSET $1 LIMIT 1`,
    [count - 1],
  );
  return rows[0]?.seconds ?? Number.NaN;
}

/** What waiting pushes take, indexes and large values included. */
async function ledgerBytes(
  sql: pg.Client,
): Promise<{ all: number; pushes: number; pushIndexes: number; batches: number }> {
  const { rows } = await sql.query(
    `WITH tables AS (
       SELECT relname, pg_table_size(oid) AS own, pg_indexes_size(oid) AS indexes FROM pg_class
       WHERE relkind = 'r' AND (relname ~ '^(messages|pushes)_\\d' OR relname = 'batches')
     )
     SELECT sum(own + indexes)::float8 AS "all",
       sum(own) FILTER (WHERE relname LIKE 'pushes%')::float8 AS pushes,
       sum(indexes) FILTER (WHERE relname LIKE 'pushes%')::float8 AS "pushIndexes",
       sum(own + indexes) FILTER (WHERE relname = 'batches')::float8 AS batches
     FROM tables`,
  );
  return rows[0];
}
