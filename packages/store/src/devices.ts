import { type Database, inTransaction, pastDeadlocks, type Queryable } from './database.ts';
import type { Page } from './rows.ts';

export const deviceStates = ['active', 'dead', 'misfiled'] as const;
export type DeviceState = (typeof deviceStates)[number];

/** A device as its app registers it. */
export interface DeviceRegistration {
  appId: string;
  /** The app's own name for it. */
  id: string;
  channelId: string;
  token: string;
  /** Which of the vendor's environments it is filed under; null for whatever the channel's own is. */
  environment: string | null;
  user: string | null;
  tags: readonly string[];
  locale: string | null;
  timeZone: string | null;
}

export interface DeviceRow extends Omit<DeviceRegistration, 'appId' | 'channelId'> {
  /** The channel's name. */
  channel: string;
  /** dead and misfiled: not sent to until it is registered again. */
  state: DeviceState;
  /** The vendor's word for why it is not active. */
  code: string | null;
  createdAt: Date;
  registeredAt: Date;
}

export interface DeviceFilter {
  user?: string | undefined;
  tag?: string | undefined;
  channel?: string | undefined;
  state?: DeviceState | undefined;
  token?: string | undefined;
  /** The id of the last device of the page before. */
  cursor?: string | undefined;
  limit: number;
}

/** Devices that a message is for: those of a user, those with a tag, or one by its id. */
export interface DeviceQuery {
  by: 'user' | 'tag' | 'device';
  value: string;
  /** Only those on the channel of this name; null for all. */
  channel: string | null;
}

export interface ResolvedDevice {
  channelId: string;
  /** The channel's name. */
  channel: string;
  token: string;
  environment: string | null;
  timeZone: string | null;
  /** The places of the queries that it fits. */
  queries: number[];
}

export interface ResolvedDevices {
  /** Each once, however many queries it fits. */
  active: ResolvedDevice[];
  /** How many more there were that cannot be sent to. */
  passedOver: { query: number; state: Exclude<DeviceState, 'active'>; count: number }[];
}

const columns = `
  d.id, d.token, d.environment, d.user_id AS user, d.tags, d.locale, d.time_zone AS "timeZone",
  d.state, d.code, d.created_at AS "createdAt", d.registered_at AS "registeredAt"`;

/** With the channel, whose end is also the end of its devices. */
const devicesOfChannels = 'devices d JOIN channels c ON c.id = d.channel_id AND c.deleted_at IS NULL';

export function createDeviceTable(db: Database) {
  async function find(conditions: string[], values: unknown[], limit: number): Promise<DeviceRow[]> {
    const { rows } = await db.query<DeviceRow>(
      `SELECT ${columns}, c.name AS channel FROM ${devicesOfChannels}
       WHERE ${conditions.join(' AND ')} ORDER BY d.id LIMIT ${limit}`,
      values,
    );
    return rows;
  }

  return {
    /**
     * Registers a device, or registers it again: either way it is active, and its token is suppressed no more. A
     * token that was another device's is taken over, and that device is gone.
     * @returns the device, and whether it is new
     */
    async put(device: DeviceRegistration): Promise<Registered> {
      return pastDeadlocks(() => inTransaction(db, (tx) => register(tx, device)));
    },

    async get(appId: string, id: string): Promise<DeviceRow | undefined> {
      return (await find(['d.app_id = $1', 'd.id = $2'], [appId, id], 1))[0];
    },

    async remove(appId: string, id: string): Promise<boolean> {
      const { rowCount } = await db.query('DELETE FROM devices WHERE app_id = $1 AND id = $2', [appId, id]);
      return rowCount === 1;
    },

    /** In the order of their ids. */
    async list(appId: string, filter: DeviceFilter): Promise<Page<DeviceRow>> {
      const values: unknown[] = [appId];
      const conditions = ['d.app_id = $1'];
      const add = (sql: string, value: unknown) => {
        if (value === undefined) return;
        values.push(value);
        conditions.push(sql.replace('?', `$${values.length}`));
      };
      add('d.user_id = ?', filter.user);
      add('d.tags @> ARRAY[?]', filter.tag);
      add('c.name = ?', filter.channel);
      add('d.state = ?', filter.state);
      add('d.token = ?', filter.token);
      add('d.id > ?', filter.cursor);
      const rows = await find(conditions, values, filter.limit + 1);
      const items = rows.slice(0, filter.limit);
      return { items, nextCursor: rows.length > filter.limit ? items.at(-1)?.id : undefined };
    },

    /**
     * The devices that some queries mean. Devices on removed channels are left out.
     * @param limit  most that are given; whoever wants to know whether there are more asks for one more. Past it
     *               those that cannot be sent to are not counted
     */
    async resolve(appId: string, queries: readonly DeviceQuery[], limit: number): Promise<ResolvedDevices> {
      const { rows } = await db.query<ResolvedRecord>({
        name: 'resolve-devices',
        text: `
          WITH wanted AS (
            SELECT w.place - 1 AS place, w.by, w.value, w.channel
            FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS w (by, value, channel, place)
          ), active AS (
            SELECT f.channel_id, f.channel, f.token, f.environment, f.time_zone, array_agg(w.place) AS places
            -- Each query is bounded by itself, so that no tag is read to its end for nothing.
            FROM wanted w CROSS JOIN LATERAL (${matching("d.state = 'active'")} LIMIT $5) f
            GROUP BY f.channel_id, f.channel, f.token, f.environment, f.time_zone LIMIT $5
          )
          SELECT a.*, NULL AS state, NULL AS count FROM active a
          UNION ALL
          SELECT NULL, NULL, NULL, NULL, NULL, ARRAY[w.place], f.state, count(*)::int
          FROM wanted w CROSS JOIN LATERAL (${matching("d.state <> 'active'")}) f
          WHERE (SELECT count(*) FROM active) < $5
          GROUP BY w.place, f.state`,
        values: [
          appId,
          queries.map((query) => query.by),
          queries.map((query) => query.value),
          queries.map((query) => query.channel),
          limit,
        ],
      });
      const resolved: ResolvedDevices = { active: [], passedOver: [] };
      for (const { channel_id, time_zone, places, state, count, ...device } of rows) {
        const at = places.map(Number);
        if (state) resolved.passedOver.push({ query: at[0] as number, state, count: count as number });
        else resolved.active.push({ ...device, channelId: channel_id, timeZone: time_zone, queries: at });
      }
      return resolved;
    },
  };
}

export type DeviceTable = ReturnType<typeof createDeviceTable>;

interface ResolvedRecord {
  channel_id: string;
  channel: string;
  token: string;
  environment: string | null;
  time_zone: string | null;
  places: string[];
  state: Exclude<DeviceState, 'active'> | null;
  count: number | null;
}

/**
 * One branch a way of asking: with `OR` none of the indexes would be of use. By tag the app is compared at the channel,
 * because a planner that does not know the table yet would rather read all devices of the app.
 */
function matching(condition: string): string {
  const ways = {
    user: 'd.app_id = $1 AND d.user_id = w.value',
    tag: 'c.app_id = $1 AND d.tags @> ARRAY[w.value]',
    device: 'd.app_id = $1 AND d.id = w.value',
  };
  return Object.entries(ways)
    .map(
      ([by, way]) => `
        SELECT d.channel_id, c.name AS channel, d.token, d.environment, d.time_zone, d.state
        FROM ${devicesOfChannels}
        WHERE w.by = '${by}' AND ${way} AND ${condition} AND (w.channel IS NULL OR c.name = w.channel)`,
    )
    .join(' UNION ALL ');
}

interface Registered {
  device: DeviceRow;
  created: boolean;
}

async function register(tx: Queryable, device: DeviceRegistration): Promise<Registered> {
  const { appId, id, channelId, token } = device;
  // Two devices that bring the same token at once: one after the other, and the later one has it.
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1::text || $2::text, 0))', [
    channelId,
    token,
  ]);
  await tx.query('DELETE FROM devices WHERE channel_id = $1 AND token = $2 AND id <> $3', [
    channelId,
    token,
    id,
  ]);
  const { rows } = await tx.query<DeviceRow & { created: boolean }>(
    `INSERT INTO devices AS d (app_id, id, channel_id, token, environment, user_id, tags, locale, time_zone)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT (app_id, id) DO UPDATE SET
       channel_id = excluded.channel_id, token = excluded.token, environment = excluded.environment,
       user_id = excluded.user_id, tags = excluded.tags, locale = excluded.locale, time_zone = excluded.time_zone,
       state = 'active', code = NULL, registered_at = now(),
       state_since = CASE d.state WHEN 'active' THEN d.state_since ELSE now() END
     RETURNING ${columns}, (SELECT name FROM channels WHERE id = d.channel_id) AS channel, d.xmax = 0 AS created`,
    [
      appId,
      id,
      channelId,
      token,
      device.environment,
      device.user,
      device.tags,
      device.locale,
      device.timeZone,
    ],
  );
  await tx.query('DELETE FROM suppressions WHERE channel_id = $1 AND token = $2', [channelId, token]);
  const { created, ...row } = rows[0] as DeviceRow & { created: boolean };
  return { device: row, created };
}
