import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeTemporaryDataDir } from '@pushmill/embedded';
import type { Emulator } from '@pushmill/vendors';
import { type Installation, startInstallation } from '../../apps/cli/src/bench/installation.ts';
import { openLedgerAudit } from '../../apps/cli/src/bench/ledger-audit.ts';
import { createProducer } from '../../apps/cli/src/bench/producer.ts';
import { openLedgerView } from './ledger-view.ts';
import { until } from './until.ts';

/*
 * How a new version is rolled out: each process of each role gets SIGTERM in turn and is started again, while pushes
 * go through. Nothing may be lost, sent twice, or called more often than once.
 */

const SENDERS = 16;

let folder: Awaited<ReturnType<typeof makeTemporaryDataDir>>;
let installation: Installation;

before(async () => {
  folder = await makeTemporaryDataDir();
  const say = (line: string) => console.log(`# ${line}`);
  installation = await startInstallation({
    dataDir: folder.path,
    env: { ...process.env, REDIS_URL: '', DATABASE_URL: '', PUSHMILL_LOG_LEVEL: 'info' },
    seed: 7,
    clockOffsetsMs: [],
    say,
    progress: () => {},
    signal: new AbortController().signal,
  });
});

after(async () => {
  await installation?.stop();
  await folder?.remove();
});

test('a rolling restart of every role under load loses nothing and duplicates nothing', {
  timeout: 240_000,
}, async () => {
  const { cluster, apiUrls, roles, postgres } = installation;
  const over = new AbortController();
  const producer = createProducer({
    urls: apiUrls,
    apiKey: cluster.producerKey,
    signal: new AbortController().signal,
  });
  let requested = 0;
  const send = async (sender: number) => {
    for (let turn = 0; !over.signal.aborted; turn++) {
      const channel = cluster.channels[(sender + turn) % cluster.channels.length];
      const emulator = cluster.emulators.get(channel?.vendor ?? '') as Emulator;
      const name = channel?.name as string;
      // Most alone, some to many.
      const recipients = turn % 20 === 0 ? 50 : 1;
      const accepted = await producer.send(
        {
          class: recipients === 1 ? 'transactional' : 'marketing',
          notification: { title: 'Parcel', body: 'Delivered at 10:42' },
          to: [{ channel: name, tokens: Array.from({ length: recipients }, () => emulator.newToken(name)) }],
        },
        `rolling-${sender}-${turn}`,
      );
      requested += accepted.pushes;
    }
  };
  const sending = Promise.all(Array.from({ length: SENDERS }, (_, sender) => send(sender)));
  const taken = () =>
    [...cluster.emulators.values()].reduce((sum, emulator) => sum + emulator.account().accepted, 0);
  const moving = async () => {
    const goal = taken() + 100;
    await until('pushes go through', () => taken() >= goal, 30_000);
  };

  for (const [name, role] of roles) {
    await moving();
    const deaths = role.deaths();
    role.kill('SIGTERM');
    await until(`${name} has ended`, () => role.deaths() > deaths, 40_000);
    await role.ready();
  }
  await moving();
  over.abort();
  await sending;

  const ledger = openLedgerView(postgres.url);
  const audit = openLedgerAudit(postgres.url);
  try {
    await until(
      'all has settled',
      async () => {
        const { queued = 0 } = await audit.states();
        const accounts = [...cluster.emulators.values()].map((emulator) => emulator.account());
        return (
          queued === 0 && accounts.every(({ receiptsSent, receiptsTaken }) => receiptsSent === receiptsTaken)
        );
      },
      90_000,
    );
    const { accepted = 0, delivered = 0, ...others } = await audit.states();
    assert.deepEqual(others, {}, 'no push failed, expired or became unknown');
    assert.equal(accepted + delivered, requested);
    assert.equal(taken(), requested);
    for (const [vendor, emulator] of cluster.emulators) {
      assert.equal(emulator.account().duplicates, 0, `second copies at ${vendor}`);
    }
    assert.equal(await ledger.attempts(), requested, 'one call a push');
    console.log(`# ${requested} pushes, ${producer.repeats()} calls to the apis repeated`);
  } finally {
    await audit.close();
    await ledger.close();
  }
});
