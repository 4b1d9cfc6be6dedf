import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeTemporaryDataDir } from '@pushmill/embedded';
import type { Emulator } from '@pushmill/vendors';
import { type PushCosts, startCosts } from '../../apps/cli/src/bench/costs.ts';
import { type Cluster, startCluster } from '../../apps/cli/src/cluster.ts';
import { openLedgerView } from './ledger-view.ts';
import { until } from './until.ts';

/*
 * What a push costs, by counting: whoever brings back a job or a statement a push is told so here, and not by a clock.
 * The bounds are two to four times what a busy machine was seen to need, and close for rows; docs/performance.md has the figures.
 */

let folder: Awaited<ReturnType<typeof makeTemporaryDataDir>>;
let cluster: Cluster;

before(async () => {
  folder = await makeTemporaryDataDir();
  cluster = await startCluster({
    dataDir: folder.path,
    env: { ...process.env, REDIS_URL: '', DATABASE_URL: '', PUSHMILL_LOG_LEVEL: 'warn' },
    ports: { api: 0, receipts: 0, metrics: 0 },
    demo: { seed: 7 },
    durable: false,
    say: (line) => console.log(`# ${line}`),
  });
});

after(async () => {
  await cluster?.stop();
  await folder?.remove();
});

async function costsOf(count: number, work: (newToken: () => string) => Promise<void>): Promise<PushCosts> {
  const [channel] = cluster.channels;
  const emulator = cluster.emulators.get(channel?.vendor ?? '') as Emulator;
  const ledger = openLedgerView(cluster.databaseUrl);
  const taken = await ledger.takenPushes();
  const costs = await startCosts(cluster);
  try {
    await work(() => emulator.newToken(channel?.name as string));
    await until('all are recorded', async () => (await ledger.takenPushes()) - taken === count);
    const found = await costs.perPush(count);
    console.log(`# ${JSON.stringify({ ...found, redisCommandsByName: undefined })}`);
    return found;
  } finally {
    await costs.close();
    await ledger.close();
  }
}

async function send(tokens: readonly string[]): Promise<void> {
  const { client, channels } = cluster;
  await client.messages.send({
    class: tokens.length === 1 ? 'transactional' : 'marketing',
    notification: { title: 'Parcel', body: 'Delivered at 10:42' },
    to: [{ channel: channels[0]?.name as string, tokens: [...tokens] }],
  });
}

test('a bulk push costs few commands and transactions, and one row', async () => {
  const count = 10_000;
  const costs = await costsOf(count, async (newToken) => {
    for (let sent = 0; sent < count; sent += 2_500) await send(Array.from({ length: 2_500 }, newToken));
  });
  assert.ok(costs.redisCommands < 0.5, `${costs.redisCommands} Redis commands`);
  assert.ok(costs.writeTransactions < 0.06, `${costs.writeTransactions} transactions that write`);
  assert.ok(costs.rows && costs.rows.inserted < 1.1, `${costs.rows?.inserted} rows`);
  assert.ok(costs.rows.updated < 1.3, `${costs.rows.updated} updates`);
});

test('a push that is sent alone shares its jobs and transactions with others', async () => {
  const count = 2_000;
  const costs = await costsOf(count, async (newToken) => {
    let left = count;
    const sender = async () => {
      while (left-- > 0) await send([newToken()]);
    };
    await Promise.all(Array.from({ length: 64 }, sender));
  });
  // A job a push alone would be more than twenty.
  assert.ok(costs.redisCommands < 10, `${costs.redisCommands} Redis commands`);
  assert.ok(costs.writeTransactions < 0.8, `${costs.writeTransactions} transactions that write`);
  // The message, its idempotency key, the push, and a share of a batch.
  assert.ok(costs.rows && costs.rows.inserted < 3.3, `${costs.rows?.inserted} rows`);
});
