import pg from 'pg';
import type { Cluster } from '../cluster.ts';
import { askRedis } from '../redis-dialog.ts';

/** Of the servers that a bench ran on. */
export async function serverVersions({
  redis,
  postgres,
}: Pick<Cluster, 'redis' | 'postgres'>): Promise<{ Redis: string; Postgres: string }> {
  const [info] = await askRedis(redis.url, [['INFO', 'server']]);
  const sql = new pg.Client({ connectionString: postgres.url });
  await sql.connect();
  try {
    const { rows } = await sql.query<{ server_version: string }>('SHOW server_version');
    return {
      Redis: /^(?:redis|valkey)_version:(\S+)/m.exec(String(info))?.[1] ?? 'unknown',
      Postgres: rows[0]?.server_version ?? 'unknown',
    };
  } finally {
    await sql.end();
  }
}
