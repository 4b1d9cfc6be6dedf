import type { Secret } from '@pushmill/core';
import { type AppTable, createAppTable } from './apps.ts';
import { type BacklogView, createBacklogView } from './backlog.ts';
import { type BatchTable, createBatchTable } from './batches.ts';
import { type ChannelTable, createChannelTable } from './channels.ts';
import { keyedPlans, openDatabase } from './database.ts';
import { createDeadLetterTable, type DeadLetterTable, type DroppedLetters } from './dead-letters.ts';
import { createDeviceTable, type DeviceTable } from './devices.ts';
import { createKeyTable, type KeyTable } from './keys.ts';
import { type LedgerClock, openLedgerClock } from './ledger-clock.ts';
import { createMessageTable, type MessageTable } from './messages.ts';
import { createOperationTable, type OperationTable } from './operations.ts';
import { ensurePartitions, schemaLock } from './partitions.ts';
import { createPauseTable, type PauseTable } from './pauses.ts';
import { createPushTable, type PushTable } from './pushes.ts';
import { createQuotaTable, dropOldQuotas, type QuotaTable } from './quotas.ts';
import { createReceiptTable, type ReceiptTable } from './receipts.ts';
import { Sealing } from './sealing.ts';
import { createSuppressionTable, type SuppressionTable } from './suppressions.ts';
import { createTaskTable, type TaskTable } from './tasks.ts';

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
  backlog: BacklogView;
  receipts: ReceiptTable;
  suppressions: SuppressionTable;
  tasks: TaskTable;
  operations: OperationTable;
  pauses: PauseTable;
  devices: DeviceTable;
  deadLetters: DeadLetterTable;
  quotas: QuotaTable;
  clock: LedgerClock;
  /** Rejects when Postgres does not answer. */
  ping(): Promise<void>;
  /**
   * Makes coming partitions and drops what is past its keeping. Safe to run from many processes.
   * @returns what was dropped that people must be told of
   */
  maintain(): Promise<{ deadLetters: DroppedLetters[] }>;
  close(): Promise<void>;
}

const KEEP_IDEMPOTENCY_KEYS = '48 hours';
const KEEP_STRAY_RECEIPTS = 10_000;
const KEEP_OPERATIONS = '24 hours';
/** No vendor that can be asked answers for longer than a month. */
const KEEP_TASKS = '35 days';

/** Opens the ledger. Connects at the first query. */
export function openStore(options: StoreOptions): Store {
  const { maxConnections = 10 } = options;
  const url = options.databaseUrl.reveal();
  const db = openDatabase(url, Math.ceil(maxConnections / 3));
  const keyed = openDatabase(url, Math.ceil((maxConnections * 2) / 3), keyedPlans);
  const channels = createChannelTable(db, new Sealing(options.masterKeys));
  const pauses = createPauseTable(db);
  const deadLetters = createDeadLetterTable(db);
  return {
    apps: createAppTable(db),
    keys: createKeyTable(db),
    channels,
    messages: createMessageTable(db, keyed),
    pushes: createPushTable(db),
    batches: createBatchTable(keyed),
    backlog: createBacklogView(db),
    receipts: createReceiptTable(db, keyed),
    suppressions: createSuppressionTable(db),
    tasks: createTaskTable(db),
    operations: createOperationTable(db),
    pauses,
    devices: createDeviceTable(db),
    deadLetters,
    quotas: createQuotaTable(db),
    clock: openLedgerClock(db),
    async ping() {
      await db.query('SELECT 1');
    },
    async maintain() {
      const client = await db.connect();
      try {
        const lock = await client.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [
          schemaLock,
        ]);
        if (!lock.rows[0]?.got) return { deadLetters: [] };
        try {
          await ensurePartitions(client, new Date());
          await channels.cancelRemoved();
          await pauses.releaseForgotten();
          await client.query(
            'DELETE FROM devices WHERE channel_id IN (SELECT id FROM channels WHERE deleted_at IS NOT NULL)',
          );
          await client.query(`DELETE FROM idempotency_keys WHERE created_at < now() - $1::interval`, [
            KEEP_IDEMPOTENCY_KEYS,
          ]);
          // A stranger who guesses wrong all day must not fill the disk.
          await client.query(
            `DELETE FROM stray_receipts WHERE id < (
               SELECT id FROM stray_receipts ORDER BY id DESC OFFSET $1 LIMIT 1)`,
            [KEEP_STRAY_RECEIPTS],
          );
          await client.query('DELETE FROM operations WHERE requested_at < now() - $1::interval', [
            KEEP_OPERATIONS,
          ]);
          await client.query('DELETE FROM tasks WHERE accepted_at < now() - $1::interval', [KEEP_TASKS]);
          await dropOldQuotas(client);
          return { deadLetters: await deadLetters.prune() };
        } finally {
          await client.query('SELECT pg_advisory_unlock($1)', [schemaLock]);
        }
      } finally {
        client.release();
      }
    },
    async close() {
      await Promise.all([db.end(), keyed.end()]);
    },
  };
}
