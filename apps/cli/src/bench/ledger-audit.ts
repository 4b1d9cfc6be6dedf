import { formatPushId, type PushState, timeOfId } from '@pushmill/core';
import pg from 'pg';
import { quantile } from './watch.ts';

/** A push, and the channel that it goes through. */
export interface LedgerPush {
  id: string;
  channelId: string;
  state: PushState;
}

/** Pushes that a rule was broken for. */
export interface Offence {
  count: number;
  example: string | null;
}

/** Calls about one push, as the ledger has them. */
export interface RecordedCalls {
  /** When no call for it may begin any more: its expiry, or its message's cancellation. Milliseconds. */
  endsAt: number;
  calls: { from: number; to: number }[];
}

/** The ledger by SQL of our own and not by the store's, so that a mistake there does not hide itself. */
export interface LedgerAudit {
  channels(): Promise<{ id: string; name: string }[]>;
  states(): Promise<Partial<Record<PushState, number>>>;
  /** Every push, page by page. */
  pushes(): AsyncGenerator<LedgerPush>;
  /** Still queued, in batches that somebody has claimed. */
  inClaimedBatches(): Promise<LedgerPush[]>;
  /** Those that are still queued and about which no call is recorded as unanswered. */
  unrecorded(ids: readonly string[]): Promise<string[]>;
  /** Whose recorded attempts are more than the calls that may cost one: a refused credential costs none. */
  attemptsOnRefusals(): Promise<Offence & { refusals: number }>;
  /** Begun after the push's expiry. */
  callsAfterExpiry(): Promise<Offence>;
  /** Begun more than `graceMs` after the cancellation of its message was stored. */
  callsAfterCancel(graceMs: number): Promise<Offence>;
  /** By channel: calls that got no answer, each of which may be repeated for good reason. */
  unanswered(): Promise<Map<string, number>>;
  /** Pushes that were accepted in more than one call, none of them unanswered. */
  acceptedTwice(): Promise<string[]>;
  /** One call that is in the record twice. */
  recordedTwice(): Promise<Offence>;
  /** Calls that are said to have begun more than so long after they were recorded. */
  calledInTheFuture(toleranceMs: number): Promise<Offence>;
  /** Pushes of calls that began before one moment and ended after the other. */
  calledAcross(from: Date, to: Date): Promise<{ id: string; channelId: string }[]>;
  /** What the ledger tells of a push, a line each. */
  story(id: string): Promise<string[]>;
  hasUnanswered(ids: readonly string[]): Promise<Set<string>>;
  recordedCalls(ids: readonly string[], end: 'expiry' | 'cancel'): Promise<Map<string, RecordedCalls>>;
  /** Of urgent pushes, the 99th percentile: from the making of their id until the call began, and of the call. */
  urgentCalls(): Promise<{ beginP99Ms: number | null; callP99Ms: number | null }>;
  close(): Promise<void>;
}

const PAGE = 20_000;
const id = `message_id || '.' || n`;
const idOf = (place: string) => `split_part(${place}, '.', 1)::uuid`;
const nOf = (place: string) => `split_part(${place}, '.', 2)::int`;

export function openLedgerAudit(databaseUrl: string): LedgerAudit {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  // Postgres is restarted on purpose; the next query connects anew.
  pool.on('error', () => undefined);

  async function rows<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await pool.query<Row>(text, values)).rows;
  }
  async function offence(text: string, values: unknown[] = []): Promise<Offence> {
    const [row] = await rows<{ count: number; example: string | null }>(
      `SELECT count(*)::int AS count, min(id) AS example FROM (${text}) AS found`,
      values,
    );
    return row as Offence;
  }

  return {
    channels: () => rows('SELECT id, name FROM channels WHERE deleted_at IS NULL'),

    async states() {
      const found = await rows<{ state: PushState; count: number }>(
        'SELECT state, count(*)::int AS count FROM pushes GROUP BY state',
      );
      return Object.fromEntries(found.map(({ state, count }) => [state, count]));
    },

    async *pushes() {
      let after = { messageId: '00000000-0000-0000-0000-000000000000', n: -1 };
      for (;;) {
        const page = await rows<{ messageId: string; n: number; channelId: string; state: PushState }>(
          `SELECT message_id AS "messageId", n, channel_id AS "channelId", state FROM pushes
           WHERE (message_id, n) > ($1, $2) ORDER BY message_id, n LIMIT ${PAGE}`,
          [after.messageId, after.n],
        );
        for (const row of page) yield { id: formatPushId(row), channelId: row.channelId, state: row.state };
        const last = page.at(-1);
        if (!last || page.length < PAGE) return;
        after = last;
      }
    },

    inClaimedBatches: () =>
      rows<LedgerPush>(
        `SELECT p.message_id || '.' || p.n AS id, p.channel_id AS "channelId", p.state
         FROM batches b, unnest(b.message_ids, b.ns) AS r (message_id, n)
         JOIN pushes p ON p.message_id = r.message_id AND p.n = r.n
         WHERE b.state = 'enqueued' AND b.lease_until IS NOT NULL AND p.state = 'queued'`,
      ),

    async unrecorded(ids) {
      const found = await rows<{ id: string }>(
        `SELECT w.id FROM unnest($1::text[]) AS w (id)
         JOIN pushes p ON p.message_id = ${idOf('w.id')} AND p.n = ${nOf('w.id')}
         WHERE p.state = 'queued' AND NOT EXISTS (SELECT 1 FROM all_attempts a
           WHERE a.message_id = p.message_id AND a.n = p.n AND a.kind = 'unavailable')`,
        [ids],
      );
      return found.map((row) => row.id);
    },

    async attemptsOnRefusals() {
      const broken = await offence(
        `SELECT p.message_id || '.' || p.n AS id FROM pushes p
         JOIN (SELECT message_id, n, count(*) FILTER (WHERE action IN ('finish', 'retry', 'bury')) AS costly
               FROM all_attempts GROUP BY message_id, n HAVING bool_or(kind = 'misconfigured')) AS a USING (message_id, n)
         WHERE p.attempts > a.costly`,
      );
      const [row] = await rows<{ refusals: number }>(
        `SELECT count(*)::int AS refusals FROM all_attempts WHERE kind = 'misconfigured'`,
      );
      return { ...broken, refusals: row?.refusals ?? 0 };
    },

    callsAfterExpiry: () =>
      offence(
        `SELECT a.message_id || '.' || a.n AS id FROM all_attempts a
         JOIN messages m ON m.id = a.message_id JOIN pushes p ON p.message_id = a.message_id AND p.n = a.n
         WHERE a.code IS DISTINCT FROM 'worker-lost' AND a.at > coalesce(p.expires_at, m.expires_at)`,
      ),

    callsAfterCancel: (graceMs) =>
      offence(
        `SELECT a.message_id || '.' || a.n AS id FROM all_attempts a JOIN messages m ON m.id = a.message_id
         WHERE a.code IS DISTINCT FROM 'worker-lost' AND a.at > m.cancelled_at + make_interval(secs => $1 / 1000.0)`,
        [graceMs],
      ),

    async unanswered() {
      const found = await rows<{ channelId: string; count: number }>(
        `SELECT p.channel_id AS "channelId", count(*)::int AS count FROM all_attempts a
         JOIN pushes p ON p.message_id = a.message_id AND p.n = a.n
         WHERE a.kind = 'unavailable' GROUP BY p.channel_id`,
      );
      return new Map(found.map(({ channelId, count }) => [channelId, count]));
    },

    async acceptedTwice() {
      const found = await rows<{ id: string }>(
        `SELECT ${id} AS id FROM all_attempts GROUP BY message_id, n
         HAVING count(DISTINCT at) FILTER (WHERE kind = 'accepted') > 1
           AND count(*) FILTER (WHERE kind = 'unavailable') = 0`,
      );
      return found.map((row) => row.id);
    },

    recordedTwice: () =>
      offence(
        `SELECT ${id} AS id FROM all_attempts GROUP BY message_id, n, at, kind, vendor_message_id HAVING count(*) > 1`,
      ),

    calledInTheFuture: (toleranceMs) =>
      offence(
        `SELECT a.message_id || '.' || a.n AS id FROM all_attempts a
         JOIN pushes p ON p.message_id = a.message_id AND p.n = a.n
         WHERE a.at > p.updated_at + make_interval(secs => $1 / 1000.0)`,
        [toleranceMs],
      ),

    calledAcross: (from, to) =>
      rows<{ id: string; channelId: string }>(
        `SELECT DISTINCT a.message_id || '.' || a.n AS id, p.channel_id AS "channelId" FROM all_attempts a
         JOIN pushes p ON p.message_id = a.message_id AND p.n = a.n
         WHERE a.at <= $1 AND a.at + make_interval(secs => a.duration_ms / 1000.0) >= $2`,
        [from, to],
      ),

    async story(wanted) {
      const found = await rows<{ line: string }>(
        `WITH one AS (
           SELECT p.*, coalesce(p.expires_at, m.expires_at) AS ends_at, m.cancelled_at, c.name FROM pushes p
           JOIN messages m ON m.id = p.message_id JOIN channels c ON c.id = p.channel_id
           WHERE p.message_id = ${idOf('$1')} AND p.n = ${nOf('$1')})
         SELECT concat_ws(' ', to_char(at AT TIME ZONE 'UTC', 'MM-DD HH24:MI:SS.MS'), line) AS line FROM (
           SELECT NULL::timestamptz AS at, concat_ws(' ', name, state, code, attempts || ' attempts') AS line FROM one
           UNION ALL SELECT a.at, concat_ws(' ', a.kind, a.code, a.duration_ms || ' ms', a.action)
             FROM all_attempts a JOIN one USING (message_id, n)
           UNION ALL SELECT cancelled_at, 'cancelled' FROM one WHERE cancelled_at IS NOT NULL
           UNION ALL SELECT ends_at, 'expires' FROM one
           UNION ALL SELECT updated_at, 'last changed' FROM one) AS lines
         ORDER BY lines.at NULLS FIRST`,
        [wanted],
      );
      return found.map(({ line }) => line);
    },

    async hasUnanswered(ids) {
      const found = await rows<{ id: string }>(
        `SELECT DISTINCT w.id FROM unnest($1::text[]) AS w (id)
         JOIN all_attempts a ON a.message_id = ${idOf('w.id')} AND a.n = ${nOf('w.id')} AND a.kind = 'unavailable'`,
        [ids],
      );
      return new Set(found.map((row) => row.id));
    },

    async recordedCalls(ids, end) {
      const endsAt = end === 'expiry' ? 'coalesce(p.expires_at, m.expires_at)' : 'm.cancelled_at';
      const found = await rows<{ id: string; endsAt: Date; at: Date | null; durationMs: number | null }>(
        `SELECT w.id, ${endsAt} AS "endsAt", a.at, a.duration_ms AS "durationMs"
         FROM unnest($1::text[]) AS w (id)
         JOIN pushes p ON p.message_id = ${idOf('w.id')} AND p.n = ${nOf('w.id')}
         JOIN messages m ON m.id = p.message_id
         LEFT JOIN all_attempts a ON a.message_id = p.message_id AND a.n = p.n AND a.code IS DISTINCT FROM 'worker-lost'`,
        [ids],
      );
      const calls = new Map<string, RecordedCalls>();
      for (const row of found) {
        const known = calls.get(row.id) ?? { endsAt: row.endsAt.getTime(), calls: [] };
        calls.set(row.id, known);
        if (row.at) {
          const from = row.at.getTime();
          known.calls.push({ from, to: from + (row.durationMs ?? 0) });
        }
      }
      return calls;
    },

    async urgentCalls() {
      const found = await rows<{ at: Date; durationMs: number; messageId: string }>(
        `SELECT a.at, a.duration_ms AS "durationMs", a.message_id AS "messageId"
         FROM all_attempts a JOIN messages m ON m.id = a.message_id WHERE m.content->>'class' = 'transactional'`,
      );
      const begin = found.map(({ at, messageId }) => at.getTime() - timeOfId(messageId).getTime());
      const call = found.map(({ durationMs }) => durationMs);
      const p99 = (values: number[]) =>
        quantile(
          values.sort((a, b) => a - b),
          0.99,
        );
      return { beginP99Ms: p99(begin), callP99Ms: p99(call) };
    },

    close: () => pool.end(),
  };
}
