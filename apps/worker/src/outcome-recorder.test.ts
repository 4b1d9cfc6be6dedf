import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { ClaimedBatch, OutcomeRecord, Standing } from '@pushmill/store';
import { OutcomeRecorder } from './outcome-recorder.ts';

const batch = { id: 'b', messages: new Map() } as unknown as ClaimedBatch;
const held: Standing = { held: true, cancelled: [], paused: [] };
const outcome = (n: number): OutcomeRecord => ({
  messageId: 'm',
  n,
  place: n + 1,
  state: 'accepted',
  code: null,
  detail: null,
  vendorMessageId: null,
});
const turn = () => new Promise((resolve) => setImmediate(resolve));

class Away extends Error {}

/** A ledger that answers when it is told to. */
function setup(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const writes: { ns: number[]; answer: (recorded: Standing) => void; fail: (error: Error) => void }[] = [];
  const recorder = new OutcomeRecorder({
    batch,
    heardAt: 0,
    record: (outcomes) =>
      new Promise((answer, fail) => writes.push({ ns: outcomes.map(({ n }) => n), answer, fail })),
    isLedgerAway: (error) => error instanceof Away,
    now: () => 0,
    warn: () => {},
  });
  const add = (from: number, count: number) => {
    for (let n = from; n < from + count; n += 1) recorder.add(outcome(n));
  };
  return { recorder, writes, add };
}

describe('OutcomeRecorder', () => {
  it('writes a full group at once', (t) => {
    const { writes, add } = setup(t);
    add(0, 99);
    assert.equal(writes.length, 0);
    add(99, 1);
    assert.equal(writes[0]?.ns.length, 100);
  });

  it('writes a small group when its first outcome is 25 ms old', (t) => {
    const { writes, add } = setup(t);
    add(0, 1);
    t.mock.timers.tick(20);
    add(1, 1);
    assert.equal(writes.length, 0);
    t.mock.timers.tick(5);
    assert.deepEqual(writes[0]?.ns, [0, 1]);
  });

  it('writes one group at a time; what came meanwhile is the next', async (t) => {
    const { writes, add } = setup(t);
    add(0, 100);
    add(100, 150);
    t.mock.timers.tick(1_000);
    assert.equal(writes.length, 1);
    writes[0]?.answer(held);
    await turn();
    assert.equal(writes.length, 2);
    assert.equal(writes[1]?.ns.length, 150);
  });

  it('has no room while 400 outcomes are unwritten', async (t) => {
    const { recorder, writes, add } = setup(t);
    add(0, 399);
    assert.equal(recorder.room(), undefined);
    add(399, 1);
    const room = recorder.room();
    assert.ok(room);
    writes[0]?.answer(held);
    await room;
    assert.equal(recorder.room(), undefined);
  });

  it('flush waits until all is written', async (t) => {
    const { recorder, writes, add } = setup(t);
    add(0, 120);
    let flushed = false;
    const flushing = recorder.flush().then(() => {
      flushed = true;
    });
    writes[0]?.answer(held);
    await turn();
    assert.equal(flushed, false);
    assert.equal(writes[1]?.ns.length, 20);
    writes[1]?.answer(held);
    await flushing;
  });

  it('flush of nothing is done at once', async (t) => {
    const { recorder, writes } = setup(t);
    await recorder.flush();
    assert.equal(writes.length, 0);
  });

  it('keeps the group while the ledger is away, and writes it when it is back', async (t) => {
    const { recorder, writes, add } = setup(t);
    add(0, 100);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      writes[attempt]?.fail(new Away());
      await turn();
      assert.equal(writes.length, attempt + 1);
      t.mock.timers.tick(500);
      await turn();
      assert.deepEqual(writes[attempt + 1]?.ns, writes[0]?.ns);
    }
    writes[3]?.answer(held);
    await recorder.flush();
    assert.equal(recorder.held, true);
  });

  it('learns that the batch has another holder, and does not forget it', async (t) => {
    const { recorder, writes, add } = setup(t);
    add(0, 100);
    writes[0]?.answer({ held: false, cancelled: [], paused: [] });
    await turn();
    assert.equal(recorder.held, false);
    add(100, 100);
    writes[1]?.answer(held);
    await recorder.flush();
    assert.equal(recorder.held, false);
  });

  it('collects the messages that were cancelled', async (t) => {
    const { recorder, writes, add } = setup(t);
    add(0, 100);
    writes[0]?.answer({ held: true, cancelled: ['m1'], paused: [] });
    await turn();
    add(100, 100);
    writes[1]?.answer({ held: true, cancelled: ['m2'], paused: [] });
    await recorder.flush();
    assert.deepEqual([...recorder.cancelled], ['m1', 'm2']);
  });

  it('stops the batch and throws at flush when a write is refused for good', async (t) => {
    const { recorder, writes, add } = setup(t);
    add(0, 100);
    writes[0]?.fail(new Error('bad SQL'));
    await turn();
    assert.equal(recorder.held, false);
    await assert.rejects(recorder.flush(), /bad SQL/);
  });
});
