import assert from 'node:assert/strict';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { loadConfig } from '@pushmill/config';
import { defaultRetryPolicy, formatPushId, type Outcome, pushIdentity, Secret } from '@pushmill/core';
import { createLogger } from '@pushmill/log';
import { connectProducer, createFeeder, type Feeder } from '@pushmill/queue';
import { type ChannelRow, isLedgerAway, type NewMessage, type PushRow } from '@pushmill/store';
import { testServers } from '@pushmill/testkit';
import { startWorker, type WorkerOptions } from '@pushmill/worker';
import type { ActiveChannel } from '../../apps/worker/src/active-channel.ts';
import { runBatch } from '../../apps/worker/src/batch-run.ts';
import { ChannelRegistry } from '../../apps/worker/src/channel-registry.ts';
import { Slots } from '../../apps/worker/src/slots.ts';
import { until } from '../e2e/until.ts';
import { cuttable } from './cuttable.ts';
import { newToken, useLedger } from './ledger-setup.ts';
import { accepted, gate, type ScriptedVendor, scriptedVendor } from './scripted-vendor.ts';

// Closings are registered before the servers are asked for, so that they run before those are stopped.
after(() => close());
const ledger = await useLedger();
const { store, appId } = ledger;
const redisUrl = new URL((await testServers()).redisUrl);
redisUrl.pathname = '/12';
const postgres = await cuttable(ledger.url);
const redis = connectProducer(new Secret(redisUrl.href));
await until('Redis', () => redis.status === 'ready');

async function close(): Promise<void> {
  await redis.flushdb();
  redis.disconnect();
  await postgres.close();
}

interface Line {
  msg: string;
  [field: string]: unknown;
}

let vendor: ScriptedVendor;
let feeder: Feeder;
let logged: string[];
const workers: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  await redis.flushdb();
  vendor = scriptedVendor();
  logged = [];
  feeder = createFeeder({ redisUrl: new Secret(redisUrl.href), ledger: store.batches, warn: () => {} });
  await until('Redis', () => feeder.ready());
});

afterEach(async () => {
  await postgres.restore();
  await Promise.all(workers.splice(0).map((worker) => worker.close()));
  await feeder.close();
  // What a test left must not be served in the next one.
  for (const channel of await store.channels.list(appId)) await store.channels.remove(appId, channel.name);
});

const destination = { write: (line: string) => void logged.push(line) };
const lines = (message: string): Line[] =>
  logged.map((line) => JSON.parse(line) as Line).filter((line) => line.msg === message);

/** The worker as it runs, but for its vendor. Its way to Postgres can be cut. */
async function work(options: WorkerOptions = {}) {
  const config = loadConfig({
    REDIS_URL: redisUrl.href,
    DATABASE_URL: postgres.url,
    PUSHMILL_MASTER_KEY: ledger.masterKeys.reveal(),
    PUSHMILL_METRICS_PORT: '0',
  });
  const log = createLogger({ role: 'worker', level: 'debug', destination });
  const worker = await startWorker(config, log, { vendorTable: { scripted: vendor.vendor }, ...options });
  workers.push(worker);
  return worker;
}

/** Quick retries, so that nothing waits long. */
const quick = { baseDelayMs: 1, throttleDelayMs: 1 };

function channelOf(policy: Record<string, unknown> = {}): Promise<ChannelRow> {
  const credential = { key: 'the-old-credential' };
  return ledger.channel({ vendor: 'scripted', credential, policy: { ...quick, ...policy } });
}

async function send(channel: ChannelRow, count: number, changes?: Partial<NewMessage>): Promise<NewMessage> {
  const message = ledger.message(channel.id, count, changes);
  await store.messages.accept([message]);
  feeder.feed([channel.id]);
  return message;
}

async function pushesOf(message: NewMessage): Promise<PushRow[]> {
  return (await store.pushes.ofMessage(appId, message.id, { limit: 1_000 })).items;
}

/** Waits until no push of the message is queued any more. */
async function settled(message: NewMessage): Promise<PushRow[]> {
  await until('all pushes to be settled', async () => {
    const { counts = {} } = (await store.messages.get(appId, message.id)) ?? {};
    return !counts.queued;
  });
  return pushesOf(message);
}

async function attemptsOf(message: NewMessage, n = 0) {
  return (await store.pushes.get(appId, { messageId: message.id, n }))?.attempts ?? [];
}

async function batchesOf(channel: ChannelRow) {
  return ledger.rows<{ id: string; run: number; state: string; due_at: Date; ns: number[] }>(
    'SELECT id, run, state, due_at, ns FROM batches WHERE channel_id = $1',
    [channel.id],
  );
}

const timeout: Outcome = { kind: 'unavailable', code: 'timeout', mayHaveArrived: true };
const refused: Outcome = {
  kind: 'misconfigured',
  code: 'InvalidProviderToken',
  detail: 'The provider token is not valid.',
};
const throttled = (retryAfterMs: number): Outcome => ({
  kind: 'throttled',
  code: 'TooManyRequests',
  scope: 'channel',
  retryAfterMs,
});

describe('the worker', () => {
  it('sends what was accepted, and records it', async () => {
    const channel = await channelOf();
    await work();
    const message = await send(channel, 3);
    for (const push of await settled(message)) {
      assert.partialDeepStrictEqual(push, {
        state: 'accepted',
        attempts: 1,
        vendorMessageId: 'vendor-id',
        code: null,
      });
    }
    const [call] = vendor.calls;
    const push = call?.pushes[0];
    assert.ok(push);
    assert.partialDeepStrictEqual(push.message, {
      ...message.content,
      id: message.id,
      expiresAt: +message.expiresAt,
    });
    assert.equal(push.identity, pushIdentity({ messageId: message.id, n: Number(push.id.split('.')[1]) }));
    await until('the batch to be gone', async () => (await batchesOf(channel)).length === 0);
    assert.equal(vendor.calls.length, 3);
  });

  it('serves channels that come later, and stops serving those that go', async () => {
    await work();
    const channel = await channelOf();
    await settled(await send(channel, 1));
    await store.channels.remove(appId, channel.name);
    await until('the sender to be closed', () => vendor.closed === 1);
  });

  it('serves the vendors that it is told to', async () => {
    const channel = await channelOf();
    await work({ vendors: ['apns'] });
    const message = await send(channel, 1);
    await until('the job to wait', async () => (await batchesOf(channel))[0]?.state === 'enqueued');
    await work({ vendors: ['scripted'] });
    await settled(message);
  });

  it('calls with as many tokens as the vendor takes, never of two messages', async () => {
    vendor = scriptedVendor({ maxTokensPerCall: 3 });
    const channel = await channelOf();
    const group = [ledger.message(channel.id, 7), ledger.message(channel.id, 2)];
    await store.messages.accept(group);
    await work();
    for (const message of group) await settled(message);
    assert.deepEqual(vendor.calls.map((call) => call.pushes.length).sort(), [1, 2, 3, 3]);
    for (const call of vendor.calls) assert.equal(new Set(call.pushes.map((push) => push.message)).size, 1);
  });

  it('has no more pushes in flight than it may', async () => {
    const channel = await channelOf();
    const door = gate();
    let flying = 0;
    let most = 0;
    vendor.answer(async () => {
      flying += 1;
      most = Math.max(most, flying);
      await door.passed;
      flying -= 1;
      return accepted;
    });
    await work({ concurrency: 4 });
    const message = await send(channel, 20);
    await until('four in flight', () => flying === 4);
    door.open();
    await settled(message);
    assert.equal(most, 4);
  });

  it('tries again under the same identity, and keeps each attempt', async () => {
    const channel = await channelOf();
    vendor.answer((_push, _call, attempt) => (attempt < 3 ? timeout : accepted));
    await work();
    const message = await send(channel, 2);
    for (const push of await settled(message))
      assert.partialDeepStrictEqual(push, { state: 'accepted', attempts: 3 });
    const identities = vendor.calls.map((call) => call.pushes[0]?.identity);
    assert.equal(identities.length, 6);
    assert.equal(new Set(identities).size, 2);
    assert.deepEqual(
      (await attemptsOf(message)).map(({ kind, action }) => `${kind} ${action}`),
      ['unavailable retry', 'unavailable retry', 'accepted finish'],
    );
  });

  it('retries only those of a batch that need it', async () => {
    const channel = await channelOf();
    vendor.answer((push, _call, attempt) => (push.id.endsWith('.1') && attempt === 1 ? timeout : accepted));
    await work();
    const message = await send(channel, 3);
    await settled(message);
    assert.deepEqual(
      message.recipients.map(({ token }) => vendor.sent(token)),
      [1, 2, 1],
    );
  });

  it('gives up after the last attempt', async () => {
    const channel = await channelOf({ maxAttempts: 2 });
    vendor.answer((push) => (push.id.endsWith('.0') ? timeout : { ...timeout, mayHaveArrived: false }));
    await work();
    const pushes = await settled(await send(channel, 2));
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
      vendor = scriptedVendor({ hasIdentity: false });
      vendor.answer((_push, _call, attempt) => (attempt === 1 ? timeout : accepted));
      const channel = await channelOf({ unanswered });
      await work();
      const [push] = await settled(await send(channel, 1));
      assert.equal(push?.state, state);
      assert.equal(vendor.calls.length, calls);
    });
  }

  it('waits when it is throttled, and spends nothing', async () => {
    const channel = await channelOf({ maxAttempts: 1 });
    vendor.answer((_push, _call, attempt) => (attempt < 4 ? throttled(20) : accepted));
    await work();
    const message = await send(channel, 1);
    const [push] = await settled(message);
    assert.partialDeepStrictEqual(push, { state: 'accepted', attempts: 1 });
    assert.deepEqual(
      (await attemptsOf(message)).map(({ kind, delayMs }) => `${kind} ${delayMs}`),
      ['throttled 20', 'throttled 20', 'throttled 20', 'accepted null'],
    );
  });

  it('waits as long as the vendor asked, and splits the batch by it', async () => {
    const channel = await channelOf();
    const waits = [60_000, 3_600_000 - 120_000];
    vendor.answer((push) => throttled(waits[Number(push.id.split('.')[1]) % 2] as number));
    await work();
    const before = Date.now();
    await send(channel, 4);
    const batches = await until('two batches that wait', async () => {
      const found = await batchesOf(channel);
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

  it('expires a push that would have to wait too long', async () => {
    const channel = await channelOf();
    vendor.answer(() => throttled(7_200_000));
    await work();
    const [push] = await settled(await send(channel, 1));
    assert.partialDeepStrictEqual(push, { state: 'expired', code: 'TooManyRequests' });
  });

  it('suppresses a dead token, and does not send to it again', async () => {
    const channel = await channelOf();
    vendor.answer((push) =>
      push.id.endsWith('.0') ? { kind: 'token-dead', code: 'Unregistered', since: new Date(1e12) } : accepted,
    );
    await work();
    const message = await send(channel, 2);
    assert.deepEqual(
      (await settled(message)).map(({ state, code }) => [state, code]),
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
    const again = await send(channel, 0, { recipients: message.recipients });
    assert.deepEqual(
      (await settled(again)).map(({ state }) => state),
      ['suppressed', 'accepted'],
    );
    assert.equal(vendor.sent(message.recipients[0]?.token as string), 1);
  });

  it('ends a rejected push and keeps its token', async () => {
    const channel = await channelOf();
    vendor.answer(() => ({ kind: 'rejected', code: 'BadTopic', detail: 'The topic is not of this app.' }));
    await work();
    const [push] = await settled(await send(channel, 1));
    const detail = 'The topic is not of this app.';
    assert.partialDeepStrictEqual(push, { state: 'failed', code: 'BadTopic', detail });
    assert.equal(await store.suppressions.count(channel.id), 0);
  });

  it('pauses a channel once when its credential is refused; its pushes wait unspent for the new one', async () => {
    const [channel, other] = [await channelOf(), await channelOf()];
    vendor.answer((push, call) =>
      call.credential.key === 'the-old-credential' &&
      message.recipients.some(({ token }) => token === push.token)
        ? refused
        : accepted,
    );
    const message = ledger.message(channel.id, 40);
    await store.messages.accept([message]);
    await work({ concurrency: 8 });
    await work({ concurrency: 8 });
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
    await settled(await send(other, 1));
    await until('the batch to wait', async () =>
      (await batchesOf(channel)).every(({ state }) => state === 'waiting'),
    );
    const callsBefore = vendor.calls.length;
    for (const push of await pushesOf(message)) {
      assert.partialDeepStrictEqual(push, { state: 'queued', attempts: 0 });
    }
    assert.equal(lines('channel.paused').length, 1);
    assert.ok(callsBefore <= 1 + 16, `${callsBefore} calls before everybody had stopped`);

    // A worker that has not looked since would try the old credential once more, to no push's cost.
    const followed = () => lines('channel.changed').filter(({ state }) => state === 'paused').length === 2;
    await until('both workers to follow', followed);
    await store.channels.update(appId, channel.name, {
      credential: { key: 'the-new-credential' },
      credentialShown: { kind: 'scripted' },
    });
    for (const push of await settled(message)) {
      assert.partialDeepStrictEqual(push, { state: 'accepted', attempts: 1 });
    }
    assert.ok(vendor.calls.slice(callsBefore).every((call) => call.credential.key === 'the-new-credential'));
    assert.equal(lines('channel.paused').length, 1);
  });

  // The answer to a call that had begun with the old credential came after the new one was in place, and paused the
  // channel again under the new version.
  it('does not pause a repaired channel for what the old credential is still told', async () => {
    const channel = await channelOf();
    const [first, late] = [gate(), gate()];
    vendor.answer(async (push, call) => {
      if (call.credential.key === 'the-new-credential') return accepted;
      await (push.id.endsWith('.0') ? first : late).passed;
      return refused;
    });
    await work();
    const message = await send(channel, 2);
    await until('two calls', () => vendor.calls.length === 2);
    first.open();
    await until('the pause', async () => (await store.channels.get(appId, channel.name))?.state === 'paused');
    await store.channels.update(appId, channel.name, {
      credential: { key: 'the-new-credential' },
      credentialShown: { kind: 'scripted' },
    });
    await until('the worker to follow', () => lines('channel.changed').some(({ state }) => state === 'on'));
    late.open();
    for (const push of await settled(message)) assert.equal(push.state, 'accepted');
    assert.equal((await store.channels.get(appId, channel.name))?.state, 'on');
    assert.equal(lines('channel.paused').length, 1);
  });

  it('lets a channel that an operator paused wait, and goes on when it is resumed', async () => {
    const channel = await channelOf();
    const door = gate();
    vendor.answer(async () => {
      await door.passed;
      return accepted;
    });
    await work({ concurrency: 1 });
    const message = await send(channel, 5);
    await until('the first call', () => vendor.calls.length === 1);
    await store.channels.pause(appId, channel.name, { code: 'operator', detail: 'wait', by: 'operator' });
    await until('the worker to follow', () =>
      lines('channel.changed').some(({ state }) => state === 'paused'),
    );
    door.open();
    await until('the batch to wait', async () => (await batchesOf(channel))[0]?.state === 'waiting');
    assert.equal(vendor.calls.length, 1);
    await store.channels.resume(appId, channel.name);
    assert.ok(
      (await settled(message)).every(({ state, attempts }) => state === 'accepted' && attempts === 1),
    );
    assert.equal(vendor.calls.length, 5);
  });

  it('ends what expires while its channel is paused', async () => {
    const channel = await channelOf();
    await store.channels.pause(appId, channel.name, { code: 'operator', detail: 'wait', by: 'operator' });
    await work();
    const message = await send(channel, 3, { expiresAt: new Date(Date.now() + 500) });
    const other = await send(channel, 1);
    const pushes = await settled(message);
    for (const push of pushes)
      assert.partialDeepStrictEqual(push, { state: 'expired', attempts: 0, code: 'expired' });
    assert.equal(vendor.calls.length, 0);
    assert.equal((await store.messages.get(appId, other.id))?.counts.queued, 1);
  });

  it('does not send what has expired', async () => {
    const channel = await channelOf();
    await work();
    const message = await send(channel, 2, { expiresAt: new Date(Date.now() - 1) });
    const pushes = await settled(message);
    for (const push of pushes)
      assert.partialDeepStrictEqual(push, { state: 'expired', attempts: 0, code: 'expired' });
    assert.equal(vendor.calls.length, 0);
    assert.deepEqual(await attemptsOf(message), []);
  });

  it('does not start what expires or is cancelled while it waits its turn', async () => {
    const channel = await channelOf();
    const door = gate();
    vendor.answer(async () => {
      await door.passed;
      return accepted;
    });
    await work({ concurrency: 1 });
    const expiresAt = new Date(Date.now() + 2_000);
    const [cancelled, expiring] = [
      ledger.message(channel.id, 4),
      ledger.message(channel.id, 3, { expiresAt }),
    ];
    await store.messages.accept([cancelled, expiring]);
    feeder.feed();
    await until('the first call', () => vendor.calls.length === 1);
    await store.messages.cancel(appId, cancelled.id);
    await until('the expiry', () => Date.now() > +expiresAt);
    door.open();
    // One outcome is written before the worker hears of the cancellation; the calls of that moment go out.
    const states = (await settled(cancelled)).map(({ state }) => state);
    assert.equal(states[0], 'accepted');
    assert.ok(states.includes('cancelled') || vendor.calls.length <= 4, `${states}`);
    assert.ok(
      (await settled(expiring)).every(({ state, attempts }) => state === 'expired' && attempts === 0),
    );
  });

  it('gives back at once what it has not begun when it stops, and another one sends it', async () => {
    const channel = await channelOf();
    const door = gate();
    vendor.answer(async () => {
      await door.passed;
      return accepted;
    });
    const worker = await work({ concurrency: 2 });
    const message = await send(channel, 10);
    await until('two in flight', () => vendor.calls.length === 2);
    const closing = worker.close();
    workers.length = 0;
    door.open();
    await closing;
    assert.equal(vendor.calls.length, 2, 'no more were begun');
    const [batch, ...others] = await batchesOf(channel);
    assert.deepEqual([others, batch?.run, batch?.ns], [[], 1, [2, 3, 4, 5, 6, 7, 8, 9]]);
    assert.deepEqual(
      (await pushesOf(message)).map(({ state, attempts }) => `${state} ${attempts}`),
      [...Array(2).fill('accepted 1'), ...Array(8).fill('queued 0')],
    );
    await work();
    await settled(message);
    assert.ok(
      message.recipients.every(({ token }) => vendor.sent(token) === 1),
      'each was sent once',
    );
  });

  // The recorder's warning called pino's bare method, which threw, so the outcomes were given up as soon as the ledger
  // was away, and everything in hand was sent again when it was back.
  it('keeps what it learned while the ledger is away, and writes it when it is back', async () => {
    const channel = await channelOf();
    const door = gate();
    vendor.answer(async () => {
      await door.passed;
      return accepted;
    });
    await work();
    const message = await send(channel, 30);
    await until('all in flight', () => vendor.calls.length === 30);
    await postgres.cut();
    door.open();
    await until('a try', () => lines('ledger.away').length > 0);
    await postgres.restore();
    for (const push of await settled(message))
      assert.partialDeepStrictEqual(push, { state: 'accepted', attempts: 1 });
    assert.equal(vendor.calls.length, 30, 'nothing was sent twice');
    await until('the batch to be gone', async () => (await batchesOf(channel)).length === 0);
  });

  it('goes on after the ledger and the queue were away while nothing happened', async () => {
    const channel = await channelOf();
    await work();
    await settled(await send(channel, 1));
    await postgres.cut();
    await until(
      'a complaint',
      () => lines('feed.failed').length + lines('channels.refresh-failed').length > 0,
    );
    await postgres.restore();
    await redis.flushdb();
    await settled(await send(channel, 1));
  });

  // A sender that threw left a rejected promise that nobody had waited for yet, and the process ended with it.
  it('outlives a bug in a sender, which costs only the pushes of that call', async () => {
    vendor = scriptedVendor({ hasIdentity: false });
    vendor.answer((push) => {
      if (push.id.endsWith('.1')) throw new TypeError('cannot read properties of undefined');
      return accepted;
    });
    const channel = await channelOf();
    await work();
    const message = await send(channel, 3);
    assert.deepEqual(
      (await settled(message)).map(({ state, code }) => [state, code]),
      [
        ['accepted', null],
        ['unknown', 'sender-failed'],
        ['accepted', null],
      ],
    );
    assert.equal(lines('sender.failed').length, 1);
  });

  it('shows no token, no content and no credential in its log, metrics or Redis', async () => {
    const channel = await channelOf();
    vendor.answer((push, _call, attempt) => {
      if (attempt > 1) return accepted;
      const outcomes = [timeout, throttled(100), accepted, { kind: 'token-dead', code: 'Gone' }] as Outcome[];
      return outcomes[Number(push.id.split('.')[1])] ?? accepted;
    });
    const worker = await work();
    const message = await send(channel, 4);
    await settled(message);
    const metrics = await (await fetch(`http://127.0.0.1:${worker.port}/metrics`)).text();
    const kept: string[] = [];
    for (const key of await redis.keys('*')) {
      kept.push(key);
      if ((await redis.type(key)) === 'hash') kept.push(JSON.stringify(await redis.hgetall(key)));
    }
    const all = [...logged, metrics, ...kept].join('\n');
    assert.ok(all.includes(formatPushId({ messageId: message.id, n: 0 })), 'the log speaks of the pushes');
    assert.match(metrics, /pushmill_attempts_total\{[^}]*kind="accepted"[^}]*\} 3/);
    for (const { token } of message.recipients) assert.ok(!all.includes(token));
    assert.ok(!all.includes('the-old-credential'));
    assert.ok(!all.includes('hello'));
  });

  it('says whether it is ready', async () => {
    const worker = await work();
    const ask = async (path: string) => (await fetch(`http://127.0.0.1:${worker.port}${path}`)).status;
    assert.equal(await ask('/healthz'), 200);
    await until('it to be ready', async () => (await ask('/readyz')) === 200);
    await postgres.cut();
    await until('it to see that Postgres is away', async () => (await ask('/readyz')) === 503);
    assert.equal(await ask('/healthz'), 200);
    assert.equal(await ask('/nothing'), 404);
    await postgres.restore();
    await until('it to be ready again', async () => (await ask('/readyz')) === 200);
  });
});

describe('the channel registry', () => {
  // A channel that could not be loaded because Postgres restarted at that moment was held for broken, and was not
  // served until somebody changed it or restarted the worker.
  it('tries again when the ledger was away, and once only when the credential cannot be opened', async () => {
    const row = await channelOf();
    const log = createLogger({ role: 'worker', level: 'debug', destination });
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
      vendors: { scripted: vendor.vendor },
      vendorNames: undefined,
      concurrency: 1,
      senderDeps: {
        now: Date.now,
        shared: { getOrMake: () => assert.fail(), forget: () => assert.fail() },
        warn: () => {},
      },
      consume: () => ({ close: async () => {} }),
      log,
    });
    await assert.rejects(registry.refresh(), /away/);
    assert.equal(lines('channel.cannot-open').length, 0);
    failure = new Error('sealed with another key');
    await registry.refresh();
    await registry.refresh();
    assert.equal(opened, 2);
    assert.equal(lines('channel.cannot-open').length, 1);
    await store.channels.update(appId, row.name, { settings: {} });
    await registry.refresh();
    assert.deepEqual(
      registry.channels.map((channel) => channel.row.id),
      [row.id],
    );
    await registry.close();
    assert.equal(vendor.closed, 1);
  });
});

describe('runBatch', () => {
  /** A channel as the worker serves it, without the worker. */
  async function active(changes: Partial<ActiveChannel> = {}) {
    const row = await channelOf();
    const opened = await store.channels.openById(row.id);
    assert.ok(opened);
    const deps = {
      now: Date.now,
      shared: { getOrMake: () => assert.fail(), forget: () => assert.fail() },
      warn: () => {},
    };
    const channel: ActiveChannel = {
      row: opened,
      vendor: vendor.vendor,
      sender: vendor.vendor.createSender({ id: row.id, settings: {}, credential: {} }, deps),
      policy: { ...defaultRetryPolicy, ...quick },
      slots: new Slots(2),
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

  const log = createLogger({ role: 'worker', level: 'debug', destination });
  const deps = {
    store,
    isLedgerAway,
    log,
    now: Date.now,
    random: () => 0,
    stopping: new AbortController().signal,
    cutOff: new AbortController().signal,
    observe: () => {},
  };

  it('stops when another one has claimed the batch, and what it learned is kept', async () => {
    const { row, channel } = await active();
    const { message, job } = await queued(row, 50);
    const doors = [gate(), gate()];
    vendor.answer(async (push) => {
      await doors[Number(push.id.split('.')[1]) < 2 ? 0 : 1]?.passed;
      return accepted;
    });
    const running = runBatch(job, channel, deps);
    await until('two in flight', () => vendor.calls.length === 2);
    const other = await store.batches.claim(job.batchId, job.run, 20_000);
    assert.ok(other);
    doors[0]?.open();
    await until('them to be recorded', async () => (await pushesOf(message))[1]?.state === 'accepted');
    doors[1]?.open();
    await running;
    assert.partialDeepStrictEqual(lines('batch.ran')[0], { stopped: 'outdated' });
    assert.equal(vendor.calls.length, 4, 'the two that were in flight when it heard were the last');
    const states = (await pushesOf(message)).map(({ state }) => state);
    assert.deepEqual(states, [...Array(4).fill('accepted'), ...Array(46).fill('queued')]);
    assert.equal((await batchesOf(row))[0]?.state, 'enqueued', 'the batch is the other one’s');
    assert.equal(await store.batches.settle(other, []), true);
  });

  it('does nothing for a run that is over', async () => {
    const { row, channel } = await active();
    const { job } = await queued(row, 1);
    await runBatch(job, channel, deps);
    await runBatch(job, channel, deps);
    await runBatch({ ...job, run: job.run + 1 }, channel, deps);
    assert.equal(vendor.calls.length, 1);
  });

  it('buries a batch that killed ten workers, without calling', async () => {
    const { row, channel } = await active();
    const { message, job } = await queued(row, 2);
    for (let claims = 0; claims < 9; claims += 1) await store.batches.claim(job.batchId, job.run, 20_000);
    await ledger.sql.query('UPDATE batches SET claims = 10 WHERE id = $1', [job.batchId]);
    await runBatch(job, channel, deps);
    for (const push of await pushesOf(message)) {
      assert.partialDeepStrictEqual(push, { state: 'unknown', code: 'poison-batch', attempts: 0 });
    }
    assert.equal(vendor.calls.length, 0);
    assert.deepEqual(await batchesOf(row), []);
  });

  // When the ledger went away just before a batch was settled, the job was repeated and the batch claimed again:
  // pushes that were told to wait a minute were sent a second later.
  it('settles with patience', async () => {
    const { row, channel } = await active();
    const { message, job } = await queued(row, 2);
    vendor.answer(() => throttled(60_000));
    let failures = 0;
    const batches = {
      ...store.batches,
      async settle(...args: Parameters<typeof store.batches.settle>) {
        failures += 1;
        if (failures < 3) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' });
        return store.batches.settle(...args);
      },
    };
    await runBatch(job, channel, { ...deps, store: { batches } });
    assert.equal(failures, 3);
    assert.equal(vendor.calls.length, 2);
    const [batch, ...others] = await batchesOf(row);
    assert.deepEqual([others, batch?.state, batch?.run], [[], 'waiting', job.run + 1]);
    assert.ok(batch && +batch.due_at > Date.now() + 50_000);
    assert.ok((await pushesOf(message)).every(({ state }) => state === 'queued'));
  });

  it('judges expiry by the ledger’s clock, also when its own is wrong', async () => {
    const { row, channel } = await active();
    for (const [offsetMs, state] of [
      [-7_200_000, 'accepted'],
      [7_200_000, 'accepted'],
    ] as const) {
      const { message, job } = await queued(row, 1);
      await runBatch(job, channel, { ...deps, now: () => Date.now() + offsetMs });
      const [push] = await pushesOf(message);
      assert.equal(push?.state, state, `${offsetMs}`);
      const [attempt] = await attemptsOf(message);
      assert.ok(
        attempt && Math.abs(+attempt.at - Date.now()) < 60_000,
        'attempts are told in the ledger’s time',
      );
    }
    const message = ledger.message(row.id, 1, { expiresAt: new Date(Date.now() - 10) });
    await store.messages.accept([message]);
    const [due] = await store.batches.takeDue(10, [row.id]);
    const late = { ...deps, now: () => Date.now() - 7_200_000 };
    await runBatch({ batchId: due?.id as string, run: 0 }, channel, late);
    assert.equal((await pushesOf(message))[0]?.state, 'expired');
  });

  it('sends a big batch of many messages completely, once', async () => {
    const { row, channel } = await active({ slots: new Slots(50) });
    const recipients = (count: number) =>
      Array.from({ length: count }, () => ({ channelId: row.id, token: newToken() }));
    const group = Array.from({ length: 250 }, () => ledger.message(row.id, 0, { recipients: recipients(2) }));
    await store.messages.accept(group);
    const [due] = await store.batches.takeDue(10, [row.id]);
    await runBatch({ batchId: due?.id as string, run: 0 }, channel, deps);
    assert.equal(vendor.calls.length, 500);
    assert.equal(new Set(vendor.calls.map((call) => call.pushes[0]?.token)).size, 500);
    const [row0] = await ledger.rows<{ count: number }>(
      `SELECT count(*)::int AS count FROM pushes WHERE channel_id = $1 AND state = 'accepted' AND attempts = 1`,
      [row.id],
    );
    assert.equal(row0?.count, 500);
  });
});
