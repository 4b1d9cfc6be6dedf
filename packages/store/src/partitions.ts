import { firstIdAt, timeOfId } from '@pushmill/core';
import type { Queryable } from './database.ts';

const DAY_MS = 86_400_000;
/** Days made ahead: maintenance may fail for this long before anything is refused. */
const DAYS_AHEAD = 14;

const tables = ['messages', 'pushes', 'attempts', 'receipts'] as const;

/**
 * Settings that follow how a table lives: all pushes of a page are updated at about the same time, once, so a page keeps
 * room for them all. At 75 every fourth update went to another page and into both indexes; 50 costs a third more room
 * at first and less of Postgres' CPU and log.
 */
const storage: Readonly<Record<(typeof tables)[number], string>> = {
  messages: '',
  pushes: 'WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1)',
  attempts: '',
  receipts: '',
};

/** Whoever migrates or maintains; one number for all, so that they do not make the same table at once. */
export const schemaLock = 7_075_846;

/** Waits until no other process changes the schema. Held until this connection ends. */
export async function lockSchema(db: Queryable): Promise<void> {
  await db.query('SELECT pg_advisory_lock($1)', [schemaLock]);
}

/**
 * Makes the partitions from yesterday to two weeks ahead. Yesterday's, because an id may be made just before
 * midnight and stored just after.
 */
export async function ensurePartitions(db: Queryable, now: Date): Promise<void> {
  const today = Math.floor(now.getTime() / DAY_MS) * DAY_MS;
  const existing = await db.query<{ relname: string }>(
    `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid`,
  );
  const names = new Set(existing.rows.map((row) => row.relname));
  const statements: string[] = [];
  for (let day = today - DAY_MS; day <= today + DAYS_AHEAD * DAY_MS; day += DAY_MS) {
    const from = new Date(day);
    const to = new Date(day + DAY_MS);
    for (const table of tables) {
      const name = `${table}_${daySuffix(from)}`;
      if (names.has(name)) continue;
      // Names and bounds are made here from a date, never from input.
      statements.push(
        `CREATE TABLE IF NOT EXISTS ${name} PARTITION OF ${table}
         FOR VALUES FROM ('${firstIdAt(from)}') TO ('${firstIdAt(to)}') ${storage[table]};`,
      );
    }
  }
  if (statements.length > 0) await db.query(statements.join('\n'));
}

/**
 * What follows a table's name in that of the partition with all these ids, or nothing where they are of several days.
 * For statements that are run all the time: looking up a list in the table itself, Postgres opens every day's partition
 * for it, and bounds beside the list would tempt it to read all that lies between them.
 */
export function partitionOf(ids: readonly string[]): string {
  const [first, ...others] = ids;
  if (first === undefined) return '';
  const day = Math.floor(timeOfId(first).getTime() / DAY_MS);
  const isOneDay = others.every((id) => Math.floor(timeOfId(id).getTime() / DAY_MS) === day);
  return isOneDay ? `_${daySuffix(new Date(day * DAY_MS))}` : '';
}

function daySuffix(day: Date): string {
  return day.toISOString().slice(0, 10).replaceAll('-', '_');
}
