import { readdir } from 'node:fs/promises';
import pg from 'pg';
import { migrationsDirectory } from './migrate.ts';

/** What can be told of a database from outside, for whoever looks for what is wrong. */
export interface DatabaseInspection {
  /** `18.4` */
  version: string;
  /** How far its clock is ahead of ours; negative when it is behind. */
  clockAheadMs: number;
  /** A standby, or set so: nothing can be stored. */
  readOnly: boolean;
  /** Migrations of this version that the database does not have; all of them where there is no schema. */
  pending: string[];
  /** Migrations of the database that this version does not have. */
  unknown: string[];
}

const UNDEFINED_TABLE = '42P01';
const LIMIT_MS = 5_000;

/** @throws  when the database does not answer or refuses the login */
export async function inspectDatabase(databaseUrl: string): Promise<DatabaseInspection> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'pushmill doctor',
    connectionTimeoutMillis: LIMIT_MS,
    query_timeout: LIMIT_MS,
  });
  // A connection that breaks rejects the query at hand; without a listener it ends the process as well.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const before = Date.now();
    const { rows } = await client.query<{ version: string; nowMs: number; readOnly: boolean }>(
      `SELECT current_setting('server_version') AS version,
              (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS "nowMs",
              current_setting('transaction_read_only')::boolean AS "readOnly"`,
    );
    const middle = (before + Date.now()) / 2;
    const { version, nowMs, readOnly } = rows[0] as (typeof rows)[number];
    const applied = await appliedMigrations(client);
    const ours = (await readdir(migrationsDirectory))
      .filter((file) => file.endsWith('.sql'))
      .map((file) => file.slice(0, -'.sql'.length))
      .sort();
    return {
      // Distributions add their own words.
      version: version.split(' ')[0] as string,
      clockAheadMs: Math.round(nowMs - middle),
      readOnly,
      pending: ours.filter((name) => !applied.includes(name)),
      unknown: applied.filter((name) => !ours.includes(name)),
    };
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function appliedMigrations(client: pg.Client): Promise<string[]> {
  try {
    const { rows } = await client.query<{ name: string }>('SELECT name FROM schema_migrations ORDER BY name');
    return rows.map((row) => row.name);
  } catch (error) {
    if ((error as { code?: string }).code === UNDEFINED_TABLE) return [];
    throw error;
  }
}
