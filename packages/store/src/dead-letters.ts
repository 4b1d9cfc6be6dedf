import {
  cut,
  formatPushId,
  newId,
  type PushRef,
  parsePushId,
  type ReplayableState,
  timeOfId,
} from '@pushmill/core';
import { byPush, type Database, inTransaction, pastDeadlocks, type Queryable } from './database.ts';
import type { DeadLetterGroup, DeadLetterRow, Page } from './rows.ts';

export interface DeadLetterFilter {
  channel?: string | undefined;
  vendor?: string | undefined;
  code?: string | undefined;
  state?: ReplayableState | undefined;
  /** When it was given up, not when it was asked for. */
  from?: Date | undefined;
  to?: Date | undefined;
}

/** Which letters to replay or drop. An empty filter is all of the app's. */
export type DeadLetterSelection = { ids: readonly PushRef[] } | { filter: DeadLetterFilter };

/** Why a letter is not replayed. */
export const hindrances = ['cancelled', 'channel-removed', 'suppressed', 'gone'] as const;
export type Hindrance = (typeof hindrances)[number];

export interface ReplayResult {
  replayed: number;
  /** To be fed. */
  channelIds: string[];
  /** There is more to replay: ask again. */
  more: boolean;
  /** Letters of the selection that are still there. */
  remaining: number;
  /** What hinders those, once there is no more to replay. */
  hindered: Partial<Record<Hindrance, number>>;
}

export interface DroppedLetters {
  channel: string;
  vendor: string;
  /** age, count: over the bound; gone: the push itself is not kept any more. */
  reason: 'age' | 'count' | 'gone';
  count: number;
}

/** Of one call, so that it is one short transaction. */
const AT_ONCE = 10_000;
/** What maintenance keeps. */
const KEEP = { days: 30, perChannel: 100_000 };

const inOrder = (direction: 'ASC' | 'DESC') =>
  `d.at ${direction}, d.message_id ${direction}, d.n ${direction}`;

/**
 * Pushes that were given up for a reason that somebody may mend. A letter is there only while its push stands so: the
 * ledger itself takes it away when the push moves on.
 */
export function createDeadLetterTable(db: Database) {
  return {
    /** The latest given up first. */
    async list(
      appId: string,
      filter: DeadLetterFilter & { cursor?: string | undefined; limit: number },
    ): Promise<Page<DeadLetterRow>> {
      const { where, values } = selected(appId, { filter });
      const after = filter.cursor === undefined ? undefined : parseCursor(filter.cursor);
      if (after) {
        const place = values.push(after.at, after.messageId, after.n);
        where.push(`(d.at, d.message_id, d.n) < ($${place - 2}, $${place - 1}, $${place})`);
      }
      values.push(filter.limit + 1);
      const { rows } = await db.query<DeadLetterRow>(
        `SELECT d.message_id AS "messageId", d.n, c.name AS channel, c.vendor, d.state, d.at, d.kind, d.code, d.detail
         ${fromWhere(where)} ORDER BY ${inOrder('DESC')} LIMIT $${values.length}`,
        values,
      );
      const items = rows.slice(0, filter.limit);
      const last = items.at(-1);
      return { items, nextCursor: rows.length > filter.limit && last ? formatCursor(last) : undefined };
    },

    /** The most frequent first. */
    async summary(appId: string, filter: DeadLetterFilter): Promise<DeadLetterGroup[]> {
      const { where, values } = selected(appId, { filter });
      const { rows } = await db.query<DeadLetterGroup>(
        `SELECT c.name AS channel, c.vendor, d.code, count(*)::int AS count,
                min(d.at) AS "oldestAt", max(d.at) AS "newestAt"
         ${fromWhere(where)} GROUP BY c.name, c.vendor, d.code
         ORDER BY count DESC, c.name, d.code`,
        values,
      );
      return rows;
    },

    /**
     * Puts pushes back to work, the longest given up first: `queued` under the same id, with all attempts to spend
     * anew and time of their own. What was tried before stays in their history.
     * @param ttlSeconds  from now; as long as their message had when undefined
     */
    async replay(
      appId: string,
      selection: DeadLetterSelection,
      { ttlSeconds, atOnce = AT_ONCE }: { ttlSeconds?: number | undefined; atOnce?: number } = {},
    ): Promise<ReplayResult> {
      return pastDeadlocks(() =>
        inTransaction(db, async (tx) => {
          const found = await replayable(tx, appId, selection, atOnce + 1);
          const more = found.length > atOnce;
          const groups = Map.groupBy(
            found.slice(0, atOnce),
            (letter) => `${letter.channelId} ${letter.lane}`,
          );
          const channelIds = new Set<string>();
          let replayed = 0;
          for (const letters of [...groups.values()].flatMap((group) => cut(group))) {
            const count = await requeue(tx, letters, ttlSeconds);
            replayed += count;
            if (count > 0) channelIds.add(letters[0]?.channelId as string);
          }
          return {
            replayed,
            channelIds: [...channelIds],
            more,
            remaining: await countOf(tx, appId, selection),
            hindered: more ? {} : await hinderedBy(tx, appId, selection),
          };
        }),
      );
    },

    /** Forgets letters, the oldest first. Their pushes stay as they are: given up. */
    async drop(
      appId: string,
      selection: DeadLetterSelection,
      { atOnce = AT_ONCE }: { atOnce?: number } = {},
    ): Promise<{ dropped: number; remaining: number }> {
      return pastDeadlocks(() =>
        inTransaction(db, async (tx) => {
          const { where, values } = selected(appId, selection);
          values.push(atOnce);
          const { rowCount } = await tx.query(
            `DELETE FROM dead_letters USING (
               SELECT d.message_id, d.n ${fromWhere(where)} ORDER BY ${inOrder('ASC')} LIMIT $${values.length}
             ) AS s
             WHERE dead_letters.message_id = s.message_id AND dead_letters.n = s.n`,
            values,
          );
          return { dropped: rowCount ?? 0, remaining: await countOf(tx, appId, selection) };
        }),
      );
    },

    /** Of all apps: drops the oldest past the bounds, and what has lost its push. */
    async prune(keep: { days: number; perChannel: number } = KEEP): Promise<DroppedLetters[]> {
      const { rows } = await pastDeadlocks(() =>
        db.query<DroppedLetters>(
          `WITH placed AS (
             SELECT message_id, n, at, row_number() OVER (PARTITION BY channel_id
               ORDER BY at DESC, message_id DESC, n DESC) AS place
             FROM dead_letters
           ), doomed AS (
             SELECT message_id, n, at, CASE
               WHEN at < now() - make_interval(days => $1) THEN 'age'
               WHEN place > $2 THEN 'count'
               WHEN NOT EXISTS (${pushOf('placed')}) THEN 'gone'
             END AS reason FROM placed
           ), dropped AS (
             -- One that was given up anew meanwhile is another one.
             DELETE FROM dead_letters d USING doomed o
             WHERE o.reason IS NOT NULL AND d.message_id = o.message_id AND d.n = o.n AND d.at = o.at
             RETURNING d.channel_id, o.reason
           )
           SELECT c.name AS channel, c.vendor, reason, count(*)::int AS count
           FROM dropped JOIN channels c ON c.id = channel_id
           GROUP BY c.id, reason ORDER BY c.name, reason`,
          [keep.days, keep.perChannel],
        ),
      );
      return rows;
    },
  };
}

export type DeadLetterTable = ReturnType<typeof createDeadLetterTable>;

interface ReplayableLetter extends PushRef {
  channelId: string;
  lane: number;
  sendAt: Date | null;
  expiresAt: Date;
}

const fromWhere = (where: readonly string[]) =>
  `FROM dead_letters d JOIN channels c ON c.id = d.channel_id WHERE ${where.join(' AND ')}`;

function selected(appId: string, selection: DeadLetterSelection): { where: string[]; values: unknown[] } {
  const values: unknown[] = [appId];
  const where = ['c.app_id = $1'];
  const add = (sql: string, value: unknown) => {
    if (value === undefined) return;
    values.push(value);
    where.push(`${sql} $${values.length}`);
  };
  if ('ids' in selection) {
    values.push(selection.ids.map((ref) => ref.messageId));
    values.push(selection.ids.map((ref) => ref.n));
    where.push('(d.message_id, d.n) IN (SELECT * FROM unnest($2::uuid[], $3::int[]))');
  } else {
    const { channel, vendor, code, state, from, to } = selection.filter;
    add('c.name =', channel);
    add('c.vendor =', vendor);
    add('d.code =', code);
    add('d.state =', state);
    add('d.at >=', from);
    add('d.at <', to);
  }
  return { where, values };
}

/** By the key, one by one: joined as a table, all pushes there are might be read for a few letters. */
const pushOf = (letter: string) =>
  `SELECT p.token FROM pushes p WHERE p.message_id = ${letter}.message_id AND p.n = ${letter}.n LIMIT 1`;

/**
 * The selected letters, each with what is needed to replay it and what hinders that, if anything does. They are looked
 * up in their order, so that a limit ends the work.
 */
function judged(where: readonly string[]): string {
  return `
    FROM (SELECT d.*, c.deleted_at ${fromWhere(where)} ORDER BY ${inOrder('ASC')}) d
    LEFT JOIN LATERAL (
      SELECT send_at, expires_at, cancelled_at FROM messages WHERE id = d.message_id LIMIT 1
    ) m ON true
    LEFT JOIN LATERAL (${pushOf('d')}) p ON true
    LEFT JOIN LATERAL (
      SELECT code FROM suppressions WHERE channel_id = d.channel_id AND token = p.token LIMIT 1
    ) s ON true
    CROSS JOIN LATERAL (SELECT CASE
      WHEN d.deleted_at IS NOT NULL THEN 'channel-removed'
      WHEN m.expires_at IS NULL OR p.token IS NULL THEN 'gone'
      WHEN m.cancelled_at IS NOT NULL THEN 'cancelled'
      WHEN s.code IS NOT NULL THEN 'suppressed'
    END AS hindrance) h`;
}

async function replayable(
  tx: Queryable,
  appId: string,
  selection: DeadLetterSelection,
  limit: number,
): Promise<ReplayableLetter[]> {
  const { where, values } = selected(appId, selection);
  values.push(limit);
  const { rows } = await tx.query<ReplayableLetter>(
    `SELECT d.message_id AS "messageId", d.n, d.channel_id AS "channelId", d.lane,
            m.send_at AS "sendAt", m.expires_at AS "expiresAt"
     ${judged(where)} WHERE h.hindrance IS NULL ORDER BY ${inOrder('ASC')} LIMIT $${values.length}`,
    values,
  );
  return rows;
}

/** Sets one batch's worth of pushes back and makes the batch. @returns how many it holds */
async function requeue(
  tx: Queryable,
  letters: readonly ReplayableLetter[],
  ttlSeconds: number | undefined,
): Promise<number> {
  const given = [...letters].sort(byPush);
  const { rows } = await tx.query<{ message_id: string; n: number; expires_at: Date }>(
    `UPDATE pushes p SET state = 'queued', attempts = 0, code = NULL, detail = NULL, updated_at = now(),
       expires_at = now() + make_interval(secs => r.life_seconds), replayed_at = array_append(p.replayed_at, now())
     FROM unnest($1::uuid[], $2::int[], $3::float8[]) AS r (message_id, n, life_seconds)
     -- What another call has replayed meanwhile, or a receipt has moved on, is left alone.
     WHERE p.message_id = r.message_id AND p.n = r.n AND p.state IN ('failed', 'unknown')
     RETURNING p.message_id, p.n, p.expires_at`,
    [
      given.map((letter) => letter.messageId),
      given.map((letter) => letter.n),
      given.map((letter) => ttlSeconds ?? lifeSeconds(letter)),
    ],
  );
  if (rows.length === 0) return 0;
  await tx.query(
    `INSERT INTO batches (id, channel_id, lane, due_at, expires_at, message_ids, ns)
     VALUES ($1, $2, $3, now(), $4, $5, $6)`,
    [
      newId(),
      letters[0]?.channelId,
      letters[0]?.lane,
      new Date(Math.max(...rows.map((row) => row.expires_at.getTime()))),
      rows.map((row) => row.message_id),
      rows.map((row) => row.n),
    ],
  );
  return rows.length;
}

/** How long the message had from its beginning; an id is made when its message is taken. */
function lifeSeconds({ messageId, sendAt, expiresAt }: ReplayableLetter): number {
  const start = sendAt ?? timeOfId(messageId);
  return Math.max(1, (expiresAt.getTime() - start.getTime()) / 1_000);
}

async function countOf(tx: Queryable, appId: string, selection: DeadLetterSelection): Promise<number> {
  const { where, values } = selected(appId, selection);
  const { rows } = await tx.query<{ count: number }>(
    `SELECT count(*)::int AS count ${fromWhere(where)}`,
    values,
  );
  return rows[0]?.count ?? 0;
}

async function hinderedBy(
  tx: Queryable,
  appId: string,
  selection: DeadLetterSelection,
): Promise<Partial<Record<Hindrance, number>>> {
  const { where, values } = selected(appId, selection);
  const { rows } = await tx.query<{ hindrance: Hindrance; count: number }>(
    `SELECT h.hindrance, count(*)::int AS count ${judged(where)} WHERE h.hindrance IS NOT NULL GROUP BY 1`,
    values,
  );
  return Object.fromEntries(rows.map((row) => [row.hindrance, row.count]));
}

const CURSOR = /^(\d{1,15})\.(.+)$/;

function formatCursor(row: DeadLetterRow): string {
  return `${row.at.getTime()}.${formatPushId(row)}`;
}

function parseCursor(text: string): (PushRef & { at: Date }) | undefined {
  const [, ms, id] = CURSOR.exec(text) ?? [];
  const ref = parsePushId(id ?? '');
  return ref && { ...ref, at: new Date(Number(ms)) };
}
