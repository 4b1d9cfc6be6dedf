import { type Database, inTransaction, type Queryable } from './database.ts';

/**
 * Pausing of messages. What waits of a paused message is kept in batches of its own, in the state `held`, which
 * nobody feeds; what is with a worker comes back as such when the worker sees the mark.
 */
export function createPauseTable(db: Database) {
  return {
    /** Stops what was not sent yet. False when there is no such message. What is in flight may still arrive. */
    async pause(appId: string, messageId: string): Promise<boolean> {
      return inTransaction(db, async (tx) => {
        const { rowCount } = await tx.query(
          'UPDATE messages SET paused_at = coalesce(paused_at, now()) WHERE id = $1 AND app_id = $2',
          [messageId, appId],
        );
        if (rowCount !== 1) return false;
        await hold(tx, messageId);
        return true;
      });
    },

    /** @returns the channels that have work again; undefined when there is no such message */
    async resume(appId: string, messageId: string): Promise<string[] | undefined> {
      return inTransaction(db, async (tx) => {
        const { rowCount } = await tx.query(
          'UPDATE messages SET paused_at = NULL WHERE id = $1 AND app_id = $2',
          [messageId, appId],
        );
        return rowCount === 1 ? release(tx, messageId) : undefined;
      });
    },

    /**
     * Lets go what is held for a message that is not paused. Pausing and resuming leave none; this is for what nobody
     * thought of, since a push that nobody feeds would wait until it expires.
     */
    async releaseForgotten(): Promise<void> {
      await db.query(
        `UPDATE batches SET state = 'waiting' WHERE state = 'held' AND NOT EXISTS (
           SELECT 1 FROM messages WHERE id = message_ids[1] AND paused_at IS NOT NULL)`,
      );
    },
  };
}

/** Takes the message's pushes out of waiting batches, which others may share, and into held ones. */
async function hold(tx: Queryable, messageId: string): Promise<void> {
  await tx.query(
    `WITH waiting AS (
       SELECT * FROM batches WHERE state = 'waiting' AND $1 = ANY (message_ids) ORDER BY id FOR UPDATE
     ), parts AS (
       SELECT w.id,
         array_agg(r.message_id ORDER BY r.place) FILTER (WHERE r.message_id = $1) AS own_ids,
         array_agg(r.n ORDER BY r.place) FILTER (WHERE r.message_id = $1) AS own_ns,
         array_agg(r.message_id ORDER BY r.place) FILTER (WHERE r.message_id <> $1) AS other_ids,
         array_agg(r.n ORDER BY r.place) FILTER (WHERE r.message_id <> $1) AS other_ns
       FROM waiting w, unnest(w.message_ids, w.ns) WITH ORDINALITY AS r (message_id, n, place)
       GROUP BY w.id
     ), kept AS (
       -- A batch of this message alone is held as it is; of a shared one only the others' part stays.
       UPDATE batches b SET
         state = CASE WHEN p.other_ids IS NULL THEN 'held' ELSE 'waiting' END,
         message_ids = coalesce(p.other_ids, b.message_ids), ns = coalesce(p.other_ns, b.ns)
       FROM parts p WHERE b.id = p.id
     )
     INSERT INTO batches (id, channel_id, lane, due_at, expires_at, message_ids, ns, state)
     SELECT gen_random_uuid(), w.channel_id, w.lane, w.due_at, w.expires_at, p.own_ids, p.own_ns, 'held'
     FROM parts p JOIN waiting w USING (id) WHERE p.other_ids IS NOT NULL`,
    [messageId],
  );
}

async function release(tx: Queryable, messageId: string): Promise<string[]> {
  const { rows } = await tx.query<{ channel_id: string }>(
    `UPDATE batches SET state = 'waiting' WHERE state = 'held' AND message_ids[1] = $1 RETURNING channel_id`,
    [messageId],
  );
  return [...new Set(rows.map((row) => row.channel_id))];
}

export type PauseTable = ReturnType<typeof createPauseTable>;
