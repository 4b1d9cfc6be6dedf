import { after, afterEach, beforeEach } from 'node:test';
import { loadConfig } from '@pushmill/config';
import { type Outcome, Secret } from '@pushmill/core';
import { createLogger } from '@pushmill/log';
import { connectProducer, createFeeder, type Feeder } from '@pushmill/queue';
import type { AttemptRow, ChannelRow, NewMessage, PushRow } from '@pushmill/store';
import { testServers } from '@pushmill/testkit';
import { startWorker, type WorkerOptions } from '@pushmill/worker';
import { until } from '../e2e/until.ts';
import { cuttable } from './cuttable.ts';
import { type Ledger, useLedger } from './ledger-setup.ts';
import { type ScriptedVendor, scriptedVendor } from './scripted-vendor.ts';

export interface Line {
  msg: string;
  [field: string]: unknown;
}

/** Real Redis, a real ledger and workers as they run, but for their vendor, which does what the test says. */
export class WorkerBench {
  vendor: ScriptedVendor = scriptedVendor();
  logged: string[] = [];
  readonly ledger: Ledger;
  readonly redisUrl: URL;
  readonly redis: ReturnType<typeof connectProducer>;
  readonly destination = { write: (line: string) => void this.logged.push(line) };
  readonly #postgres: Awaited<ReturnType<typeof cuttable>>;
  readonly #workers: { close(): Promise<void> }[] = [];
  #feeder: Feeder | undefined;

  constructor(ledger: Ledger, redisUrl: URL, postgres: Awaited<ReturnType<typeof cuttable>>) {
    this.ledger = ledger;
    this.redisUrl = redisUrl;
    this.redis = connectProducer(new Secret(redisUrl.href));
    this.#postgres = postgres;
  }

  get feeder(): Feeder {
    if (!this.#feeder) throw new Error('a test has not begun');
    return this.#feeder;
  }

  /** The workers' way to Postgres, which can be cut. */
  get postgres() {
    return this.#postgres;
  }

  lines(message: string): Line[] {
    return this.logged.map((line) => JSON.parse(line) as Line).filter((line) => line.msg === message);
  }

  async work(options: WorkerOptions = {}) {
    const config = loadConfig({
      REDIS_URL: this.redisUrl.href,
      DATABASE_URL: this.#postgres.url,
      PUSHMILL_MASTER_KEY: this.ledger.masterKeys.reveal(),
      PUSHMILL_METRICS_PORT: '0',
    });
    const log = createLogger({ role: 'worker', level: 'debug', destination: this.destination });
    const vendorTable = { scripted: this.vendor.vendor };
    const worker = await startWorker(config, log, { vendorTable, ...options });
    this.#workers.push(worker);
    return worker;
  }

  /** The test closes it itself. */
  forget(worker: { close(): Promise<void> }): void {
    this.#workers.splice(this.#workers.indexOf(worker), 1);
  }

  channelOf(policy: Record<string, unknown> = {}): Promise<ChannelRow> {
    const credential = { key: 'the-old-credential' };
    return this.ledger.channel({ vendor: 'scripted', credential, policy: { ...quick, ...policy } });
  }

  async send(channel: ChannelRow, count: number, changes?: Partial<NewMessage>): Promise<NewMessage> {
    const message = this.ledger.message(channel.id, count, changes);
    await this.ledger.store.messages.accept([message]);
    this.feeder.feed([channel.id]);
    return message;
  }

  async pushesOf(message: NewMessage): Promise<PushRow[]> {
    const { store, appId } = this.ledger;
    return (await store.pushes.ofMessage(appId, message.id, { limit: 1_000 })).items;
  }

  /** Waits until no push of the message is queued any more. */
  async settled(message: NewMessage): Promise<PushRow[]> {
    const { store, appId } = this.ledger;
    await until('all pushes to be settled', async () => {
      const { counts = {} } = (await store.messages.get(appId, message.id)) ?? {};
      return !counts.queued;
    });
    return this.pushesOf(message);
  }

  async attemptsOf(message: NewMessage, n = 0): Promise<AttemptRow[]> {
    const { store, appId } = this.ledger;
    return (await store.pushes.get(appId, { messageId: message.id, n }))?.attempts ?? [];
  }

  async batchesOf(channel: ChannelRow) {
    return this.ledger.rows<{ id: string; run: number; state: string; due_at: Date; ns: number[] }>(
      'SELECT id, run, state, due_at, ns FROM batches WHERE channel_id = $1',
      [channel.id],
    );
  }

  async begin(): Promise<void> {
    await this.redis.flushdb();
    this.vendor = scriptedVendor();
    this.logged = [];
    this.#feeder = createFeeder({
      redisUrl: new Secret(this.redisUrl.href),
      ledger: this.ledger.store.batches,
      warn: () => {},
    });
    const feeder = this.#feeder;
    await until('Redis', () => feeder.ready());
  }

  async end(): Promise<void> {
    await this.#postgres.restore();
    await Promise.all(this.#workers.splice(0).map((worker) => worker.close()));
    await this.feeder.close();
    // What a test left must not be served in the next one.
    const { store, appId } = this.ledger;
    for (const channel of await store.channels.list(appId)) await store.channels.remove(appId, channel.name);
  }

  async close(): Promise<void> {
    await this.redis.flushdb();
    this.redis.disconnect();
    await this.#postgres.close();
  }
}

/** At the top level of a test file. @param database  of Redis; no other file may have it */
export async function useWorkerBench(database: number): Promise<WorkerBench> {
  let bench: WorkerBench | undefined;
  // Registered before the servers are asked for, so that it runs before those are stopped.
  after(() => bench?.close());
  const ledger = await useLedger();
  const redisUrl = new URL((await testServers()).redisUrl);
  redisUrl.pathname = `/${database}`;
  const made = new WorkerBench(ledger, redisUrl, await cuttable(ledger.url));
  bench = made;
  await until('Redis', () => made.redis.status === 'ready');
  beforeEach(() => made.begin());
  afterEach(() => made.end());
  return made;
}

/** Quick retries, so that nothing waits long. */
export const quick = { baseDelayMs: 1, throttleDelayMs: 1 };

export const timeout: Outcome = { kind: 'unavailable', code: 'timeout', mayHaveArrived: true };
export const refused: Outcome = {
  kind: 'misconfigured',
  code: 'InvalidProviderToken',
  detail: 'The provider token is not valid.',
};
export const throttled = (retryAfterMs: number): Outcome => ({
  kind: 'throttled',
  code: 'TooManyRequests',
  scope: 'channel',
  retryAfterMs,
});
