import { cut, type Lane, type LocalTime, type MessageContent, newId, type PushState } from '@pushmill/core';
import { type Database, inTransaction, type Queryable } from './database.ts';
import type { Accepted, AcceptedGroup, DueBatch, MessageRow, NewMessage, Page, Recipient } from './rows.ts';

export const laneNumber = { urgent: 0, bulk: 1 } as const;

export function laneOf(number: number): Lane {
  return number === laneNumber.urgent ? 'urgent' : 'bulk';
}

export interface DueRecord {
  id: string;
  run: number;
  channel_id: string;
  lane: number;
}

export function dueBatch(row: DueRecord): DueBatch {
  return { id: row.id, run: row.run, channelId: row.channel_id, lane: laneOf(row.lane) };
}

/** @param keyed  for what finds its rows by their keys */
export function createMessageTable(db: Database, keyed: Database) {
  return {
    /**
     * Stores messages, their pushes and the batches that will carry them, all or none: one group commit.
     * Tokens that the channel knows to be dead are stored as `suppressed`, so that every push is accounted for.
     * @param window  batches that are due at once are marked for the queue like `takeDue` would, unless others of their
     *                channel and lane wait before them
     */
    async accept(messages: readonly NewMessage[], window = 0): Promise<AcceptedGroup> {
      if (!hasRepeatedKey(messages)) {
        try {
          const due = await insert(keyed, messages, withKey(messages), window);
          return { answers: messages.map(() => ({ kind: 'stored' })), ...due };
        } catch (error) {
          // Nothing was stored.
          if (!isTaken(error)) throw error;
        }
      }
      return inTransaction(keyed, async (tx) => {
        const answers = await claimKeys(tx, messages);
        const fresh = messages.filter((_, index) => answers[index]?.kind === 'stored');
        return { answers, ...(await insert(tx, fresh, [], window)) };
      });
    },

    /** What became of an earlier message with this idempotency key; undefined when the key is new. */
    async answered(
      appId: string,
      idempotency: { key: string; bodyHash: Buffer },
    ): Promise<Exclude<Accepted, { kind: 'stored' }> | undefined> {
      const { rows } = await db.query<{ body_hash: Buffer; response: unknown }>(
        'SELECT body_hash, response FROM idempotency_keys WHERE app_id = $1 AND key = $2',
        [appId, idempotency.key],
      );
      const row = rows[0];
      if (!row) return undefined;
      return row.body_hash.equals(idempotency.bodyHash)
        ? { kind: 'replayed', response: row.response }
        : { kind: 'conflict' };
    },

    async get(appId: string, id: string): Promise<MessageRow | undefined> {
      const { rows } = await db.query<MessageRecord>('SELECT * FROM messages WHERE id = $1 AND app_id = $2', [
        id,
        appId,
      ]);
      return (await withCounts(rows))[0];
    },

    /** Newest first. */
    async list(
      appId: string,
      page: { limit: number; cursor?: string | undefined },
    ): Promise<Page<MessageRow>> {
      const { rows } = await db.query<MessageRecord>(
        `SELECT * FROM messages WHERE app_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
        [appId, page.cursor ?? null, page.limit + 1],
      );
      const items = await withCounts(rows.slice(0, page.limit));
      return { items, nextCursor: rows.length > page.limit ? items.at(-1)?.id : undefined };
    },

    /**
     * Marks the message cancelled and ends its pushes in waiting batches; those in the queue are left to the worker,
     * which sees the mark. What is in flight at this moment may still arrive. Batches that hold other messages stay
     * as they are: a push that is not queued any more is passed over when they are loaded.
     */
    async cancel(appId: string, id: string): Promise<boolean> {
      return inTransaction(db, async (tx) => {
        const { rowCount } = await tx.query(
          'UPDATE messages SET cancelled_at = coalesce(cancelled_at, now()) WHERE id = $1 AND app_id = $2',
          [id, appId],
        );
        if (rowCount !== 1) return false;
        await tx.query(
          `WITH waiting AS (
             SELECT id, message_ids, ns FROM batches WHERE state <> 'enqueued' AND $1 = ANY (message_ids)
             ORDER BY id FOR UPDATE
           ), emptied AS (
             DELETE FROM batches b USING waiting w WHERE b.id = w.id AND $1 = ALL (w.message_ids)
           )
           UPDATE pushes p SET state = 'cancelled', code = 'cancelled', updated_at = now()
           FROM waiting w, unnest(w.message_ids, w.ns) AS r (message_id, n)
           WHERE r.message_id = $1 AND p.message_id = $1 AND p.n = r.n AND p.state = 'queued'`,
          [id],
        );
        return true;
      });
    },
  };

  async function withCounts(records: readonly MessageRecord[]): Promise<MessageRow[]> {
    if (records.length === 0) return [];
    const { rows } = await db.query<{ message_id: string; state: PushState; count: number }>(
      `SELECT message_id, state, count(*)::int AS count FROM pushes
       WHERE message_id = ANY ($1) GROUP BY message_id, state`,
      [records.map((record) => record.id)],
    );
    const counts = new Map<string, Partial<Record<PushState, number>>>();
    for (const row of rows) {
      const own = counts.get(row.message_id) ?? {};
      own[row.state] = row.count;
      counts.set(row.message_id, own);
    }
    return records.map((record) => ({
      id: record.id,
      content: record.content,
      pushCount: record.push_count,
      sendAt: record.send_at,
      expiresAt: record.expires_at,
      localTime: record.local_time,
      cancelledAt: record.cancelled_at,
      pausedAt: record.paused_at,
      counts: counts.get(record.id) ?? {},
    }));
  }
}

export type MessageTable = ReturnType<typeof createMessageTable>;

interface MessageRecord {
  id: string;
  content: MessageContent;
  push_count: number;
  send_at: Date | null;
  expires_at: Date;
  local_time: LocalTime | null;
  cancelled_at: Date | null;
  paused_at: Date | null;
}

type Keyed = NewMessage & { idempotency: NonNullable<NewMessage['idempotency']> };

/** In one order for all, or two groups with the same keys would wait for each other. */
function withKey(messages: readonly NewMessage[]): Keyed[] {
  return messages
    .filter((message): message is Keyed => message.idempotency !== undefined)
    .sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
}

function nameOf({ appId, idempotency }: Keyed): string {
  return `${appId} ${idempotency.key}`;
}

function hasRepeatedKey(messages: readonly NewMessage[]): boolean {
  const names = withKey(messages).map(nameOf);
  return new Set(names).size < names.length;
}

function keyColumns(claims: readonly Keyed[]): unknown[][] {
  return [
    claims.map(({ appId }) => appId),
    claims.map(({ idempotency }) => idempotency.key),
    claims.map(({ idempotency }) => idempotency.bodyHash),
    claims.map(({ idempotency }) => JSON.stringify(idempotency.response)),
  ];
}

const UNIQUE_VIOLATION = '23505';

function isTaken(error: unknown): boolean {
  const { code, constraint } = error as { code?: unknown; constraint?: unknown };
  return code === UNIQUE_VIOLATION && constraint === 'idempotency_keys_pkey';
}

/**
 * Takes each message's idempotency key. Rows of another transaction that is still open are waited for; then they
 * are either ours or a replay. The first of two equal keys in one group is the one that is stored.
 */
async function claimKeys(tx: Queryable, messages: readonly NewMessage[]): Promise<Accepted[]> {
  const first = new Map<string, Keyed>();
  for (const message of withKey(messages))
    if (!first.has(nameOf(message))) first.set(nameOf(message), message);
  const claims = [...first.values()];
  const taken = await tx.query<{ app_id: string; key: string }>(
    `INSERT INTO idempotency_keys (app_id, key, body_hash, response)
     SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::jsonb[])
     ON CONFLICT DO NOTHING RETURNING app_id, key`,
    keyColumns(claims),
  );
  const ours = new Set(taken.rows.map((row) => `${row.app_id} ${row.key}`));
  const known = await tx.query<{ app_id: string; key: string; body_hash: Buffer; response: unknown }>(
    `SELECT app_id, key, body_hash, response FROM idempotency_keys
     JOIN unnest($1::uuid[], $2::text[]) AS wanted (app_id, key) USING (app_id, key)`,
    keyColumns(claims).slice(0, 2),
  );
  const rows = new Map(known.rows.map((row) => [`${row.app_id} ${row.key}`, row]));
  return messages.map((message): Accepted => {
    if (!message.idempotency) return { kind: 'stored' };
    const name = `${message.appId} ${message.idempotency.key}`;
    if (ours.has(name) && first.get(name) === message) return { kind: 'stored' };
    const row = rows.get(name);
    if (!row?.body_hash.equals(message.idempotency.bodyHash)) return { kind: 'conflict' };
    return { kind: 'replayed', response: row.response };
  });
}

/**
 * One statement for the whole group: its cost is shared by every message in it.
 * @param claims  whose idempotency keys are stored too
 * @throws  where one of them is taken; then nothing is stored
 */
async function insert(
  db: Queryable,
  messages: readonly NewMessage[],
  claims: readonly Keyed[],
  window: number,
): Promise<Pick<AcceptedGroup, 'enqueued' | 'crowded'>> {
  if (messages.length === 0) return { enqueued: [], crowded: [] };
  const pushes = {
    messageIds: [] as string[],
    ns: [] as number[],
    channelIds: [] as string[],
    tokens: [] as string[],
    environments: [] as (string | null)[],
    audiences: [] as (string | null)[],
    expiries: [] as (Date | null)[],
    timeZones: [] as (string | null)[],
  };
  for (const message of messages) {
    message.recipients.forEach((recipient, n) => {
      pushes.messageIds.push(message.id);
      pushes.ns.push(n);
      pushes.channelIds.push(recipient.channelId);
      pushes.tokens.push(recipient.token);
      pushes.environments.push(recipient.environment ?? null);
      pushes.audiences.push(recipient.audience ? JSON.stringify(recipient.audience) : null);
      pushes.expiries.push(ownEnd(recipient, message));
      pushes.timeZones.push(recipient.timeZone ?? null);
    });
  }
  const batches = planBatches(messages);
  const { rows } = await db.query<DueRecord & { enqueued: boolean }>({
    name: claims.length > 0 ? 'accept-messages-with-keys' : 'accept-messages',
    text: `
      WITH ${
        claims.length > 0
          ? `claimed AS (
        INSERT INTO idempotency_keys (app_id, key, body_hash, response)
        SELECT * FROM unnest($25::uuid[], $26::text[], $27::bytea[], $28::jsonb[])
      ),`
          : ''
      } stored_messages AS (
        INSERT INTO messages (id, app_id, content, push_count, send_at, expires_at, local_time)
        SELECT id, app_id, content, push_count, send_at, to_timestamp(expires_ms / 1000.0), local_time
        FROM ROWS FROM (
          unnest($1::uuid[]), unnest($2::uuid[]), jsonb_array_elements($3::jsonb), unnest($4::int[]),
          unnest($5::timestamptz[]), unnest($6::float8[]), unnest($20::jsonb[])
        ) AS m (id, app_id, content, push_count, send_at, expires_ms, local_time)
      ), stored_pushes AS (
        INSERT INTO pushes (message_id, n, channel_id, token, state, code, environment, audience, expires_at,
                            time_zone)
        SELECT p.message_id, p.n, p.channel_id, p.token,
               CASE WHEN s.token IS NULL THEN 'queued' ELSE 'suppressed' END::push_state, s.code,
               p.environment, p.audience, p.expires_at, p.time_zone
        FROM unnest($7::uuid[], $8::int[], $9::uuid[], $10::text[], $18::text[], $19::jsonb[], $21::timestamptz[],
                    $22::text[])
          AS p (message_id, n, channel_id, token, environment, audience, expires_at, time_zone)
        LEFT JOIN suppressions s ON s.channel_id = p.channel_id AND s.token = p.token
      ), planned AS (
        SELECT * FROM unnest($11::uuid[], $12::uuid[], $13::smallint[], $14::timestamptz[], $15::timestamptz[],
                             $16::text[], $17::text[], $23::int[])
          AS b (id, channel_id, lane, due_at, expires_at, message_ids, ns, place)
      ), room AS (
        -- Values and not joins, which a plan made while there was little to join would do by reading all there is.
        SELECT l.channel_id, l.lane, CASE
          WHEN (SELECT state <> 'on' OR deleted_at IS NOT NULL FROM channels WHERE id = l.channel_id) THEN 0
          WHEN (SELECT true FROM batches WHERE channel_id = l.channel_id AND lane = l.lane
                  AND state = 'waiting' AND due_at <= now() LIMIT 1) THEN 0
          ELSE $24::int - (SELECT count(*) FROM batches
                           WHERE channel_id = l.channel_id AND lane = l.lane AND state = 'enqueued')
        END AS batches
        FROM (SELECT DISTINCT channel_id, lane FROM planned WHERE due_at IS NULL) AS l
      ), stored_batches AS (
        INSERT INTO batches (id, channel_id, lane, due_at, expires_at, message_ids, ns, state, enqueued_at)
        SELECT b.id, b.channel_id, b.lane, coalesce(b.due_at, now()), b.expires_at, b.message_ids::uuid[], b.ns::int[],
          CASE WHEN b.place < r.batches THEN 'enqueued' ELSE 'waiting' END,
          CASE WHEN b.place < r.batches THEN now() END
        FROM planned b LEFT JOIN room r ON r.channel_id = b.channel_id AND r.lane = b.lane AND b.due_at IS NULL
        RETURNING id, run, channel_id, lane, state, due_at
      )
      SELECT id, run, channel_id, lane, state = 'enqueued' AS enqueued FROM stored_batches WHERE due_at <= now()`,
    values: [
      arrayLiteral(messages.map((message) => message.id)),
      arrayLiteral(messages.map((message) => message.appId)),
      // One value: as elements of an array each would be escaped here, and read twice there.
      JSON.stringify(messages.map((message) => message.content)),
      arrayLiteral(messages.map((message) => message.recipients.length)),
      messages.map((message) => message.sendAt),
      arrayLiteral(messages.map((message) => message.expiresAt.getTime())),
      arrayLiteral(pushes.messageIds),
      arrayLiteral(pushes.ns),
      arrayLiteral(pushes.channelIds),
      textArray(pushes.tokens),
      batches.map(() => newId()),
      batches.map((batch) => batch.channelId),
      batches.map((batch) => batch.lane),
      batches.map((batch) => batch.dueAt),
      batches.map((batch) => batch.expiresAt),
      batches.map((batch) => arrayLiteral(batch.messageIds)),
      batches.map((batch) => arrayLiteral(batch.ns)),
      textArray(pushes.environments),
      textArray(pushes.audiences),
      messages.map((message) => (message.localTime ? JSON.stringify(message.localTime) : null)),
      pushes.expiries,
      textArray(pushes.timeZones),
      arrayLiteral(batches.map(({ place }) => place)),
      window,
      ...(claims.length > 0 ? keyColumns(claims) : []),
    ],
  });
  return {
    enqueued: rows.filter((row) => row.enqueued).map(dueBatch),
    crowded: [...new Set(rows.filter((row) => !row.enqueued).map((row) => row.channel_id))],
  };
}

interface PlannedBatch {
  channelId: string;
  lane: number;
  dueAt: Date | null;
  /** Of its last push. */
  expiresAt: Date;
  messageIds: string[];
  ns: number[];
  /** Among those of its channel, lane and due time. */
  place: number;
}

interface DueGroup {
  channelId: string;
  lane: number;
  dueAt: Date | null;
  refs: { message: NewMessage; n: number; expiresAt: Date }[];
}

/** Pushes of one channel, lane and due time go together, whichever message they came with. */
function planBatches(messages: readonly NewMessage[]): PlannedBatch[] {
  const groups = new Map<string, DueGroup>();
  for (const message of messages) {
    const lane = laneNumber[message.lane];
    message.recipients.forEach((recipient, n) => {
      const { channelId, dueAt = message.sendAt, expiresAt = message.expiresAt } = recipient;
      const name = `${channelId} ${lane} ${dueAt?.getTime() ?? ''}`;
      let group = groups.get(name);
      if (!group) {
        group = { channelId, lane, dueAt, refs: [] };
        groups.set(name, group);
      }
      group.refs.push({ message, n, expiresAt });
    });
  }
  return [...groups.values()].flatMap((group) =>
    cut(group.refs).map((refs, place) => ({
      place,
      channelId: group.channelId,
      lane: group.lane,
      dueAt: group.dueAt,
      expiresAt: new Date(Math.max(...refs.map(({ expiresAt }) => expiresAt.getTime()))),
      messageIds: refs.map(({ message }) => message.id),
      ns: refs.map(({ n }) => n),
    })),
  );
}

/** Null where it is the message's: most are, and need no room in the ledger. */
function ownEnd({ expiresAt }: Recipient, message: NewMessage): Date | null {
  return expiresAt && expiresAt.getTime() !== message.expiresAt.getTime() ? expiresAt : null;
}

/** What an array literal can hold as it is: an id, a number, a time, or a word of ours. */
export type Plain = string | number | null | undefined;

/**
 * An array as Postgres reads it. Arrays of arrays must be rectangular there, so the inner ones travel as text; and it is
 * made in a fraction of the time that the client takes, which looks at each element for what must be escaped.
 */
export function arrayLiteral(values: readonly Plain[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}

/**
 * An array of any text, for a parameter. JSON writes it as Postgres reads it, but for the brackets, where there is nothing
 * to escape, and there hardly ever is; else the client does it, element by element.
 */
export function textArray(values: readonly (string | null)[]): string | readonly (string | null)[] {
  const json = JSON.stringify(values);
  return json.includes('\\') ? values : `{${json.slice(1, -1)}}`;
}
