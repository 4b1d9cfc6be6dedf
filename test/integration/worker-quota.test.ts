import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { calendarDay, type QuotaPolicy } from '@pushmill/core';
import type { ChannelRow, NewMessage } from '@pushmill/store';
import { until } from '../e2e/until.ts';
import { newToken } from './ledger-setup.ts';
import { accepted, gate } from './scripted-vendor.ts';
import { refused, throttled, useWorkerBench } from './worker-setup.ts';

const bench = await useWorkerBench(9);
const { ledger } = bench;
const { store, appId } = ledger;

/** Where it is about noon, so that no day ends while the tests run. The signs of these names are turned round. */
const hoursEast = 12 - new Date().getUTCHours();
const timeZone = `Etc/GMT${hoursEast >= 0 ? '-' : '+'}${Math.abs(hoursEast)}`;
const today = calendarDay(Date.now(), timeZone);
const frame = { timeZone, whenSpent: 'hold' } as const;
const quotaOf = (perDay: number, changes: Partial<QuotaPolicy> = {}) => ({
  quota: { ...frame, marketing: { perDay }, ...changes },
});
const marketing = { lane: 'bulk' } as const;

const used = async (channel: ChannelRow, day = today.name) =>
  (await store.quotas.usedOn([{ channelId: channel.id, day }])).find((use) => use.class === 'marketing')
    ?.used;
const calls = () => bench.vendor.calls.flatMap((call) => call.pushes).length;
const released = (channel: ChannelRow) =>
  until('the end of the runs', async () =>
    (await bench.batchesOf(channel)).every(({ state }) => state !== 'enqueued'),
  );

/** Five messages of five, each a batch of its own. */
async function campaign(channel: ChannelRow): Promise<NewMessage[]> {
  const expiresAt = new Date(today.endsAt + 86_400_000);
  const messages = Array.from({ length: 5 }, () =>
    ledger.message(channel.id, 5, { ...marketing, expiresAt }),
  );
  for (const message of messages) await store.messages.accept([message]);
  bench.feeder.feed([channel.id]);
  return messages;
}

const pushesOf = async (messages: readonly NewMessage[]) =>
  (await Promise.all(messages.map((message) => bench.pushesOf(message)))).flat();
const countOf = async (messages: readonly NewMessage[], state: string) =>
  (await pushesOf(messages)).filter((push) => push.state === state).length;

/** As if the day were over: what was used was used yesterday, and what waits for the next day is due. */
async function nextDay(channel: ChannelRow): Promise<void> {
  await ledger.sql.query('UPDATE quota_days SET day = day - 1 WHERE channel_id = $1', [channel.id]);
  await store.quotas.wake(channel.id, 0);
  bench.feeder.feed([channel.id]);
}

describe('a quota that is spent', () => {
  it('holds the rest until the next day', async () => {
    const channel = await bench.channelOf(quotaOf(10));
    await Promise.all([bench.work(), bench.work()]);
    const messages = await campaign(channel);
    await until('ten', async () => (await countOf(messages, 'accepted')) === 10);
    await released(channel);
    assert.equal(calls(), 10);
    assert.equal(await used(channel), 10);
    const waiting = (await pushesOf(messages)).filter(({ state }) => state === 'queued');
    assert.equal(waiting.length, 15);
    for (const { code, detail, attempts } of waiting) {
      assert.deepEqual([code, attempts], ['quota', 0]);
      assert.match(
        String(detail),
        /quota of 10 marketing pushes a day is spent for .*waits for the next day/,
      );
    }
    const batches = await bench.batchesOf(channel);
    assert.equal(batches.flatMap(({ ns }) => ns).length, 15);
    for (const { state, due_at } of batches) {
      assert.equal(state, 'waiting');
      assert.ok(+due_at >= today.endsAt && +due_at <= today.endsAt + 5 * 60_000, due_at.toISOString());
    }
    await nextDay(channel);
    await until('ten more', async () => (await countOf(messages, 'accepted')) === 20);
    await released(channel);
    assert.equal(calls(), 20);
    await nextDay(channel);
    await until('all', async () => (await countOf(messages, 'accepted')) === 25);
    await released(channel);
    assert.equal(await used(channel), 5);
    assert.equal(calls(), 25);
  });

  it('drops the rest', async () => {
    const channel = await bench.channelOf(quotaOf(10, { whenSpent: 'drop' }));
    await Promise.all([bench.work(), bench.work()]);
    const messages = await campaign(channel);
    for (const message of messages) await bench.settled(message);
    const pushes = await pushesOf(messages);
    assert.equal(pushes.filter(({ state }) => state === 'accepted').length, 10);
    const dropped = pushes.filter(({ state }) => state === 'suppressed');
    assert.equal(dropped.length, 15);
    for (const { code, detail } of dropped) {
      assert.equal(code, 'quota');
      assert.match(String(detail), /quota of 10 marketing pushes a day is spent/);
    }
    assert.equal(calls(), 10);
    assert.equal(await used(channel), 10);
    assert.deepEqual(await ledger.rows('SELECT 1 FROM dead_letters WHERE channel_id = $1', [channel.id]), []);
  });

  it('lets what cannot wait expire in its time', async () => {
    const channel = await bench.channelOf(quotaOf(2));
    await bench.work();
    const expiresAt = new Date(Date.now() + 3_000);
    const message = await bench.send(channel, 5, { ...marketing, expiresAt });
    await until('the rest to wait', async () =>
      (await bench.pushesOf(message)).some((p) => p.code === 'quota'),
    );
    const pushes = await bench.settled(message);
    assert.deepEqual(
      pushes.map(({ state }) => state),
      ['accepted', 'accepted', 'expired', 'expired', 'expired'],
    );
    assert.match(String(pushes[2]?.detail), /quota/);
    assert.ok(Number(pushes[2]?.updatedAt) >= +expiresAt);
    assert.equal(calls(), 2);
  });

  it('keeps nothing waiting that was cancelled while the batch was worked on', async () => {
    const channel = await bench.channelOf(quotaOf(1));
    const door = gate();
    bench.vendor.answer(async () => {
      await door.passed;
      return accepted;
    });
    await bench.work();
    const message = await bench.send(channel, 4, marketing);
    await until('the rest to wait', async () =>
      (await bench.pushesOf(message)).some((p) => p.code === 'quota'),
    );
    await until('the call', () => calls() === 1);
    await store.messages.cancel(appId, message.id);
    door.open();
    assert.deepEqual(
      (await bench.settled(message)).map(({ state }) => state),
      ['accepted', 'cancelled', 'cancelled', 'cancelled'],
    );
  });

  it('is of its class alone', async () => {
    const channel = await bench.channelOf(quotaOf(0));
    await bench.work();
    const message = await bench.send(channel, 5);
    for (const { state } of await bench.settled(message)) assert.equal(state, 'accepted');
    await released(channel);
    assert.deepEqual(await ledger.rows('SELECT 1 FROM quota_days WHERE channel_id = $1', [channel.id]), []);
  });

  it('goes on when it is raised', async () => {
    const channel = await bench.channelOf(quotaOf(1));
    await bench.work();
    const message = await bench.send(channel, 4, marketing);
    await until('one', async () => (await countOf([message], 'accepted')) === 1);
    await released(channel);
    await store.channels.update(appId, channel.name, { policy: quotaOf(3) });
    await until('the worker', () => bench.lines('channel.changed').length > 0);
    await store.quotas.wake(channel.id, 0);
    bench.feeder.feed([channel.id]);
    await until('two more', async () => (await countOf([message], 'accepted')) === 3);
    await released(channel);
    assert.deepEqual([calls(), await used(channel)], [3, 3]);
  });

  it('is seen in the figures', async () => {
    const channel = await bench.channelOf(quotaOf(3));
    const { port } = await bench.work();
    await bench.send(channel, 5, marketing);
    const labels = `vendor="scripted",channel="${channel.name}",class="marketing"`;
    await until('the figures', async () => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      const figures = text.split('\n').filter((line) => line.includes(labels));
      return (
        figures.some((line) => /^pushmill_quota_used\{.*\} 3$/.test(line)) &&
        figures.some((line) => /^pushmill_quota_per_day\{.*\} 3$/.test(line))
      );
    });
  });
});

describe('a device with a bound of its own', () => {
  it('gets no more of a class, and others do', async () => {
    const channel = await bench.channelOf({
      quota: { ...frame, whenSpent: 'drop', perDevicePerDay: { marketing: 1 } },
    });
    await Promise.all([bench.work(), bench.work()]);
    const [a, b] = [newToken(), newToken()];
    const to = (...tokens: string[]) => tokens.map((token) => ({ channelId: channel.id, token }));
    const first = await bench.send(channel, 0, { ...marketing, recipients: to(a) });
    await bench.settled(first);
    const second = await bench.send(channel, 0, { ...marketing, recipients: to(a, b) });
    const [again, other] = await bench.settled(second);
    assert.deepEqual([again?.state, again?.code, other?.state], ['suppressed', 'quota', 'accepted']);
    assert.match(String(again?.detail), /quota of 1 for a device marketing pushes a day|for a device/);
    const urgent = await bench.send(channel, 0, { recipients: to(a) });
    assert.equal((await bench.settled(urgent))[0]?.state, 'accepted');
    assert.equal(bench.vendor.sent(a), 2);
  });
});

describe('a worker that dies after it has reserved', () => {
  /** As a worker that was killed left it. */
  async function abandoned(channel: ChannelRow, count: number, day: string) {
    const message = await bench.send(channel, count, marketing);
    await until('the job', async () => (await bench.batchesOf(channel))[0]?.state === 'enqueued');
    const [row] = await bench.batchesOf(channel);
    const batch = await store.batches.claim(row?.id as string, 0, 1);
    assert.ok(batch);
    const request = {
      class: 'marketing',
      day,
      perDay: 5,
      perDevice: undefined,
      pushes: batch.pushes,
    } as const;
    assert.equal((await store.quotas.reserve(batch, request))?.granted.length, Math.min(5, count));
    return message;
  }

  it('leaves its reservation to the next one', async () => {
    const channel = await bench.channelOf(quotaOf(5));
    const message = await abandoned(channel, 5, today.name);
    await bench.work();
    for (const { state } of await bench.settled(message)) assert.equal(state, 'accepted');
    await released(channel);
    assert.equal(await used(channel), 5);
  });

  it('leaves nothing behind in a day that is over', async () => {
    const channel = await bench.channelOf(quotaOf(5));
    const yesterday = calendarDay(today.startsAt - 1, timeZone).name;
    const message = await abandoned(channel, 5, yesterday);
    assert.equal(await used(channel, yesterday), 5);
    await bench.work();
    for (const { state } of await bench.settled(message)) assert.equal(state, 'accepted');
    assert.deepEqual([await used(channel, yesterday), await used(channel)], [0, 5]);
  });

  it('leaves what was cancelled meanwhile to others', async () => {
    const channel = await bench.channelOf(quotaOf(5));
    const message = await abandoned(channel, 5, today.name);
    await store.messages.cancel(appId, message.id);
    await bench.work();
    for (const { state } of await bench.settled(message)) assert.equal(state, 'cancelled');
    await until('it back', async () => (await used(channel)) === 0);
    const next = await bench.send(channel, 5, marketing);
    for (const { state } of await bench.settled(next)) assert.equal(state, 'accepted');
  });

  it('leaves nothing behind when the quota was taken away', async () => {
    const channel = await bench.channelOf();
    const message = await abandoned(channel, 5, today.name);
    await bench.work();
    await bench.settled(message);
    await until('it back', async () => (await used(channel)) === 0);
  });
});

describe('what is counted', () => {
  it('is the push and not its attempts', async () => {
    const channel = await bench.channelOf(quotaOf(3));
    bench.vendor.answer((_push, _call, attempt) =>
      attempt < 3 ? { kind: 'unavailable', code: '503', mayHaveArrived: false } : accepted,
    );
    await bench.work();
    const message = await bench.send(channel, 3, marketing);
    for (const { state, attempts } of await bench.settled(message))
      assert.deepEqual([state, attempts], ['accepted', 3]);
    await released(channel);
    assert.equal(await used(channel), 3);
  });

  it('is what the vendor refused, too', async () => {
    const channel = await bench.channelOf(quotaOf(3));
    bench.vendor.answer(() => ({ kind: 'rejected', code: 'TooLarge', detail: 'too large' }));
    await bench.work();
    await bench.settled(await bench.send(channel, 2, marketing));
    assert.equal(await used(channel), 2);
  });

  it('is not what was throttled back', async () => {
    const channel = await bench.channelOf(quotaOf(3));
    bench.vendor.answer(() => throttled(600_000));
    await bench.work();
    await bench.send(channel, 2, marketing);
    await until('the answers', () => calls() > 0);
    await released(channel);
    assert.equal(await used(channel), 0);
  });

  it('is not what a refused credential kept from going', async () => {
    const channel = await bench.channelOf(quotaOf(20));
    bench.vendor.answer(() => refused);
    await bench.work({ concurrency: 2 });
    const message = await bench.send(channel, 20, marketing);
    await until('the pause', () => bench.lines('channel.paused').length > 0);
    await released(channel);
    assert.equal(await used(channel), 0);
    assert.equal(await countOf([message], 'queued'), 20);
  });

  it('is not what a worker that stops puts back', async () => {
    const channel = await bench.channelOf(quotaOf(20));
    const door = gate();
    bench.vendor.answer(async () => {
      await door.passed;
      return accepted;
    });
    const worker = await bench.work({ concurrency: 3 });
    bench.forget(worker);
    const message = await bench.send(channel, 20, marketing);
    await until('the calls', () => calls() === 3);
    assert.equal(await used(channel), 20);
    const closed = worker.close();
    door.open();
    await closed;
    const sent = await countOf([message], 'accepted');
    assert.ok(sent >= 3 && sent < 20, `${sent}`);
    assert.equal(await used(channel), sent);
  });
});
