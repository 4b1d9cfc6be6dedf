import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Receipts } from './receipts.ts';
import { judgeReceipts, receiptsText } from './verdict.ts';

const flat = (value: number) => ({ median: value, least: value, most: value });

const good: Receipts = {
  machine: { cpu: 'x', cores: 2, memoryGiB: 1, system: 's', node: '26', loadBefore: 0, versions: {} },
  channel: 'mpaas',
  callbacks: 100,
  rounds: 1,
  connections: 4,
  ours: { perSecond: flat(4_000), perCore: flat(5_000), cpuMicros: flat(200) },
  bare: { perSecond: flat(20_000), perCore: flat(20_000), cpuMicros: flat(50) },
  cpuRatio: flat(4),
  postgresCpuMicros: flat(100),
  loadCpuMicros: flat(20),
  coresInUse: { receipts: 0.8, postgres: 0.4, load: 0.1 },
  ledger: { transactions: 0.02, rowsInserted: 1, rowsUpdated: 1 },
  handedIn: 200,
  answers: { 200: 200 },
  deliveredOnce: 200,
};

describe('judgeReceipts', () => {
  it('holds at the bar and not below', () => {
    assert.equal(judgeReceipts(good).holds, true);
    const slow = { ...good, ours: { ...good.ours, perCore: flat(4_999) } };
    assert.deepEqual(
      [judgeReceipts(slow).isFastEnough, judgeReceipts(slow).isComplete, judgeReceipts(slow).holds],
      [false, true, false],
    );
  });

  it('wants every callback answered 2xx and every push delivered once', () => {
    const wrongs: Partial<Receipts>[] = [
      { answers: { 200: 199, 503: 1 } },
      { answers: { 200: 199 } },
      { deliveredOnce: 199 },
    ];
    for (const wrong of wrongs) {
      const verdict = judgeReceipts({ ...good, ...wrong });
      assert.deepEqual([verdict.isComplete, verdict.holds], [false, false]);
    }
    assert.equal(judgeReceipts({ ...good, answers: { 200: 100, 204: 100 } }).isComplete, true);
  });

  it('names what was at its end', () => {
    const limitOf = (receipts: number, postgres: number, load: number) =>
      judgeReceipts({ ...good, coresInUse: { receipts, postgres, load } }).limit;
    assert.equal(limitOf(0.95, 0.5, 0.1), 'receipts');
    assert.equal(limitOf(0.8, 0.8, 0.3), 'machine');
    assert.equal(limitOf(0.6, 0.4, 0.1), null);
  });
});

describe('receiptsText', () => {
  it('says what held and what did not', () => {
    assert.match(
      receiptsText(good, judgeReceipts(good)),
      /All 200 pushes are delivered.*records at least 5000/s,
    );
    const bad = { ...good, deliveredOnce: 7, answers: { 200: 199, 503: 1 } };
    const text = receiptsText(bad, judgeReceipts(bad));
    assert.match(
      text,
      /Of 200 pushes 7 are delivered with one receipt; callbacks: 199 answered 200, 1 answered 503\./,
    );
  });
});
