import type { Secret } from '@pushmill/core';
import { type AppTable, createAppTable } from './apps.ts';
import { type BatchTable, createBatchTable } from './batches.ts';
import { type ChannelTable, createChannelTable } from './channels.ts';
import { openDatabase } from './database.ts';
import { createKeyTable, type KeyTable } from './keys.ts';
import { createMessageTable, type MessageTable } from './messages.ts';
import { ensurePartitions, schemaLock } from './partitions.ts';
import { createPushTable, type PushTable } from './pushes.ts';
import { createReceiptTable, type ReceiptTable } from './receipts.ts';
import { Sealing } from './sealing.ts';
import { createSuppressionTable, type SuppressionTable } from './suppressions.ts';

export interface StoreOptions {
  databaseUrl: Secret;
  masterKeys: Secret;
  maxConnections?: number;
}

/** The ledger: one object a table. Every method is one statement or one transaction. */
export interface Store {
  apps: AppTable;
  keys: KeyTable;
  channels: ChannelTable;
  messages: MessageTable;
  pushes: PushTable;
  batches: BatchTable;
  receipts: ReceiptTable;
  suppressions: SuppressionTable;
  /** Rejects when Postgres does not answer. */
  ping(): Promise<void>;
  /** Makes coming partitions and drops what is past its keeping. Safe to run from many processes. */
  maintain(): Promise<void>;
  close(): Promise<void>;
}

const KEEP_IDEMPOTENCY_KEYS = '48 hours';
const KEEP_STRAY_RECEIPTS = 10_000;

/** Opens the ledger. Connects at the first query. */
export function openStore(options: StoreOptions): Store {
  const db = openDatabase(options.databaseUrl.reveal(), options.maxConnections ?? 10);
  const channels = createChannelTable(db, new Sealing(options.masterKeys));
  return {
    apps: createAppTable(db),
    keys: createKeyTable(db),
    channels,
    messages: createMessageTable(db),
    pushes: createPushTable(db),
    batches: createBatchTable(db),
    receipts: createReceiptTable(db),
    suppressions: createSuppressionTable(db),
    async ping() {
      await db.query('SELECT 1');
    },
    async maintain() {
      const client = await db.connect();
      try {
        const lock = await client.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [
          schemaLock,
        ]);
        if (!lock.rows[0]?.got) return;
        try {
          await ensurePartitions(client, new Date());
          await channels.cancelRemoved();
          await client.query(`DELETE FROM idempotency_keys WHERE created_at < now() - $1::interval`, [
            KEEP_IDEMPOTENCY_KEYS,
          ]);
          // A stranger who guesses wrong all day must not fill the disk.
          await client.query(
            `DELETE FROM stray_receipts WHERE id < (
               SELECT id FROM stray_receipts ORDER BY id DESC OFFSET $1 LIMIT 1)`,
            [KEEP_STRAY_RECEIPTS],
          );
        } finally {
          await client.query('SELECT pg_advisory_unlock($1)', [schemaLock]);
        }
      } finally {
        client.release();
      }
    },
    async close() {
      await db.end();
    },
  };
}
