import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChaosFindings, VendorFindings } from './chaos-findings.ts';
import { chaosText, judge } from './chaos-verdict.ts';

const none = { count: 0, example: null };
const some = { count: 3, example: '0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee.4' };

const vendor: VendorFindings = {
  requests: 60,
  accepted: 50,
  duplicates: 3,
  refused: {},
  receiptsSent: 40,
  receiptsTaken: 40,
  receiptsForged: 2,
  hasIdentity: true,
  inHand: 2,
  unanswered: 1,
  forgeriesTaken: 0,
};
const without: VendorFindings = { ...vendor, hasIdentity: false, duplicates: 0, forgeriesTaken: null };

const good: ChaosFindings = {
  seed: 7,
  durationMs: 60_000,
  requested: 110,
  repeats: 5,
  states: { accepted: 60, delivered: 40, expired: 6, cancelled: 4 },
  done: [{ atMs: 1_000, what: 'FLUSHALL' }],
  inHand: [{ worker: 'worker-1', byVendor: {}, count: 4 }],
  pauses: [
    { atMs: 2_000, vendor: 'apns', channel: 'apns-token', code: 'InvalidProviderToken', expected: true },
  ],
  vendors: { apns: vendor, tpns: without },
  neverTaken: none,
  takenUnknown: none,
  sentTwice: none,
  recordedTwice: none,
  calledInTheFuture: none,
  refusals: { ...none, refusals: 12 },
  afterExpiry: none,
  afterCancel: none,
  arrivedAfterExpiry: none,
  arrivedAfterCancel: none,
  expired: 6,
  cancelled: 4,
  redisPeakBytes: 5_000_000,
  redisBoundBytes: 6_000_000,
  urgentMs: { count: 50, p50: 20, p99: 90 },
  stories: {},
};

const broken = (findings: ChaosFindings) => judge(findings).filter(({ holds }) => !holds);

describe('judge', () => {
  it('has nothing to say when all holds', () => {
    assert.deepEqual(broken(good), []);
    assert.match(chaosText(good, judge(good)), /Everything held\.$/);
  });

  const cases: [what: string, change: Partial<ChaosFindings>][] = [
    ['every requested push', { requested: 111 }],
    ['reached its end', { states: { ...good.states, queued: 1, cancelled: 3 } }],
    ['its vendor took', { neverTaken: some }],
    ['the ledger knows of', { takenUnknown: some }],
    ['without a reason', { sentTwice: some }],
    ['in the record twice', { recordedTwice: some }],
    ['later than its record', { calledInTheFuture: some }],
    ['second copies at apns', { vendors: { apns: { ...vendor, duplicates: 4 }, tpns: without } }],
    ['no second copy at tpns', { vendors: { apns: vendor, tpns: { ...without, duplicates: 1 } } }],
    ['refused credential', { refusals: { ...some, refusals: 12 } }],
    ['began after its push had expired', { afterExpiry: some }],
    ['after a cancellation', { afterCancel: some }],
    ['arrived after its expiry', { arrivedAfterExpiry: some }],
    ['arrived after its cancellation', { arrivedAfterCancel: some }],
    ['every receipt', { vendors: { apns: { ...vendor, receiptsTaken: 39 }, tpns: without } }],
    ['no forged receipt of apns', { vendors: { apns: { ...vendor, forgeriesTaken: 1 }, tpns: without } }],
    ['Redis stayed', { redisPeakBytes: 6_000_001 }],
    ['Redis stayed', { redisPeakBytes: null }],
  ];
  for (const [what, change] of cases) {
    it(`finds what is broken: ${what} ${JSON.stringify(Object.keys(change))}`, () => {
      const findings = { ...good, ...change };
      const found = broken(findings);
      assert.deepEqual(
        found.map((one) => one.what.includes(what)),
        [true],
        JSON.stringify(found),
      );
      const text = chaosText(findings, judge(findings));
      assert.match(text, /BROKEN/);
      if (Object.values(change).includes(some)) assert.ok(text.includes(some.example));
    });
  }
});
