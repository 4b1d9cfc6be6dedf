import { formatPushId } from '@pushmill/core';
import { type Database, inTransaction } from './database.ts';
import { toText } from './text.ts';

/** A task whose time to be asked about has come. */
export interface DueTask {
  id: string;
  acceptedAt: Date;
  /** How often it was asked about, this time included. */
  polls: number;
  pushIds: string[];
}

export interface ToldTask {
  id: string;
  code: string;
  detail: string;
  counts: Readonly<Record<string, number>>;
  /** Nothing more will be told. */
  final: boolean;
}

export interface TakeTasks {
  channelId: string;
  /** The channel is not asked again before; holds for all workers together. */
  everyMs: number;
  limit: number;
  /** The times after acceptance at which a task is asked about. */
  afterMs: readonly number[];
}

/** Calls that a vendor took and that can be asked about. */
export function createTaskTable(db: Database) {
  return {
    /**
     * Takes due tasks of a channel, if the channel may be asked now. Taking one puts it off to its next time, so a
     * taker that dies costs one question.
     */
    async take({ channelId, everyMs, limit, afterMs }: TakeTasks): Promise<DueTask[]> {
      return inTransaction(db, async (tx) => {
        const turn = await tx.query(
          `UPDATE channels SET next_poll_at = now() + make_interval(secs => $2 / 1000.0)
           WHERE id = $1 AND state = 'on' AND deleted_at IS NULL AND (next_poll_at IS NULL OR next_poll_at <= now())
             AND EXISTS (SELECT 1 FROM tasks WHERE channel_id = $1 AND due_at <= now())`,
          [channelId, everyMs],
        );
        if (turn.rowCount !== 1) return [];
        const { rows } = await tx.query<{
          id: string;
          accepted_at: Date;
          polls: number;
          message_ids: string[];
          ns: number[];
        }>(
          `WITH picked AS (
             SELECT id FROM tasks WHERE channel_id = $1 AND due_at <= now()
             ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
           )
           UPDATE tasks t SET polls = polls + 1,
             -- The array's next place; behind its end there is none, and the task is done.
             due_at = accepted_at + make_interval(secs => ($3::float8[])[polls + 2] / 1000.0)
           FROM picked WHERE t.channel_id = $1 AND t.id = picked.id
           RETURNING t.id, t.accepted_at, t.polls, t.message_ids, t.ns`,
          [channelId, limit, afterMs],
        );
        return rows.map((row) => ({
          id: row.id,
          acceptedAt: row.accepted_at,
          polls: row.polls,
          pushIds: row.ns.map((n, index) => formatPushId({ messageId: row.message_ids[index] as string, n })),
        }));
      });
    },

    /** Keeps what was told. Counts only grow, so the last word is the whole word. */
    async told(channelId: string, tasks: readonly ToldTask[]): Promise<void> {
      await db.query({
        name: 'record-tasks',
        text: `UPDATE tasks t SET polled_at = now(), code = g.code, detail = g.detail, counts = g.counts,
                 due_at = CASE WHEN g.final THEN NULL ELSE t.due_at END
               FROM unnest($2::text[], $3::text[], $4::text[], $5::jsonb[], $6::boolean[])
                 AS g (id, code, detail, counts, final)
               WHERE t.channel_id = $1 AND t.id = g.id`,
        values: [
          channelId,
          tasks.map((task) => task.id),
          tasks.map((task) => toText(task.code)),
          tasks.map((task) => toText(task.detail)),
          tasks.map((task) => JSON.stringify(task.counts)),
          tasks.map((task) => task.final),
        ],
      });
    },
  };
}

export type TaskTable = ReturnType<typeof createTaskTable>;
