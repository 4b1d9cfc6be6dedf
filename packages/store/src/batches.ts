import {
  type Audience,
  type Lane,
  type MessageContent,
  newId,
  type PushRef,
  type QuietHours,
} from '@pushmill/core';
import { collectValues, type Database, inTransaction, type Queryable } from './database.ts';
import { arrayLiteral, type DueRecord, dueBatch, laneOf } from './messages.ts';
import { claimsOf, createRecording, marksOf, type Standing, standingsOf } from './outcomes.ts';
import { partitionOf } from './partitions.ts';
import type { DueBatch } from './rows.ts';

export interface ClaimedPush extends PushRef {
  /** In the batch: how `markSending` and outcomes name it. */
  place: number;
  /** Empty for an audience. */
  token: string;
  attempts: number;
  /** Its own end, where it has one, by its device's clock or by a replay; else its message's counts. */
  expiresAt: Date | undefined;
  /** A holder that died had it in hand, and did not say what became of it. */
  wasSending: boolean;
  environment: string | undefined;
  audience: Audience | undefined;
  /** Where its device's clock is, if its message has quiet hours. */
  timeZone: string | undefined;
}

export interface ClaimedMessage {
  id: string;
  content: MessageContent;
  expiresAt: Date;
  quietHours: QuietHours | undefined;
  cancelled: boolean;
  paused: boolean;
}

export interface ClaimedBatch {
  id: string;
  run: number;
  channelId: string;
  lane: Lane;
  /** This claim's number: every later word about the batch carries it. */
  fence: string;
  /** Times the batch was claimed in this run; more than one means that a holder died. */
  claims: number;
  /** What still needs work, in order. */
  pushes: ClaimedPush[];
  messages: Map<string, ClaimedMessage>;
  /** What a holder that died had reserved of a day's quota, by place: `2026-11-22`, of the vendor's calendar. */
  reservation: { day: string; places: number[] } | undefined;
  /** It has waited because a quota was spent. */
  quotaHeld: boolean;
  /** The ledger's clock at the claim, by which expiry is judged. */
  ledgerNow: Date;
}

/** What names a claim, and what of it may change meanwhile. */
export type HeldBatch = Pick<ClaimedBatch, 'id' | 'fence' | 'messages'>;

export interface RemainingGroup {
  dueAt: Date;
  pushes: readonly PushRef[];
  /** Its message is paused: it is not fed until that is resumed. All its pushes are of that message. */
  isHeld?: boolean;
  /** It waits because a quota is spent. */
  isQuotaHeld?: boolean;
}

export function createBatchTable(db: Database) {
  /** Takes the batch and reads in the same statement what it carries, as far as that is of the day of the batch. */
  async function hold(id: string, run: number, leaseMs: number): Promise<ClaimedRecord | undefined> {
    const claimOn = async (day: string) => {
      const { rows } = await db.query<ClaimedRecord>({
        name: `claim-batch${day}`,
        text: `WITH held AS (
                 UPDATE batches SET fence = fence + 1, claims = claims + 1,
                   lease_until = now() + make_interval(secs => $3 / 1000.0)
                 WHERE id = $1 AND run = $2 AND state = $4
                   AND (lease_until IS NULL OR lease_until < now())
                 RETURNING channel_id, lane, sending, fence, claims, message_ids, ns, reserved, reserved_day, quota_held
               )
               SELECT channel_id, lane, sending, fence, claims, reserved, reserved_day::text, quota_held,
                 clock_timestamp() AS now, cardinality(ns) AS size, c.* FROM held, ${contentsOf('held', day)} AS c`,
        // As a word of the statement, the state would let a plan that was made while few batches were in the queue
        // search all of them.
        values: [id, run, leaseMs, 'enqueued'],
      });
      return rows[0];
    };
    try {
      return await claimOn(partitionOf([id]));
    } catch (error) {
      // Cut from another batch by a process whose clock is weeks wrong.
      if ((error as { code?: unknown }).code !== UNDEFINED_TABLE) throw error;
      return claimOn('');
    }
  }

  /** What a batch carries that holds pushes of several days: some had to wait, or midnight passed. */
  async function loadContents(id: string): Promise<BatchContents> {
    const { rows } = await db.query<BatchContents>({
      name: 'load-batch',
      text: `SELECT c.* FROM batches b, ${contentsOf('b', '')} AS c WHERE id = $1`,
      values: [id],
    });
    return rows[0] ?? { found: 0, pushes: null, messages: null };
  }

  return {
    /**
     * Marks due batches for the queue, so many that of each channel and lane at most `window` are in it: a campaign
     * must not fill it for what is urgent. Paused channels wait. Several callers share the work without meeting. Callers of the same instant do not see
     * each other's batches and may each fill the window, so what is in the queue is bounded by window x callers.
     * @param channelIds  only these; all when undefined
     */
    async takeDue(window: number, channelIds?: readonly string[]): Promise<DueBatch[]> {
      const { rows } = await db.query<DueRecord>({
        name: 'take-due-batches',
        text: `
          WITH picked AS (
            SELECT b.id FROM channels c
            CROSS JOIN (VALUES (0::smallint), (1::smallint)) AS l (lane)
            CROSS JOIN LATERAL (
              SELECT count(*) AS enqueued FROM batches
              WHERE channel_id = c.id AND lane = l.lane AND state = 'enqueued'
            ) e
            CROSS JOIN LATERAL (
              SELECT id FROM batches
              WHERE channel_id = c.id AND lane = l.lane AND state = 'waiting' AND due_at <= now()
              ORDER BY due_at, id LIMIT greatest(0, $1 - e.enqueued) FOR UPDATE SKIP LOCKED
            ) b
            WHERE c.state = 'on' AND c.deleted_at IS NULL AND ($2::uuid[] IS NULL OR c.id = ANY ($2))
          )
          UPDATE batches SET state = 'enqueued', enqueued_at = now(), lease_until = NULL
          FROM picked WHERE batches.id = picked.id
          RETURNING batches.id, run, channel_id, lane`,
        values: [window, channelIds ?? null],
      });
      return rows.map(dueBatch);
    },

    /**
     * Marks for the queue what expired while its channel or its message was paused, so that a worker ends it: a pause
     * may be long, and every push must reach an end.
     */
    async takeExpired(limit: number): Promise<DueBatch[]> {
      const { rows } = await db.query<DueRecord>({
        name: 'take-expired-batches',
        text: `
          WITH picked AS (
            SELECT b.id FROM batches b JOIN channels c ON c.id = b.channel_id
            WHERE b.state <> 'enqueued' AND b.expires_at <= now() AND c.deleted_at IS NULL
              AND (c.state = 'paused' OR b.state = 'held')
            ORDER BY b.expires_at LIMIT $1 FOR UPDATE OF b SKIP LOCKED
          )
          UPDATE batches SET state = 'enqueued', enqueued_at = now(), lease_until = NULL
          FROM picked WHERE batches.id = picked.id
          RETURNING batches.id, run, channel_id, lane`,
        values: [limit],
      });
      return rows.map(dueBatch);
    },

    /**
     * Batches that should be in the queue and that nobody holds: what the sweeper compares with Redis. In the order of
     * their ids.
     * @param afterId  the last one of the page before
     */
    async enqueuedUnheld(olderThanMs: number, limit: number, afterId?: string): Promise<DueBatch[]> {
      const { rows } = await db.query<DueRecord>(
        `SELECT id, run, channel_id, lane FROM batches
         WHERE state = 'enqueued' AND enqueued_at < now() - make_interval(secs => $1 / 1000.0)
           AND (lease_until IS NULL OR lease_until < now()) AND ($3::uuid IS NULL OR id > $3)
         ORDER BY id LIMIT $2`,
        [olderThanMs, limit, afterId ?? null],
      );
      return rows.map(dueBatch);
    },

    /**
     * Takes a batch to work on. Undefined when this run of it is over (settled by another holder, or waiting for a
     * later run) or another holder's lease lives: Redis lost track of the job, but the holder still has outcomes that
     * are not written. If it has died, the sweeper brings the batch again once the lease has run out.
     */
    async claim(id: string, run: number, leaseMs: number): Promise<ClaimedBatch | undefined> {
      const batch = await hold(id, run, leaseMs);
      if (!batch) return undefined;
      const contents = batch.found === batch.size ? batch : await loadContents(id);
      const sending = new Set(batch.sending);
      return {
        id,
        run,
        channelId: batch.channel_id,
        lane: laneOf(batch.lane),
        fence: batch.fence,
        claims: batch.claims,
        pushes: (JSON.parse(contents.pushes ?? '[]') as StoredPush[]).map(
          ([place, messageId, n, token, attempts, rare]) => ({
            place,
            messageId,
            n,
            token,
            attempts,
            environment: rare?.[0] ?? undefined,
            audience: rare?.[1] ?? undefined,
            expiresAt: typeof rare?.[2] === 'number' ? new Date(rare[2]) : undefined,
            timeZone: rare?.[3] ?? undefined,
            wasSending: sending.has(place),
          }),
        ),
        messages: new Map(
          (JSON.parse(contents.messages ?? '[]') as StoredMessage[]).map(
            ([messageId, content, expiresAt, rare]) => [
              messageId,
              {
                id: messageId,
                content,
                expiresAt: new Date(expiresAt),
                quietHours: rare?.[0] ?? undefined,
                cancelled: rare?.[1] ?? false,
                paused: rare?.[2] ?? false,
              },
            ],
          ),
        ),
        reservation:
          batch.reserved_day && batch.reserved.length > 0
            ? { day: batch.reserved_day, places: batch.reserved }
            : undefined,
        quotaHeld: batch.quota_held,
        ledgerNow: batch.now,
      };
    },

    /** Says, before the calls, which pushes are being handed to a vendor that offers no identity. */
    async markSending(batch: ClaimedBatch, places: readonly number[]): Promise<Standing> {
      const { values, given } = collectValues();
      const messageIds = [...batch.messages.keys()];
      const day = partitionOf(messageIds);
      const { rows } = await db.query<Standing>({
        name: `mark-sending${day}`,
        text: `WITH held AS (
                 UPDATE batches SET sending = sending || ${given(places)}::int[]
                 WHERE id = ${given(batch.id)} AND fence = ${given(batch.fence)} RETURNING 1
               )
               SELECT EXISTS (SELECT 1 FROM held) AS held, marks.* FROM ${marksOf(messageIds, given, day)}`,
        values,
      });
      return rows[0] as Standing;
    },

    record: createRecording(db),

    /**
     * How batches stand, all in one statement; one answer a batch, in order.
     * @param prolongMs  prolongs their leases too; undefined leaves them
     */
    async standings(held: readonly HeldBatch[], prolongMs: number | undefined): Promise<Standing[]> {
      // In the order in which outcomes touch them too, or the two would wait for each other.
      const sorted = [...held].sort((one, other) => (one.id < other.id ? -1 : 1));
      const { values, given } = collectValues();
      const claims = `FROM unnest(${given(sorted.map(({ id }) => id))}::uuid[],
        ${given(sorted.map(({ fence }) => fence))}::bigint[]) AS g (id, fence)`;
      const same = 'b.id = g.id AND b.fence = g.fence';
      const messageIds = [...new Set(held.flatMap((batch) => [...batch.messages.keys()]))];
      const { rows } = await db.query<{ held: string[]; cancelled: string[]; paused: string[] }>({
        name: prolongMs === undefined ? 'read-standings' : 'prolong-leases',
        text: `WITH held AS (${
          prolongMs === undefined
            ? `SELECT b.id, b.fence ${claims} JOIN batches b ON ${same}`
            : `UPDATE batches b SET lease_until = now() + make_interval(secs => ${given(prolongMs)} / 1000.0) ${claims}
               WHERE ${same} RETURNING b.id, b.fence`
        })
        SELECT ${claimsOf('held')} AS held, marks.* FROM ${marksOf(messageIds, given)}`,
        values,
      });
      return standingsOf(held, rows[0]);
    },

    /**
     * Ends a run: the batch leaves the table, or shrinks to what remains and waits for its time. Groups with
     * other due times become batches of their own. Safe to repeat when the answer was lost.
     * @returns false when another holder has it, or the run was settled before; nothing was changed
     */
    async settle(batch: ClaimedBatch, remaining: readonly RemainingGroup[]): Promise<boolean> {
      const [first, ...others] = remaining;
      if (!first) {
        const { rowCount } = await db.query({
          name: 'finish-batch',
          text: 'DELETE FROM batches WHERE id = $1 AND fence = $2',
          values: [batch.id, batch.fence],
        });
        return rowCount === 1;
      }
      return inTransaction(db, async (tx) => {
        const stateOf = await holdingStates(tx, remaining);
        const { rowCount } = await tx.query(
          `UPDATE batches SET state = $7, run = run + 1, claims = 0, enqueued_at = NULL, lease_until = NULL,
             due_at = $3, message_ids = $4, ns = $5, sending = '{}', reserved = '{}', reserved_day = NULL,
             quota_held = $8
           WHERE id = $1 AND fence = $2 AND run = $6`,
          [
            batch.id,
            batch.fence,
            first.dueAt,
            first.pushes.map((push) => push.messageId),
            first.pushes.map((push) => push.n),
            batch.run,
            stateOf(first),
            first.isQuotaHeld === true,
          ],
        );
        if (rowCount !== 1) return false;
        if (others.length > 0) {
          await tx.query(
            `INSERT INTO batches (id, channel_id, lane, due_at, expires_at, message_ids, ns, state, quota_held)
             SELECT g.id, b.channel_id, b.lane, g.due_at, b.expires_at, g.message_ids::uuid[], g.ns::int[], g.state,
               g.quota_held
             FROM batches b,
               unnest($2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::boolean[])
                 AS g (id, due_at, message_ids, ns, state, quota_held)
             WHERE b.id = $1`,
            [
              batch.id,
              others.map(() => newId()),
              others.map((group) => group.dueAt),
              others.map((group) => arrayLiteral(group.pushes.map((push) => push.messageId))),
              others.map((group) => arrayLiteral(group.pushes.map((push) => push.n))),
              others.map(stateOf),
              others.map((group) => group.isQuotaHeld === true),
            ],
          );
        }
        return true;
      });
    },

    /** Batches that are waiting or in the queue, by channel. */
    async backlog(): Promise<{ channelId: string; waiting: number; enqueued: number }[]> {
      const { rows } = await db.query<{ channel_id: string; waiting: number; enqueued: number }>(
        `SELECT channel_id, count(*) FILTER (WHERE state = 'waiting')::int AS waiting,
                count(*) FILTER (WHERE state = 'enqueued')::int AS enqueued
         FROM batches GROUP BY channel_id`,
      );
      return rows.map((row) => ({ channelId: row.channel_id, waiting: row.waiting, enqueued: row.enqueued }));
    },
  };
}

const UNDEFINED_TABLE = '42P01';

/** In the order of `contentsOf`. Times in milliseconds since the epoch. */
type StoredPush = [
  place: number,
  messageId: string,
  n: number,
  token: string,
  attempts: number,
  /** Absent where it would say nothing. */
  rare?: [
    environment: string | null,
    audience: Audience | null,
    expiresAt: number | null,
    timeZone: string | null,
  ],
];

/** As `StoredPush`. */
type StoredMessage = [
  id: string,
  content: MessageContent,
  expiresAt: number,
  rare?: [quietHours: QuietHours | null, cancelled: boolean, paused: boolean],
];

/** What a batch carries. */
interface BatchContents {
  /** Of its pushes, whatever their state. */
  found: number;
  /** JSON, of those that still need work: `StoredPush[]`. */
  pushes: string | null;
  /** JSON: `StoredMessage[]`. */
  messages: string | null;
}

interface ClaimedRecord extends BatchContents {
  channel_id: string;
  lane: number;
  sending: number[];
  fence: string;
  claims: number;
  reserved: number[];
  reserved_day: string | null;
  quota_held: boolean;
  now: Date;
  /** Of its pushes. */
  size: number;
}

/**
 * Pushes and messages in one row, as JSON, beside those of the batch. What nearly all have to say is put together as
 * text: `json_build_array` asks the catalogue for the type of each thing, and took half of the claim.
 * @param day  what follows the names of the tables
 */
function contentsOf(batch: string, day: string): string {
  const milliseconds = (time: string) => `(date_part('epoch', ${time}) * 1000)::bigint`;
  return `LATERAL (
    SELECT count(*)::int AS found,
      '[' || string_agg(
        concat('[', r.place, ',"', p.message_id, '",', p.n, ',', to_json(p.token), ',', p.attempts,
          CASE WHEN (p.environment, p.audience, p.expires_at, p.time_zone) IS NULL THEN NULL ELSE ',' ||
            json_build_array(p.environment, p.audience, ${milliseconds('p.expires_at')}, p.time_zone) END, ']'),
        ',' ORDER BY r.place) FILTER (WHERE p.state = 'queued') || ']' AS pushes,
      (SELECT '[' || string_agg(
         concat('["', m.id, '",', m.content, ',', ${milliseconds('m.expires_at')},
           CASE WHEN (m.local_time, m.cancelled_at, m.paused_at) IS NULL THEN NULL ELSE ',' ||
             json_build_array(m.local_time -> 'quietHours', m.cancelled_at IS NOT NULL, m.paused_at IS NOT NULL)
           END, ']'), ',') || ']'
       FROM messages${day} m WHERE m.id = ANY (${batch}.message_ids)) AS messages
    FROM unnest(${batch}.message_ids, ${batch}.ns) WITH ORDINALITY AS r (message_id, n, place)
    JOIN pushes${day} p ON p.message_id = r.message_id AND p.n = r.n
  )`;
}

/**
 * In which state each group waits. A message that was resumed meanwhile holds nothing: the row is locked, so that its
 * resumption comes either before, and is seen here, or after, and finds what is held.
 */
async function holdingStates(
  tx: Queryable,
  groups: readonly RemainingGroup[],
): Promise<(group: RemainingGroup) => 'held' | 'waiting'> {
  const ids = groups.flatMap((group) => (group.isHeld ? [group.pushes[0]?.messageId] : []));
  if (ids.length === 0) return () => 'waiting';
  const { rows } = await tx.query<{ id: string }>(
    'SELECT id FROM messages WHERE id = ANY ($1) AND paused_at IS NOT NULL ORDER BY id FOR SHARE',
    [ids],
  );
  const paused = new Set(rows.map((row) => row.id));
  return (group) => (group.isHeld && paused.has(group.pushes[0]?.messageId as string) ? 'held' : 'waiting');
}

export type BatchTable = ReturnType<typeof createBatchTable>;
