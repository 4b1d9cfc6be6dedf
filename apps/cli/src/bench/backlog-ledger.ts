import { setTimeout as delay } from 'node:timers/promises';
import type { ClientBase } from 'pg';

const LOOK_EVERY_MS = 200;

/** Pushes in batches that are not done. */
export async function waitingPushes(sql: ClientBase): Promise<number> {
  const { rows } = await sql.query<{ count: number }>(
    'SELECT coalesce(sum(push_count), 0)::float8 AS count FROM batches',
  );
  return rows[0]?.count ?? Number.NaN;
}

/** Waits until a channel that was paused has nothing in Redis or in a worker's hands: all that was sent is recorded. */
export async function untilAtRest(sql: ClientBase, signal: AbortSignal): Promise<void> {
  await untilNone(sql, `SELECT FROM batches WHERE state = 'enqueued'`, signal);
}

/**
 * Does at once what Postgres would do over the hours in which a backlog grows, so that no round pays for the hurry of
 * another. Autovacuum stays as it is; what it has begun is waited for.
 */
export async function tidyUp(sql: ClientBase, signal: AbortSignal): Promise<void> {
  await sql.query('VACUUM (ANALYZE)');
  await untilNone(sql, `SELECT FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'`, signal);
  await sql.query('CHECKPOINT');
}

async function untilNone(sql: ClientBase, query: string, signal: AbortSignal): Promise<void> {
  while ((await sql.query(`${query} LIMIT 1`)).rowCount !== 0) {
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}

export async function ledgerTime(sql: ClientBase): Promise<Date> {
  const { rows } = await sql.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  return rows[0]?.now as Date;
}

/**
 * Seconds from the moment when the vendor had accepted so many to that when it had accepted so many more, both since
 * `since`. Reads all pushes.
 */
export async function secondsBetween(
  sql: ClientBase,
  since: Date,
  first: number,
  last: number,
): Promise<number> {
  const { rows } = await sql.query<{ seconds: number | null }>(
    `WITH answers AS (
       SELECT at + make_interval(secs => duration_ms / 1000.0) AS answered FROM all_attempts
       WHERE kind = 'accepted' AND at >= $1
     ), places AS (
       SELECT answered, row_number() OVER (ORDER BY answered) AS place FROM answers
     )
     SELECT extract(epoch FROM max(answered) - min(answered))::float8 AS seconds FROM places
     WHERE place IN ($2, $3) HAVING count(*) = 2`,
    [since, first, last],
  );
  return rows[0]?.seconds ?? Number.NaN;
}

export interface LedgerBytes {
  all: number;
  pushes: number;
  pushIndexes: number;
  batches: number;
}

/** What messages, pushes and batches take, indexes and large values included. */
export async function ledgerBytes(sql: ClientBase): Promise<LedgerBytes> {
  const { rows } = await sql.query<LedgerBytes>(
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
  return rows[0] as LedgerBytes;
}
