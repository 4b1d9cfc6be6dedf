import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { ensurePartitions, lockSchema } from './partitions.ts';

export const migrationsDirectory = fileURLToPath(new URL('../migrations', import.meta.url));

/**
 * Brings the schema up to date. Safe to call from several processes at once: the first takes a lock,
 * the others wait.
 * @returns the names of the migrations that were applied, oldest first
 */
export async function migrate(databaseUrl: string): Promise<{ applied: string[] }> {
  const client = new pg.Client({ connectionString: databaseUrl });
  // A connection that breaks rejects the statement at hand; without a listener it ends the process as well.
  client.on('error', () => undefined);
  await client.connect();
  try {
    // The runner's own lock does not wait, and does not cover the partitions.
    await lockSchema(client);
    const applied = await runner({
      dbClient: client,
      dir: migrationsDirectory,
      direction: 'up',
      migrationsTable: 'schema_migrations',
      singleTransaction: true,
      logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    });
    await ensurePartitions(client, new Date());
    return { applied: applied.map((migration) => migration.name) };
  } finally {
    await client.end();
  }
}
