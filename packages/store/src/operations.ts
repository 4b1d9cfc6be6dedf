import { newId } from '@pushmill/core';
import type { Database } from './database.ts';

/** An operation that a worker took over. */
export interface TakenOperation {
  id: string;
  channelId: string;
  name: string;
  input: Record<string, unknown>;
}

/** Nobody waits for an answer longer than this, so nobody needs to work for one. */
const STALE = '2 minutes';

/**
 * What operators ask of vendors. The api may not open a credential, so it leaves the question here and a worker
 * that serves the channel answers.
 */
export function createOperationTable(db: Database) {
  return {
    async ask(channelId: string, name: string, input: Readonly<Record<string, unknown>>): Promise<string> {
      const id = newId();
      await db.query('INSERT INTO operations (id, channel_id, name, input) VALUES ($1, $2, $3, $4)', [
        id,
        channelId,
        name,
        JSON.stringify(input),
      ]);
      return id;
    },

    /** Each operation is taken once: what was begun by a worker that died is not begun again. */
    async take(channelIds: readonly string[], limit: number): Promise<TakenOperation[]> {
      const { rows } = await db.query<TakenOperation>({
        name: 'take-operations',
        text: `WITH picked AS (
                 SELECT id FROM operations
                 WHERE taken_at IS NULL AND channel_id = ANY ($1) AND requested_at > now() - $3::interval
                 ORDER BY requested_at LIMIT $2 FOR UPDATE SKIP LOCKED
               )
               UPDATE operations o SET taken_at = now() FROM picked WHERE o.id = picked.id
               RETURNING o.id, o.channel_id AS "channelId", o.name, o.input`,
        values: [channelIds, limit, STALE],
      });
      return rows;
    },

    async answer(id: string, answer: unknown): Promise<void> {
      await db.query('UPDATE operations SET answered_at = now(), answer = $2 WHERE id = $1', [
        id,
        JSON.stringify(answer),
      ]);
    },

    /** How far it is, and the answer when there is one. */
    async look(id: string): Promise<{ taken: boolean; answer: unknown } | undefined> {
      const { rows } = await db.query<{ taken: boolean; answer: unknown }>({
        name: 'look-at-operation',
        text: 'SELECT taken_at IS NOT NULL AS taken, answer FROM operations WHERE id = $1',
        values: [id],
      });
      return rows[0];
    },
  };
}

export type OperationTable = ReturnType<typeof createOperationTable>;
