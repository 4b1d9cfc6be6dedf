import { firstIdAt, formatPushId, type PushRef, type PushState, parsePushId } from '@pushmill/core';
import { atOneMoment, type Database, type Queryable } from './database.ts';
import type { AttemptRow, Page, PushFilter, PushRow, ReceiptRow, TaskRow } from './rows.ts';

const columns = `
  p.message_id AS "messageId", p.n, p.channel_id AS "channelId", c.name AS channel, c.vendor, p.token, p.environment,
  p.audience, p.state, p.attempts, p.code, p.detail, p.vendor_message_id AS "vendorMessageId", p.updated_at AS "updatedAt",
  p.replayed_at AS "replayedAt"`;

export function createPushTable(db: Database) {
  async function page(
    conditions: string[],
    values: unknown[],
    filter: PushFilter,
    order: 'ASC' | 'DESC',
    reader: Queryable = db,
  ) {
    const where = [...conditions];
    const add = (sql: (place: string) => string, value: unknown) => {
      values.push(value);
      where.push(sql(`$${values.length}`));
    };
    if (filter.state) add((place) => `p.state = ${place}`, filter.state);
    if (filter.vendor) add((place) => `c.vendor = ${place}`, filter.vendor);
    if (filter.channel) add((place) => `c.name = ${place}`, filter.channel);
    if (filter.code) add((place) => `p.code = ${place}`, filter.code);
    if (filter.token !== undefined) {
      add((place) => `hashtextextended(p.token, 0) = hashtextextended(${place}, 0)`, filter.token);
      add((place) => `p.token = ${place}`, filter.token);
    }
    if (filter.from) add((place) => `p.message_id >= ${place}::uuid`, firstIdAt(filter.from));
    if (filter.to) add((place) => `p.message_id < ${place}::uuid`, firstIdAt(filter.to));
    const after = filter.cursor ? parsePushId(filter.cursor) : undefined;
    if (after) {
      values.push(after.messageId, after.n);
      const sign = order === 'ASC' ? '>' : '<';
      where.push(`(p.message_id, p.n) ${sign} ($${values.length - 1}::uuid, $${values.length}::int)`);
    }
    values.push(filter.limit + 1);
    const { rows } = await reader.query<PushRow>(
      `SELECT ${columns} FROM pushes p JOIN channels c ON c.id = p.channel_id
       WHERE ${where.join(' AND ')}
       ORDER BY p.message_id ${order}, p.n ${order} LIMIT $${values.length}`,
      values,
    );
    const items = rows.slice(0, filter.limit);
    const last = items.at(-1);
    return { items, nextCursor: rows.length > filter.limit && last ? formatPushId(last) : undefined };
  }

  return {
    /** In the order of the recipients. */
    async ofMessage(appId: string, messageId: string, filter: PushFilter): Promise<Page<PushRow>> {
      return page(['p.message_id = $1', 'c.app_id = $2'], [messageId, appId], filter, 'ASC');
    },

    /** Newest first. */
    async find(appId: string, filter: PushFilter): Promise<Page<PushRow>> {
      if (filter.user === undefined) return page(['c.app_id = $1'], [appId], filter, 'DESC');
      // By the index of tokens first, then exactly.
      const devices = 'FROM devices WHERE app_id = $1 AND user_id = $2';
      const conditions = [
        'c.app_id = $1',
        `hashtextextended(p.token, 0) = ANY (ARRAY(SELECT hashtextextended(token, 0) ${devices}))`,
        `(p.channel_id, p.token) IN (SELECT channel_id, token ${devices})`,
      ];
      return page(conditions, [appId, filter.user], filter, 'DESC');
    },

    /** A push and all that happened to it, as of one moment: a state never stands beside a receipt that it lacks. */
    async get(
      appId: string,
      ref: PushRef,
    ): Promise<
      { push: PushRow; attempts: AttemptRow[]; receipts: ReceiptRow[]; task: TaskRow | undefined } | undefined
    > {
      return atOneMoment(db, async (reader) => {
        const found = await page(
          ['p.message_id = $1', 'p.n = $2', 'c.app_id = $3'],
          [ref.messageId, ref.n, appId],
          { limit: 1 },
          'ASC',
          reader,
        );
        const push = found.items[0];
        if (!push) return undefined;
        const attempts = await reader.query<AttemptRow>(
          `SELECT at, duration_ms AS "durationMs", kind, code, detail, vendor_message_id AS "vendorMessageId",
                  action, delay_ms AS "delayMs"
           FROM all_attempts WHERE message_id = $1 AND n = $2 ORDER BY at`,
          [ref.messageId, ref.n],
        );
        const receipts = await reader.query<ReceiptRow>(
          `SELECT received_at AS "receivedAt", proof, state, code, detail
           FROM receipts WHERE message_id = $1 AND n = $2 ORDER BY received_at`,
          [ref.messageId, ref.n],
        );
        const tasks = await reader.query<TaskRow>(
          `SELECT id, cardinality(ns) AS pushes, polled_at AS "polledAt", code, detail, counts, due_at AS "nextPollAt"
           FROM tasks WHERE channel_id = $1 AND id = $2`,
          [push.channelId, push.vendorMessageId],
        );
        return { push, attempts: attempts.rows, receipts: receipts.rows, task: tasks.rows[0] };
      });
    },

    /** The account over an app's pushes since a moment. */
    async countByState(appId: string, from: Date): Promise<Partial<Record<PushState, number>>> {
      const { rows } = await db.query<{ state: PushState; count: number }>(
        `SELECT p.state, count(*)::int AS count FROM pushes p JOIN channels c ON c.id = p.channel_id
         WHERE c.app_id = $1 AND p.message_id >= $2::uuid GROUP BY p.state`,
        [appId, firstIdAt(from)],
      );
      return Object.fromEntries(rows.map((row) => [row.state, row.count]));
    },
  };
}

export type PushTable = ReturnType<typeof createPushTable>;
