import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPushId, newId, type PushState } from '@pushmill/core';
import { createMetrics } from '@pushmill/log';
import type { ChannelRow, DeadLetterSelection, IncomingReceipt, NewMessage } from '@pushmill/store';
import { maintain } from '../../apps/worker/src/maintenance.ts';
import { until } from '../e2e/until.ts';
import { giveUp } from './given-up.ts';
import { accepted, scriptedVendor } from './scripted-vendor.ts';
import { timeout, useWorkerBench } from './worker-setup.ts';

const bench = await useWorkerBench(10);
const { ledger } = bench;
const { store, appId } = ledger;
const { deadLetters } = store;

const of = (channel: ChannelRow): DeadLetterSelection => ({ filter: { channel: channel.name } });

async function lettersOf(channel: ChannelRow) {
  return (await deadLetters.list(appId, { channel: channel.name, limit: 200 })).items;
}

/** The counts that a message shows, held against its pushes one by one. */
async function countsOf(message: NewMessage): Promise<Partial<Record<PushState, number>>> {
  const shown = (await store.messages.get(appId, message.id))?.counts ?? {};
  const pushes = await bench.pushesOf(message);
  const counted: Partial<Record<PushState, number>> = {};
  for (const { state } of pushes) counted[state] = (counted[state] ?? 0) + 1;
  assert.deepEqual(shown, counted);
  assert.equal(pushes.length, message.recipients.length);
  return shown;
}

function receipt(channel: ChannelRow, message: NewMessage, state: PushState, n = 0): IncomingReceipt {
  return {
    channelId: channel.id,
    pushId: formatPushId({ messageId: message.id, n }),
    token: undefined,
    state,
    code: state,
    detail: '',
    tokenDead: false,
    dedupKey: newId(),
    proof: 'signature',
    rawQuery: '',
    rawBody: Buffer.from('{}'),
  };
}

describe('dead letters', () => {
  it('are listed by what they are, the latest first, page by page', async () => {
    const [one, two] = [await bench.channelOf(), await bench.channelOf()];
    const topic = await giveUp(ledger, one, 3, { code: 'BadTopic' });
    const silent = await giveUp(ledger, one, 2, { code: 'timeout', state: 'unknown' });
    const other = await giveUp(ledger, two, 1, { code: 'BadTopic' });
    const all = (await deadLetters.list(appId, { limit: 10 })).items;
    assert.deepEqual(
      all.map((letter) => letter.messageId),
      [other, silent, silent, topic, topic, topic].map((message) => message.id),
    );
    const { at: _, ...first } = all[0] as (typeof all)[number];
    assert.deepEqual(first, {
      messageId: other.id,
      n: 0,
      channel: two.name,
      vendor: 'scripted',
      state: 'failed',
      kind: 'rejected',
      code: 'BadTopic',
      detail: 'the detail',
    });

    const paged: typeof all = [];
    let cursor: string | undefined;
    do {
      const page = await deadLetters.list(appId, { limit: 2, cursor });
      paged.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor);
    assert.deepEqual(paged, all);

    const count = async (filter: object) =>
      (await deadLetters.list(appId, { ...filter, limit: 10 })).items.length;
    assert.equal(await count({ channel: one.name }), 5);
    assert.equal(await count({ code: 'BadTopic' }), 4);
    assert.equal(await count({ state: 'unknown' }), 2);
    assert.equal(await count({ vendor: 'apns' }), 0);
    const since = all[2]?.at as Date;
    assert.equal((await count({ from: since })) + (await count({ to: since })), 6);
    assert.ok((await count({ from: since })) >= 3);
    assert.equal((await deadLetters.list(newId(), { limit: 10 })).items.length, 0, 'of another app');

    assert.deepEqual(
      (await deadLetters.summary(appId, {})).map((group) => [group.channel, group.code, group.count]),
      [
        [one.name, 'BadTopic', 3],
        [one.name, 'timeout', 2],
        [two.name, 'BadTopic', 1],
      ],
    );
    await deadLetters.drop(appId, { filter: {} });
  });

  it('are replayed in new batches by channel and lane, with time of their own', async () => {
    const [one, two] = [await bench.channelOf(), await bench.channelOf()];
    const bulk = await giveUp(ledger, one, 700, { lane: 'bulk' });
    const urgent = await giveUp(ledger, one, 2, { state: 'unknown' });
    const other = await giveUp(ledger, two, 1, {});
    const before = Date.now();
    const result = await deadLetters.replay(appId, { filter: {} });
    assert.deepEqual(
      { ...result, channelIds: result.channelIds.sort() },
      { replayed: 703, more: false, remaining: 0, hindered: {}, channelIds: [one.id, two.id].sort() },
    );
    const batches = await ledger.rows<{ lane: number; size: number; expires_at: Date; run: number }>(
      'SELECT lane, cardinality(ns) AS size, expires_at, run FROM batches WHERE channel_id = $1',
      [one.id],
    );
    assert.deepEqual(batches.map(({ lane, size, run }) => [lane, size, run]).sort(), [
      [0, 2, 0],
      [1, 200, 0],
      [1, 500, 0],
    ]);
    // The messages had an hour.
    for (const { expires_at } of batches) {
      const lifeMs = expires_at.getTime() - before;
      assert.ok(lifeMs > 3_590_000 && lifeMs < 3_620_000, `${lifeMs} ms`);
    }
    for (const message of [bulk, urgent, other]) {
      assert.deepEqual(await countsOf(message), { queued: message.recipients.length });
      for (const push of await bench.pushesOf(message)) {
        assert.deepEqual([push.attempts, push.code, push.detail], [0, null, null]);
        assert.equal(push.replayedAt?.length, 1);
      }
      assert.equal((await bench.attemptsOf(message)).length, 1, 'the history stays');
    }
    const again = await deadLetters.replay(appId, { filter: {} });
    assert.deepEqual(again, { replayed: 0, more: false, remaining: 0, hindered: {}, channelIds: [] });
  });

  it('get the time that is asked for', async () => {
    const channel = await bench.channelOf();
    const message = await giveUp(ledger, channel, 1, {});
    const ids = [{ messageId: message.id, n: 0 }];
    await deadLetters.replay(appId, { ids }, { ttlSeconds: 60 });
    const [row] = await ledger.rows<{ seconds: number; batch: number }>(
      `SELECT extract(epoch FROM p.expires_at - p.updated_at)::float8 AS seconds,
              extract(epoch FROM b.expires_at - b.due_at)::float8 AS batch
       FROM pushes p JOIN batches b ON b.channel_id = p.channel_id WHERE p.message_id = $1`,
      [message.id],
    );
    assert.equal(row?.seconds, 60);
    assert.ok(Math.abs((row?.batch ?? 0) - 60) < 0.01);
  });

  it('are left where a replay would be wrong, and that is said', async () => {
    const [channel, removed] = [await bench.channelOf(), await bench.channelOf()];
    const cancelled = await giveUp(ledger, channel, 2, {});
    await store.messages.cancel(appId, cancelled.id);
    const dead = await giveUp(ledger, channel, 3, {});
    await ledger.sql.query(
      `INSERT INTO suppressions (channel_id, token, code, since) VALUES ($1, $2, 'Unregistered', now())`,
      [channel.id, dead.recipients[0]?.token],
    );
    const gone = await giveUp(ledger, channel, 1, {});
    await ledger.sql.query('DELETE FROM pushes WHERE message_id = $1', [gone.id]);
    const orphan = await giveUp(ledger, removed, 4, {});
    await store.channels.remove(appId, removed.name);
    assert.deepEqual(await deadLetters.replay(appId, { filter: {} }), {
      replayed: 2,
      more: false,
      remaining: 8,
      hindered: { cancelled: 2, suppressed: 1, gone: 1, 'channel-removed': 4 },
      channelIds: [channel.id],
    });
    assert.deepEqual(await countsOf(dead), { failed: 1, queued: 2 });
    assert.deepEqual(await countsOf(cancelled), { failed: 2 });
    assert.deepEqual(await countsOf(orphan), { failed: 4 });
    assert.deepEqual(await deadLetters.drop(appId, { filter: {} }), { dropped: 8, remaining: 0 });
  });

  it('are done a part at a time, the oldest first, past those that are hindered', async () => {
    const channel = await bench.channelOf();
    const cancelled = await giveUp(ledger, channel, 6, {});
    await store.messages.cancel(appId, cancelled.id);
    const old = await giveUp(ledger, channel, 4, {});
    const recent = await giveUp(ledger, channel, 3, {});
    const steps: unknown[] = [];
    for (let more = true; more && steps.length < 5; ) {
      const result = await deadLetters.replay(appId, of(channel), { atOnce: 4 });
      steps.push([result.replayed, result.remaining, result.hindered]);
      if (steps.length === 1) {
        assert.deepEqual(await countsOf(old), { queued: 4 });
        assert.deepEqual(await countsOf(recent), { failed: 3 });
      }
      more = result.more;
    }
    assert.deepEqual(steps, [
      [4, 9, {}],
      [3, 6, { cancelled: 6 }],
    ]);
    assert.deepEqual(await deadLetters.drop(appId, of(channel), { atOnce: 4 }), { dropped: 4, remaining: 2 });
    assert.deepEqual(await deadLetters.drop(appId, of(channel), { atOnce: 4 }), { dropped: 2, remaining: 0 });
    assert.deepEqual(await countsOf(cancelled), { failed: 6 }, 'a push outlives its letter');
  });

  it('are replayed once by callers of the same moment', async () => {
    const channel = await bench.channelOf();
    const message = await giveUp(ledger, channel, 60, {});
    const results = await Promise.all(
      Array.from({ length: 6 }, () => deadLetters.replay(appId, of(channel))),
    );
    assert.equal(
      results.reduce((sum, { replayed }) => sum + replayed, 0),
      60,
    );
    const batches = await bench.batchesOf(channel);
    assert.equal(batches.flatMap(({ ns }) => ns).length, 60);
    for (const push of await bench.pushesOf(message)) assert.equal(push.replayedAt?.length, 1);
  });
});

describe('a push that moves on', () => {
  for (const [state, arriving, stands] of [
    ['unknown', 'delivered', 'delivered'],
    ['unknown', 'dropped', 'dropped'],
    ['failed', 'displayed', 'displayed'],
    ['failed', 'clicked', 'clicked'],
    ['failed', 'dropped', 'failed'],
  ] as const) {
    const leaves = stands !== 'failed';
    it(`${leaves ? 'takes its letter with it' : 'or does not'}: ${state}, then ${arriving}`, async () => {
      const channel = await bench.channelOf();
      const message = await giveUp(ledger, channel, 2, { state });
      assert.deepEqual(await store.receipts.record([receipt(channel, message, arriving)]), ['recorded']);
      assert.equal((await bench.pushesOf(message))[0]?.state, stands);
      assert.deepEqual((await lettersOf(channel)).map(({ n }) => n).sort(), leaves ? [1] : [0, 1]);
      await countsOf(message);
    });
  }

  it('has no letter where the receipt was there first', async () => {
    const channel = await bench.channelOf();
    const early = async (message: NewMessage) =>
      void (await store.receipts.record([receipt(channel, message, 'delivered')]));
    const message = await giveUp(ledger, channel, 2, { state: 'unknown', beforeRecord: early });
    assert.deepEqual(await countsOf(message), { delivered: 1, unknown: 1 });
    assert.deepEqual(
      (await lettersOf(channel)).map(({ n }) => n),
      [1],
    );
  });

  it('has none either where the receipt waits for the record', async () => {
    const channel = await bench.channelOf();
    const message = await giveUp(ledger, channel, 1, { state: 'unknown' });
    // The record of the push is not committed yet when the receipt comes: as if it were queued until then.
    await deadLetters.drop(appId, of(channel));
    await ledger.sql.query(`UPDATE pushes SET state = 'queued' WHERE message_id = $1`, [message.id]);
    const recorder = await ledger.sql.connect();
    try {
      await recorder.query('BEGIN');
      await recorder.query(`UPDATE pushes SET state = 'unknown' WHERE message_id = $1`, [message.id]);
      await recorder.query(
        `INSERT INTO dead_letters (message_id, n, channel_id, lane, state, kind)
         VALUES ($1, 0, $2, 0, 'unknown', 'unavailable')`,
        [message.id, channel.id],
      );
      const arriving = store.receipts.record([receipt(channel, message, 'delivered')]);
      await until('the receipt to wait', async () => {
        const waiting = await ledger.rows(
          `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return waiting.length > 0;
      });
      await recorder.query('COMMIT');
      assert.deepEqual(await arriving, ['recorded']);
    } finally {
      recorder.release();
    }
    assert.deepEqual(await countsOf(message), { delivered: 1 });
    assert.deepEqual(await lettersOf(channel), []);
  });

  it('takes it too when its worker says late that the vendor took it', async () => {
    const channel = await bench.channelOf();
    const message = await giveUp(ledger, channel, 1, { state: 'unknown', lateWord: 'accepted' });
    assert.deepEqual(await countsOf(message), { accepted: 1 });
    assert.deepEqual(await lettersOf(channel), []);
  });
});

describe('maintenance', () => {
  it('drops what is past the bounds, and what has lost its push', async () => {
    const [one, two] = [await bench.channelOf(), await bench.channelOf()];
    const old = await giveUp(ledger, one, 2, {});
    const recent = await giveUp(ledger, one, 5, {});
    const gone = await giveUp(ledger, two, 1, {});
    const fine = await giveUp(ledger, two, 1, {});
    await age(old, '31 days');
    await ledger.sql.query('DELETE FROM pushes WHERE message_id = $1', [gone.id]);
    assert.deepEqual(await deadLetters.prune({ days: 30, perChannel: 3 }), [
      { channel: one.name, vendor: 'scripted', reason: 'age', count: 2 },
      { channel: one.name, vendor: 'scripted', reason: 'count', count: 2 },
      { channel: two.name, vendor: 'scripted', reason: 'gone', count: 1 },
    ]);
    assert.equal((await lettersOf(one)).filter(({ messageId }) => messageId === recent.id).length, 3);
    assert.deepEqual(
      (await lettersOf(two)).map(({ messageId }) => messageId),
      [fine.id],
    );
    assert.deepEqual(await deadLetters.prune({ days: 30, perChannel: 3 }), []);
    assert.deepEqual(await countsOf(old), { failed: 2 });
    await deadLetters.drop(appId, { filter: {} });
  });

  it('is said by the worker that does it, once', async () => {
    const channel = await bench.channelOf();
    await age(await giveUp(ledger, channel, 3, {}), '31 days');
    const said: unknown[] = [];
    const metrics = createMetrics('worker');
    const dropped = metrics.counter('dropped_total', 'Dropped.', ['vendor', 'channel', 'reason']);
    const log = { warn: (fields: object, name: string) => void said.push([name, fields]) };
    await maintain({ store, log, dropped });
    await maintain({ store, log, dropped });
    const fields = { channel: channel.name, vendor: 'scripted', reason: 'age', letters: 3 };
    assert.deepEqual(said, [['dead-letters.dropped', fields]]);
    assert.match(await metrics.text(), /dropped_total\{[^}]*reason="age"[^}]*\} 3/);
  });

  async function age(message: NewMessage, by: string): Promise<void> {
    await ledger.sql.query('UPDATE dead_letters SET at = at - $2::interval WHERE message_id = $1', [
      message.id,
      by,
    ]);
  }
});

describe('a replay, with a worker', () => {
  it('sends the same pushes again once the cause is mended, and keeps their history', async () => {
    const channel = await bench.channelOf();
    let isMended = false;
    bench.vendor.answer((push) => {
      if (isMended || push.id.endsWith('.2')) return accepted;
      return { kind: 'rejected', code: 'BadTopic', detail: 'no such topic' };
    });
    await bench.work();
    const message = await bench.send(channel, 3);
    await bench.settled(message);
    assert.deepEqual(await countsOf(message), { failed: 2, accepted: 1 });

    isMended = true;
    const { replayed, channelIds } = await deadLetters.replay(appId, of(channel));
    assert.equal(replayed, 2);
    bench.feeder.feed(channelIds);
    await bench.settled(message);
    assert.deepEqual(await countsOf(message), { accepted: 3 });
    assert.deepEqual(await lettersOf(channel), []);
    for (const n of [0, 1]) {
      const id = formatPushId({ messageId: message.id, n });
      const sent = bench.vendor.calls.flatMap((call) => call.pushes).filter((push) => push.id === id);
      assert.equal(sent.length, 2);
      assert.equal(new Set(sent.map(({ identity }) => identity)).size, 1, 'the same to the vendor');
      assert.ok((sent[1]?.message.expiresAt ?? 0) > (sent[0]?.message.expiresAt ?? 0));
      const attempts = await bench.attemptsOf(message, n);
      assert.deepEqual(
        attempts.map(({ kind, action }) => [kind, action]),
        [
          ['rejected', 'bury'],
          ['accepted', 'finish'],
        ],
      );
      const found = await store.pushes.get(appId, { messageId: message.id, n });
      const [replayedAt] = found?.push.replayedAt ?? [];
      // The worker knows the ledger's clock to within the time that an answer of it takes.
      const begunAt = attempts[0]?.at.getTime() ?? Number.NaN;
      assert.ok(replayedAt && begunAt - 50 <= replayedAt.getTime(), 'in its place in the history');
    }
    assert.equal((await bench.pushesOf(message))[2]?.replayedAt, null);
  });

  it('has all its attempts anew, and comes back when it is given up again', async () => {
    bench.vendor = scriptedVendor({ hasIdentity: false });
    const channel = await bench.channelOf({ maxAttempts: 2 });
    bench.vendor.answer((push) =>
      push.id.endsWith('.0') ? timeout : { kind: 'unavailable', code: '503', mayHaveArrived: false },
    );
    await bench.work();
    const message = await bench.send(channel, 2);
    await bench.settled(message);
    const letters = async () =>
      (await lettersOf(channel)).map(({ n, state, code }) => [n, state, code]).sort();
    const expected = [
      [0, 'unknown', 'timeout'],
      [1, 'failed', '503'],
    ];
    assert.deepEqual(await letters(), expected);
    const before = (await bench.attemptsOf(message, 1)).length;
    assert.equal(before, 2);
    bench.feeder.feed((await deadLetters.replay(appId, of(channel))).channelIds);
    await bench.settled(message);
    assert.deepEqual(await letters(), expected);
    assert.equal((await bench.attemptsOf(message, 1)).length, before + 2);
    assert.deepEqual(await countsOf(message), { unknown: 1, failed: 1 });
  });

  it('expires by its own time, and is no dead letter then', async () => {
    const channel = await bench.channelOf();
    const message = await giveUp(ledger, channel, 2, {});
    await store.channels.pause(appId, channel.name, { code: 'test', detail: '', by: 'operator' });
    await bench.work();
    await deadLetters.replay(appId, of(channel), { ttlSeconds: 1 });
    await bench.settled(message);
    assert.deepEqual(await countsOf(message), { expired: 2 });
    assert.deepEqual(await lettersOf(channel), []);
    assert.equal(bench.vendor.calls.length, 0);
  });
});
