import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPushId, type Outcome } from '@pushmill/core';
import type { PollAnswer } from '@pushmill/vendors';
import { until } from '../e2e/until.ts';
import { newToken } from './ledger-setup.ts';
import { scriptedVendor } from './scripted-vendor.ts';
import { useWorkerBench } from './worker-setup.ts';

const bench = await useWorkerBench(13);
const { ledger } = bench;
const { store, appId } = ledger;

const polled: Outcome = { kind: 'accepted', vendorMessageId: 'task-1', poll: true };
const told = (change: Partial<Extract<PollAnswer, { kind: 'told' }>> = {}): PollAnswer => ({
  kind: 'told',
  state: undefined,
  code: 'FINISHED',
  detail: 'sent 3, arrived 2',
  counts: { sent: 3, arrived: 2 },
  final: true,
  ...change,
});
const polling = { afterMs: [0], everyMs: 1, tasksPerCall: 10 };

describe('calls that are asked about', () => {
  it('tell of themselves what holds for the call, and of their pushes only what holds for each', async () => {
    bench.vendor = scriptedVendor({ maxTokensPerCall: 3, polling });
    bench.vendor.answer(() => polled);
    bench.vendor.tell = () => told();
    const channel = await bench.channelOf();
    await bench.work();
    const message = await bench.send(channel, 3);
    await bench.settled(message);
    const push = async () => store.pushes.get(appId, { messageId: message.id, n: 1 });
    await until('the answer', async () => (await push())?.task?.polledAt);
    assert.partialDeepStrictEqual((await push())?.task, {
      id: 'task-1',
      pushes: 3,
      code: 'FINISHED',
      detail: 'sent 3, arrived 2',
      counts: { sent: 3, arrived: 2 },
      nextPollAt: null,
    });
    for (const { state } of await bench.pushesOf(message)) assert.equal(state, 'accepted');
    assert.deepEqual(
      bench.vendor.asked.map(({ id, pushes }) => [id, pushes]),
      [['task-1', 3]],
    );
  });

  it('move every push forward where the vendor’s words hold for every one', async () => {
    bench.vendor = scriptedVendor({ maxTokensPerCall: 2, polling: { ...polling, afterMs: [0, 1] } });
    bench.vendor.answer(() => polled);
    bench.vendor.tell = () => told({ state: 'delivered', final: false });
    const channel = await bench.channelOf();
    await bench.work();
    const message = await bench.send(channel, 2);
    await until('both delivered', async () =>
      (await bench.pushesOf(message)).every(({ state }) => state === 'delivered'),
    );
    await until('the second question', () => bench.vendor.asked.length === 2);
    const found = await store.pushes.get(appId, { messageId: message.id, n: 0 });
    // Told twice, recorded once.
    assert.deepEqual(
      found?.receipts.map(({ proof, state, code }) => [proof, state, code]),
      [['polled', 'delivered', 'FINISHED']],
    );
  });

  it('are asked about again when there was no answer, and not for ever', async () => {
    bench.vendor = scriptedVendor({ polling: { ...polling, afterMs: [0, 1, 2] } });
    bench.vendor.answer(() => polled);
    bench.vendor.tell = () => ({
      kind: 'failed',
      outcome: { kind: 'throttled', code: 'slow', scope: 'channel' },
    });
    const channel = await bench.channelOf();
    await bench.work();
    const message = await bench.send(channel, 1);
    await until('three questions', () => bench.vendor.asked.length === 3);
    const task = (await store.pushes.get(appId, { messageId: message.id, n: 0 }))?.task;
    assert.partialDeepStrictEqual(task, { polledAt: null, counts: null, nextPollAt: null });
    assert.deepEqual(bench.lines('tasks.polled')[0]?.failed, { throttled: 1 });
  });

  it('are asked about as often as the vendor allows all workers together', async () => {
    const channel = await ledger.channel({ vendor: 'scripted' });
    await ledger.sql.query(
      `INSERT INTO tasks (channel_id, id, message_ids, ns, due_at)
       SELECT $1, 'task-' || i, '{}', '{}', now() FROM generate_series(1, 5) AS i`,
      [channel.id],
    );
    const question = { channelId: channel.id, everyMs: 3_600_000, limit: 2, afterMs: [0] };
    const takes = await Promise.all(Array.from({ length: 8 }, () => store.tasks.take(question)));
    assert.deepEqual(takes.map((tasks) => tasks.length).sort(), [0, 0, 0, 0, 0, 0, 0, 2]);
  });
});

describe('operations', () => {
  const ask = async (channelId: string, name: string, input = {}) => {
    const id = await store.operations.ask(channelId, name, input);
    await until('the answer', async () => (await store.operations.look(id))?.answer);
    return (await store.operations.look(id))?.answer;
  };

  it('are done once, on paused channels too, and the vendor’s words come back', async () => {
    const channel = await bench.channelOf();
    await store.channels.pause(appId, channel.name, { code: 'operator', detail: '', by: 'operator' });
    bench.vendor.operate = async () => ({
      outcome: { kind: 'misconfigured', code: 'BadKey', detail: 'No such key.' },
    });
    await bench.work();
    await bench.work();
    assert.deepEqual(await ask(channel.id, 'greet', { name: 'Ada' }), {
      outcome: { kind: 'misconfigured', code: 'BadKey', detail: 'No such key.' },
    });
    assert.deepEqual(bench.vendor.operations, [{ name: 'greet', input: { name: 'Ada' } }]);
  });

  it('end with an answer also where the sender throws', async () => {
    const channel = await bench.channelOf();
    bench.vendor.operate = async () => {
      throw new Error('a bug');
    };
    await bench.work();
    const answer = (await ask(channel.id, 'verify')) as { outcome: Outcome };
    assert.equal(answer.outcome.kind, 'unavailable');
    assert.equal(bench.lines('operation.failed').length, 1);
  });
});

describe('audiences and environments', () => {
  it('make calls of their own', async () => {
    bench.vendor = scriptedVendor({ maxTokensPerCall: 10 });
    const channel = await bench.channelOf();
    await bench.work();
    const channelId = channel.id;
    const message = await bench.send(channel, 0, {
      recipients: [
        { channelId, token: newToken() },
        { channelId, token: newToken(), environment: 'there' },
        { channelId, token: '', audience: { kind: 'all' } },
        { channelId, token: newToken() },
        { channelId, token: newToken(), environment: 'there' },
      ],
    });
    const pushes = await bench.settled(message);
    assert.deepEqual(
      pushes.map(({ environment, audience }) => [environment, audience]),
      [
        [null, null],
        ['there', null],
        [null, { kind: 'all' }],
        [null, null],
        ['there', null],
      ],
    );
    const calls = bench.vendor.calls.map((call) => call.pushes.map(({ id }) => id).sort());
    const id = (n: number) => formatPushId({ messageId: message.id, n });
    assert.deepEqual(calls.sort(), [[id(0), id(3)], [id(1), id(4)], [id(2)]].sort());
    for (const { pushes } of bench.vendor.calls) {
      assert.equal(new Set(pushes.map(({ environment }) => environment)).size, 1);
    }
  });
});
