import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EmulatorAccount } from '@pushmill/vendors';
import { accountText, balance, type Findings } from './account.ts';

const emulator = (account: Partial<EmulatorAccount>): EmulatorAccount => ({
  requests: 0,
  accepted: 0,
  duplicates: 0,
  refused: {},
  receiptsSent: 0,
  receiptsTaken: 0,
  ...account,
});

const good: Findings = {
  requested: 100,
  states: { accepted: 45, delivered: 40, dropped: 5, failed: 8, unknown: 2 },
  comparison: { neverTaken: 0, takenUnknown: 0, takenUnanswered: 1 },
  emulators: {
    apns: emulator({ requests: 60, accepted: 46, duplicates: 2, refused: { BadDeviceToken: 4 } }),
    mpaas: emulator({
      requests: 50,
      accepted: 45,
      receiptsSent: 46,
      receiptsTaken: 46,
      receiptsForged: 2,
    }),
  },
  receiptsOutstanding: 0,
  receiptsRefused: 2,
  durationMs: 2_000,
  redisPeakBytes: 3 * 1024 * 1024,
  postgresBytes: null,
  seed: 1,
};

const problemsWith = (change: Partial<Findings>) => balance({ ...good, ...change }).problems;

describe('balance', () => {
  it('of a run in which all adds up', () => {
    const account = balance(good);
    assert.deepEqual(account.problems, []);
    assert.equal(account.balanced, true);
    assert.equal(account.sum, 100);
    assert.equal(account.takenByLedger, 90);
    assert.equal(account.takenByEmulators, 91);
    assert.equal(account.duplicates, 2);
    assert.equal(account.pushesPerSecond, 50);
  });

  for (const [name, change, expected] of [
    ['a lost push', { requested: 101 }, /101 pushes were requested and the ledger has 100/],
    [
      'a push still queued',
      { states: { ...good.states, accepted: 44, queued: 1 } },
      /1 pushes are still queued/,
    ],
    [
      'a push called taken that nobody took',
      { comparison: { ...good.comparison, neverTaken: 1 } },
      /calls 1 pushes taken that no emulator took/,
    ],
    [
      'a push taken that the ledger does not know of',
      { comparison: { ...good.comparison, takenUnknown: 1 } },
      /took 1 pushes of which the ledger does not know/,
    ],
    [
      'a lost receipt',
      {
        emulators: {
          ...good.emulators,
          mpaas: emulator({ accepted: 45, receiptsSent: 46, receiptsTaken: 45, receiptsForged: 2 }),
        },
      },
      /sent 46 receipts and 45 were taken/,
    ],
    [
      'a forged receipt that was believed',
      { receiptsRefused: 1 },
      /2 receipts were forged and only 1 were refused/,
    ],
    ['a receipt that never came', { receiptsOutstanding: 1 }, /1 accepted pushes have no receipt/],
  ] as const) {
    it(`finds ${name}`, () => {
      const problems = problemsWith(change);
      assert.equal(problems.length, 1, problems.join('\n'));
      assert.match(problems[0] as string, expected);
    });
  }
});

describe('accountText', () => {
  it('says it in a table and a sentence', () => {
    const text = accountText(balance(good));
    assert.match(text, /^delivered +40$/m);
    assert.match(text, /^apns +60 +46 +2 +4 +0 +0 +0$/m);
    assert.match(text, /^receipts: 46 sent, 46 taken, 2 forged and 2 refused$/m);
    assert.match(text, /50 pushes\/s over 2\.0 s, seed 1/);
    assert.match(text, /Redis peak 3\.0 MiB, Postgres on disk not known/);
    assert.match(text, /The account balances\.$/);
  });
});
