import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultRetryPolicy, formatPushId, type Outcome, pushIdentity } from '@pushmill/core';
import { createLogger } from '@pushmill/log';
import { type ChannelRow, isLedgerAway, type NewMessage } from '@pushmill/store';
import type { ActiveChannel } from '../../apps/worker/src/active-channel.ts';
import { runBatch } from '../../apps/worker/src/batch-run.ts';
import { BatchWatch } from '../../apps/worker/src/batch-watch.ts';
import { ChannelFlow, type RateGate } from '../../apps/worker/src/channel-flow.ts';
import { ChannelRegistry } from '../../apps/worker/src/channel-registry.ts';
import { LedgerTime } from '../../apps/worker/src/ledger-time.ts';
import { until } from '../e2e/until.ts';
import { newToken } from './ledger-setup.ts';
import { accepted, gate, scriptedVendor } from './scripted-vendor.ts';
import { quick, refused, throttled, timeout, useWorkerBench } from './worker-setup.ts';

const bench = await useWorkerBench(12);
const { ledger } = bench;
const { store, appId } = ledger;

const noRate: RateGate = {
  take: async (_pushes, _lane, signal) => !signal.aborted,
  takeNow: () => true,
  giveBack: () => {},
  hold: async () => {},
  heldForMs: () => 0,
};
const flowOf = (maxInFlight: number) =>
  new ChannelFlow({
    maxInFlight,
    rate: noRate,
    throttleDelayMs: () => 1,
    now: Date.now,
    lateMs: () => 0,
    random: () => 0,
    changed: () => {},
  });

describe('the worker', () => {
  it('sends what was accepted, and records it', async () => {
    const channel = await bench.channelOf();
    await bench.work();
    const message = await bench.send(channel, 3);
    for (const push of await bench.settled(message)) {
      assert.partialDeepStrictEqual(push, {
        state: 'accepted',
        attempts: 1,
        vendorMessageId: 'vendor-id',
        code: null,
      });
    }
    const [call] = bench.vendor.calls;
    const push = call?.pushes[0];
    assert.ok(push);
    assert.partialDeepStrictEqual(push.message, {
      ...message.content,
      id: message.id,
      expiresAt: +message.expiresAt,
    });
    assert.equal(push.identity, pushIdentity({ messageId: message.id, n: Number(push.id.split('.')[1]) }));
    await until('the batch to be gone', async () => (await bench.batchesOf(channel)).length === 0);
    assert.equal(bench.vendor.calls.length, 3);
  });

  it('serves channels that come later, and stops serving those that go', async () => {
    await bench.work();
    const channel = await bench.channelOf();
    await bench.settled(await bench.send(channel, 1));
    await store.channels.remove(appId, channel.name);
    await until('the sender to be closed', () => bench.vendor.closed === 1);
  });

  it('serves the vendors that it is told to', async () => {
    const channel = await bench.channelOf();
    await bench.work({ vendors: ['apns'] });
    const message = await bench.send(channel, 1);
    await until('the job to wait', async () => (await bench.batchesOf(channel))[0]?.state === 'enqueued');
    await bench.work({ vendors: ['scripted'] });
    await bench.settled(message);
  });

  it('calls with as many tokens as the vendor takes, never of two messages', async () => {
    bench.vendor = scriptedVendor({ maxTokensPerCall: 3 });
    const channel = await bench.channelOf();
    const group = [ledger.message(channel.id, 7), ledger.message(channel.id, 2)];
    await store.messages.accept(group);
    await bench.work();
    for (const message of group) await bench.settled(message);
    assert.deepEqual(bench.vendor.calls.map((call) => call.pushes.length).sort(), [1, 2, 3, 3]);
    for (const call of bench.vendor.calls)
      assert.equal(new Set(call.pushes.map((push) => push.message)).size, 1);
  });

  it('has no more pushes in flight than it may', async () => {
    const channel = await bench.channelOf();
    const door = gate();
    let flying = 0;
    let most = 0;
    bench.vendor.answer(async () => {
      flying += 1;
      most = Math.max(most, flying);
      await door.passed;
      flying -= 1;
      return accepted;
    });
    await bench.work({ concurrency: 4 });
    const message = await bench.send(channel, 20);
    await until('four in flight', () => flying === 4);
    door.open();
    await bench.settled(message);
    assert.equal(most, 4);
  });

  it('tries again under the same identity, and keeps each attempt', async () => {
    const channel = await bench.channelOf();
    bench.vendor.answer((_push, _call, attempt) => (attempt < 3 ? timeout : accepted));
    await bench.work();
    const message = await bench.send(channel, 2);
    for (const push of await bench.settled(message))
      assert.partialDeepStrictEqual(push, { state: 'accepted', attempts: 3 });
    const identities = bench.vendor.calls.map((call) => call.pushes[0]?.identity);
    assert.equal(identities.length, 6);
    assert.equal(new Set(identities).size, 2);
    assert.deepEqual(
      (await bench.attemptsOf(message)).map(({ kind, action }) => `${kind} ${action}`),
      ['unavailable retry', 'unavailable retry', 'accepted finish'],
    );
  });

  it('retries only those of a batch that need it', async () => {
    const channel = await bench.channelOf();
    bench.vendor.answer((push, _call, attempt) =>
      push.id.endsWith('.1') && attempt === 1 ? timeout : accepted,
    );
    await bench.work();
    const message = await bench.send(channel, 3);
    await bench.settled(message);
    assert.deepEqual(
      message.recipients.map(({ token }) => bench.vendor.sent(token)),
      [1, 2, 1],
    );
  });

  it('gives up after the last attempt', async () => {
    const channel = await bench.channelOf({ maxAttempts: 2 });
    bench.vendor.answer((push) => (push.id.endsWith('.0') ? timeout : { ...timeout, mayHaveArrived: false }));
    await bench.work();
    const pushes = await bench.settled(await bench.send(channel, 2));
    assert.deepEqual(
      pushes.map(({ state, attempts, code }) => [state, attempts, code]),
      [
        ['unknown', 2, 'timeout'],
        ['failed', 2, 'timeout'],
      ],
    );
  });

  for (const [unanswered, state, calls] of [
    ['hold', 'unknown', 1],
    ['resend', 'accepted', 2],
  ] as const) {
    it(`a vendor without identity leaves a push unanswered, policy ${unanswered}: ${state}`, async () => {
      bench.vendor = scriptedVendor({ hasIdentity: false });
      bench.vendor.answer((_push, _call, attempt) => (attempt === 1 ? timeout : accepted));
      const channel = await bench.channelOf({ unanswered });
      await bench.work();
      const [push] = await bench.settled(await bench.send(channel, 1));
      assert.equal(push?.state, state);
      assert.equal(bench.vendor.calls.length, calls);
    });
  }

  it('waits when it is throttled, and spends nothing', async () => {
    const channel = await bench.channelOf({ maxAttempts: 1 });
    bench.vendor.answer((_push, _call, attempt) => (attempt < 4 ? throttled(20) : accepted));
    await bench.work();
    const message = await bench.send(channel, 1);
    const [push] = await bench.settled(message);
    assert.partialDeepStrictEqual(push, { state: 'accepted', attempts: 1 });
    assert.deepEqual(
      (await bench.attemptsOf(message)).map(({ kind, delayMs }) => `${kind} ${delayMs}`),
      ['throttled 20', 'throttled 20', 'throttled 20', 'accepted null'],
    );
  });

  it('waits as long as the vendor asked, and splits the batch by it', async () => {
    const channel = await bench.channelOf();
    const waits = [60_000, 3_600_000 - 120_000];
    bench.vendor.answer((push) => ({
      ...throttled(waits[Number(push.id.split('.')[1]) % 2] as number),
      scope: 'token',
    }));
    await bench.work();
    const before = Date.now();
    await bench.send(channel, 4);
    const batches = await until('two batches that wait', async () => {
      const found = await bench.batchesOf(channel);
      return found.length === 2 && found.every(({ state }) => state === 'waiting') && found;
    });
    const sorted = batches.sort((a, b) => +a.due_at - +b.due_at);
    assert.deepEqual(
      sorted.map(({ ns }) => ns),
      [
        [0, 2],
        [1, 3],
      ],
    );
    sorted.forEach(({ due_at }, index) => {
      const waitMs = +due_at - before;
      assert.ok(waitMs >= (waits[index] as number), `${waitMs}`);
      assert.ok(waitMs < (waits[index] as number) * 1.2 + 2_000, `${waitMs}`);
    });
  });

  it('leaves the whole channel alone when the vendor asks for it, and spends nothing', async () => {
    const channel = await bench.channelOf();
    bench.vendor.answer((_push, _call, attempt) => (attempt === 1 ? throttled(1_500) : accepted));
    await bench.work();
    const first = await bench.send(channel, 1);
    await until('the refusal', () => bench.vendor.calls.length === 1);
    const saidAt = Date.now();
    bench.vendor.answer(() => accepted);
    const second = await bench.send(channel, 20);
    for (const message of [first, second]) {
      for (const { attempts } of await bench.settled(message)) assert.equal(attempts, 1);
    }
    for (let n = 0; n < 20; n += 1) {
      const [attempt] = await bench.attemptsOf(second, n);
      assert.ok(attempt && +attempt.at >= saidAt + 1_000, `${attempt && +attempt.at - saidAt}`);
    }
  });

  it('expires a push that would have to wait too long', async () => {
    const channel = await bench.channelOf();
    bench.vendor.answer(() => throttled(7_200_000));
    await bench.work();
    const [push] = await bench.settled(await bench.send(channel, 1));
    assert.partialDeepStrictEqual(push, { state: 'expired', code: 'TooManyRequests' });
  });

  it('suppresses a dead token, and does not send to it again', async () => {
    const channel = await bench.channelOf();
    bench.vendor.answer((push) =>
      push.id.endsWith('.0') ? { kind: 'token-dead', code: 'Unregistered', since: new Date(1e12) } : accepted,
    );
    await bench.work();
    const message = await bench.send(channel, 2);
    assert.deepEqual(
      (await bench.settled(message)).map(({ state, code }) => [state, code]),
      [
        ['failed', 'Unregistered'],
        ['accepted', null],
      ],
    );
    const [row] = await ledger.rows<{ since: Date; token: string }>(
      'SELECT since, token FROM suppressions WHERE channel_id = $1',
      [channel.id],
    );
    assert.deepEqual(row, { since: new Date(1e12), token: message.recipients[0]?.token });
    const again = await bench.send(channel, 0, { recipients: message.recipients });
    assert.deepEqual(
      (await bench.settled(again)).map(({ state }) => state),
      ['suppressed', 'accepted'],
    );
    assert.equal(bench.vendor.sent(message.recipients[0]?.token as string), 1);
  });

  it('ends a rejected push and keeps its token', async () => {
    const channel = await bench.channelOf();
    bench.vendor.answer(() => ({
      kind: 'rejected',
      code: 'BadTopic',
      detail: 'The topic is not of this app.',
    }));
    await bench.work();
    const [push] = await bench.settled(await bench.send(channel, 1));
    const detail = 'The topic is not of this app.';
    assert.partialDeepStrictEqual(push, { state: 'failed', code: 'BadTopic', detail });
    assert.equal(await store.suppressions.count(channel.id), 0);
  });

  it('pauses a channel once when its credential is refused; its pushes wait unspent for the new one', async () => {
    const [channel, other] = [await bench.channelOf(), await bench.channelOf()];
    bench.vendor.answer((push, call) =>
      call.credential.key === 'the-old-credential' &&
      message.recipients.some(({ token }) => token === push.token)
        ? refused
        : accepted,
    );
    const message = ledger.message(channel.id, 40);
    await store.messages.accept([message]);
    await bench.work({ concurrency: 8 });
    await bench.work({ concurrency: 8 });
    const paused = await until('the pause', async () => {
      const row = await store.channels.get(appId, channel.name);
      return row?.state === 'paused' && row;
    });
    assert.partialDeepStrictEqual(paused.pausedReason, {
      code: 'InvalidProviderToken',
      detail: 'The provider token is not valid.',
      by: 'pushmill',
    });
    // The other channel goes on.
    await bench.settled(await bench.send(other, 1));
    await until('the batch to wait', async () =>
      (await bench.batchesOf(channel)).every(({ state }) => state === 'waiting'),
    );
    const callsBefore = bench.vendor.calls.length;
    for (const push of await bench.pushesOf(message)) {
      assert.partialDeepStrictEqual(push, { state: 'queued', attempts: 0 });
    }
    assert.equal(bench.lines('channel.paused').length, 1);
    assert.ok(callsBefore <= 1 + 16, `${callsBefore} calls before everybody had stopped`);

    // A worker that has not looked since would try the old credential once more, to no push's cost.
    const followed = () =>
      bench.lines('channel.changed').filter(({ state }) => state === 'paused').length === 2;
    await until('both workers to follow', followed);
    await store.channels.update(appId, channel.name, {
      credential: { key: 'the-new-credential' },
      credentialShown: { kind: 'scripted' },
    });
    for (const push of await bench.settled(message)) {
      assert.partialDeepStrictEqual(push, { state: 'accepted', attempts: 1 });
    }
    assert.ok(
      bench.vendor.calls.slice(callsBefore).every((call) => call.credential.key === 'the-new-credential'),
    );
    assert.equal(bench.lines('channel.paused').length, 1);
  });

  // The answer to a call that had begun with the old credential came after the new one was in place, and paused the
  // channel again under the new version.
  it('does not pause a repaired channel for what the old credential is still told', async () => {
    const channel = await bench.channelOf();
    const [first, late] = [gate(), gate()];
    bench.vendor.answer(async (push, call) => {
      if (call.credential.key === 'the-new-credential') return accepted;
      await (push.id.endsWith('.0') ? first : late).passed;
      return refused;
    });
    await bench.work();
    const message = await bench.send(channel, 2);
    await until('two calls', () => bench.vendor.calls.length === 2);
    first.open();
    await until('the pause', async () => (await store.channels.get(appId, channel.name))?.state === 'paused');
    await store.channels.update(appId, channel.name, {
      credential: { key: 'the-new-credential' },
      credentialShown: { kind: 'scripted' },
    });
    await until('the worker to follow', () =>
      bench.lines('channel.changed').some(({ state }) => state === 'on'),
    );
    late.open();
    for (const push of await bench.settled(message)) assert.equal(push.state, 'accepted');
    assert.equal((await store.channels.get(appId, channel.name))?.state, 'on');
    assert.equal(bench.lines('channel.paused').length, 1);
  });

  it('lets a channel that an operator paused wait, and goes on when it is resumed', async () => {
    const channel = await bench.channelOf();
    const door = gate();
    bench.vendor.answer(async () => {
      await door.passed;
      return accepted;
    });
    await bench.work({ concurrency: 1 });
    const message = await bench.send(channel, 5);
    await until('the first call', () => bench.vendor.calls.length === 1);
    await store.channels.pause(appId, channel.name, { code: 'operator', detail: 'wait', by: 'operator' });
    await until('the worker to follow', () =>
      bench.lines('channel.changed').some(({ state }) => state === 'paused'),
    );
    door.open();
    await until('the batch to wait', async () => (await bench.batchesOf(channel))[0]?.state === 'waiting');
    assert.equal(bench.vendor.calls.length, 1);
    await store.channels.resume(appId, channel.name);
    assert.ok(
      (await bench.settled(message)).every(({ state, attempts }) => state === 'accepted' && attempts === 1),
    );
    assert.equal(bench.vendor.calls.length, 5);
  });

  it('ends what expires while its channel is paused', async () => {
    const channel = await bench.channelOf();
    await store.channels.pause(appId, channel.name, { code: 'operator', detail: 'wait', by: 'operator' });
    await bench.work();
    const message = await bench.send(channel, 3, { expiresAt: new Date(Date.now() + 500) });
    const other = await bench.send(channel, 1);
    const pushes = await bench.settled(message);
    for (const push of pushes)
      assert.partialDeepStrictEqual(push, { state: 'expired', attempts: 0, code: 'expired' });
    assert.equal(bench.vendor.calls.length, 0);
    assert.equal((await store.messages.get(appId, other.id))?.counts.queued, 1);
  });

  it('does not send what has expired', async () => {
    const channel = await bench.channelOf();
    await bench.work();
    const message = await bench.send(channel, 2, { expiresAt: new Date(Date.now() - 1) });
    const pushes = await bench.settled(message);
    for (const push of pushes)
      assert.partialDeepStrictEqual(push, { state: 'expired', attempts: 0, code: 'expired' });
    assert.equal(bench.vendor.calls.length, 0);
    assert.deepEqual(await bench.attemptsOf(message), []);
  });

  it('does not start what expires or is cancelled while it waits its turn', async () => {
    const channel = await bench.channelOf();
    const door = gate();
    bench.vendor.answer(async () => {
      await door.passed;
      return accepted;
    });
    await bench.work({ concurrency: 1 });
    const expiresAt = new Date(Date.now() + 2_000);
    const [cancelled, expiring] = [
      ledger.message(channel.id, 4),
      ledger.message(channel.id, 3, { expiresAt }),
    ];
    await store.messages.accept([cancelled, expiring]);
    bench.feeder.feed();
    await until('the first call', () => bench.vendor.calls.length === 1);
    await store.messages.cancel(appId, cancelled.id);
    await until('the expiry', () => Date.now() > +expiresAt);
    door.open();
    // One outcome is written before the worker hears of the cancellation; the calls of that moment go out.
    const states = (await bench.settled(cancelled)).map(({ state }) => state);
    assert.equal(states[0], 'accepted');
    assert.ok(states.includes('cancelled') || bench.vendor.calls.length <= 4, `${states}`);
    assert.ok(
      (await bench.settled(expiring)).every(({ state, attempts }) => state === 'expired' && attempts === 0),
    );
  });

  it('gives back at once what it has not begun when it stops, and another one sends it', async () => {
    const channel = await bench.channelOf();
    const door = gate();
    bench.vendor.answer(async () => {
      await door.passed;
      return accepted;
    });
    const worker = await bench.work({ concurrency: 2 });
    const message = await bench.send(channel, 10);
    await until('two in flight', () => bench.vendor.calls.length === 2);
    const closing = worker.close();
    bench.forget(worker);
    door.open();
    await closing;
    assert.equal(bench.vendor.calls.length, 2, 'no more were begun');
    const [batch, ...others] = await bench.batchesOf(channel);
    assert.deepEqual([others, batch?.run, batch?.ns], [[], 1, [2, 3, 4, 5, 6, 7, 8, 9]]);
    assert.deepEqual(
      (await bench.pushesOf(message)).map(({ state, attempts }) => `${state} ${attempts}`),
      [...Array(2).fill('accepted 1'), ...Array(8).fill('queued 0')],
    );
    await bench.work();
    await bench.settled(message);
    assert.ok(
      message.recipients.every(({ token }) => bench.vendor.sent(token) === 1),
      'each was sent once',
    );
  });

  // The recorder's warning called pino's bare method, which threw, so the outcomes were given up as soon as the ledger
  // was away, and everything in hand was sent again when it was back.
  it('keeps what it learned while the ledger is away, and writes it when it is back', async () => {
    const channel = await bench.channelOf();
    const door = gate();
    bench.vendor.answer(async () => {
      await door.passed;
      return accepted;
    });
    await bench.work();
    const message = await bench.send(channel, 30);
    await until('all in flight', () => bench.vendor.calls.length === 30);
    await bench.postgres.cut();
    door.open();
    await until('a try', () => bench.lines('ledger.away').length > 0);
    await bench.postgres.restore();
    for (const push of await bench.settled(message))
      assert.partialDeepStrictEqual(push, { state: 'accepted', attempts: 1 });
    assert.equal(bench.vendor.calls.length, 30, 'nothing was sent twice');
    await until('the batch to be gone', async () => (await bench.batchesOf(channel)).length === 0);
  });

  it('goes on after the ledger and the queue were away while nothing happened', async () => {
    const channel = await bench.channelOf();
    await bench.work();
    await bench.settled(await bench.send(channel, 1));
    await bench.postgres.cut();
    await until(
      'a complaint',
      () => bench.lines('feed.failed').length + bench.lines('channels.refresh-failed').length > 0,
    );
    await bench.postgres.restore();
    await bench.redis.flushdb();
    await bench.settled(await bench.send(channel, 1));
  });

  // A sender that threw left a rejected promise that nobody had waited for yet, and the process ended with it.
  it('outlives a bug in a sender, which costs only the pushes of that call', async () => {
    bench.vendor = scriptedVendor({ hasIdentity: false });
    bench.vendor.answer((push) => {
      if (push.id.endsWith('.1')) throw new TypeError('cannot read properties of undefined');
      return accepted;
    });
    const channel = await bench.channelOf();
    await bench.work();
    const message = await bench.send(channel, 3);
    assert.deepEqual(
      (await bench.settled(message)).map(({ state, code }) => [state, code]),
      [
        ['accepted', null],
        ['unknown', 'sender-failed'],
        ['accepted', null],
      ],
    );
    assert.equal(bench.lines('sender.failed').length, 1);
  });

  it('shows no token, no content and no credential in its log, metrics or Redis', async () => {
    const channel = await bench.channelOf();
    bench.vendor.answer((push, _call, attempt) => {
      if (attempt > 1) return accepted;
      const outcomes = [timeout, throttled(100), accepted, { kind: 'token-dead', code: 'Gone' }] as Outcome[];
      return outcomes[Number(push.id.split('.')[1])] ?? accepted;
    });
    const worker = await bench.work();
    const message = await bench.send(channel, 4);
    await bench.settled(message);
    const metrics = await (await fetch(`http://127.0.0.1:${worker.port}/metrics`)).text();
    const kept: string[] = [];
    for (const key of await bench.redis.keys('*')) {
      kept.push(key);
      if ((await bench.redis.type(key)) === 'hash') kept.push(JSON.stringify(await bench.redis.hgetall(key)));
    }
    const all = [...bench.logged, metrics, ...kept].join('\n');
    assert.ok(all.includes(formatPushId({ messageId: message.id, n: 0 })), 'the log speaks of the pushes');
    assert.match(metrics, /pushmill_attempts_total\{[^}]*kind="accepted"[^}]*\} 3/);
    for (const { token } of message.recipients) assert.ok(!all.includes(token));
    assert.ok(!all.includes('the-old-credential'));
    assert.ok(!all.includes('hello'));
  });

  it('says whether it is ready', async () => {
    const worker = await bench.work();
    const ask = async (path: string) => (await fetch(`http://127.0.0.1:${worker.port}${path}`)).status;
    assert.equal(await ask('/healthz'), 200);
    await until('it to be ready', async () => (await ask('/readyz')) === 200);
    await bench.postgres.cut();
    await until('it to see that Postgres is away', async () => (await ask('/readyz')) === 503);
    assert.equal(await ask('/healthz'), 200);
    assert.equal(await ask('/nothing'), 404);
    await bench.postgres.restore();
    await until('it to be ready again', async () => (await ask('/readyz')) === 200);
  });
});

describe('the channel registry', () => {
  // A channel that could not be loaded because Postgres restarted at that moment was held for broken, and was not
  // served until somebody changed it or restarted the worker.
  it('tries again when the ledger was away, and once only when the credential cannot be opened', async () => {
    const row = await bench.channelOf();
    const log = createLogger({ role: 'worker', level: 'debug', destination: bench.destination });
    let opened = 0;
    let failure: Error = Object.assign(new Error('away'), { code: 'ECONNREFUSED' });
    const registry = new ChannelRegistry({
      store: {
        channels: {
          ...store.channels,
          versions: async () => (await store.channels.versions()).filter(({ id }) => id === row.id),
          async openById(id) {
            opened += 1;
            if (opened <= 2) throw failure;
            return store.channels.openById(id);
          },
        },
      },
      isLedgerAway,
      vendors: { scripted: bench.vendor.vendor },
      vendorNames: undefined,
      concurrency: 1,
      steadyNow: Date.now,
      lateMs: () => 0,
      senderDeps: {
        now: Date.now,
        shared: { getOrMake: () => assert.fail(), forget: () => assert.fail() },
        warn: () => {},
      },
      openRate: () => ({ ...noRate, setRate: () => {}, close: async () => {} }),
      consume: () => ({ close: async () => {} }),
      log,
    });
    await assert.rejects(registry.refresh(), /away/);
    assert.equal(bench.lines('channel.cannot-open').length, 0);
    failure = new Error('sealed with another key');
    await registry.refresh();
    await registry.refresh();
    assert.equal(opened, 2);
    assert.equal(bench.lines('channel.cannot-open').length, 1);
    await store.channels.update(appId, row.name, { settings: {} });
    await registry.refresh();
    assert.deepEqual(
      registry.channels.map((channel) => channel.row.id),
      [row.id],
    );
    await registry.close();
    assert.equal(bench.vendor.closed, 1);
  });
});

describe('runBatch', () => {
  /** A channel as the worker serves it, without the worker. */
  async function active(changes: Partial<ActiveChannel> = {}) {
    const row = await bench.channelOf();
    const opened = await store.channels.openById(row.id);
    assert.ok(opened);
    const deps = {
      now: Date.now,
      shared: { getOrMake: () => assert.fail(), forget: () => assert.fail() },
      warn: () => {},
    };
    const channel: ActiveChannel = {
      row: opened,
      vendor: bench.vendor.vendor,
      sender: bench.vendor.vendor.createSender({ id: row.id, settings: {}, credential: {} }, deps),
      policy: { ...defaultRetryPolicy, ...quick },
      flow: flowOf(2),
      interruption: new AbortController(),
      paused: false,
      pause: () => {},
      ...changes,
    };
    return { row, channel };
  }

  async function queued(row: ChannelRow, count: number) {
    const message = ledger.message(row.id, count);
    await store.messages.accept([message]);
    const [due] = await store.batches.takeDue(10, [row.id]);
    assert.ok(due);
    return { message, job: { batchId: due.id, run: due.run } };
  }

  const clockedBy = (now: () => number) => ({ now, ledgerTime: new LedgerTime(now) });
  const log = createLogger({ role: 'worker', level: 'debug', destination: bench.destination });
  const deps = {
    store,
    watch: new BatchWatch({ store, leaseMs: 20_000, now: Date.now }),
    isLedgerAway,
    log,
    ...clockedBy(Date.now),
    random: () => 0,
    stopping: new AbortController().signal,
    cutOff: new AbortController().signal,
    observe: () => {},
  };

  it('stops when another one has claimed the batch, and what it learned is kept', async () => {
    const { row, channel } = await active();
    const { message, job } = await queued(row, 50);
    const doors = [gate(), gate()];
    bench.vendor.answer(async (push) => {
      await doors[Number(push.id.split('.')[1]) < 2 ? 0 : 1]?.passed;
      return accepted;
    });
    const running = runBatch(job, channel, deps);
    await until('two in flight', () => bench.vendor.calls.length === 2);
    await ledger.loseLease(job.batchId);
    const other = await store.batches.claim(job.batchId, job.run, 20_000);
    assert.ok(other);
    doors[0]?.open();
    await until('them to be recorded', async () => (await bench.pushesOf(message))[1]?.state === 'accepted');
    doors[1]?.open();
    await running;
    assert.partialDeepStrictEqual(bench.lines('batch.ran')[0], { stopped: 'outdated' });
    assert.equal(bench.vendor.calls.length, 4, 'the two that were in flight when it heard were the last');
    const states = (await bench.pushesOf(message)).map(({ state }) => state);
    assert.deepEqual(states, [...Array(4).fill('accepted'), ...Array(46).fill('queued')]);
    assert.equal((await bench.batchesOf(row))[0]?.state, 'enqueued', 'the batch is the other one’s');
    assert.equal(await store.batches.settle(other, []), true);
  });

  it('does nothing for a run that is over', async () => {
    const { row, channel } = await active();
    const { job } = await queued(row, 1);
    await runBatch(job, channel, deps);
    await runBatch(job, channel, deps);
    await runBatch({ ...job, run: job.run + 1 }, channel, deps);
    assert.equal(bench.vendor.calls.length, 1);
  });

  it('buries a batch that killed ten workers, without calling', async () => {
    const { row, channel } = await active();
    const { message, job } = await queued(row, 2);
    for (let claims = 0; claims < 9; claims += 1) await store.batches.claim(job.batchId, job.run, 0);
    await ledger.sql.query('UPDATE batches SET claims = 10 WHERE id = $1', [job.batchId]);
    await runBatch(job, channel, deps);
    for (const push of await bench.pushesOf(message)) {
      assert.partialDeepStrictEqual(push, { state: 'unknown', code: 'poison-batch', attempts: 0 });
    }
    assert.equal(bench.vendor.calls.length, 0);
    assert.deepEqual(await bench.batchesOf(row), []);
  });

  // When the ledger went away just before a batch was settled, the job was repeated and the batch claimed again:
  // pushes that were told to wait a minute were sent a second later.
  it('settles with patience', async () => {
    const { row, channel } = await active();
    const { message, job } = await queued(row, 2);
    bench.vendor.answer(() => throttled(60_000));
    let failures = 0;
    const batches = {
      ...store.batches,
      async settle(...args: Parameters<typeof store.batches.settle>) {
        failures += 1;
        if (failures < 3) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' });
        return store.batches.settle(...args);
      },
    };
    await runBatch(job, channel, { ...deps, store: { ...store, batches } });
    assert.equal(failures, 3);
    assert.equal(bench.vendor.calls.length, 2);
    const [batch, ...others] = await bench.batchesOf(row);
    assert.deepEqual([others, batch?.state, batch?.run], [[], 'waiting', job.run + 1]);
    assert.ok(batch && +batch.due_at > Date.now() + 50_000);
    assert.ok((await bench.pushesOf(message)).every(({ state }) => state === 'queued'));
  });

  it('judges expiry by the ledger’s clock, also when its own is wrong', async () => {
    const { row, channel } = await active();
    for (const [offsetMs, state] of [
      [-7_200_000, 'accepted'],
      [7_200_000, 'accepted'],
    ] as const) {
      const { message, job } = await queued(row, 1);
      await runBatch(job, channel, { ...deps, ...clockedBy(() => Date.now() + offsetMs) });
      const [push] = await bench.pushesOf(message);
      assert.equal(push?.state, state, `${offsetMs}`);
      const [attempt] = await bench.attemptsOf(message);
      assert.ok(
        attempt && Math.abs(+attempt.at - Date.now()) < 60_000,
        'attempts are told in the ledger’s time',
      );
    }
    const message = ledger.message(row.id, 1, { expiresAt: new Date(Date.now() - 10) });
    await store.messages.accept([message]);
    const [due] = await store.batches.takeDue(10, [row.id]);
    const late = { ...deps, ...clockedBy(() => Date.now() - 7_200_000) };
    await runBatch({ batchId: due?.id as string, run: 0 }, channel, late);
    assert.equal((await bench.pushesOf(message))[0]?.state, 'expired');
  });

  // The mark that precedes a call to a vendor without identity was waited for and then acted upon blindly: while
  // Postgres was slow, calls began after the expiry, after a cancellation, and after the batch had gone to another.
  for (const [what, meanwhile, state] of [
    ['expired', ({ expiresAt }) => until('the expiry', () => Date.now() > +expiresAt), 'expired'],
    ['was cancelled', ({ id }) => store.messages.cancel(appId, id), 'cancelled'],
    [
      'went to another worker',
      async (_, job) => {
        await ledger.loseLease(job.batchId);
        await store.batches.claim(job.batchId, job.run, 20_000);
      },
      'queued',
    ],
  ] as [string, (message: NewMessage, job: { batchId: string; run: number }) => Promise<unknown>, string][]) {
    it(`begins no call for what ${what} while its mark was written`, async () => {
      bench.vendor = scriptedVendor({ hasIdentity: false });
      const { row, channel } = await active();
      const message = ledger.message(row.id, 2, { expiresAt: new Date(Date.now() + 2_000) });
      await store.messages.accept([message]);
      const [due] = await store.batches.takeDue(10, [row.id]);
      const job = { batchId: due?.id as string, run: 0 };
      let isFirst = true;
      const batches: typeof store.batches = {
        ...store.batches,
        async markSending(batch, places) {
          if (isFirst) {
            isFirst = false;
            await meanwhile(message, job);
          }
          return store.batches.markSending(batch, places);
        },
      };
      await runBatch(job, channel, { ...deps, store: { ...store, batches } });
      assert.equal(bench.vendor.calls.length, 0);
      for (const push of await bench.pushesOf(message)) assert.equal(push.state, state);
    });
  }

  // A worker that was stopped for 20 s took the answer that had waited for it for news, and sent what another one had
  // claimed and sent meanwhile.
  describe('stood still', () => {
    /** A clock that goes on by itself, and by leaps. */
    function leaping() {
      let leaptMs = 0;
      const now = () => Date.now() + leaptMs;
      return { now, leap: (ms: number) => (leaptMs += ms) };
    }
    async function takenAway({ batchId, run }: { batchId: string; run: number }) {
      await ledger.loseLease(batchId);
      assert.ok(await store.batches.claim(batchId, run, 20_000));
    }

    it('while its claim was answered, it sends nothing that another one has claimed since', async () => {
      const { row, channel } = await active();
      const { message, job } = await queued(row, 3);
      const { now, leap } = leaping();
      const batches: typeof store.batches = {
        ...store.batches,
        async claim(...args) {
          const claimed = await store.batches.claim(...args);
          await takenAway(job);
          leap(20_000);
          return claimed;
        },
      };
      const watch = new BatchWatch({ store, leaseMs: 20_000, now });
      await runBatch(job, channel, { ...deps, ...clockedBy(now), watch, store: { ...store, batches } });
      assert.equal(bench.vendor.calls.length, 0);
      assert.deepEqual(
        (await bench.pushesOf(message)).map(({ state }) => state),
        Array(3).fill('queued'),
      );
    });

    it('while a question was answered, it does not take that answer for news', async () => {
      const { row, channel } = await active();
      const { job } = await queued(row, 3);
      const { now, leap } = leaping();
      let questions = 0;
      const batches: typeof store.batches = {
        ...store.batches,
        async standings(...args) {
          const standings = await store.batches.standings(...args);
          questions += 1;
          if (questions === 2) await takenAway(job);
          if (questions <= 2) leap(20_000);
          return standings;
        },
      };
      const watch = new BatchWatch({ store: { batches }, leaseMs: 20_000, now });
      const claim: typeof store.batches.claim = async (...args) => {
        const claimed = await store.batches.claim(...args);
        leap(2_000);
        return claimed;
      };
      const claiming = { ...store, batches: { ...store.batches, claim } };
      await runBatch(job, channel, { ...deps, ...clockedBy(now), watch, store: claiming });
      assert.equal(questions, 3);
      assert.equal(bench.vendor.calls.length, 0);
    });

    it('and cannot ask, it begins no call that its lease does not cover', async () => {
      const { row, channel } = await active();
      const { job } = await queued(row, 3);
      const { now, leap } = leaping();
      const calledWhenAsked: number[] = [];
      const batches: typeof store.batches = {
        ...store.batches,
        async claim(...args) {
          const claimed = await store.batches.claim(...args);
          leap(20_000);
          return claimed;
        },
        async standings(...args) {
          calledWhenAsked.push(bench.vendor.calls.length);
          if (calledWhenAsked.length < 4) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' });
          return store.batches.standings(...args);
        },
      };
      const watch = new BatchWatch({ store: { batches }, leaseMs: 20_000, now });
      await runBatch(job, channel, { ...deps, ...clockedBy(now), watch, store: { ...store, batches } });
      assert.deepEqual(calledWhenAsked, [0, 0, 0, 0]);
      assert.equal(bench.vendor.calls.length, 3);
    });
  });

  it('sends a big batch of many messages completely, once', async () => {
    const { row, channel } = await active({ flow: flowOf(50) });
    const recipients = (count: number) =>
      Array.from({ length: count }, () => ({ channelId: row.id, token: newToken() }));
    const group = Array.from({ length: 250 }, () => ledger.message(row.id, 0, { recipients: recipients(2) }));
    await store.messages.accept(group);
    const [due] = await store.batches.takeDue(10, [row.id]);
    await runBatch({ batchId: due?.id as string, run: 0 }, channel, deps);
    assert.equal(bench.vendor.calls.length, 500);
    assert.equal(new Set(bench.vendor.calls.map((call) => call.pushes[0]?.token)).size, 500);
    const [row0] = await ledger.rows<{ count: number }>(
      `SELECT count(*)::int AS count FROM pushes WHERE channel_id = $1 AND state = 'accepted' AND attempts = 1`,
      [row.id],
    );
    assert.equal(row0?.count, 500);
  });
});
