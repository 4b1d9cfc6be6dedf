import { type MessageContent, newId, type PushRef, type PushState } from '@pushmill/core';
import { byPush, type Database, inTransaction, pastDeadlocks } from './database.ts';
import { arrayLiteral } from './messages.ts';
import { toText } from './text.ts';

/** A batch whose time has come and that was marked for the queue. */
export interface DueBatch {
  id: string;
  run: number;
  channelId: string;
  lane: 'urgent' | 'bulk';
}

export interface ClaimedPush extends PushRef {
  token: string;
  attempts: number;
}

export interface ClaimedMessage {
  id: string;
  content: MessageContent;
  expiresAt: Date;
  cancelled: boolean;
}

export interface ClaimedBatch {
  id: string;
  run: number;
  channelId: string;
  /** This claim's number: every later word about the batch carries it. */
  fence: string;
  /** Times the batch was claimed in this run; more than one means that a holder died. */
  claims: number;
  /** What still needs work, in order. */
  pushes: ClaimedPush[];
  messages: Map<string, ClaimedMessage>;
  /** The ledger's clock at the claim, by which expiry is judged. */
  ledgerNow: Date;
}

/** One attempt of one push (or, without `kind`, its end without an attempt). */
export interface OutcomeRecord extends PushRef {
  /** Null leaves the push queued. */
  state: PushState | null;
  /** Undefined when the vendor was not called: expired or cancelled before. */
  attempt?: {
    at: Date;
    durationMs: number;
    kind: string;
    action: string;
    delayMs: number | null;
    spent: boolean;
  };
  code: string | null;
  detail: string | null;
  vendorMessageId: string | null;
  /** The token is dead on this channel since then. */
  deadSince?: Date;
}

export interface Recorded {
  held: boolean;
  cancelled: string[];
}

export interface RemainingGroup {
  dueAt: Date;
  pushes: readonly PushRef[];
}

export function createBatchTable(db: Database) {
  return {
    /**
     * Marks due batches for the queue, so many a channel that at most `window` are in the queue; urgent ones first.
     * Paused channels wait. Several callers share the work without meeting. Callers of the same instant do not see
     * each other's batches and may each fill the window, so what is in the queue is bounded by window x callers.
     * @param channelIds  only these; all when undefined
     */
    async takeDue(window: number, channelIds?: readonly string[]): Promise<DueBatch[]> {
      const { rows } = await db.query<DueRecord>({
        name: 'take-due-batches',
        text: `
          WITH picked AS (
            SELECT b.id FROM channels c
            CROSS JOIN LATERAL (
              SELECT count(*) AS enqueued FROM batches WHERE channel_id = c.id AND state = 'enqueued'
            ) e
            CROSS JOIN LATERAL (
              SELECT id FROM batches
              WHERE channel_id = c.id AND state = 'waiting' AND due_at <= now()
              ORDER BY lane, due_at, id LIMIT greatest(0, $1 - e.enqueued) FOR UPDATE SKIP LOCKED
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
     * Marks for the queue what expired while its channel was paused, so that a worker ends it: a pause may be long,
     * and every push must reach an end.
     */
    async takeExpired(limit: number): Promise<DueBatch[]> {
      const { rows } = await db.query<DueRecord>({
        name: 'take-expired-batches',
        text: `
          WITH picked AS (
            SELECT b.id FROM batches b JOIN channels c ON c.id = b.channel_id
            WHERE b.state = 'waiting' AND b.expires_at <= now() AND c.state = 'paused' AND c.deleted_at IS NULL
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
     * Takes a batch to work on. Undefined when this run of it is over: settled by another holder, or waiting
     * for a later run.
     */
    async claim(id: string, run: number, leaseMs: number): Promise<ClaimedBatch | undefined> {
      const held = await db.query<{
        channel_id: string;
        fence: string;
        claims: number;
        message_ids: string[];
        ns: number[];
        now: Date;
      }>({
        name: 'claim-batch',
        text: `UPDATE batches SET fence = fence + 1, claims = claims + 1,
                 lease_until = now() + make_interval(secs => $3 / 1000.0)
               WHERE id = $1 AND run = $2 AND state = 'enqueued'
               RETURNING channel_id, fence, claims, message_ids, ns, clock_timestamp() AS now`,
        values: [id, run, leaseMs],
      });
      const batch = held.rows[0];
      if (!batch) return undefined;
      const [pushes, messages] = await Promise.all([
        db.query<{ message_id: string; n: number; token: string; attempts: number }>({
          name: 'load-pushes',
          text: `SELECT p.message_id, p.n, p.token, p.attempts
                 FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY AS r (message_id, n, place)
                 JOIN pushes p ON p.message_id = r.message_id AND p.n = r.n
                 WHERE p.state = 'queued' ORDER BY r.place`,
          values: [batch.message_ids, batch.ns],
        }),
        db.query<{ id: string; content: MessageContent; expires_at: Date; cancelled: boolean }>({
          name: 'load-messages',
          text: `SELECT id, content, expires_at, cancelled_at IS NOT NULL AS cancelled
                 FROM messages WHERE id = ANY ($1)`,
          values: [[...new Set(batch.message_ids)]],
        }),
      ]);
      return {
        id,
        run,
        channelId: batch.channel_id,
        fence: batch.fence,
        claims: batch.claims,
        pushes: pushes.rows.map((row) => ({
          messageId: row.message_id,
          n: row.n,
          token: row.token,
          attempts: row.attempts,
        })),
        messages: new Map(
          messages.rows.map((row) => [
            row.id,
            { id: row.id, content: row.content, expiresAt: row.expires_at, cancelled: row.cancelled },
          ]),
        ),
        ledgerNow: batch.now,
      };
    },

    /**
     * Records a group of outcomes and prolongs the lease. Outcomes are true whoever brings them, so they are
     * written even when the batch has passed to another holder; states only move forward from `queued`.
     * @returns whether the caller still holds the batch (if not, it must stop), and which of the batch's
     *          messages are cancelled by now
     */
    async record(batch: ClaimedBatch, given: readonly OutcomeRecord[], leaseMs: number): Promise<Recorded> {
      const outcomes = given.map(toStorable).sort(byPush);
      const tried = outcomes.filter((outcome) => outcome.attempt);
      const dead = outcomes.filter((outcome) => outcome.deadSince);
      const statement = {
        name: 'record-outcomes',
        text: `
          WITH held AS (
            UPDATE batches SET lease_until = now() + make_interval(secs => $3 / 1000.0)
            WHERE id = $1 AND fence = $2 RETURNING 1
          ), updated AS (
            UPDATE pushes p SET
              state = CASE WHEN p.state = 'queued' THEN coalesce(o.state, p.state) ELSE p.state END,
              attempts = p.attempts + o.spent,
              code = CASE WHEN p.state = 'queued' THEN o.code ELSE p.code END,
              detail = CASE WHEN p.state = 'queued' THEN o.detail ELSE p.detail END,
              vendor_message_id = coalesce(o.vendor_message_id, p.vendor_message_id),
              updated_at = now()
            FROM unnest($4::uuid[], $5::int[], $6::push_state[], $7::smallint[], $8::text[], $9::text[], $10::text[])
              AS o (message_id, n, state, spent, code, detail, vendor_message_id)
            WHERE p.message_id = o.message_id AND p.n = o.n
          ), tried AS (
            INSERT INTO attempts (message_id, n, at, duration_ms, kind, code, detail, vendor_message_id, action, delay_ms)
            SELECT * FROM unnest($11::uuid[], $12::int[], $13::timestamptz[], $14::int[], $15::text[], $16::text[],
                                 $17::text[], $18::text[], $19::text[], $20::int[])
          ), dead AS (
            INSERT INTO suppressions (channel_id, token, code, since)
            SELECT $21::uuid, p.token, d.code, d.since
            FROM unnest($22::uuid[], $23::int[], $24::text[], $25::timestamptz[]) AS d (message_id, n, code, since)
            JOIN pushes p ON p.message_id = d.message_id AND p.n = d.n
            ON CONFLICT DO NOTHING
          )
          SELECT EXISTS (SELECT 1 FROM held) AS held,
                 ARRAY (SELECT id FROM messages WHERE id = ANY ($26::uuid[]) AND cancelled_at IS NOT NULL) AS cancelled`,
        values: [
          batch.id,
          batch.fence,
          leaseMs,
          outcomes.map((outcome) => outcome.messageId),
          outcomes.map((outcome) => outcome.n),
          outcomes.map((outcome) => outcome.state),
          outcomes.map((outcome) => (outcome.attempt?.spent ? 1 : 0)),
          outcomes.map((outcome) => outcome.code),
          outcomes.map((outcome) => outcome.detail),
          outcomes.map((outcome) => outcome.vendorMessageId),
          tried.map((outcome) => outcome.messageId),
          tried.map((outcome) => outcome.n),
          tried.map((outcome) => outcome.attempt?.at),
          tried.map((outcome) => toInteger(outcome.attempt?.durationMs)),
          tried.map((outcome) => outcome.attempt?.kind),
          tried.map((outcome) => outcome.code),
          tried.map((outcome) => outcome.detail),
          tried.map((outcome) => outcome.vendorMessageId),
          tried.map((outcome) => outcome.attempt?.action),
          tried.map((outcome) => toInteger(outcome.attempt?.delayMs)),
          batch.channelId,
          dead.map((outcome) => outcome.messageId),
          dead.map((outcome) => outcome.n),
          dead.map((outcome) => outcome.code),
          dead.map((outcome) => outcome.deadSince),
          [...batch.messages.keys()],
        ],
      };
      const { rows } = await pastDeadlocks(() => db.query<{ held: boolean; cancelled: string[] }>(statement));
      return { held: rows[0]?.held === true, cancelled: rows[0]?.cancelled ?? [] };
    },

    /** Prolongs the lease of a batch whose vendor is slow. False when it is no longer held. */
    async prolong(batch: ClaimedBatch, leaseMs: number): Promise<boolean> {
      const { rowCount } = await db.query({
        name: 'prolong-lease',
        text: `UPDATE batches SET lease_until = now() + make_interval(secs => $3 / 1000.0) WHERE id = $1 AND fence = $2`,
        values: [batch.id, batch.fence, leaseMs],
      });
      return rowCount === 1;
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
        const { rowCount } = await tx.query(
          `UPDATE batches SET state = 'waiting', run = run + 1, claims = 0, enqueued_at = NULL, lease_until = NULL,
             due_at = $3, message_ids = $4, ns = $5
           WHERE id = $1 AND fence = $2 AND run = $6`,
          [
            batch.id,
            batch.fence,
            first.dueAt,
            first.pushes.map((push) => push.messageId),
            first.pushes.map((push) => push.n),
            batch.run,
          ],
        );
        if (rowCount !== 1) return false;
        if (others.length > 0) {
          await tx.query(
            `INSERT INTO batches (id, channel_id, lane, due_at, expires_at, message_ids, ns)
             SELECT g.id, b.channel_id, b.lane, g.due_at, b.expires_at, g.message_ids::uuid[], g.ns::int[]
             FROM batches b,
               unnest($2::uuid[], $3::timestamptz[], $4::text[], $5::text[]) AS g (id, due_at, message_ids, ns)
             WHERE b.id = $1`,
            [
              batch.id,
              others.map(() => newId()),
              others.map((group) => group.dueAt),
              others.map((group) => arrayLiteral(group.pushes.map((push) => push.messageId))),
              others.map((group) => arrayLiteral(group.pushes.map((push) => push.n))),
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

const MAX_INTEGER = 2 ** 31 - 1;

function toInteger(value: number | null | undefined): number | null {
  return value === null || value === undefined ? null : Math.min(Math.round(value), MAX_INTEGER);
}

/** One odd word of a vendor must not keep a whole group of outcomes from being recorded. */
function toStorable(outcome: OutcomeRecord): OutcomeRecord {
  return {
    ...outcome,
    code: toText(outcome.code),
    detail: toText(outcome.detail),
    vendorMessageId: toText(outcome.vendorMessageId),
  };
}

interface DueRecord {
  id: string;
  run: number;
  channel_id: string;
  lane: number;
}

function dueBatch(row: DueRecord): DueBatch {
  return { id: row.id, run: row.run, channelId: row.channel_id, lane: row.lane === 0 ? 'urgent' : 'bulk' };
}

export type BatchTable = ReturnType<typeof createBatchTable>;
