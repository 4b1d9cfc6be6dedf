import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPushId } from '@pushmill/core';
import type { NewMessage } from '@pushmill/store';
import { until } from '../e2e/until.ts';
import { newToken } from './ledger-setup.ts';
import { accepted, gate, scriptedVendor } from './scripted-vendor.ts';
import { timeout, useWorkerBench } from './worker-setup.ts';

const bench = await useWorkerBench(11);
const { ledger } = bench;
const { store, appId } = ledger;

const deadLettersOf = (message: NewMessage) =>
  ledger.rows<{ n: number; state: string; kind: string; code: string; lane: number }>(
    'SELECT n, state, kind, code, lane FROM dead_letters WHERE message_id = $1 ORDER BY n',
    [message.id],
  );

describe('a worker that dies with calls under way', () => {
  for (const [unanswered, state, sent] of [
    ['hold', 'unknown', 0],
    ['resend', 'accepted', 1],
  ] as const) {
    it(`leaves no blind resend where the vendor has no identity: ${unanswered}`, async () => {
      bench.vendor = scriptedVendor({ hasIdentity: false });
      const channel = await bench.channelOf({ unanswered });
      const message = await bench.send(channel, 3);
      // As a worker that was killed left it: the first push marked, none recorded, the lease run out.
      await until('the job', async () => (await bench.batchesOf(channel))[0]?.state === 'enqueued');
      const [row] = await bench.batchesOf(channel);
      const batch = await store.batches.claim(row?.id as string, 0, 1);
      assert.ok(batch);
      assert.equal((await store.batches.markSending(batch, [1])).held, true);
      await bench.work();
      const pushes = await bench.settled(message);
      assert.deepEqual(
        pushes.map((push) => push.state),
        [state, 'accepted', 'accepted'],
      );
      assert.equal(bench.vendor.sent(pushes[0]?.token as string), sent);
      assert.equal((await bench.attemptsOf(message))[0]?.code, 'worker-lost');
    });
  }

  it('sends again where the vendor has one', async () => {
    const channel = await bench.channelOf();
    const message = await bench.send(channel, 1);
    await until('the job', async () => (await bench.batchesOf(channel))[0]?.state === 'enqueued');
    const [row] = await bench.batchesOf(channel);
    await store.batches.claim(row?.id as string, 0, 1);
    await bench.work();
    assert.deepEqual(
      (await bench.settled(message)).map(({ state, attempts }) => [state, attempts]),
      [['accepted', 1]],
    );
  });

  it('has its own late word believed, also after the push was called unknown', async () => {
    bench.vendor = scriptedVendor({ hasIdentity: false });
    const channel = await bench.channelOf();
    const door = gate();
    bench.vendor.answer(async () => {
      await door.passed;
      return accepted;
    });
    await bench.work();
    const message = await bench.send(channel, 1);
    await until('the call', () => bench.vendor.calls.length === 1);
    const { rows } = await ledger.sql.query<{ sending: number[] }>(
      'SELECT sending FROM batches WHERE channel_id = $1',
      [channel.id],
    );
    assert.deepEqual(rows[0]?.sending, [1], 'marked before the call');
    await ledger.sql.query(
      `UPDATE pushes SET state = 'unknown', code = 'worker-lost' WHERE message_id = $1`,
      [message.id],
    );
    door.open();
    await until('the word', async () => (await bench.pushesOf(message))[0]?.state === 'accepted');
  });
});

describe('what is given up', () => {
  it('is kept as a dead letter with its last outcome, but for dead tokens and what expired', async () => {
    bench.vendor = scriptedVendor({ hasIdentity: false });
    const channel = await bench.channelOf({ maxAttempts: 2 });
    bench.vendor.answer((push) => {
      const n = Number(push.id.split('.')[1]);
      if (n === 0) return { kind: 'rejected', code: 'BadTopic', detail: 'no such topic' };
      if (n === 1) return { kind: 'token-dead', code: 'Unregistered' };
      if (n === 2) return { kind: 'unavailable', code: '503', mayHaveArrived: false };
      if (n === 3) return timeout;
      return accepted;
    });
    await bench.work();
    const message = await bench.send(channel, 5, { lane: 'bulk' });
    await bench.settled(message);
    assert.deepEqual(await deadLettersOf(message), [
      { n: 0, state: 'failed', kind: 'rejected', code: 'BadTopic', lane: 1 },
      { n: 2, state: 'failed', kind: 'unavailable', code: '503', lane: 1 },
      { n: 3, state: 'unknown', kind: 'unavailable', code: 'timeout', lane: 1 },
    ]);
  });
});

describe('a paused message', () => {
  it('waits, in the ledger and with the worker, and goes on when it is resumed', async () => {
    const channel = await bench.channelOf();
    const [open, shut] = [ledger.message(channel.id, 30), ledger.message(channel.id, 30)];
    const [first, second] = [gate(), gate()];
    bench.vendor.answer(async (push) => {
      if (push.message.id === shut.id) await (bench.vendor.calls.length <= 4 ? first : second).passed;
      return accepted;
    });
    await bench.work({ concurrency: 4 });
    // One batch for both.
    await store.messages.accept([shut, open]);
    bench.feeder.feed([channel.id]);
    await until('the first calls', () => bench.vendor.calls.length === 4);
    assert.equal(await store.pauses.pause(appId, shut.id), true);
    first.open();
    // With the record of these the worker learns of the pause; four more are under way by then.
    await until(
      'four recorded',
      async () => (await bench.pushesOf(shut)).filter(({ state }) => state === 'accepted').length === 4,
    );
    await until('four more', () => bench.vendor.calls.length === 8);
    second.open();
    await bench.settled(open);
    await until('the rest to be held', async () =>
      (await bench.batchesOf(channel)).every(({ state }) => state === 'held'),
    );
    const held = (await bench.pushesOf(shut)).filter(({ state }) => state === 'queued');
    // We may see the record before the worker does; then another four are on their way.
    assert.ok([22, 18].includes(held.length), `${held.length}`);
    const sentBefore = bench.vendor.calls.length;
    assert.deepEqual(await store.pauses.resume(appId, shut.id), [channel.id]);
    bench.feeder.feed([channel.id]);
    for (const { state, attempts } of await bench.settled(shut))
      assert.deepEqual([state, attempts], ['accepted', 1]);
    assert.equal(bench.vendor.calls.length, sentBefore + held.length);
  });

  it('takes only its own pushes out of a batch that waits', async () => {
    const channel = await bench.channelOf();
    const later = new Date(Date.now() + 3_600_000);
    const [one, two] = [
      ledger.message(channel.id, 2, { sendAt: later }),
      ledger.message(channel.id, 3, { sendAt: later }),
    ];
    await store.messages.accept([one, two]);
    await store.pauses.pause(appId, one.id);
    const batches = (await bench.batchesOf(channel)).map(({ state, ns }) => [state, ns.length]);
    assert.deepEqual(batches.sort(), [
      ['held', 2],
      ['waiting', 3],
    ]);
    assert.equal(
      await store.pauses.pause(appId, formatPushId({ messageId: one.id, n: 0 }).slice(0, 36)),
      true,
    );
    assert.equal(await store.messages.cancel(appId, one.id), true);
    for (const { state } of await bench.pushesOf(one)) assert.equal(state, 'cancelled');
  });

  it('expires in its time', async () => {
    const channel = await bench.channelOf();
    await bench.work();
    const message = ledger.message(channel.id, 2, {
      sendAt: new Date(Date.now() + 3_600_000),
      expiresAt: new Date(Date.now() + 1_500),
    });
    await store.messages.accept([message]);
    await store.pauses.pause(appId, message.id);
    for (const { state } of await bench.settled(message)) assert.equal(state, 'expired');
    assert.equal(bench.vendor.calls.length, 0);
  });
});

describe('a vendor that does not answer', () => {
  it('is left alone, and its pushes keep their attempts', async () => {
    const channel = await bench.channelOf({ maxAttempts: 8 });
    let down = true;
    bench.vendor.answer(() =>
      down ? { kind: 'unavailable', code: '503', mayHaveArrived: false } : accepted,
    );
    await bench.work({ concurrency: 40 });
    const message = await bench.send(channel, 0, {
      recipients: Array.from({ length: 300 }, () => ({ channelId: channel.id, token: newToken() })),
    });
    await until('the circuit to open', () => bench.lines('channel.vendor-down').length > 0);
    const calls = bench.vendor.calls.length;
    assert.ok(calls < 300, `${calls} calls`);
    down = false;
    for (const { state } of await bench.settled(message)) assert.equal(state, 'accepted');
    assert.ok(bench.lines('channel.circuit').some(({ circuit }) => circuit === 'closed'));
  });
});

describe('tokens that die by the hundred', () => {
  it('pause the channel, once, and none stays suppressed', async () => {
    const channel = await bench.channelOf({ deadTokens: { atLeast: 20, share: 0.5 } });
    bench.vendor.answer(() => ({ kind: 'token-dead', code: 'Unregistered' }));
    await bench.work();
    await bench.work();
    const message = await bench.send(channel, 60);
    const paused = () => bench.lines('channel.paused');
    await until('the channel to pause', () => paused().length > 0);
    assert.match(String(paused()[0]?.detail), /called \d+ of \d+ tokens dead or misfiled within 10 minutes/);
    const row = await store.channels.get(appId, channel.name);
    assert.partialDeepStrictEqual(row, { state: 'paused', pausedReason: { code: 'mass-token-death' } });
    await until('all to be forgiven', async () => (await store.suppressions.count(channel.id)) === 0);
    assert.equal(paused().length, 1);
    // A person has mended the cause.
    bench.vendor.answer(() => accepted);
    await store.channels.resume(appId, channel.name);
    const again = await bench.send(channel, 0, { recipients: message.recipients });
    for (const { state } of await bench.settled(again)) assert.equal(state, 'accepted');
  });

  it('are a channel’s daily bread while they are few among many', async () => {
    const channel = await bench.channelOf({ deadTokens: { atLeast: 5, share: 0.5 } });
    bench.vendor.answer((push) =>
      Number(push.id.split('.')[1]) % 4 === 0 ? { kind: 'token-dead', code: 'Unregistered' } : accepted,
    );
    await bench.work();
    await bench.settled(await bench.send(channel, 60));
    const [before] = await bench.settled(await bench.send(channel, 1));
    assert.equal(before?.state, 'failed');
    assert.equal(await store.suppressions.count(channel.id), 16);
    assert.equal(bench.lines('channel.paused').length, 0);
  });
});
