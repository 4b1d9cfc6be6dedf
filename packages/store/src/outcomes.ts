import { GroupCommit, type PushRef, type PushState } from '@pushmill/core';
import type { QueryConfig } from 'pg';
import type { ClaimedBatch, HeldBatch } from './batches.ts';
import { byPush, collectValues, type Database, isLedgerAway, pastDeadlocks } from './database.ts';
import { arrayLiteral, laneNumber, type Plain, textArray } from './messages.ts';
import { partitionOf } from './partitions.ts';
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

/**
 * What to select from, to learn which of the messages are `cancelled` or `paused` by now. Few are, and those have an
 * index of their own.
 * @param given  takes a value and returns its place
 */
export function marksOf(messageIds: readonly string[], given: (value: unknown) => string, day = ''): string {
  return `(
    SELECT coalesce(array_agg(id) FILTER (WHERE cancelled_at IS NOT NULL), '{}') AS cancelled,
           coalesce(array_agg(id) FILTER (WHERE paused_at IS NOT NULL), '{}') AS paused
    FROM messages${day}
    WHERE id = ANY (${given(arrayLiteral(messageIds))}::uuid[])
      AND (cancelled_at IS NOT NULL OR paused_at IS NOT NULL)
  ) AS marks`;
}

/** What one batch's holder has to say. */
interface Word {
  batch: ClaimedBatch;
  outcomes: readonly OutcomeRecord[];
  leaseMs: number;
  /** It may be stored already. */
  isRepeat: boolean;
}

/** What comes while this many statements run goes together into the next. */
const MAX_RUNNING = 2;
const MAX_OUTCOMES = 500;

export function createRecording(db: Database) {
  const groups = new Map<string, GroupCommit<Word, Standing>>();

  /** The outcomes of one day go together, whichever batch they are of. */
  function groupOf(day: string): GroupCommit<Word, Standing> {
    let group = groups.get(day);
    if (!group) {
      group = new GroupCommit({
        async commit(words) {
          const standings = new Map<Word, Standing>();
          for (const round of apart(words)) {
            const answers = await store(round, day);
            round.forEach((word, index) => {
              standings.set(word, answers[index] as Standing);
            });
          }
          return words.map((word) => standings.get(word) as Standing);
        },
        weigh: ({ outcomes }) => outcomes.length,
        maxItems: MAX_OUTCOMES,
        maxWeight: MAX_OUTCOMES,
        // Who holds a batch waits for its words to be stored before it has more.
        maxWaitingItems: Number.POSITIVE_INFINITY,
        maxWaitingWeight: Number.POSITIVE_INFINITY,
        maxRunning: MAX_RUNNING,
        isAway: isLedgerAway,
      });
      groups.set(day, group);
    }
    return group;
  }

  async function store(words: readonly Word[], day: string): Promise<Standing[]> {
    const { rows } = await pastDeadlocks(() =>
      db.query<{ held: string[]; cancelled: string[]; paused: string[] }>(recording(words, day)),
    );
    // If something else of the group fails, each is tried by itself once more.
    for (const word of words) word.isRepeat = true;
    // Few have any, so the rest do not pay for a look at the devices.
    for (const { batch, outcomes } of words) {
      const faulty = outcomes.filter((outcome) => outcome.deadSince || outcome.misfiled);
      if (faulty.length > 0) await markDevices(db, batch.channelId, faulty.sort(byPush));
    }
    return standingsOf(
      words.map(({ batch }) => batch),
      rows[0],
    );
  }

  /**
   * Records a group of outcomes and prolongs the lease. Outcomes are true whoever brings them, so they are
   * written even when the batch has passed to another holder; states only move forward, from `queued` or, where
   * the vendor's own word comes late, from `unknown`. What several batches have to say at the same time is stored in
   * one statement.
   * @param isRepeat  the group may be stored already: its answer was lost. What is counted is then counted once
   */
  return async function record(
    batch: ClaimedBatch,
    outcomes: readonly OutcomeRecord[],
    leaseMs: number,
    isRepeat = false,
  ): Promise<Standing> {
    const day = partitionOf([...batch.messages.keys()]);
    return groupOf(day).add({ batch, outcomes: outcomes.map(toStorable), leaseMs, isRepeat });
  };
}

/**
 * A row is updated once in a statement, so what an outdated holder and its successor in the same worker have to say of
 * one push goes into two.
 */
function apart(words: readonly Word[]): (readonly Word[])[] {
  if (words.length === 1) return [words];
  const rounds: { words: Word[]; pushes: Map<string, Set<number>> }[] = [];
  for (const word of words) {
    const { outcomes } = word;
    const isFree = ({ pushes }: (typeof rounds)[number]) =>
      !outcomes.some(({ messageId, n }) => pushes.get(messageId)?.has(n));
    let round = rounds.find(isFree);
    if (!round) {
      round = { words: [], pushes: new Map() };
      rounds.push(round);
    }
    round.words.push(word);
    for (const { messageId, n } of outcomes) {
      const ns = round.pushes.get(messageId);
      if (ns) ns.add(n);
      else round.pushes.set(messageId, new Set([n]));
    }
  }
  return rounds.map((round) => round.words);
}

/** What an answer about several claims says of each. */
export function standingsOf(
  held: readonly HeldBatch[],
  answer: { held: string[]; cancelled: string[]; paused: string[] } | undefined,
): Standing[] {
  // By claim and not by batch: a worker may hold a batch anew that it had lost.
  const claims = new Set(answer?.held);
  const { cancelled = [], paused = [] } = answer ?? {};
  return held.map(({ id, fence, messages }) => ({
    held: claims.has(`${id} ${fence}`),
    cancelled: cancelled.filter((message) => messages.has(message)),
    paused: paused.filter((message) => messages.has(message)),
  }));
}

/** The statement, with the parts that this group has need of: nearly all have need of none but the first. */
function recording(words: readonly Word[], day: string): QueryConfig {
  // One order for all who touch batches or pushes, or two of them would wait for each other.
  const byBatch = [...words].sort((one, other) => (one.batch.id < other.batch.id ? -1 : 1));
  const outcomes = words.flatMap((word) => word.outcomes).sort(byPush);
  // Asked of the few that have more to say than what became of them.
  const batchOf = (outcome: OutcomeRecord) =>
    (words.find((word) => word.outcomes.includes(outcome)) as Word).batch;
  const isRepeat = words.some((word) => word.isRepeat);
  const { values, given } = collectValues();
  const all = (of: (outcome: OutcomeRecord) => string | null) => given(textArray(outcomes.map(of)));
  const plain = (of: (outcome: OutcomeRecord) => Plain) => given(arrayLiteral(outcomes.map(of)));
  const isApart = (of: string) =>
    `EXISTS (SELECT 1 FROM attempts${day} a WHERE a.message_id = ${of}.message_id AND a.n = ${of}.n AND a.at = ${of}.at)`;
  // Of the first such call the push's row says all that there is to say.
  const isPlain = (of: string) =>
    `(${of}.kind = 'accepted' AND ${of}.action = 'finish' AND ${of}.code IS NULL AND ${of}.detail IS NULL)`;
  const takes = `(p.taken_at IS NULL AND ${isPlain('o')})`;
  const isStored = `((p.taken_at = o.at AND ${isPlain('o')}) OR ${isApart('o')})`;
  const isOpen = `(p.state = 'queued' OR (p.state = 'unknown' AND o.state = 'accepted'))`;
  const parts = [
    `outcome AS (
       SELECT o.*, to_timestamp(o.at_ms / 1000.0) AS at FROM unnest(
         ${plain(({ messageId }) => messageId)}::uuid[], ${plain(({ n }) => n)}::int[],
         ${plain(({ state }) => state)}::push_state[], ${plain(({ attempt }) => (attempt?.spent ? 1 : 0))}::smallint[],
         ${all(({ code }) => code)}::text[], ${all(({ detail }) => detail)}::text[],
         ${all(({ vendorMessageId }) => vendorMessageId)}::text[],
         ${plain(({ attempt }) => attempt?.at.getTime())}::float8[],
         ${plain(({ attempt }) => toInteger(attempt?.durationMs))}::int[],
         ${plain(({ attempt }) => attempt?.kind)}::text[], ${plain(({ attempt }) => attempt?.action)}::text[],
         ${plain(({ attempt }) => toInteger(attempt?.delayMs))}::int[]
       ) AS o (message_id, n, state, spent, code, detail, vendor_message_id, at_ms, duration_ms, kind, action, delay_ms)
     )`,
    `held AS (
       UPDATE batches b SET lease_until = now() + make_interval(secs => g.lease_ms / 1000.0),
         sending = CASE WHEN sending = '{}' THEN sending ELSE
           ARRAY (SELECT s FROM unnest(sending) AS s WHERE s <> ALL (g.places::int[])) END
       FROM unnest(${given(byBatch.map(({ batch }) => batch.id))}::uuid[],
                   ${given(byBatch.map(({ batch }) => batch.fence))}::bigint[],
                   ${given(byBatch.map(({ leaseMs }) => leaseMs))}::int[],
                   ${given(byBatch.map((word) => arrayLiteral(word.outcomes.map(({ place }) => place))))}::text[])
         AS g (id, fence, lease_ms, places)
       WHERE b.id = g.id AND b.fence = g.fence RETURNING b.id, b.fence
     )`,
    `updated AS (
       UPDATE pushes${day} p SET
         state = CASE WHEN ${isOpen} THEN coalesce(o.state, p.state) ELSE p.state END,
         attempts = p.attempts + ${isRepeat ? `CASE WHEN ${isStored} THEN 0 ELSE o.spent END` : 'o.spent'},
         code = CASE WHEN ${isOpen} THEN o.code ELSE p.code END,
         detail = CASE WHEN ${isOpen} THEN o.detail ELSE p.detail END,
         vendor_message_id = CASE WHEN p.taken_at IS NULL THEN coalesce(o.vendor_message_id, p.vendor_message_id)
           ELSE p.vendor_message_id END,
         taken_at = CASE WHEN ${takes} THEN o.at ELSE p.taken_at END,
         taken_ms = CASE WHEN ${takes} THEN o.duration_ms ELSE p.taken_ms END,
         updated_at = now()
       FROM outcome o
       WHERE p.message_id = o.message_id AND p.n = o.n
       RETURNING p.message_id, p.n, p.state, p.taken_at, o.at, o.duration_ms, o.kind, o.code, o.detail,
         o.vendor_message_id, o.action, o.delay_ms
     )`,
    `tried AS (
       INSERT INTO attempts${day}
         (message_id, n, at, duration_ms, kind, code, detail, vendor_message_id, action, delay_ms)
       SELECT message_id, n, at, duration_ms, kind, code, detail, vendor_message_id, action, delay_ms
       FROM updated u WHERE at IS NOT NULL AND (taken_at = at AND ${isPlain('u')}) IS NOT TRUE
         ${isRepeat ? `AND NOT ${isApart('u')}` : ''}
     )`,
  ];
  let name = `${isRepeat ? 'repeat' : 'record'}-outcomes${day}`;

  const dead = outcomes.filter((outcome) => outcome.deadSince);
  if (dead.length > 0) {
    name += '-dead';
    parts.push(`dead AS (
       INSERT INTO suppressions (channel_id, token, code, since)
       SELECT d.channel_id, p.token, d.code, d.since
       FROM unnest(${given(dead.map((outcome) => batchOf(outcome).channelId))}::uuid[],
                   ${given(dead.map(({ messageId }) => messageId))}::uuid[], ${given(dead.map(({ n }) => n))}::int[],
                   ${given(dead.map(({ code }) => code))}::text[],
                   ${given(dead.map(({ deadSince }) => deadSince))}::timestamptz[])
         AS d (channel_id, message_id, n, code, since)
       JOIN pushes${day} p ON p.message_id = d.message_id AND p.n = d.n
       -- Registered again after the vendor's timestamp: alive.
       WHERE NOT EXISTS (SELECT 1 FROM devices v
         WHERE v.channel_id = d.channel_id AND v.token = p.token AND v.registered_at > d.since)
       ON CONFLICT DO NOTHING
     )`);
  }

  const tasks = tasksOf(byBatch);
  if (tasks.length > 0) {
    name += '-tasks';
    parts.push(`tasked AS (
       INSERT INTO tasks (channel_id, id, message_ids, ns, due_at)
       SELECT t.channel_id, t.id, t.message_ids::uuid[], t.ns::int[], t.due_at
       FROM unnest(${given(tasks.map(({ channelId }) => channelId))}::uuid[],
                   ${given(tasks.map(({ id }) => id))}::text[],
                   ${given(tasks.map(({ pushes }) => arrayLiteral(pushes.map((push) => push.messageId))))}::text[],
                   ${given(tasks.map(({ pushes }) => arrayLiteral(pushes.map((push) => push.n))))}::text[],
                   ${given(tasks.map(({ pollAt }) => pollAt))}::timestamptz[])
         AS t (channel_id, id, message_ids, ns, due_at)
       -- One call's outcomes may come in two groups.
       ON CONFLICT (channel_id, id) DO UPDATE
         SET message_ids = tasks.message_ids || excluded.message_ids, ns = tasks.ns || excluded.ns
         ${isRepeat ? 'WHERE NOT (tasks.message_ids @> excluded.message_ids AND tasks.ns @> excluded.ns)' : ''}
     )`);
  }

  const letters = outcomes.filter((outcome) => outcome.deadLetter);
  if (letters.length > 0) {
    name += '-letters';
    parts.push(`buried AS (
       INSERT INTO dead_letters (message_id, n, channel_id, lane, state, kind, code, detail)
       SELECT l.message_id, l.n, l.channel_id, l.lane, l.state, l.kind, l.code, l.detail
       FROM unnest(${given(letters.map(({ messageId }) => messageId))}::uuid[],
                   ${given(letters.map(({ n }) => n))}::int[],
                   ${given(letters.map((outcome) => batchOf(outcome).channelId))}::uuid[],
                   ${given(letters.map((outcome) => laneNumber[batchOf(outcome).lane]))}::smallint[],
                   ${given(letters.map(({ state }) => state))}::push_state[],
                   ${given(letters.map(({ attempt }) => attempt?.kind ?? 'unavailable'))}::text[],
                   ${given(letters.map(({ code }) => code))}::text[],
                   ${given(letters.map(({ detail }) => detail))}::text[])
         AS l (message_id, n, channel_id, lane, state, kind, code, detail)
       -- Not where a receipt was there before: the push has arrived.
       JOIN updated u ON u.message_id = l.message_id AND u.n = l.n AND u.state = l.state
       ON CONFLICT (message_id, n) DO UPDATE
         SET at = now(), state = excluded.state, kind = excluded.kind, code = excluded.code, detail = excluded.detail
     )`);
  }

  const messageIds = [...new Set(words.flatMap(({ batch }) => [...batch.messages.keys()]))];
  return {
    name,
    text: `WITH ${parts.join(', ')}
      SELECT ${claimsOf('held')} AS held, marks.* FROM ${marksOf(messageIds, given, day)}`,
    values,
  };
}

/** Claims as `standingsOf` reads them. */
export function claimsOf(held: string): string {
  return `ARRAY (SELECT id || ' ' || fence FROM ${held})`;
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
function tasksOf(
  words: readonly Word[],
): { channelId: string; id: string; pollAt: Date; pushes: PushRef[] }[] {
  const tasks = new Map<string, { channelId: string; id: string; pollAt: Date; pushes: PushRef[] }>();
  for (const { batch, outcomes } of words) {
    for (const outcome of outcomes) {
      const { pollAt, vendorMessageId } = outcome;
      if (!pollAt || vendorMessageId === null) continue;
      const name = `${batch.channelId} ${vendorMessageId}`;
      const known = tasks.get(name);
      if (known) known.pushes.push(outcome);
      else tasks.set(name, { channelId: batch.channelId, id: vendorMessageId, pollAt, pushes: [outcome] });
    }
  }
  return [...tasks.values()];
}

const MAX_INTEGER = 2 ** 31 - 1;

function toInteger(value: number | null | undefined): number | null {
  return value === null || value === undefined ? null : Math.min(Math.round(value), MAX_INTEGER);
}

/** One odd word of a vendor must not keep a whole group of outcomes from being recorded. */
function toStorable(outcome: OutcomeRecord): OutcomeRecord {
  const code = toText(outcome.code);
  const detail = toText(outcome.detail);
  const vendorMessageId = toText(outcome.vendorMessageId);
  const isStorable =
    code === outcome.code && detail === outcome.detail && vendorMessageId === outcome.vendorMessageId;
  return isStorable ? outcome : { ...outcome, code, detail, vendorMessageId };
}
