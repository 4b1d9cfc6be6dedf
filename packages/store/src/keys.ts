import { createHash, randomBytes } from 'node:crypto';
import { newId } from '@pushmill/core';
import type { Queryable } from './database.ts';
import type { ApiKey, KeyRole } from './rows.ts';

/** A key as it is shown once, at its making; only its hash is kept. */
export interface CreatedKey extends ApiKey {
  key: string;
}

export interface Caller {
  keyId: string;
  appId: string;
  role: KeyRole;
}

const KEY_FORM = /^pmk_[A-Za-z0-9_-]{43}$/;

export function createKeyTable(db: Queryable) {
  return {
    async create(input: { appId: string; name: string; role: KeyRole }): Promise<CreatedKey> {
      const key = `pmk_${randomBytes(32).toString('base64url')}`;
      const { rows } = await db.query<KeyRecord>(
        `INSERT INTO api_keys (id, app_id, name, role, secret_hash) VALUES ($1, $2, $3, $4, $5) RETURNING *`,
        [newId(), input.appId, input.name, input.role, hashOf(key)],
      );
      return { ...fromRecord(rows[0] as KeyRecord), key };
    },

    /** Undefined for a key that was never made or is revoked. */
    async authenticate(key: string): Promise<Caller | undefined> {
      if (!KEY_FORM.test(key)) return undefined;
      const { rows } = await db.query<KeyRecord>(
        'SELECT * FROM api_keys WHERE secret_hash = $1 AND revoked_at IS NULL',
        [hashOf(key)],
      );
      const row = rows[0];
      return row && { keyId: row.id, appId: row.app_id, role: row.role };
    },

    async list(appId: string): Promise<ApiKey[]> {
      const { rows } = await db.query<KeyRecord>('SELECT * FROM api_keys WHERE app_id = $1 ORDER BY id', [
        appId,
      ]);
      return rows.map(fromRecord);
    },

    /** False when there is no such key, or it was revoked before. */
    async revoke(appId: string, id: string): Promise<boolean> {
      const { rowCount } = await db.query(
        'UPDATE api_keys SET revoked_at = now() WHERE app_id = $1 AND id = $2 AND revoked_at IS NULL',
        [appId, id],
      );
      return rowCount === 1;
    },
  };
}

export type KeyTable = ReturnType<typeof createKeyTable>;

interface KeyRecord {
  id: string;
  app_id: string;
  name: string;
  role: KeyRole;
  created_at: Date;
  revoked_at: Date | null;
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function fromRecord(row: KeyRecord): ApiKey {
  return {
    id: row.id,
    appId: row.app_id,
    name: row.name,
    role: row.role,
    createdAt: row.created_at,
    revokedAt: row.revoked_at,
  };
}
