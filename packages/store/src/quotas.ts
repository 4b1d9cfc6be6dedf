import { createHash } from 'node:crypto';
import type { Lane, MessageClass } from '@pushmill/core';
import type { ClaimedBatch } from './batches.ts';
import { type Database, inTransaction, pastDeadlocks, type Queryable } from './database.ts';
import { laneNumber } from './messages.ts';

/** What a holder asks of the day's quota for pushes of its batch. */
export interface QuotaRequest {
  class: MessageClass;
  /** `2026-11-22`, in the vendor's zone. */
  day: string;
  /** Undefined: the class is bounded by the device only. */
  perDay: number | undefined;
  perDevice: number | undefined;
  /** In order: who comes first is served first. An empty token is an audience's, which no device rule bounds. */
  pushes: readonly { place: number; token: string }[];
}

/** Places of the pushes that may go, and of those whose device has had enough. */
export interface QuotaGrant {
  granted: number[];
  deviceSpent: number[];
}

export interface QuotaUse {
  channelId: string;
  class: MessageClass;
  used: number;
}

/** A device in the ledger of devices: the first half of its token's SHA-256. `release` makes the same in SQL. */
const hashOf = (token: string) => createHash('sha256').update(token).digest().subarray(0, 16);

/**
 * Takes `granted` from each device named. Written as an insertion, which looks each of them up by its key; an update
 * that joins was planned as if a new day had one device, and looked through all of them for each.
 */
const returning = `ON CONFLICT (channel_id, class, day, token_hash) DO UPDATE SET
  used = greatest(0, q.used - excluded.granted), granted = 0`;

const CLASSES: readonly MessageClass[] = ['transactional', 'marketing'];

/**
 * The quota ledger. A push is counted once: reserved before its first attempt, and given back when none was spent on
 * it in the end. Which of a batch's pushes are reserved stands in the batch's row until its run ends, so a
 * reservation outlives its worker. Rows are locked in one order: the batch, the day, the devices.
 */
export function createQuotaTable(db: Database) {
  return {
    /**
     * Reserves for as many of the pushes as the day has left. Several callers together never get more. What stands
     * reserved in the batch already, by a holder that died or by a call whose answer was lost, is granted as it is; it
     * must be of the same day.
     * @returns undefined when the batch has another holder: nothing was reserved
     */
    async reserve(
      batch: Pick<ClaimedBatch, 'id' | 'fence' | 'channelId'>,
      request: QuotaRequest,
    ): Promise<QuotaGrant | undefined> {
      if (request.perDevice === undefined) {
        const places = request.pushes.map((push) => push.place);
        const granted = await reserveOfDay(db, batch, request, places);
        return granted && { granted, deviceSpent: [] };
      }
      return pastDeadlocks(() => inTransaction(db, (tx) => reserveByDevice(tx, batch, request)));
    },

    /**
     * Gives back, to the day they were taken from, what is reserved in the batch for pushes that spent no attempt.
     * Their outcomes must be recorded. Safe to repeat; does nothing for an outdated holder.
     */
    async release(batch: Pick<ClaimedBatch, 'id' | 'fence'>, messageClass: MessageClass): Promise<void> {
      await pastDeadlocks(() =>
        db.query({
          name: 'release-quota',
          text: `
            WITH held AS MATERIALIZED (
              SELECT channel_id, reserved, reserved_day, message_ids, ns FROM batches
              WHERE id = $1 AND fence = $2 AND reserved_day IS NOT NULL FOR UPDATE
            ), unsent AS MATERIALIZED (
              SELECT p.token FROM held h, unnest(h.message_ids, h.ns) WITH ORDINALITY AS r (message_id, n, place)
              JOIN pushes p ON p.message_id = r.message_id AND p.n = r.n
              WHERE r.place = ANY (h.reserved) AND p.attempts = 0
            ), devices AS MATERIALIZED (
              SELECT substr(sha256(convert_to(token, 'UTF8')), 1, 16) AS hash, count(*) FROM unsent WHERE token <> '' GROUP BY 1
            ), emptied AS (
              UPDATE batches SET reserved = '{}', reserved_day = NULL
              WHERE id = $1 AND EXISTS (SELECT 1 FROM held)
            ), returned AS (
              UPDATE quota_days q SET used = greatest(0, q.used - u.count)
              FROM held h, (SELECT count(*) FROM unsent) AS u
              WHERE q.channel_id = h.channel_id AND q.class = $3 AND q.day = h.reserved_day AND u.count > 0
              RETURNING q.day
            )
            INSERT INTO quota_devices AS q (channel_id, class, day, token_hash, used, granted)
            SELECT h.channel_id, $3, d.day, u.hash, 0, u.count
            -- Through the day, whose lock is had by then.
            FROM held h, returned d, devices u
            -- Nothing is new here: without a rule for devices there are none.
            WHERE (SELECT true FROM quota_devices k WHERE k.channel_id = h.channel_id AND k.class = $3
                     AND k.day = d.day AND k.token_hash = u.hash)
            ${returning}`,
          values: [batch.id, batch.fence, messageClass],
        }),
      );
    },

    /** What is counted so far, each channel on its own day; classes that nothing was sent of are there with 0. */
    async usedOn(days: readonly { channelId: string; day: string }[]): Promise<QuotaUse[]> {
      if (days.length === 0) return [];
      const { rows } = await db.query<{ channel_id: string; class: MessageClass; used: string }>({
        name: 'quota-used',
        text: `SELECT d.channel_id, c.class, coalesce(q.used, 0) AS used
               FROM unnest($1::uuid[], $2::date[]) AS d (channel_id, day) CROSS JOIN unnest($3::text[]) AS c (class)
               LEFT JOIN quota_days q ON q.channel_id = d.channel_id AND q.day = d.day AND q.class = c.class`,
        values: [days.map(({ channelId }) => channelId), days.map(({ day }) => day), CLASSES],
      });
      return rows.map((row) => ({ channelId: row.channel_id, class: row.class, used: Number(row.used) }));
    },

    /**
     * Pushes that wait to be sent before a moment, and are not counted in the day yet; those of paused messages are
     * not among them. Pushes that wait to be tried again are, though the day of their first attempt has them: which
     * these are would take a look at each. So it is at most so many.
     * @param after  only what is due from then on; undefined for all that is late already
     */
    async waiting(channelId: string, lane: Lane, before: Date, after: Date | undefined): Promise<number> {
      const { rows } = await db.query<{ waiting: string | null }>({
        name: 'quota-waiting',
        text: `SELECT sum(push_count - cardinality(reserved)) AS waiting FROM batches
               WHERE channel_id = $1 AND lane = $2 AND state <> 'held' AND due_at < $3
                 AND ($4::timestamptz IS NULL OR due_at >= $4)`,
        values: [channelId, laneNumber[lane], before, after ?? null],
      });
      return Number(rows[0]?.waiting ?? 0);
    },

    /** After a change of a channel's quota: what waits for the next day is tried again once workers know of it. */
    async wake(channelId: string, delayMs: number): Promise<void> {
      await db.query(
        `UPDATE batches SET due_at = least(due_at, now() + make_interval(secs => $2 / 1000.0))
         WHERE channel_id = $1 AND state = 'waiting' AND quota_held`,
        [channelId, delayMs],
      );
    },
  };
}

export type QuotaTable = ReturnType<typeof createQuotaTable>;

/** Keeps the counts of days that are over for a while; the devices' are many and serve today only. */
export async function dropOldQuotas(db: Queryable): Promise<void> {
  await db.query(`DELETE FROM quota_devices WHERE day < (now() AT TIME ZONE 'UTC')::date - 2`);
  await db.query(`DELETE FROM quota_days WHERE day < (now() AT TIME ZONE 'UTC')::date - 400`);
}

/** One statement for the batch and the day: either both know of the reservation or none. */
async function reserveOfDay(
  db: Queryable,
  batch: Pick<ClaimedBatch, 'id' | 'fence' | 'channelId'>,
  request: QuotaRequest,
  places: readonly number[],
): Promise<number[] | undefined> {
  const { rows } = await db.query<{ granted: number[] }>({
    name: 'reserve-quota',
    text: `
      WITH held AS MATERIALIZED (
        SELECT reserved FROM batches WHERE id = $1 AND fence = $2 FOR UPDATE
      ), wanted AS MATERIALIZED (
        SELECT ARRAY (SELECT place FROM unnest($7::int[]) WITH ORDINALITY AS w (place, rank)
                      WHERE place <> ALL (reserved) ORDER BY rank) AS places,
               ARRAY (SELECT place FROM unnest($7::int[]) AS w (place) WHERE place = ANY (reserved)) AS had
        FROM held
      ), counted AS (
        INSERT INTO quota_days AS q (channel_id, class, day, used, granted)
        SELECT $3, $4, $5::date, fits, fits
        FROM wanted, LATERAL (SELECT least(cardinality(places), coalesce($6::bigint, cardinality(places)))) AS f (fits)
        ON CONFLICT (channel_id, class, day) DO UPDATE SET
          used = q.used + least(excluded.used, greatest(0, coalesce($6::bigint - q.used, excluded.used))),
          granted = least(excluded.used, greatest(0, coalesce($6::bigint - q.used, excluded.used)))
        RETURNING granted
      )
      UPDATE batches SET reserved = reserved || w.places[1:c.granted], reserved_day = $5::date
      FROM counted c, wanted w WHERE id = $1
      RETURNING w.had || w.places[1:c.granted] AS granted`,
    values: [
      batch.id,
      batch.fence,
      batch.channelId,
      request.class,
      request.day,
      request.perDay ?? null,
      places,
    ],
  });
  return rows[0]?.granted;
}

/**
 * With a bound for each device: those first, then the day with what they let through, then back to the devices what
 * the day did not have. The batch and the day are locked before, so that nobody sees what lies between.
 */
async function reserveByDevice(
  tx: Queryable,
  batch: Pick<ClaimedBatch, 'id' | 'fence' | 'channelId'>,
  request: QuotaRequest,
): Promise<QuotaGrant | undefined> {
  const key = [batch.channelId, request.class, request.day];
  const held = await tx.query<{ reserved: number[] }>(
    'SELECT reserved FROM batches WHERE id = $1 AND fence = $2 FOR UPDATE',
    [batch.id, batch.fence],
  );
  if (!held.rows[0]) return undefined;
  const had = new Set(held.rows[0].reserved);
  const isFree = (push: { place: number; token: string }) => push.token === '' || had.has(push.place);
  await tx.query(
    `INSERT INTO quota_days AS q (channel_id, class, day) VALUES ($1, $2, $3)
     ON CONFLICT (channel_id, class, day) DO UPDATE SET granted = 0`,
    key,
  );
  const devices = placesByDevice(request.pushes.filter((push) => !isFree(push)));
  const { rows } = await tx.query<{ token_hash: Buffer; granted: number }>({
    name: 'reserve-device-quota',
    text: `INSERT INTO quota_devices AS q (channel_id, class, day, token_hash, used, granted)
           SELECT $1, $2, $3::date, hash, least(wanted, $6::int), least(wanted, $6::int)
           FROM unnest($4::bytea[], $5::int[]) AS w (hash, wanted)
           ON CONFLICT (channel_id, class, day, token_hash) DO UPDATE SET
             used = q.used + least(excluded.used, greatest(0, $6::int - q.used)),
             granted = least(excluded.used, greatest(0, $6::int - q.used))
           RETURNING token_hash, granted`,
    values: [
      ...key,
      [...devices.values()].map(({ hash }) => hash),
      [...devices.values()].map(({ places }) => places.length),
      request.perDevice,
    ],
  });
  const passed = new Set(
    rows.flatMap((row) => devices.get(row.token_hash.toString('hex'))?.places.slice(0, row.granted) ?? []),
  );
  const fitting = request.pushes.filter((push) => isFree(push) || passed.has(push.place));
  const granted = await reserveOfDay(
    tx,
    batch,
    request,
    fitting.map((push) => push.place),
  );
  if (!granted) return undefined;
  const mayGo = new Set(granted);
  const left = placesByDevice(fitting.filter((push) => !isFree(push) && !mayGo.has(push.place)));
  if (left.size > 0) {
    await tx.query(
      `INSERT INTO quota_devices AS q (channel_id, class, day, token_hash, used, granted)
       SELECT $1, $2, $3::date, hash, 0, unused FROM unnest($4::bytea[], $5::int[]) AS l (hash, unused)
       ${returning}`,
      [
        ...key,
        [...left.values()].map(({ hash }) => hash),
        [...left.values()].map(({ places }) => places.length),
      ],
    );
  }
  return {
    granted,
    deviceSpent: [...devices.values()].flatMap(({ places }) => places.filter((place) => !passed.has(place))),
  };
}

/** By the hash in hex. */
function placesByDevice(
  pushes: readonly { place: number; token: string }[],
): Map<string, { hash: Buffer; places: number[] }> {
  const devices = new Map<string, { hash: Buffer; places: number[] }>();
  for (const { place, token } of pushes) {
    const hash = hashOf(token);
    const known = devices.get(hash.toString('hex'));
    if (known) known.places.push(place);
    else devices.set(hash.toString('hex'), { hash, places: [place] });
  }
  return devices;
}
