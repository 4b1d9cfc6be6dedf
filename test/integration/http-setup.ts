import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after } from 'node:test';
import { type ApiDeps, buildApi } from '@pushmill/api';
import { Secret } from '@pushmill/core';
import { createLogger, createMetrics } from '@pushmill/log';
import { createFeeder, type QueuedBatch } from '@pushmill/queue';
import { buildReceipts } from '@pushmill/receipts';
import { openStore, type Store } from '@pushmill/store';
import { testServers, uniquePrefix } from '@pushmill/testkit';
import { vendors } from '@pushmill/vendors';
import { createLedgerDatabase } from './ledger-setup.ts';

/** The api and the receipts service on a database of their own, with a producer's and an operator's key. */
export interface HttpWorld {
  store: Store;
  /** For what the store has no words for. */
  databaseUrl: string;
  api: Awaited<ReturnType<typeof buildApi>>;
  receipts: Awaited<ReturnType<typeof buildReceipts>>;
  producer: Record<string, string>;
  operator: Record<string, string>;
  password: string;
  /** Everything that was logged, for the search for secrets. */
  logged: string[];
  /** Channel ids in the order in which they were fed. */
  fed: string[];
  close(): Promise<void>;
}

interface Overrides extends Partial<Pick<ApiDeps, 'vendors'>> {
  /** Of back-pressure. */
  bounds?: Pick<ApiDeps['settings'], 'maxBacklog' | 'maxUrgentAgeSeconds'>;
}

/** For one test file, at its top level; closed after its tests, before the servers are stopped. */
export async function useHttpWorld(overrides: Overrides = {}): Promise<HttpWorld> {
  let world: HttpWorld | undefined;
  after(() => world?.close());
  world = await openHttpWorld(overrides);
  return world;
}

async function openHttpWorld({ bounds = {}, ...overrides }: Overrides): Promise<HttpWorld> {
  const servers = await testServers();
  const database = await createLedgerDatabase();
  const store = openStore({
    databaseUrl: new Secret(database.url),
    masterKeys: new Secret(randomBytes(32).toString('base64')),
  });
  const logged: string[] = [];
  const destination = { write: (line: string) => void logged.push(line) };
  const log = createLogger({ role: 'test', level: 'debug', destination });
  const realFeeder = createFeeder({
    redisUrl: new Secret(servers.redisUrl),
    ledger: store.batches,
    prefix: uniquePrefix(),
    warn: (fields, message) => log.warn(fields, message),
  });
  const fed: string[] = [];
  const feeder = {
    ...realFeeder,
    feed(channelIds: readonly string[]) {
      fed.push(...channelIds);
      realFeeder.feed(channelIds);
    },
    add(batches: readonly QueuedBatch[]) {
      fed.push(...batches.map(({ channelId }) => channelId));
      realFeeder.add(batches);
    },
  };
  const password = randomBytes(12).toString('base64url');
  const settings = {
    publicReceiptsUrl: 'https://receipts.test',
    operatorPassword: new Secret(password),
    ...bounds,
  };
  const deps = { store, feeder, vendors, log, settings, ...overrides };
  const api = await buildApi({ ...deps, metrics: createMetrics('api') });
  const receipts = await buildReceipts({
    store,
    vendors: deps.vendors,
    log,
    metrics: createMetrics('receipts'),
  });
  const app = await store.apps.ensureDefault();
  const keyFor = async (role: 'producer' | 'operator') => {
    const { key } = await store.keys.create({ appId: app.id, name: `test ${role}`, role });
    return { authorization: `Bearer ${key}` };
  };
  return {
    store,
    databaseUrl: database.url,
    api,
    receipts,
    producer: await keyFor('producer'),
    operator: await keyFor('operator'),
    password,
    logged,
    fed,
    async close() {
      await api.close();
      await receipts.close();
      await realFeeder.close();
      await store.close();
      await database.drop();
    },
  };
}

/** An APNs signing key as an operator hands it in. */
export function apnsCredential(): Record<string, string> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    kind: 'token',
    keyId: 'ABCDE12345',
    teamId: 'TEAM123456',
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

const seeds = new URL('../../packages/vendors/src/mpaas/fixtures/', import.meta.url);

/** An mPaaS channel whose callbacks are signed with the fixture key. */
export async function mpaasChannel(name: string): Promise<Record<string, unknown>> {
  return {
    name,
    vendor: 'mpaas',
    settings: { appId: 'ONEX570DA89211721', workspaceId: 'test', deliveryType: 2 },
    credential: {
      accessKeyId: 'LTAItestKeyId00000000000',
      accessKeySecret: 'testSecret000000000000000000000',
      callbackPublicKey: await readFile(new URL('public.pem', seeds), 'utf8'),
    },
  };
}

export async function mpaasFixture(name: string): Promise<Buffer> {
  return readFile(new URL(name, seeds));
}

/** A token of APNs' form, different each time. */
export function apnsToken(): string {
  return randomBytes(32).toString('hex');
}
