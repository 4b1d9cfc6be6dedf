import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultRetryPolicy } from '@pushmill/core';
import { createLogger } from '@pushmill/log';
import { isLedgerAway, type NewMessage } from '@pushmill/store';
import type { ActiveChannel } from '../../apps/worker/src/active-channel.ts';
import { runBatch } from '../../apps/worker/src/batch-run.ts';
import { BatchWatch } from '../../apps/worker/src/batch-watch.ts';
import { ChannelFlow } from '../../apps/worker/src/channel-flow.ts';
import { LedgerTime } from '../../apps/worker/src/ledger-time.ts';
import { until } from '../e2e/until.ts';
import { newToken } from './ledger-setup.ts';
import { accepted, gate, scriptedVendor } from './scripted-vendor.ts';
import { quick, throttled, useWorkerBench } from './worker-setup.ts';

const bench = await useWorkerBench(8);
const { ledger } = bench;
const { store, appId } = ledger;

const at = (text: string) => Date.parse(text);
const night = { from: '22:00', to: '08:00' };

/** A channel as the worker serves it, at times that the test sets. */
async function underClock(start: string, policy: Record<string, unknown> = {}) {
  bench.vendor = scriptedVendor({ maxTokensPerCall: 10 });
  const row = await bench.channelOf(policy);
  const opened = await store.channels.openById(row.id);
  assert.ok(opened);
  const self = { time: at(start), mayGo: Promise.resolve(), asked: 0, givenBack: 0 };
  const now = () => self.time;
  const senderDeps = {
    now,
    shared: { getOrMake: () => assert.fail(), forget: () => assert.fail() },
    warn: () => {},
  };
  const flow = new ChannelFlow({
    maxInFlight: 20,
    rate: {
      async take(_pushes, _lane, signal) {
        self.asked += 1;
        await self.mayGo;
        return !signal.aborted;
      },
      takeNow: () => false,
      giveBack(pushes) {
        self.givenBack += pushes;
      },
      hold: async () => {},
      heldForMs: () => 0,
    },
    throttleDelayMs: () => 1,
    now,
    lateMs: () => 0,
    random: () => 0,
    changed: () => {},
  });
  const channel: ActiveChannel = {
    row: opened,
    vendor: bench.vendor.vendor,
    sender: bench.vendor.vendor.createSender({ id: row.id, settings: {}, credential: {} }, senderDeps),
    policy: { ...defaultRetryPolicy, ...quick, ...policy },
    flow,
    interruption: new AbortController(),
    paused: false,
    pause: () => {},
  };
  // The ledger's clock is the test's too.
  const batches = {
    ...store.batches,
    async claim(...args: Parameters<typeof store.batches.claim>) {
      const batch = await store.batches.claim(...args);
      return batch && { ...batch, ledgerNow: new Date(now()) };
    },
  };
  const deps = {
    store: { batches, quotas: store.quotas },
    watch: new BatchWatch({ store, leaseMs: 60_000, now }),
    isLedgerAway,
    log: createLogger({ role: 'worker', level: 'debug', destination: bench.destination }),
    now,
    ledgerTime: new LedgerTime(now),
    random: () => 0,
    stopping: new AbortController().signal,
    cutOff: new AbortController().signal,
    observe: () => {},
  };
  return Object.assign(self, {
    flow,
    /** A campaign to one device in each of the zones. */
    async campaign(zones: readonly string[], changes: Partial<NewMessage> = {}): Promise<NewMessage> {
      const message = ledger.message(row.id, 0, {
        lane: 'bulk',
        expiresAt: new Date(self.time + 86_400_000),
        localTime: { sendAtLocal: null, timeZone: 'UTC', quietHours: night },
        recipients: zones.map((timeZone) => ({ channelId: row.id, token: newToken(), timeZone })),
        ...changes,
      });
      await store.messages.accept([message]);
      return message;
    },
    /** Works on what is due by the test's clock. */
    async run(time?: string): Promise<void> {
      if (time !== undefined) self.time = at(time);
      const due = await ledger.rows<{ id: string; run: number }>(
        `UPDATE batches SET state = 'enqueued' WHERE channel_id = $1 AND (due_at <= $2 OR run = 0) RETURNING id, run`,
        [row.id, new Date(self.time)],
      );
      for (const { id, run } of due) await runBatch({ batchId: id, run }, channel, deps);
    },
    /** When what waits is due, and how much it is. */
    async waiting(): Promise<string[]> {
      const rows = await bench.batchesOf(row);
      return rows.map(({ due_at, ns }) => `${due_at.toISOString().slice(0, 16)} ${ns.length}`).sort();
    },
  });
}

const statesOf = async (message: NewMessage) =>
  (await bench.pushesOf(message)).map(({ state, attempts }) => `${state} ${attempts}`);
const zonesCalled = (message: NewMessage) =>
  bench.vendor.calls.map(({ pushes }) =>
    pushes.map(({ token }) => message.recipients.find((one) => one.token === token)?.timeZone),
  );

describe('a push that would be sent in quiet hours', () => {
  it('waits until they end at its device, spending nothing', async () => {
    const world = await underClock('2026-11-23T20:30:00Z');
    const zones = ['Asia/Shanghai', 'Europe/Berlin', 'Asia/Tokyo', 'America/St_Johns', 'Pacific/Kiritimati'];
    const message = await world.campaign(zones);
    await world.run();
    assert.deepEqual(zonesCalled(message), [['Europe/Berlin', 'America/St_Johns', 'Pacific/Kiritimati']]);
    assert.deepEqual(await statesOf(message), [
      'queued 0',
      'accepted 1',
      'queued 0',
      'accepted 1',
      'accepted 1',
    ]);
    assert.deepEqual(await bench.attemptsOf(message), []);
    assert.deepEqual(await world.waiting(), ['2026-11-23T23:00 1', '2026-11-24T00:00 1']);
    await world.run('2026-11-23T23:00:00Z');
    await world.run('2026-11-24T00:00:00Z');
    assert.deepEqual(zonesCalled(message).slice(1), [['Asia/Tokyo'], ['Asia/Shanghai']]);
    assert.deepEqual(await statesOf(message), Array(5).fill('accepted 1'));
    assert.deepEqual(await world.waiting(), []);
  });

  it('waits also when a retry brought it there', async () => {
    const world = await underClock('2026-11-23T20:30:00Z');
    const message = await world.campaign(['Europe/Berlin']);
    bench.vendor.answer(() => throttled(3_600_000));
    await world.run();
    bench.vendor.answer(() => accepted);
    await world.run('2026-11-23T22:00:00Z');
    assert.equal(bench.vendor.calls.length, 1);
    assert.deepEqual(await world.waiting(), ['2026-11-24T07:00 1']);
    assert.deepEqual(await statesOf(message), ['queued 0']);
    await world.run('2026-11-24T07:00:00Z');
    assert.deepEqual(await statesOf(message), ['accepted 1']);
  });

  it('waits also when the quiet hours began while its call waited for its turn', async () => {
    const world = await underClock('2026-11-23T20:30:00Z');
    const door = gate();
    world.mayGo = door.passed;
    const message = await world.campaign(['Europe/Berlin', 'America/St_Johns', 'Europe/Paris']);
    const running = world.run();
    await until('its turn', () => world.asked === 1);
    world.time = at('2026-11-23T21:00:00Z');
    door.open();
    await running;
    assert.deepEqual(zonesCalled(message), [['America/St_Johns']]);
    assert.deepEqual(await world.waiting(), ['2026-11-24T07:00 2']);
    assert.equal(world.givenBack, 2);
    assert.equal(world.flow.figures().inFlight, 0);
  });

  it('expires in its time when they last longer', async () => {
    const world = await underClock('2026-11-23T21:30:00Z');
    const message = await world.campaign(['Europe/Berlin'], { expiresAt: new Date('2026-11-24T01:15:00Z') });
    await world.run();
    assert.deepEqual(await world.waiting(), ['2026-11-24T01:15 1']);
    await world.run('2026-11-24T01:15:00Z');
    assert.deepEqual(await statesOf(message), ['expired 0']);
    assert.equal(bench.vendor.calls.length, 0);
  });

  it('is cancelled and held like every other', async () => {
    const world = await underClock('2026-11-23T21:30:00Z');
    const cancelled = await world.campaign(['Europe/Berlin']);
    await ledger.sql.query('UPDATE messages SET cancelled_at = now() WHERE id = $1', [cancelled.id]);
    await world.run();
    assert.deepEqual(await statesOf(cancelled), ['cancelled 0']);
    const paused = await world.campaign(['Europe/Berlin']);
    await ledger.sql.query('UPDATE messages SET paused_at = now() WHERE id = $1', [paused.id]);
    await world.run();
    const [batch] = await ledger.rows<{ state: string }>(
      'SELECT state FROM batches WHERE $1 = ANY (message_ids)',
      [paused.id],
    );
    assert.equal(batch?.state, 'held');
    assert.deepEqual(await store.pauses.resume(appId, paused.id), [paused.recipients[0]?.channelId]);
    await world.run();
    assert.deepEqual(await statesOf(paused), ['queued 0']);
    assert.deepEqual(await world.waiting(), ['2026-11-24T07:00 1']);
  });

  it('takes no room of a quota, and is not dropped for one that is spent', async () => {
    const quota = { timeZone: 'UTC', whenSpent: 'drop', marketing: { perDay: 1 } };
    const world = await underClock('2026-11-23T21:30:00Z', { quota });
    const message = await world.campaign(['Europe/Berlin', 'Europe/Paris', 'America/St_Johns']);
    await world.run();
    assert.deepEqual(await statesOf(message), ['queued 0', 'queued 0', 'accepted 1']);
    // The next day has room for one of the two.
    await world.run('2026-11-24T07:00:00Z');
    assert.deepEqual((await statesOf(message)).slice(0, 2).sort(), ['accepted 1', 'suppressed 0']);
  });
});

describe('the worker', () => {
  it('looks at the clocks of the devices', async () => {
    const channel = await bench.channelOf();
    const clock = (offsetMs: number) => new Date(Date.now() + offsetMs).toISOString().slice(11, 16);
    const hour = 3_600_000;
    const quietHours = { from: clock(-hour), to: clock(hour) };
    await bench.work();
    const message = await bench.send(channel, 0, {
      lane: 'bulk',
      localTime: { sendAtLocal: null, timeZone: 'UTC', quietHours },
      // Whatever the second one's name means, it must not stop the first.
      recipients: ['Etc/GMT-6', 'Mars/Olympus', 'UTC'].map((timeZone) => ({
        channelId: channel.id,
        token: newToken(),
        timeZone,
      })),
    });
    await until('the one that is awake', async () => (await statesOf(message))[0] === 'accepted 1');
    await until('the batch to wait', async () => (await bench.batchesOf(channel))[0]?.state === 'waiting');
    const [batch, ...others] = await bench.batchesOf(channel);
    assert.deepEqual([batch?.ns, others], [[1, 2], []]);
    assert.equal(batch?.due_at.toISOString().slice(11), `${quietHours.to}:00.000Z`);
    assert.equal(bench.vendor.calls.length, 1);
    // The night is over.
    await ledger.sql.query(`UPDATE messages SET local_time = NULL WHERE id = $1`, [message.id]);
    await ledger.sql.query('UPDATE batches SET due_at = now() WHERE channel_id = $1', [channel.id]);
    bench.feeder.feed([channel.id]);
    await bench.settled(message);
    assert.deepEqual(await statesOf(message), Array(3).fill('accepted 1'));
  });
});
