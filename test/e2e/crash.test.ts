import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createClient } from '@pushmill/client';
import { makeTemporaryDataDir } from '@pushmill/embedded';
import { type VendorName, vendors } from '@pushmill/vendors';
import { Redis } from 'ioredis';
import { type Cluster, startCluster } from '../../apps/cli/src/cluster.ts';
import { demoMessage, tokenMaker } from '../../apps/cli/src/demo-pushes.ts';
import { openLedgerView } from './ledger-view.ts';
import { until } from './until.ts';

/*
 * Everything that runs is killed with SIGKILL while a burst of pushes goes through, one after the other, and Redis is
 * emptied as well. What was answered 202 must settle, each push once in the ledger, and no push may have been sent a
 * second time unless a killed worker had it in hand.
 */

const requested = Number(process.env.PUSHMILL_TEST_CRASH_PUSHES ?? 20_000);
const recipientsPerMessage = 100;

let folder: Awaited<ReturnType<typeof makeTemporaryDataDir>>;
let cluster: Cluster;

before(async () => {
  folder = await makeTemporaryDataDir();
  cluster = await startCluster({
    dataDir: folder.path,
    env: { ...process.env, REDIS_URL: '', DATABASE_URL: '', PUSHMILL_LOG_LEVEL: 'info' },
    ports: { api: 0, receipts: 0, metrics: 0 },
    demo: { seed: 7 },
    say: (line) => console.log(`# ${line}`),
  });
});

after(async () => {
  await cluster?.stop();
  await folder?.remove();
});

test(`${requested} pushes survive kill -9 of every role and of Redis, and FLUSHALL`, {
  timeout: 300_000,
}, async () => {
  const ledger = openLedgerView(cluster.databaseUrl);
  const taken = () => {
    const accounts = [...cluster.emulators.values()].map((emulator) => emulator.account());
    return {
      accepted: accounts.reduce((sum, account) => sum + account.accepted, 0),
      duplicates: accounts.reduce((sum, account) => sum + account.duplicates, 0),
    };
  };
  const blindDuplicates = () =>
    [...cluster.emulators]
      .filter(([vendor]) => !vendors[vendor as VendorName].hasIdentity)
      .reduce((sum, [, emulator]) => sum + emulator.account().duplicates, 0);
  const settled = (share: number) =>
    until(`${share * 100} % are taken by a vendor`, () => taken().accepted >= requested * share);
  try {
    const sending = send();

    await settled(0.1);
    const worker = cluster.roles.get('worker');
    const api = cluster.roles.get('api');
    const receipts = cluster.roles.get('receipts');
    assert.ok(worker && api && receipts);

    await crash(worker);
    // Nothing is sent any more, once what lay in the sockets is read: what the vendors have and the ledger does
    // not know is what was in flight.
    let calm = { accepted: 0, reads: 0 };
    await until('the vendors have read all', () => {
      const { accepted } = taken();
      calm = accepted === calm.accepted ? { accepted, reads: calm.reads + 1 } : { accepted, reads: 0 };
      return calm.reads === 5;
    });
    const inFlight = calm.accepted - (await ledger.takenPushes());
    const marked = await ledger.markedPushes();
    await worker.ready();

    await settled(0.3);
    await crash(api);
    await api.ready();

    await settled(0.5);
    await crash(receipts);
    await receipts.ready();

    await settled(0.6);
    const redisPid = cluster.redis.pid();
    assert.ok(redisPid);
    process.kill(redisPid, 'SIGKILL');
    await until(
      'Redis has a new process',
      () => cluster.redis.pid() !== undefined && cluster.redis.pid() !== redisPid,
    );

    await settled(0.75);
    const redis = new Redis(cluster.redis.url);
    await redis.flushall();
    await redis.quit();

    assert.equal(await sending, requested);
    await until('no push is queued', async () => (await ledger.states()).queued === undefined, 120_000);

    const states = await ledger.states();
    const { accepted, duplicates } = taken();
    const blind = blindDuplicates();
    const unknown = states.unknown ?? 0;
    console.log(
      `# states ${JSON.stringify(states)}, duplicates ${duplicates} (${blind} without identity), in flight at the kill ${inFlight}, marked ${marked}`,
    );
    const sum = Object.values(states).reduce((total, count) => total + count, 0);
    assert.equal(sum, requested, 'every requested push is in the ledger once');
    assert.equal(
      (states.accepted ?? 0) + (states.delivered ?? 0) + unknown,
      requested,
      'each is accepted, or had just been begun by the killed worker at a vendor without identity',
    );
    assert.ok(unknown <= marked, `${unknown} unknown, but ${marked} were marked at the kill`);
    assert.ok(accepted >= requested - unknown, 'every push that is called accepted reached its vendor');
    assert.equal(blind, 0, 'nothing was sent twice where the vendor could not know it again');
    assert.ok(duplicates <= inFlight, `${duplicates} duplicates, but ${inFlight} were in flight`);
  } finally {
    await ledger.close();
  }
});

/** A producer that repeats what was not answered, under the same key. */
async function send(): Promise<number> {
  const client = createClient({ url: cluster.url, apiKey: cluster.producerKey });
  const newToken = tokenMaker(cluster);
  const names = cluster.channels.map((channel) => channel.name);
  let next = 0;
  let sent = 0;
  const sender = async () => {
    while (next < requested) {
      const start = next;
      next += recipientsPerMessage;
      const to = Array.from({ length: Math.min(recipientsPerMessage, requested - start) }, (_, offset) => {
        const channel = names[(start + offset) % names.length] as string;
        return { channel, token: newToken(channel) };
      });
      const idempotencyKey = `crash-${start}`;
      const message = demoMessage(to);
      const answer = await until(
        'the api takes the message',
        () => client.messages.send(message, { idempotencyKey }).catch(() => undefined),
        60_000,
      );
      sent += answer.pushes;
    }
  };
  await Promise.all(Array.from({ length: 4 }, sender));
  return sent;
}

async function crash(role: { pid(): number | undefined; kill(signal: NodeJS.Signals): void }): Promise<void> {
  const pid = role.pid();
  role.kill('SIGKILL');
  await until('the killed process is gone', () => role.pid() !== pid);
}
