import { hash } from 'node:crypto';
import {
  canAdvance,
  formatPushId,
  newId,
  type PushRef,
  type PushState,
  parsePushId,
  pushStates,
} from '@pushmill/core';
import { byPush, collectValues, type Database, pastDeadlocks } from './database.ts';
import type { Page, PushRow, StrayReceiptRow } from './rows.ts';
import { toText } from './text.ts';

export interface IncomingReceipt {
  channelId: string;
  pushId: string | undefined;
  /** When given, the push must have been to this token. */
  token: string | undefined;
  /** Undefined when the code says nothing final. */
  state: PushState | undefined;
  code: string;
  detail: string;
  tokenDead: boolean;
  dedupKey: string;
  /** polled: we asked the vendor ourselves. */
  proof: 'signature' | 'secret-url' | 'polled';
  rawQuery: string;
  rawBody: Buffer;
}

export type RecordedReceipt = 'recorded' | 'duplicate' | 'unmatched';

export interface StrayReceipt {
  channelId: string;
  result: 'refused' | 'unreadable' | 'unmatched';
  code: string;
  detail: string;
  rawQuery: string;
  rawBody: Buffer;
}

/** A callback as lists show it: taken, or kept apart with the reason. */
export type ListedReceipt =
  | (Pick<PushRow, 'messageId' | 'n' | 'channel' | 'vendor'> & {
      result: 'taken';
      receivedAt: Date;
      proof: string;
      state: PushState | null;
      code: string;
      detail: string;
    })
  | StrayReceiptRow;

/** The state machine as two columns, so that SQL and code share one table of it. */
const steps = pushStates.flatMap((from) =>
  pushStates.filter((to) => canAdvance(from, to)).map((to) => ({ from, to })),
);
const stepsFrom = steps.map((step) => step.from);
const stepsTo = steps.map((step) => step.to);

/** @param keyed  for what finds its rows by their keys */
export function createReceiptTable(db: Database, keyed: Database) {
  return {
    /**
     * Records proven receipts and moves their pushes forward. The same receipt again changes nothing; one that
     * matches no push of its channel is kept apart.
     * @returns one answer a receipt, in order
     */
    async record(receipts: readonly IncomingReceipt[]): Promise<RecordedReceipt[]> {
      const answers: RecordedReceipt[] = receipts.map(() => 'unmatched');
      // Within one statement a row is updated once, so a push's second receipt goes into a second statement.
      let round = receipts.map((receipt, index) => ({
        receipt,
        index,
        ref: parsePushId(receipt.pushId ?? ''),
      }));
      round = round.filter((entry) => entry.ref);
      while (round.length > 0) {
        const seen = new Set<string>();
        const now: typeof round = [];
        const later: typeof round = [];
        for (const entry of round) {
          const id = entry.receipt.pushId as string;
          (seen.has(id) ? later : now).push(entry);
          seen.add(id);
        }
        now.sort((a, b) => byPush(a.ref as PushRef, b.ref as PushRef));
        const results = await pastDeadlocks(() => recordDistinct(now.map((entry) => entry.receipt)));
        now.forEach((entry, place) => {
          answers[entry.index] = results[place] as RecordedReceipt;
        });
        round = later;
      }
      const strays = receipts.filter((_, index) => answers[index] === 'unmatched');
      if (strays.length > 0) {
        await this.keepStray(
          ...strays.map((receipt) => ({
            channelId: receipt.channelId,
            result: 'unmatched' as const,
            code: receipt.code,
            detail: 'no push of this channel has this id and token',
            rawQuery: receipt.rawQuery,
            rawBody: receipt.rawBody,
          })),
        );
      }
      return answers;
    },

    async keepStray(...strays: StrayReceipt[]): Promise<void> {
      await db.query({
        name: 'keep-stray-receipts',
        text: `INSERT INTO stray_receipts (id, channel_id, result, code, detail, raw_query, raw_body)
               SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[])`,
        values: [
          strays.map(() => newId()),
          strays.map((stray) => stray.channelId),
          strays.map((stray) => stray.result),
          strays.map((stray) => toText(stray.code)),
          strays.map((stray) => toText(stray.detail)),
          strays.map((stray) => toText(stray.rawQuery)),
          strays.map((stray) => stray.rawBody),
        ],
      });
    },

    /** Newest first. `taken` walks by push id; the others by their own. */
    async list(
      appId: string,
      filter: {
        result: 'taken' | 'refused' | 'unreadable' | 'unmatched';
        limit: number;
        cursor?: string | undefined;
      },
    ): Promise<Page<ListedReceipt>> {
      if (filter.result === 'taken') return listTaken(appId, filter.limit, filter.cursor);
      const { rows } = await db.query<StrayReceiptRow>(
        `SELECT s.id, c.name AS channel, c.vendor, s.received_at AS "receivedAt", s.result, s.code, s.detail
         FROM stray_receipts s JOIN channels c ON c.id = s.channel_id
         WHERE c.app_id = $1 AND s.result = $2 AND ($3::uuid IS NULL OR s.id < $3)
         ORDER BY s.id DESC LIMIT $4`,
        [appId, filter.result, filter.cursor ?? null, filter.limit + 1],
      );
      const items = rows.slice(0, filter.limit);
      return { items, nextCursor: rows.length > filter.limit ? items.at(-1)?.id : undefined };
    },
  };

  async function listTaken(
    appId: string,
    limit: number,
    cursor: string | undefined,
  ): Promise<Page<ListedReceipt>> {
    const after = cursor ? parsePushId(cursor) : undefined;
    const { rows } = await db.query<Extract<ListedReceipt, { result: 'taken' }>>(
      `SELECT r.message_id AS "messageId", r.n, c.name AS channel, c.vendor, 'taken' AS result,
              r.received_at AS "receivedAt", r.proof, r.state, r.code, r.detail
       FROM receipts r
       JOIN pushes p ON p.message_id = r.message_id AND p.n = r.n
       JOIN channels c ON c.id = p.channel_id
       WHERE c.app_id = $1 AND ($2::uuid IS NULL OR (r.message_id, r.n) < ($2, $3::int))
       -- The receipts of one push are not parted, since the next page begins behind it.
       ORDER BY r.message_id DESC, r.n DESC FETCH FIRST $4 ROWS WITH TIES`,
      [appId, after?.messageId ?? null, after?.n ?? 0, limit + 1],
    );
    const last = rows[limit - 1];
    if (!last || rows.length === limit) return { items: rows, nextCursor: undefined };
    const end = rows.findLastIndex((row) => row.messageId === last.messageId && row.n === last.n) + 1;
    return { items: rows.slice(0, end), nextCursor: formatPushId(last) };
  }

  async function recordDistinct(receipts: readonly IncomingReceipt[]): Promise<RecordedReceipt[]> {
    const refs = receipts.map((receipt) => parsePushId(receipt.pushId ?? '') as PushRef);
    const { values, given } = collectValues();
    const all = <T>(of: (receipt: IncomingReceipt) => T) => given(receipts.map(of));
    const { rows } = await keyed.query<{ place: string; inserted: boolean }>({
      name: 'record-receipts',
      text: `
        WITH given AS (
          SELECT * FROM unnest(
              ${given(refs.map((ref) => ref.messageId))}::uuid[], ${given(refs.map((ref) => ref.n))}::int[],
              ${all((receipt) => receipt.channelId)}::uuid[], ${all(({ token }) => toText(token ?? null))}::text[],
              ${all(({ dedupKey }) => hash('sha256', dedupKey, 'buffer'))}::bytea[],
              ${all((receipt) => receipt.proof)}::text[], ${all((receipt) => receipt.state ?? null)}::push_state[],
              ${all((receipt) => toText(receipt.code))}::text[], ${all((receipt) => toText(receipt.detail))}::text[],
              ${all((receipt) => receipt.rawBody)}::bytea[], ${all((receipt) => receipt.tokenDead)}::boolean[])
            WITH ORDINALITY AS g (message_id, n, channel_id, token, dedup_key, proof, state, code, detail, raw_body,
                                  token_dead, place)
        ), matched AS (
          SELECT g.*, p.token AS push_token, p.updated_at AS sent_at FROM given g
          JOIN pushes p ON p.message_id = g.message_id AND p.n = g.n AND p.channel_id = g.channel_id
          WHERE g.token IS NULL OR p.token = g.token
        ), inserted AS (
          INSERT INTO receipts (message_id, n, dedup_key, proof, state, code, detail, raw_body)
          SELECT message_id, n, dedup_key, proof, state, code, detail, raw_body FROM matched
          ON CONFLICT DO NOTHING RETURNING message_id, n, state, code, detail
        ), steps AS (
          SELECT after, array_agg(before) AS befores
          FROM unnest(${given(stepsFrom)}::push_state[], ${given(stepsTo)}::push_state[]) AS step (before, after) GROUP BY after
        ), moved AS (
          -- The state is compared with an array and not by a join: when the worker's own record of the push
          -- commits meanwhile, Postgres looks again at the new row, but with the join's old partner.
          UPDATE pushes p SET state = i.state, code = i.code, detail = i.detail, updated_at = now()
          FROM inserted i JOIN steps ON steps.after = i.state
          WHERE p.message_id = i.message_id AND p.n = i.n AND p.state = ANY (steps.befores)
        ), dead AS (
          INSERT INTO suppressions (channel_id, token, code, since)
          SELECT DISTINCT m.channel_id, m.push_token, m.code, now() FROM matched m
          JOIN inserted i ON i.message_id = m.message_id AND i.n = m.n WHERE m.token_dead
            -- Registered again after the push left: alive.
            AND NOT EXISTS (SELECT 1 FROM devices v
              WHERE v.channel_id = m.channel_id AND v.token = m.push_token AND v.registered_at > m.sent_at)
          ON CONFLICT DO NOTHING
        ), marked AS (
          UPDATE devices d SET state = 'dead', code = m.code, state_since = now()
          FROM matched m JOIN inserted i ON i.message_id = m.message_id AND i.n = m.n
          WHERE m.token_dead AND d.channel_id = m.channel_id AND d.token = m.push_token
            AND d.registered_at <= m.sent_at
        )
        SELECT m.place, i.message_id IS NOT NULL AS inserted
        FROM matched m LEFT JOIN inserted i ON i.message_id = m.message_id AND i.n = m.n`,
      values,
    });
    const byPlace = new Map(rows.map((row) => [Number(row.place), row.inserted]));
    return receipts.map((_, index) => {
      const inserted = byPlace.get(index + 1);
      if (inserted === undefined) return 'unmatched';
      return inserted ? 'recorded' : 'duplicate';
    });
  }
}

export type ReceiptTable = ReturnType<typeof createReceiptTable>;
