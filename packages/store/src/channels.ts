import { randomBytes } from 'node:crypto';
import { newId } from '@pushmill/core';
import type { Queryable } from './database.ts';
import type {
  ChannelChange,
  ChannelRow,
  ChannelState,
  NewChannel,
  OpenedChannel,
  PausedReason,
} from './rows.ts';
import type { Sealing } from './sealing.ts';

const UNIQUE_VIOLATION = '23505';

export function createChannelTable(db: Queryable, sealing: Sealing) {
  async function one(sql: string, values: unknown[]): Promise<ChannelRow | undefined> {
    const { rows } = await db.query<ChannelRecord>(sql, values);
    return rows[0] && fromRecord(rows[0]);
  }

  function open(record: ChannelRecord): OpenedChannel {
    return { ...fromRecord(record), credential: sealing.open(record.credential_sealed, record.id) };
  }

  return {
    async list(appId: string): Promise<ChannelRow[]> {
      const { rows } = await db.query<ChannelRecord>(
        'SELECT * FROM channels WHERE app_id = $1 AND deleted_at IS NULL ORDER BY name',
        [appId],
      );
      return rows.map(fromRecord);
    },

    async get(appId: string, name: string): Promise<ChannelRow | undefined> {
      return one('SELECT * FROM channels WHERE app_id = $1 AND name = $2 AND deleted_at IS NULL', [
        appId,
        name,
      ]);
    },

    /** Undefined when the name is taken. */
    async create(input: NewChannel): Promise<ChannelRow | undefined> {
      const id = newId();
      try {
        return await one(
          `INSERT INTO channels (id, app_id, name, vendor, settings, policy, credential_sealed, credential_shown, callback_key)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING *`,
          [
            id,
            input.appId,
            input.name,
            input.vendor,
            JSON.stringify(input.settings),
            JSON.stringify(input.policy ?? {}),
            sealing.seal(input.credential, id),
            JSON.stringify(input.credentialShown),
            randomBytes(24).toString('base64url'),
          ],
        );
      } catch (error) {
        if ((error as { code?: string }).code === UNIQUE_VIOLATION) return undefined;
        throw error;
      }
    },

    /**
     * Changes what is given. New credential or settings also end a pause that the old ones caused; devices that are
     * filed under the channel's own environment and were not known there are tried again under a new one.
     */
    async update(appId: string, name: string, change: ChannelChange): Promise<ChannelRow | undefined> {
      const current = await this.get(appId, name);
      if (!current) return undefined;
      const sealed = change.credential === undefined ? null : sealing.seal(change.credential, current.id);
      return one(
        `WITH changed AS (
           UPDATE channels SET
             settings = coalesce($2, settings),
             policy = coalesce($3, policy),
             credential_sealed = coalesce($4, credential_sealed),
             credential_shown = coalesce($5, credential_shown),
           expiry_warned = CASE WHEN $4::bytea IS NULL THEN expiry_warned END,
             state = CASE WHEN $6 AND paused_reason->>'by' = 'pushmill' THEN 'on' ELSE state END,
             paused_reason = CASE WHEN $6 AND paused_reason->>'by' = 'pushmill' THEN NULL ELSE paused_reason END,
             version = version + 1, updated_at = now()
           WHERE id = $1 AND deleted_at IS NULL RETURNING *
         ), refiled AS (
           UPDATE devices d SET state = 'active', code = NULL, state_since = now() FROM changed c
           WHERE d.channel_id = c.id AND d.state = 'misfiled' AND d.environment IS NULL
             AND c.settings->>'environment' IS DISTINCT FROM $7
         )
         SELECT * FROM changed`,
        [
          current.id,
          change.settings ? JSON.stringify(change.settings) : null,
          change.policy ? JSON.stringify(change.policy) : null,
          sealed,
          change.credentialShown ? JSON.stringify(change.credentialShown) : null,
          change.credential !== undefined || change.settings !== undefined,
          current.settings.environment ?? null,
        ],
      );
    },

    async pause(
      appId: string,
      name: string,
      reason: Omit<PausedReason, 'at'>,
    ): Promise<ChannelRow | undefined> {
      return one(
        `UPDATE channels SET state = 'paused', paused_reason = $3, version = version + 1, updated_at = now()
         WHERE app_id = $1 AND name = $2 AND deleted_at IS NULL RETURNING *`,
        [appId, name, JSON.stringify({ ...reason, at: new Date().toISOString() })],
      );
    },

    /**
     * A worker's pause: only while the channel is on and still the version that was refused, so that one
     * refusal pauses once, and an old credential's refusal does not pause the new one.
     * @returns true for the one caller that paused it
     */
    async pauseVersion(id: string, version: number, reason: Omit<PausedReason, 'at'>): Promise<boolean> {
      const { rowCount } = await db.query(
        `UPDATE channels SET state = 'paused', paused_reason = $3, version = version + 1, updated_at = now()
         WHERE id = $1 AND version = $2 AND state = 'on'`,
        [id, version, JSON.stringify({ ...reason, at: new Date().toISOString() })],
      );
      return rowCount === 1;
    },

    /**
     * Notes that people are told of the end of a credential, so many days before it.
     * @param expiresAt  as the credential says it; that of another one is nobody's news
     * @returns          true for the one caller who is to tell it; nobody is when fewer days were told of already
     */
    async warnOfExpiry(id: string, expiresAt: string, days: number): Promise<boolean> {
      const { rowCount } = await db.query(
        `UPDATE channels SET expiry_warned = $3
         WHERE id = $1 AND credential_shown->>'expiresAt' = $2 AND deleted_at IS NULL
           AND (expiry_warned IS NULL OR expiry_warned > $3)`,
        [id, expiresAt, days],
      );
      return rowCount === 1;
    },

    async resume(appId: string, name: string): Promise<ChannelRow | undefined> {
      return one(
        `UPDATE channels SET state = 'on', paused_reason = NULL, version = version + 1, updated_at = now()
         WHERE app_id = $1 AND name = $2 AND deleted_at IS NULL RETURNING *`,
        [appId, name],
      );
    },

    /** Hides the channel and frees its name. Its pushes that were not sent yet are cancelled. */
    async remove(appId: string, name: string): Promise<boolean> {
      const { rowCount } = await db.query(
        `UPDATE channels SET deleted_at = now(), version = version + 1, updated_at = now()
         WHERE app_id = $1 AND name = $2 AND deleted_at IS NULL`,
        [appId, name],
      );
      await this.cancelRemoved();
      return rowCount === 1;
    },

    /** Cancels what waits on removed channels; maintenance repeats it for messages accepted meanwhile. */
    async cancelRemoved(): Promise<void> {
      await db.query(
        `WITH gone AS (
           DELETE FROM batches b USING channels c WHERE c.id = b.channel_id AND c.deleted_at IS NOT NULL
           RETURNING b.message_ids, b.ns
         )
         UPDATE pushes p SET state = 'cancelled', code = 'channel-removed', updated_at = now()
         FROM gone, unnest(gone.message_ids, gone.ns) AS r (message_id, n)
         WHERE p.message_id = r.message_id AND p.n = r.n AND p.state = 'queued'`,
      );
    },

    /** Every channel of every app in its present version: small, and read each second by the workers. */
    async versions(): Promise<{ id: string; vendor: string; version: number; state: ChannelState }[]> {
      const { rows } = await db.query<{ id: string; vendor: string; version: number; state: ChannelState }>({
        name: 'channel-versions',
        text: 'SELECT id, vendor, version, state FROM channels WHERE deleted_at IS NULL',
      });
      return rows;
    },

    async openById(id: string): Promise<OpenedChannel | undefined> {
      const { rows } = await db.query<ChannelRecord>(
        'SELECT * FROM channels WHERE id = $1 AND deleted_at IS NULL',
        [id],
      );
      return rows[0] && open(rows[0]);
    },

    /** A deleted channel still takes the receipts of what it sent. */
    async openByCallbackKey(vendor: string, key: string): Promise<OpenedChannel | undefined> {
      const { rows } = await db.query<ChannelRecord>(
        'SELECT * FROM channels WHERE vendor = $1 AND callback_key = $2',
        [vendor, key],
      );
      return rows[0] && open(rows[0]);
    },
  };
}

export type ChannelTable = ReturnType<typeof createChannelTable>;

interface ChannelRecord {
  id: string;
  app_id: string;
  name: string;
  vendor: string;
  state: ChannelState;
  paused_reason: PausedReason | null;
  settings: Record<string, unknown>;
  policy: Record<string, unknown>;
  credential_sealed: Buffer;
  credential_shown: Record<string, unknown>;
  callback_key: string;
  version: number;
  created_at: Date;
  updated_at: Date;
}

function fromRecord(row: ChannelRecord): ChannelRow {
  return {
    id: row.id,
    appId: row.app_id,
    name: row.name,
    vendor: row.vendor,
    state: row.state,
    pausedReason: row.paused_reason,
    settings: row.settings,
    policy: row.policy,
    credentialShown: row.credential_shown,
    callbackKey: row.callback_key,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
