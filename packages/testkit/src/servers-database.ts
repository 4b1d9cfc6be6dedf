import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { testServers } from './servers-pair.ts';

/** A database of one test file. */
export interface TestDatabase {
  url: string;
  name: string;
  /**
   * Drops it.
   * @throws  if connections to it are still open: the test, or the code under it, leaks
   */
  drop(): Promise<void>;
}

// Closing a connection returns before the server has let go of it.
const closingTakesMs = 1_500;

/**
 * A fresh database, cloned from a migrated template. The template is made once per server and schema: the first
 * caller migrates, callers in other processes wait for it.
 * @param o.schemaVersion  changes when the schema does: the names or contents of the migrations, joined
 * @param o.migrate        brings an empty database to the schema; closes its connections
 * @param o.databaseUrl    the server; default: testServers()
 */
export async function createTestDatabase(o: {
  schemaVersion: string;
  migrate: (url: string) => Promise<void>;
  databaseUrl?: string;
}): Promise<TestDatabase> {
  const serverUrl = o.databaseUrl ?? (await testServers()).databaseUrl;
  const template = `template_${createHash('sha256').update(o.schemaVersion).digest('hex').slice(0, 16)}`;
  const name = `test_${process.pid}_${randomBytes(5).toString('hex')}`;
  await withAdmin(serverUrl, async (admin) => {
    // Of the session: freed too when this process is killed while it migrates.
    await admin.query('SELECT pg_advisory_lock(hashtext($1))', [template]);
    if (!(await exists(admin, template))) await makeTemplate(admin, serverUrl, template, o.migrate);
    await admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
    await admin.query('SELECT pg_advisory_unlock(hashtext($1))', [template]);
  });
  return {
    url: databaseUrl(serverUrl, name),
    name,
    drop: () => withAdmin(serverUrl, (admin) => drop(admin, name)),
  };
}

/** A prefix for the Redis keys of one test file, never used before. */
export function uniquePrefix(): string {
  return `test-${process.pid}-${randomBytes(6).toString('hex')}`;
}

// Migrated under another name: a template that exists is complete.
async function makeTemplate(
  admin: pg.Client,
  serverUrl: string,
  template: string,
  migrate: (url: string) => Promise<void>,
): Promise<void> {
  const draft = `${template}_draft`;
  await admin.query(`DROP DATABASE IF EXISTS ${draft} WITH (FORCE)`);
  await admin.query(`CREATE DATABASE ${draft}`);
  await migrate(databaseUrl(serverUrl, draft));
  await untilUnused(admin, draft);
  await admin.query(`ALTER DATABASE ${draft} RENAME TO ${template}`);
  await admin.query(`ALTER DATABASE ${template} WITH ALLOW_CONNECTIONS false`);
}

async function drop(admin: pg.Client, name: string): Promise<void> {
  const leaked = await untilUnused(admin, name);
  await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  if (leaked.length > 0) {
    throw new Error(
      `${leaked.length} connection(s) to the test database were left open: ${leaked.join('; ')}`,
    );
  }
}

/** Waits until nobody is connected; returns who still is when the time is over. */
async function untilUnused(admin: pg.Client, name: string): Promise<string[]> {
  const deadline = Date.now() + closingTakesMs;
  for (;;) {
    const { rows } = await admin.query<{ who: string }>(
      `SELECT coalesce(nullif(application_name, ''), 'unnamed') || ', last query: ' || left(query, 80) AS who
         FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'`,
      [name],
    );
    if (rows.length === 0 || Date.now() > deadline) return rows.map((row) => row.who);
    await delay(20);
  }
}

async function exists(admin: pg.Client, name: string): Promise<boolean> {
  return (await admin.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])).rowCount === 1;
}

async function withAdmin<T>(serverUrl: string, work: (admin: pg.Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client({ connectionString: serverUrl, application_name: 'testkit' });
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}

function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}
