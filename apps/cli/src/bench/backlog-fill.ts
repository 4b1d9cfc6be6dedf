import { cut, newId } from '@pushmill/core';
import type { ClientBase } from 'pg';

/** As many as one message may have: the shape of a campaign. */
export const RECIPIENTS_A_MESSAGE = 50_000;

/**
 * Puts pushes behind a channel in the ledger as if a producer had handed them in, and much faster than over HTTP: copies
 * of one message that the api has accepted, in the rows that `messages.accept` writes, each copy in one transaction.
 * Their tokens are 64 hex digits, each another.
 * @param template  id of the accepted message, whose first recipient stands for all and whose first batch is copied
 */
export async function fillBacklog(
  sql: ClientBase,
  template: string,
  pushes: number,
  onProgress: (stored: number) => void = () => undefined,
): Promise<void> {
  for (let stored = 0; stored < pushes; ) {
    const count = Math.min(RECIPIENTS_A_MESSAGE, pushes - stored);
    await copyMessage(sql, template, count);
    stored += count;
    onProgress(stored);
  }
}

async function copyMessage(sql: ClientBase, template: string, count: number): Promise<void> {
  const id = newId();
  const batches = cut(Array.from({ length: count }, (_, n) => n));
  await sql.query('BEGIN');
  try {
    await sql.query(
      `INSERT INTO messages (id, app_id, content, push_count, send_at, expires_at, local_time)
       SELECT $2, app_id, content, $3, send_at, expires_at, local_time FROM messages WHERE id = $1`,
      [template, id, count],
    );
    await sql.query(
      `INSERT INTO pushes (message_id, n, channel_id, token, state, code, environment, audience, expires_at, time_zone)
       SELECT $2::uuid, r.n, t.channel_id, encode(sha256(($2::text || r.n)::bytea), 'hex'), t.state, t.code,
         t.environment, t.audience, t.expires_at, t.time_zone
       FROM pushes t, generate_series(0, $3::int - 1) AS r (n) WHERE t.message_id = $1 AND t.n = 0`,
      [template, id, count],
    );
    await sql.query(
      `INSERT INTO batches (id, channel_id, lane, due_at, expires_at, message_ids, ns)
       SELECT b.id, t.channel_id, t.lane, now(), t.expires_at,
         array_fill($2::uuid, ARRAY[b.until - b.first]), ARRAY (SELECT generate_series(b.first, b.until - 1))
       FROM (SELECT * FROM batches WHERE message_ids[1] = $1 ORDER BY id LIMIT 1) t,
         unnest($3::uuid[], $4::int[], $5::int[]) AS b (id, first, until)`,
      [
        template,
        id,
        batches.map(() => newId()),
        batches.map(([first = 0]) => first),
        batches.map(([first = 0, ...rest]) => first + rest.length + 1),
      ],
    );
    await sql.query('COMMIT');
  } catch (error) {
    await sql.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}
