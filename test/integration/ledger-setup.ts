import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { after } from 'node:test';
import { newId, Secret } from '@pushmill/core';
import {
  type ChannelRow,
  migrate,
  type NewChannel,
  type NewMessage,
  openStore,
  type Store,
} from '@pushmill/store';
import { createTestDatabase } from '@pushmill/testkit';
import pg from 'pg';

const migrations = new URL('../../packages/store/migrations/', import.meta.url);

/** A migrated ledger of one test file. */
export interface Ledger {
  store: Store;
  /** For what the store has no words for: looking behind it, and being in its way. */
  sql: pg.Pool;
  url: string;
  masterKeys: Secret;
  appId: string;
  /** A channel with a name of its own. */
  channel(changes?: Partial<NewChannel>): Promise<ChannelRow>;
  /** A message that is not stored yet, to so many tokens of a channel. */
  message(channelId: string, count: number, changes?: Partial<NewMessage>): NewMessage;
  /** As if the batch's holder had been silent for too long. */
  loseLease(batchId: string): Promise<void>;
  rows<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
}

export async function createLedgerDatabase() {
  const names = (await readdir(migrations)).sort();
  const texts = await Promise.all(names.map((name) => readFile(new URL(name, migrations), 'utf8')));
  return createTestDatabase({
    schemaVersion: texts.join('\n'),
    migrate: async (url) => void (await migrate(url)),
  });
}

/** At the top level of a test file; closed after its tests. */
export async function useLedger(): Promise<Ledger> {
  let close: (() => Promise<void>) | undefined;
  after(() => close?.());
  const database = await createLedgerDatabase();
  const masterKeys = new Secret(randomBytes(32).toString('base64'));
  const store = openStore({ databaseUrl: new Secret(database.url), masterKeys });
  const sql = new pg.Pool({ connectionString: database.url, application_name: 'test' });
  close = async () => {
    await sql.end();
    await store.close();
    await database.drop();
  };
  const { id: appId } = await store.apps.ensureDefault();
  let channels = 0;
  return {
    store,
    sql,
    url: database.url,
    masterKeys,
    appId,
    async channel(changes) {
      channels += 1;
      const row = await store.channels.create({
        appId,
        name: `channel-${channels}`,
        vendor: 'apns',
        settings: { environment: 'sandbox' },
        credential: { key: 'the credential' },
        credentialShown: { kind: 'token' },
        ...changes,
      });
      if (!row) throw new Error('the name is taken');
      return row;
    },
    message(channelId, count, changes) {
      return {
        id: newId(),
        appId,
        content: { notification: { body: 'hello' }, class: 'transactional', priority: 'high' },
        lane: 'urgent',
        sendAt: null,
        expiresAt: new Date(Date.now() + 3_600_000),
        recipients: Array.from({ length: count }, () => ({ channelId, token: newToken() })),
        ...changes,
      };
    },
    async loseLease(batchId) {
      await sql.query(`UPDATE batches SET lease_until = now() - interval '1 second' WHERE id = $1`, [
        batchId,
      ]);
    },
    async rows<Row extends pg.QueryResultRow>(text: string, values?: unknown[]) {
      return (await sql.query<Row>(text, values)).rows;
    },
  };
}

export function newToken(): string {
  return `token-${randomBytes(16).toString('hex')}`;
}
