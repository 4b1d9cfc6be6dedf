import type { PushRef, PushState } from '@pushmill/core';
import type { ClaimedBatch } from './batches.ts';
import { byPush, type Database, pastDeadlocks } from './database.ts';
import { arrayLiteral, laneNumber } from './messages.ts';
import { toText } from './text.ts';

/** One attempt of one push (or, without `kind`, its end without an attempt). */
export interface OutcomeRecord extends PushRef {
  /** Null leaves the push queued. */
  state: PushState | null;
  /** In the batch. */
  place: number;
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
  /** The token is not known in the environment that its device is filed under. */
  misfiled?: boolean;
  /** The vendor can be asked about the call, by its `vendorMessageId`, from then on. */
  pollAt?: Date;
  /** Given up for good, and kept for who can mend the cause. */
  deadLetter?: boolean;
}

/** How the batch stands now. */
export interface Standing {
  /** Whether the caller still holds it; if not, it must stop. */
  held: boolean;
  /** Of the batch's messages. */
  cancelled: string[];
  paused: string[];
}

/** Which of the messages are cancelled or paused by now. @param place  of their ids among the parameters */
export function marksOf(place: string): string {
  return `ARRAY (SELECT id FROM messages WHERE id = ANY (${place}::uuid[]) AND cancelled_at IS NOT NULL) AS cancelled,
          ARRAY (SELECT id FROM messages WHERE id = ANY (${place}::uuid[]) AND paused_at IS NOT NULL) AS paused`;
}

/** Whether this attempt is in the ledger already; asked only when the group is a repetition. */
const isStored = (row: string) =>
  `($39::boolean AND EXISTS (SELECT 1 FROM attempts a
     WHERE a.message_id = ${row}.message_id AND a.n = ${row}.n AND a.at = ${row}.at))`;

export function createRecording(db: Database) {
  /**
   * Records a group of outcomes and prolongs the lease. Outcomes are true whoever brings them, so they are
   * written even when the batch has passed to another holder; states only move forward, from `queued` or, where
   * the vendor's own word comes late, from `unknown`.
   * @param isRepeat  the group may be stored already: its answer was lost. What is counted is then counted once
   */
  return async function record(
    batch: ClaimedBatch,
    given: readonly OutcomeRecord[],
    leaseMs: number,
    isRepeat = false,
  ): Promise<Standing> {
    const outcomes = given.map(toStorable).sort(byPush);
    const tried = outcomes.filter((outcome) => outcome.attempt);
    const dead = outcomes.filter((outcome) => outcome.deadSince);
    const tasks = tasksOf(outcomes);
    const letters = outcomes.filter((outcome) => outcome.deadLetter);
    const statement = {
      name: 'record-outcomes',
      text: `
        WITH held AS (
          UPDATE batches SET lease_until = now() + make_interval(secs => $3 / 1000.0),
            sending = CASE WHEN sending = '{}' THEN sending ELSE
              ARRAY (SELECT s FROM unnest(sending) AS s WHERE s <> ALL ($31::int[])) END
          WHERE id = $1 AND fence = $2 RETURNING 1
        ), updated AS (
          UPDATE pushes p SET
            state = CASE WHEN p.state = 'queued' OR (p.state = 'unknown' AND o.state = 'accepted')
              THEN coalesce(o.state, p.state) ELSE p.state END,
            attempts = p.attempts + CASE WHEN ${isStored('o')} THEN 0 ELSE o.spent END,
            code = CASE WHEN p.state = 'queued' OR (p.state = 'unknown' AND o.state = 'accepted')
              THEN o.code ELSE p.code END,
            detail = CASE WHEN p.state = 'queued' OR (p.state = 'unknown' AND o.state = 'accepted')
              THEN o.detail ELSE p.detail END,
            vendor_message_id = coalesce(o.vendor_message_id, p.vendor_message_id),
            updated_at = now()
          FROM unnest($4::uuid[], $5::int[], $6::push_state[], $7::smallint[], $8::text[], $9::text[], $10::text[],
                        $40::timestamptz[])
            AS o (message_id, n, state, spent, code, detail, vendor_message_id, at)
          WHERE p.message_id = o.message_id AND p.n = o.n
          RETURNING p.message_id, p.n, p.state
        ), tried AS (
          INSERT INTO attempts (message_id, n, at, duration_ms, kind, code, detail, vendor_message_id, action, delay_ms)
          SELECT * FROM unnest($11::uuid[], $12::int[], $13::timestamptz[], $14::int[], $15::text[], $16::text[],
                               $17::text[], $18::text[], $19::text[], $20::int[])
            AS t (message_id, n, at)
          WHERE NOT ${isStored('t')}
        ), dead AS (
          INSERT INTO suppressions (channel_id, token, code, since)
          SELECT $21::uuid, p.token, d.code, d.since
          FROM unnest($22::uuid[], $23::int[], $24::text[], $25::timestamptz[]) AS d (message_id, n, code, since)
          JOIN pushes p ON p.message_id = d.message_id AND p.n = d.n
          -- Registered again after the vendor's timestamp: alive.
          WHERE NOT EXISTS (SELECT 1 FROM devices v
            WHERE v.channel_id = $21 AND v.token = p.token AND v.registered_at > d.since)
          ON CONFLICT DO NOTHING
        ), tasked AS (
          INSERT INTO tasks (channel_id, id, message_ids, ns, due_at)
          SELECT $21::uuid, t.id, t.message_ids::uuid[], t.ns::int[], t.due_at
          FROM unnest($27::text[], $28::text[], $29::text[], $30::timestamptz[]) AS t (id, message_ids, ns, due_at)
          -- One call's outcomes may come in two groups.
          ON CONFLICT (channel_id, id) DO UPDATE
            SET message_ids = tasks.message_ids || excluded.message_ids, ns = tasks.ns || excluded.ns
            WHERE NOT ($39 AND tasks.message_ids @> excluded.message_ids AND tasks.ns @> excluded.ns)
        ), buried AS (
          INSERT INTO dead_letters (message_id, n, channel_id, lane, state, kind, code, detail)
          SELECT l.message_id, l.n, $21::uuid, $32::smallint, l.state, l.kind, l.code, l.detail
          FROM unnest($33::uuid[], $34::int[], $35::push_state[], $36::text[], $37::text[], $38::text[])
            AS l (message_id, n, state, kind, code, detail)
          -- Not where a receipt was there before: the push has arrived.
          JOIN updated u ON u.message_id = l.message_id AND u.n = l.n AND u.state = l.state
          ON CONFLICT (message_id, n) DO UPDATE
            SET at = now(), state = excluded.state, kind = excluded.kind, code = excluded.code,
                detail = excluded.detail
        )
        SELECT EXISTS (SELECT 1 FROM held) AS held, ${marksOf('$26')}`,
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
        tasks.map((task) => task.id),
        tasks.map((task) => arrayLiteral(task.pushes.map((push) => push.messageId))),
        tasks.map((task) => arrayLiteral(task.pushes.map((push) => push.n))),
        tasks.map((task) => task.pollAt),
        outcomes.map((outcome) => outcome.place),
        laneNumber[batch.lane],
        letters.map((outcome) => outcome.messageId),
        letters.map((outcome) => outcome.n),
        letters.map((outcome) => outcome.state),
        letters.map((outcome) => outcome.attempt?.kind ?? 'unavailable'),
        letters.map((outcome) => outcome.code),
        letters.map((outcome) => outcome.detail),
        isRepeat,
        outcomes.map((outcome) => outcome.attempt?.at ?? null),
      ],
    };
    const { rows } = await pastDeadlocks(() => db.query<Standing>(statement));
    // Few have any, so the rest do not pay for a look at the devices.
    const faulty = outcomes.filter((outcome) => outcome.deadSince || outcome.misfiled);
    if (faulty.length > 0) await markDevices(db, batch.channelId, faulty);
    return rows[0] as Standing;
  };
}

/**
 * What the outcomes say of devices, where the app has not registered them again meanwhile. A device that says nothing
 * of its environment is filed under the channel's own, and a push that went there says nothing of it either; what was
 * sent before the channel last changed may have gone elsewhere.
 */
async function markDevices(
  db: Database,
  channelId: string,
  outcomes: readonly OutcomeRecord[],
): Promise<void> {
  const statement = {
    name: 'mark-devices',
    text: `UPDATE devices d SET state = o.state, code = o.code, state_since = now()
           FROM unnest($2::uuid[], $3::int[], $4::text[], $5::text[], $6::timestamptz[])
             AS o (message_id, n, state, code, since)
           JOIN pushes p ON p.message_id = o.message_id AND p.n = o.n
           JOIN channels c ON c.id = p.channel_id
           WHERE d.channel_id = $1 AND d.token = p.token AND d.registered_at <= o.since
             AND (o.state = 'dead' OR c.updated_at <= o.since
                  AND coalesce(d.environment, c.settings->>'environment')
                    IS NOT DISTINCT FROM coalesce(p.environment, c.settings->>'environment'))`,
    values: [
      channelId,
      outcomes.map((outcome) => outcome.messageId),
      outcomes.map((outcome) => outcome.n),
      outcomes.map((outcome) => (outcome.deadSince ? 'dead' : 'misfiled')),
      outcomes.map((outcome) => outcome.code),
      outcomes.map((outcome) => outcome.deadSince ?? outcome.attempt?.at ?? null),
    ],
  };
  await pastDeadlocks(() => db.query(statement));
}

/** The calls that can be asked about, each with its pushes. */
function tasksOf(outcomes: readonly OutcomeRecord[]): { id: string; pollAt: Date; pushes: PushRef[] }[] {
  const tasks = new Map<string, { id: string; pollAt: Date; pushes: PushRef[] }>();
  for (const outcome of outcomes) {
    const { pollAt, vendorMessageId } = outcome;
    if (!pollAt || vendorMessageId === null) continue;
    const known = tasks.get(vendorMessageId);
    if (known) known.pushes.push(outcome);
    else tasks.set(vendorMessageId, { id: vendorMessageId, pollAt, pushes: [outcome] });
  }
  return [...tasks.values()];
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
