import { monitorEventLoopDelay } from 'node:perf_hooks';
import pg from 'pg';
import type { Cluster } from '../cluster.ts';
import { askRedis } from '../redis-dialog.ts';
import { quantilesOf } from './latency.ts';
import { type RoleSample, readRole, workerUrlOf } from './role-sample.ts';
import type { SoakLoad } from './soak-load.ts';

/** How everything stood at one moment of the soak. */
export interface SoakSample {
  /** Since the start. */
  atMs: number;
  requested: number;
  roles: Record<string, RoleSample>;
  redisBytes: number;
  /** The ledger, which keeps everything, grows. */
  postgresBytes: number;
  /** Pushes in batches that are not done. */
  backlog: number;
  latency: { count: number; p50Ms: number | null; p99Ms: number | null };
  /** Of the bench itself, in which the emulators live. */
  benchLoopDelayP99Ms: number;
}

export interface Sampler {
  sample(load: SoakLoad): Promise<SoakSample>;
  close(): Promise<void>;
}

export async function openSampler(cluster: Cluster): Promise<Sampler> {
  const addresses = { api: cluster.url, worker: workerUrlOf(cluster), receipts: cluster.receiptsUrl };
  const sql = new pg.Client({ connectionString: cluster.databaseUrl });
  sql.on('error', () => undefined);
  await sql.connect();
  const loop = monitorEventLoopDelay({ resolution: 10 });
  loop.enable();
  const startedAt = performance.now();
  return {
    async sample(load) {
      const [roles, memory, ledger] = await Promise.all([
        Promise.all(
          Object.entries(addresses).map(async ([role, url]) => [role, await readRole(url)] as const),
        ),
        askRedis(cluster.redis.url, [['INFO', 'memory']]),
        sql.query<{ size: number; backlog: number }>(
          `SELECT pg_database_size(current_database())::float8 AS size,
             (SELECT coalesce(sum(push_count), 0)::int FROM batches) AS backlog`,
        ),
      ]);
      const latencies = load.takeLatencies();
      const [p50Ms, p99Ms] = quantilesOf(latencies);
      const benchLoopDelayP99Ms = Math.round(loop.percentile(99) / 1e6);
      loop.reset();
      return {
        atMs: performance.now() - startedAt,
        requested: load.requested(),
        roles: Object.fromEntries(roles),
        redisBytes: Number(/^used_memory:(\d+)/m.exec(String(memory[0]))?.[1] ?? Number.NaN),
        postgresBytes: ledger.rows[0]?.size ?? Number.NaN,
        backlog: ledger.rows[0]?.backlog ?? Number.NaN,
        latency: { count: latencies.length, p50Ms, p99Ms },
        benchLoopDelayP99Ms,
      };
    },
    async close() {
      loop.disable();
      await sql.end();
    },
  };
}
