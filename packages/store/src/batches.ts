import {
  type Audience,
  type Lane,
  type MessageContent,
  newId,
  type PushRef,
  type QuietHours,
} from '@pushmill/core';
import { collectValues, type Database, inTransaction, type Queryable } from './database.ts';
import { arrayLiteral } from './messages.ts';
import { claimsOf, createRecording, marksOf, type Standing, standingsOf } from './outcomes.ts';
import { partitionOf } from './partitions.ts';

/** A batch whose time has come and that was marked for the queue. */
export interface DueBatch {
  id: string;
  run: number;
  channelId: string;
  lane: 'urgent' | 'bulk';
}

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
      const held = await db.query<{
        channel_id: string;
        lane: number;
        sending: number[];
        fence: string;
        claims: number;
        message_ids: string[];
        ns: number[];
        reserved: number[];
        reserved_day: string | null;
        quota_held: boolean;
        now: Date;
      }>({
        name: 'claim-batch',
        text: `UPDATE batches SET fence = fence + 1, claims = claims + 1,
                 lease_until = now() + make_interval(secs => $3 / 1000.0)
               WHERE id = $1 AND run = $2 AND state = 'enqueued'
                 AND (lease_until IS NULL OR lease_until < now())
               RETURNING channel_id, lane, sending, fence, claims, message_ids, ns, reserved,
                 reserved_day::text, quota_held, clock_timestamp() AS now`,
        values: [id, run, leaseMs],
      });
      const batch = held.rows[0];
      if (!batch) return undefined;
      const messageIds = [...new Set(batch.message_ids)];
      const day = partitionOf(messageIds);
      const [pushes, messages] = await Promise.all([
        db.query<{
          place: string;
          expires_at: Date | null;
          token: string;
          attempts: number;
          environment: string | null;
          audience: Audience | null;
          time_zone: string | null;
        }>({
          name: `load-pushes${day}`,
          text: `SELECT r.place, p.token, p.attempts, p.environment, p.audience, p.expires_at, p.time_zone
                 FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY AS r (message_id, n, place)
                 JOIN pushes${day} p ON p.message_id = r.message_id AND p.n = r.n
                 WHERE p.state = 'queued' ORDER BY r.place`,
          values: [batch.message_ids, batch.ns],
        }),
        db.query<{
          id: string;
          content: MessageContent;
          expires_at: Date;
          quiet_hours: QuietHours | null;
          cancelled: boolean;
          paused: boolean;
        }>({
          name: `load-messages${day}`,
          text: `SELECT id, content, expires_at, local_time -> 'quietHours' AS quiet_hours,
                   cancelled_at IS NOT NULL AS cancelled,
                   paused_at IS NOT NULL AS paused
                 FROM messages${day} WHERE id = ANY ($1)`,
          values: [messageIds],
        }),
      ]);
      return {
        id,
        run,
        channelId: batch.channel_id,
        lane: laneOf(batch.lane),
        fence: batch.fence,
        claims: batch.claims,
        pushes: pushes.rows.map((row) => {
          const place = Number(row.place);
          return {
            place,
            messageId: batch.message_ids[place - 1] as string,
            n: batch.ns[place - 1] as number,
            token: row.token,
            attempts: row.attempts,
            expiresAt: row.expires_at ?? undefined,
            wasSending: batch.sending.includes(place),
            environment: row.environment ?? undefined,
            audience: row.audience ?? undefined,
            timeZone: row.time_zone ?? undefined,
          };
        }),
        messages: new Map(
          messages.rows.map((row) => [
            row.id,
            {
              id: row.id,
              content: row.content,
              expiresAt: row.expires_at,
              quietHours: row.quiet_hours ?? undefined,
              cancelled: row.cancelled,
              paused: row.paused,
            },
          ]),
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
               SELECT EXISTS (SELECT 1 FROM held) AS held, ${marksOf(messageIds, given, day)}`,
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
        SELECT ${claimsOf('held')} AS held, ${marksOf(messageIds, given)}`,
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

function laneOf(number: number): Lane {
  return number === 0 ? 'urgent' : 'bulk';
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

interface DueRecord {
  id: string;
  run: number;
  channel_id: string;
  lane: number;
}

function dueBatch(row: DueRecord): DueBatch {
  return { id: row.id, run: row.run, channelId: row.channel_id, lane: laneOf(row.lane) };
}

export type BatchTable = ReturnType<typeof createBatchTable>;
