import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { formatPushId, maxBatchSize, newId, type PushState, Secret } from '@pushmill/core';
import {
  type ClaimedBatch,
  type DueBatch,
  type IncomingReceipt,
  isLedgerAway,
  migrate,
  type NewMessage,
  type OutcomeRecord,
  openStore,
} from '@pushmill/store';
import { until } from '../e2e/until.ts';
import { createLedgerDatabase, newToken, useLedger } from './ledger-setup.ts';

const ledger = await useLedger();
const { store, appId } = ledger;
const { messages, batches, pushes, channels, receipts, suppressions, keys } = store;

const leaseMs = 20_000;
const inAnHour = () => new Date(Date.now() + 3_600_000);

/** The batches of a channel as they lie in the ledger. */
async function batchesOf(channelId: string) {
  return ledger.rows<{ id: string; lane: number; state: string; run: number; due_at: Date; count: number }>(
    `SELECT id, lane, state, run, due_at, cardinality(ns) AS count FROM batches WHERE channel_id = $1
     ORDER BY due_at, count DESC`,
    [channelId],
  );
}

async function statesOf(messageId: string): Promise<Record<string, PushState>> {
  const page = await pushes.ofMessage(appId, messageId, { limit: 1_000 });
  return Object.fromEntries(page.items.map((push) => [push.n, push.state]));
}

async function accept(message: NewMessage): Promise<NewMessage> {
  assert.deepEqual((await messages.accept([message])).answers, [{ kind: 'stored' }]);
  return message;
}

async function take(channelId: string, window = 1_000): Promise<DueBatch[]> {
  return batches.takeDue(window, [channelId]);
}

async function claim(batch: { id: string; run: number }): Promise<ClaimedBatch> {
  await ledger.loseLease(batch.id);
  const claimed = await batches.claim(batch.id, batch.run, leaseMs);
  assert.ok(claimed, 'claimed');
  return claimed;
}

/** A message of so many pushes on a channel of its own, its one batch claimed. */
async function inHand(count: number, changes?: Partial<NewMessage>) {
  const channel = await ledger.channel();
  const message = await accept(ledger.message(channel.id, count, changes));
  const [due] = await take(channel.id);
  assert.ok(due);
  return { channel, message, due, batch: await claim(due) };
}

function outcome(messageId: string, n: number, changes: Partial<OutcomeRecord> = {}): OutcomeRecord {
  return {
    messageId,
    n,
    place: n + 1,
    state: 'accepted',
    attempt: {
      at: new Date(),
      durationMs: 12,
      kind: 'accepted',
      action: 'finish',
      delayMs: null,
      spent: true,
    },
    code: null,
    detail: null,
    vendorMessageId: null,
    ...changes,
  };
}

describe('accept', () => {
  it('cuts batches by channel, lane and time of sending, across the messages of a group', async () => {
    const [a, b] = [await ledger.channel(), await ledger.channel()];
    const later = inAnHour();
    const group = [
      ledger.message(a.id, 2),
      ledger.message(a.id, 3),
      ledger.message(b.id, 1),
      ledger.message(a.id, 4, { lane: 'bulk' }),
      ledger.message(a.id, 5, { sendAt: later }),
      ledger.message(a.id, 6, { sendAt: later }),
    ];
    const mixed = ledger.message(a.id, 1);
    mixed.recipients = [...mixed.recipients, { channelId: b.id, token: newToken() }];
    await messages.accept([...group, mixed]);
    const found = (await batchesOf(a.id)).map(({ lane, due_at, count }) => [
      lane,
      due_at > new Date(),
      count,
    ]);
    assert.deepEqual(found.sort(), [
      [0, false, 2 + 3 + 1],
      [0, true, 5 + 6],
      [1, false, 4],
    ]);
    assert.deepEqual(
      (await batchesOf(b.id)).map(({ count }) => count),
      [2],
    );
  });

  it(`cuts a big audience into batches of ${maxBatchSize}`, async () => {
    const channel = await ledger.channel();
    await accept(ledger.message(channel.id, 2 * maxBatchSize + 1, { lane: 'bulk' }));
    assert.deepEqual(
      (await batchesOf(channel.id)).map(({ count }) => count),
      [500, 500, 1],
    );
  });

  it('marks for the queue what is due at once, as far as there is room', async () => {
    const channel = await ledger.channel();
    const group = [
      ledger.message(channel.id, 3 * maxBatchSize, { lane: 'bulk' }),
      ledger.message(channel.id, 1),
      ledger.message(channel.id, 1, { sendAt: inAnHour() }),
    ];
    const { enqueued, crowded } = await messages.accept(group, 2);
    assert.deepEqual(enqueued.map(({ run, channelId, lane }) => [run, channelId, lane]).sort(), [
      [0, channel.id, 'bulk'],
      [0, channel.id, 'bulk'],
      [0, channel.id, 'urgent'],
    ]);
    assert.deepEqual(crowded, [channel.id]);
    const [urgent] = enqueued.filter(({ lane }) => lane === 'urgent');
    assert.equal((await claim(urgent as DueBatch)).pushes.length, 1);
    // One place is left to urgent batches; bulk has no room, and would not be let past what waits if it had.
    const next = await messages.accept(
      [ledger.message(channel.id, 1), ledger.message(channel.id, 1, { lane: 'bulk' })],
      2,
    );
    assert.deepEqual(
      next.enqueued.map(({ lane }) => lane),
      ['urgent'],
    );
    assert.deepEqual(next.crowded, [channel.id]);
    const wide = await messages.accept([ledger.message(channel.id, 1, { lane: 'bulk' })], 100);
    assert.deepEqual(wide, { answers: [{ kind: 'stored' }], enqueued: [], crowded: [channel.id] });
    assert.equal((await take(channel.id, 100)).length, 3, 'the third, and the two that came behind it');
  });

  it('marks nothing for a paused channel, and nothing without a window', async () => {
    const [paused, on] = [await ledger.channel(), await ledger.channel()];
    await channels.pause(appId, paused.name, { code: 'x', detail: 'x', by: 'operator' });
    const none = { answers: [{ kind: 'stored' }], enqueued: [] };
    assert.deepEqual(await messages.accept([ledger.message(paused.id, 1)], 10), {
      ...none,
      crowded: [paused.id],
    });
    assert.deepEqual(await messages.accept([ledger.message(on.id, 1)]), { ...none, crowded: [on.id] });
  });

  it('stores a group of 200 messages with everything that was in them', async () => {
    const channel = await ledger.channel();
    const content = {
      notification: { title: 'Ünï "quoted" \\ {a,b} \u{1F680}', body: null },
      data: { a: 'NULL', b: "'; DROP TABLE pushes; --" },
      class: 'marketing',
      priority: 'normal',
      collapseKey: 'k',
      vendor: { apns: { badge: 0 } },
    } as const;
    const group = Array.from({ length: 200 }, (_, index) =>
      ledger.message(channel.id, 1 + (index % 3), {
        content,
        recipients: Array.from({ length: 1 + (index % 3) }, (_, n) => ({
          channelId: channel.id,
          token: `{"t",'${index}\\${n}'} NULL ü`,
        })),
      }),
    );
    const { answers } = await messages.accept(group);
    assert.ok(answers.length === 200 && answers.every(({ kind }) => kind === 'stored'));
    for (const message of [group[0], group[199]] as NewMessage[]) {
      const stored = await messages.get(appId, message.id);
      assert.deepEqual(stored?.content, content);
      assert.equal(stored?.expiresAt.getTime(), message.expiresAt.getTime());
      assert.equal(stored?.sendAt, null);
      assert.deepEqual(stored?.counts, { queued: message.recipients.length });
      const page = await pushes.ofMessage(appId, message.id, { limit: 10 });
      assert.deepEqual(
        page.items.map(({ n, token }) => [n, token]),
        message.recipients.map(({ token }, n) => [n, token]),
      );
    }
    const total = (await batchesOf(channel.id)).reduce((sum, { count }) => sum + count, 0);
    assert.equal(
      total,
      group.reduce((sum, { recipients }) => sum + recipients.length, 0),
    );
  });

  it('stores tokens as they are that mean something in an array but need no escape', async () => {
    const channel = await ledger.channel();
    const tokens = ['NULL', 'null', '', '{a,b}', "it's", ' in between ', '[1]', '推送 \u2028'];
    const recipients = tokens.map((token) => ({ channelId: channel.id, token }));
    const message = await accept(ledger.message(channel.id, 0, { recipients }));
    const page = await pushes.ofMessage(appId, message.id, { limit: 10 });
    assert.deepEqual(
      page.items.map(({ token }) => token),
      tokens,
    );
  });

  it('stores nothing of a group in which one message cannot be stored', async () => {
    const channel = await ledger.channel();
    const good = ledger.message(channel.id, 1);
    await assert.rejects(messages.accept([good, ledger.message(newId(), 1)]), /foreign key/);
    assert.equal(await messages.get(appId, good.id), undefined);
    assert.deepEqual(await batchesOf(channel.id), []);
  });

  it('stores pushes to suppressed tokens as suppressed, on that channel only', async () => {
    const { channel, message, batch } = await inHand(2);
    const dead = { code: 'Unregistered', deadSince: new Date(), state: 'failed' as const };
    await batches.record(batch, [outcome(message.id, 0, dead)], leaseMs);
    assert.equal(await suppressions.count(channel.id), 1);
    const other = await ledger.channel();
    const token = message.recipients[0]?.token as string;
    const again = ledger.message(channel.id, 1);
    again.recipients = [
      { channelId: channel.id, token },
      ...again.recipients,
      { channelId: other.id, token },
    ];
    await accept(again);
    assert.deepEqual(await statesOf(again.id), { 0: 'suppressed', 1: 'queued', 2: 'queued' });
    // Registered again: alive.
    assert.equal(await suppressions.lift(channel.id, token), true);
    assert.equal(await suppressions.lift(channel.id, token), false);
    const third = await accept(
      ledger.message(channel.id, 1, { recipients: [{ channelId: channel.id, token }] }),
    );
    assert.deepEqual(await statesOf(third.id), { 0: 'queued' });
  });

  it('keeps apps apart', async () => {
    const other = await store.apps.ensure('another');
    assert.deepEqual(await store.apps.ensure('another'), other);
    const channel = await ledger.channel();
    const message = await accept(ledger.message(channel.id, 1));
    assert.equal(await messages.get(other.id, message.id), undefined);
    assert.deepEqual((await pushes.ofMessage(other.id, message.id, { limit: 10 })).items, []);
    assert.equal(await pushes.get(other.id, { messageId: message.id, n: 0 }), undefined);
    assert.equal(await messages.cancel(other.id, message.id), false);
    assert.deepEqual(await statesOf(message.id), { 0: 'queued' });
  });
});

describe('idempotency keys', () => {
  const keyed = (channelId: string, key: string, body: string, changes: Partial<NewMessage> = {}) => {
    const message = ledger.message(channelId, 1, changes);
    const bodyHash = createHash('sha256').update(body).digest();
    return { ...message, idempotency: { key, bodyHash, response: { id: message.id } } };
  };

  it('give the first answer again, refuse another body, and store once', async () => {
    const channel = await ledger.channel();
    const first = keyed(channel.id, 'k1', 'body');
    assert.deepEqual((await messages.accept([first])).answers, [{ kind: 'stored' }]);
    assert.deepEqual((await messages.accept([keyed(channel.id, 'k1', 'body')])).answers, [
      { kind: 'replayed', response: { id: first.id } },
    ]);
    assert.deepEqual((await messages.accept([keyed(channel.id, 'k1', 'another body')])).answers, [
      { kind: 'conflict' },
    ]);
    assert.equal((await batchesOf(channel.id)).length, 1);
  });

  it('work inside one group too, beside messages without a key', async () => {
    const channel = await ledger.channel();
    const group = [
      keyed(channel.id, 'k2', 'a'),
      keyed(channel.id, 'k2', 'a'),
      keyed(channel.id, 'k2', 'b'),
      ledger.message(channel.id, 1),
      keyed(channel.id, 'k3', 'a'),
    ];
    assert.deepEqual((await messages.accept(group)).answers, [
      { kind: 'stored' },
      { kind: 'replayed', response: { id: group[0]?.id } },
      { kind: 'conflict' },
      { kind: 'stored' },
      { kind: 'stored' },
    ]);
    assert.deepEqual(
      (await batchesOf(channel.id)).map(({ count }) => count),
      [3],
    );
  });

  it('belong to one app', async () => {
    const channel = await ledger.channel();
    const other = await store.apps.ensure('another');
    await messages.accept([keyed(channel.id, 'k4', 'a')]);
    assert.deepEqual((await messages.accept([keyed(channel.id, 'k4', 'b', { appId: other.id })])).answers, [
      { kind: 'stored' },
    ]);
  });

  it('store once when twenty groups bring the same keys at the same time, in different orders', async () => {
    const channel = await ledger.channel();
    const names = ['c1', 'c2', 'c3', 'c4', 'c5'];
    const groups = Array.from({ length: 20 }, (_, index) => {
      const group = names.map((name) => keyed(channel.id, name, 'same'));
      return index % 2 === 0 ? group : group.reverse();
    });
    const answers = (await Promise.all(groups.map((group) => messages.accept(group)))).flatMap(
      ({ answers }) => answers,
    );
    assert.equal(answers.filter(({ kind }) => kind === 'stored').length, names.length);
    assert.equal(answers.filter(({ kind }) => kind === 'replayed').length, 19 * names.length);
    const total = (await batchesOf(channel.id)).reduce((sum, { count }) => sum + count, 0);
    assert.equal(total, names.length);
  });

  it('wait for a group that is still open: if it fails, the key is free', async () => {
    const channel = await ledger.channel();
    const doomed = [keyed(channel.id, 'k5', 'a'), ledger.message(newId(), 1)];
    const [failed, stored] = await Promise.allSettled([
      messages.accept(doomed),
      messages.accept([keyed(channel.id, 'k5', 'a')]),
    ]);
    assert.equal(failed?.status, 'rejected');
    assert.deepEqual(stored?.status === 'fulfilled' && stored.value.answers, [{ kind: 'stored' }]);
  });
});

describe('takeDue', () => {
  it('marks at most the window, and more as batches settle', async () => {
    const channel = await ledger.channel();
    await accept(ledger.message(channel.id, 5 * maxBatchSize, { lane: 'bulk' }));
    const first = await take(channel.id, 2);
    assert.equal(first.length, 2);
    assert.deepEqual(await take(channel.id, 2), []);
    await batches.settle(await claim(first[0] as DueBatch), []);
    assert.equal((await take(channel.id, 2)).length, 1);
    assert.deepEqual(await take(channel.id, 0), []);
  });

  it('gives each lane a window of its own, and takes what has been due for longest', async () => {
    const channel = await ledger.channel();
    const at = (secondsAgo: number) => new Date(Date.now() - secondsAgo * 1_000);
    const ids: Record<string, string> = {};
    for (const [name, lane, sendAt] of [
      ['young bulk', 'bulk', at(50)],
      ['old bulk', 'bulk', at(90)],
      ['young urgent', 'urgent', at(10)],
      ['old urgent', 'urgent', at(20)],
    ] as const) {
      ids[(await accept(ledger.message(channel.id, 1, { lane, sendAt }))).id] = name;
    }
    const taken: string[][] = [];
    for (const window of [1, 2]) {
      const due = await take(channel.id, window);
      const held = await Promise.all(due.map((batch) => claim(batch)));
      taken.push(held.map((batch) => ids[batch.pushes[0]?.messageId as string] as string).sort());
    }
    assert.deepEqual(taken, [
      ['old bulk', 'old urgent'],
      ['young bulk', 'young urgent'],
    ]);
  });

  it('leaves what is not due', async () => {
    const channel = await ledger.channel();
    await accept(ledger.message(channel.id, 1, { sendAt: inAnHour() }));
    assert.deepEqual(await take(channel.id), []);
  });

  it('lets paused channels wait, and only them', async () => {
    const [paused, on] = [await ledger.channel(), await ledger.channel()];
    await accept(ledger.message(paused.id, 1));
    await accept(ledger.message(on.id, 1));
    await channels.pause(appId, paused.name, { code: 'x', detail: 'x', by: 'operator' });
    assert.deepEqual(
      (await batches.takeDue(10, [paused.id, on.id])).map((due) => due.channelId),
      [on.id],
    );
    await channels.resume(appId, paused.name);
    assert.deepEqual(
      (await batches.takeDue(10, [paused.id, on.id])).map((due) => due.channelId),
      [paused.id],
    );
  });

  it('gives each batch to one of many callers', async () => {
    const channel = await ledger.channel();
    const count = 60;
    const start = Date.now() - 1_000;
    const group = Array.from({ length: count }, (_, index) =>
      ledger.message(channel.id, 1, { sendAt: new Date(start - index) }),
    );
    await messages.accept(group);
    const window = 10;
    const taken = new Set<string>();
    while (taken.size < count) {
      const rounds = await Promise.all(Array.from({ length: 10 }, () => take(channel.id, window)));
      const found = rounds.flat();
      assert.equal(new Set(found.map(({ id }) => id)).size, found.length, 'nobody got what another one got');
      assert.ok(found.length > 0);
      assert.deepEqual(await take(channel.id, window), [], 'the window is full');
      for (const due of found) {
        assert.ok(!taken.has(due.id));
        taken.add(due.id);
        await batches.settle(await claim(due), []);
      }
    }
  });
});

describe('claim, record, settle', () => {
  it('gives what still needs work, in order, with its messages', async () => {
    const { channel, message, due, batch } = await inHand(3);
    assert.deepEqual(
      batch.pushes.map(({ n, token, attempts }) => [n, token, attempts]),
      message.recipients.map(({ token }, n) => [n, token, 0]),
    );
    assert.equal(batch.channelId, channel.id);
    assert.deepEqual(batch.messages.get(message.id), {
      id: message.id,
      content: message.content,
      expiresAt: message.expiresAt,
      quietHours: undefined,
      cancelled: false,
      paused: false,
    });
    assert.ok(Math.abs(batch.ledgerNow.getTime() - Date.now()) < 60_000);
    await batches.record(batch, [outcome(message.id, 1)], leaseMs);
    assert.deepEqual(
      (await claim(due)).pushes.map(({ n }) => n),
      [0, 2],
    );
  });

  it('a claim brings what each push has to say, whatever characters are in it', async () => {
    const { id: channelId } = await ledger.channel();
    const plain = { channelId, token: '"quoted", \\ ] 推送 \u2028\n' };
    const full = {
      ...{ channelId, token: '', environment: 'sand"box', timeZone: 'Asia/Shanghai' },
      ...{ audience: { kind: 'tag', names: ['"a"', ']'] }, expiresAt: new Date(1_800_000_000_123) },
    };
    await store.messages.accept([ledger.message(channelId, 0, { recipients: [plain, full] })]);
    const [due] = await batches.takeDue(1, [channelId]);
    const { pushes } = await claim(due as DueBatch);
    const nothing = {
      environment: undefined,
      audience: undefined,
      expiresAt: undefined,
      timeZone: undefined,
    };
    assert.partialDeepStrictEqual(pushes, [
      { ...nothing, n: 0, place: 1, token: plain.token },
      { n: 1, place: 2, token: '', environment: full.environment, audience: full.audience },
    ]);
    assert.deepEqual([pushes[1]?.expiresAt, pushes[1]?.timeZone], [full.expiresAt, full.timeZone]);
  });

  it('keeps to the millisecond when a call began', async () => {
    const { message, batch } = await inHand(500);
    const began = Array.from({ length: 500 }, () => new Date(Math.floor(Date.now() - Math.random() * 1e12)));
    const outcomes = began.map((at, n) => {
      const taken = outcome(message.id, n);
      return { ...taken, attempt: { ...(taken.attempt as NonNullable<OutcomeRecord['attempt']>), at } };
    });
    await batches.record(batch, outcomes, leaseMs);
    const rows = await ledger.rows<{ us: string }>(
      `SELECT (extract(epoch FROM taken_at) * 1000000)::bigint AS us FROM pushes WHERE message_id = $1 ORDER BY n`,
      [message.id],
    );
    assert.deepEqual(
      rows.map(({ us }) => us),
      began.map((at) => `${at.getTime()}000`),
    );
  });

  it('a second claim outdates the first, whose outcomes are recorded all the same', async () => {
    const { message, due, batch: first } = await inHand(3);
    const second = await claim(due);
    assert.equal(second.claims, 2);
    assert.ok(BigInt(second.fence) > BigInt(first.fence));
    const standings = await batches.standings([first, second], leaseMs);
    assert.deepEqual([standings[0]?.held, standings[1]?.held], [false, true]);
    const late = await batches.record(first, [outcome(message.id, 0, { vendorMessageId: 'v' })], leaseMs);
    assert.equal(late.held, false);
    assert.deepEqual(await statesOf(message.id), { 0: 'accepted', 1: 'queued', 2: 'queued' });
    assert.equal(await batches.settle(first, []), false, 'the outdated holder ends nothing');
    assert.equal((await batches.record(second, [outcome(message.id, 1)], leaseMs)).held, true);
    assert.equal(await batches.settle(second, []), true);
    assert.equal((await batches.record(second, [outcome(message.id, 2)], leaseMs)).held, false);
    assert.deepEqual(await statesOf(message.id), { 0: 'accepted', 1: 'accepted', 2: 'accepted' });
  });

  it('is left to a holder whose lease lives', async () => {
    const { due } = await inHand(1);
    assert.equal(await batches.claim(due.id, due.run, leaseMs), undefined);
    await ledger.loseLease(due.id);
    assert.ok(await batches.claim(due.id, due.run, leaseMs));
  });

  it('is claimed only in its run, and only while it is enqueued', async () => {
    const { channel, message, due, batch } = await inHand(1);
    assert.equal(await batches.claim(due.id, due.run + 1, leaseMs), undefined);
    await batches.settle(batch, [{ dueAt: new Date(), pushes: [{ messageId: message.id, n: 0 }] }]);
    assert.equal(await batches.claim(due.id, due.run, leaseMs), undefined, 'the old run is over');
    assert.equal(await batches.claim(due.id, due.run + 1, leaseMs), undefined, 'the new one was not fed yet');
    const [next] = await take(channel.id);
    assert.deepEqual(next, { ...due, run: due.run + 1 });
    assert.equal((await claim(next as DueBatch)).claims, 1);
    assert.equal(await batches.claim(newId(), 0, leaseMs), undefined);
  });

  it('stores what several batches have to say at the same time in fewer statements, each for its own channel', async () => {
    const held = await Promise.all(Array.from({ length: 20 }, () => inHand(3)));
    const standings = await Promise.all(
      held.map(({ batch, message: { id } }) =>
        batches.record(
          batch,
          [
            outcome(id, 0),
            outcome(id, 1, { state: 'failed', code: 'Gone', deadSince: new Date() }),
            outcome(id, 2, { state: 'failed', code: 'odd', deadLetter: true }),
          ],
          leaseMs,
        ),
      ),
    );
    // A row's xmin is the transaction that wrote it.
    const [written] = await ledger.rows<{ statements: number }>(
      'SELECT count(DISTINCT xmin::text)::int AS statements FROM pushes WHERE message_id = ANY ($1)',
      [held.map(({ message }) => message.id)],
    );
    assert.ok(written && written.statements <= 2, `${written?.statements} statements`);
    for (const [index, { channel, message }] of held.entries()) {
      assert.deepEqual(standings[index], { held: true, cancelled: [], paused: [] });
      assert.deepEqual(await statesOf(message.id), { 0: 'accepted', 1: 'failed', 2: 'failed' });
      const suppressed = await ledger.rows('SELECT token FROM suppressions WHERE channel_id = $1', [
        channel.id,
      ]);
      assert.deepEqual(suppressed, [{ token: message.recipients[1]?.token }]);
      const letters = await ledger.rows('SELECT channel_id, n FROM dead_letters WHERE message_id = $1', [
        message.id,
      ]);
      assert.deepEqual(letters, [{ channel_id: channel.id, n: 2 }]);
    }
  });

  it('keeps the call that was taken in the row of its push, once, and every other beside it', async () => {
    const { message, batch } = await inHand(2);
    const taken = outcome(message.id, 0, { vendorMessageId: 'first' });
    const failed = outcome(message.id, 1, { state: 'failed', code: 'Gone' });
    await batches.record(batch, [taken, failed], leaseMs);
    await batches.record(batch, [taken, failed], leaseMs, true);
    const apart = () =>
      ledger.rows('SELECT n, kind, vendor_message_id FROM attempts WHERE message_id = $1 ORDER BY n', [
        message.id,
      ]);
    assert.deepEqual(await apart(), [{ n: 1, kind: 'accepted', vendor_message_id: null }]);
    const get = (n: number) => ledger.store.pushes.get(appId, { messageId: message.id, n });
    const first = { ...taken.attempt, code: null, detail: null, vendorMessageId: 'first' };
    const { spent: _, ...seen } = first;
    assert.deepEqual((await get(0))?.attempts, [seen]);
    assert.equal((await get(0))?.push.attempts, 1);
    assert.equal((await get(1))?.attempts.length, 1);
    // An outdated holder's call, that the vendor took too.
    const attempt = taken.attempt as NonNullable<OutcomeRecord['attempt']>;
    const second = outcome(message.id, 0, {
      vendorMessageId: 'second',
      attempt: { ...attempt, at: new Date(attempt.at.getTime() + 1) },
    });
    await batches.record(batch, [second], leaseMs);
    assert.deepEqual(
      (await get(0))?.attempts.map(({ vendorMessageId }) => vendorMessageId),
      ['first', 'second'],
    );
    assert.equal((await apart()).length, 2);
  });

  it('keeps what an outdated holder and its successor say of one push at the same time', async () => {
    const { message, due, batch: first } = await inHand(1);
    const second = await claim(due);
    const told = await Promise.all([
      batches.record(first, [outcome(message.id, 0, { vendorMessageId: 'v' })], leaseMs),
      batches.record(second, [outcome(message.id, 0, { state: null, code: 'timeout' })], leaseMs),
    ]);
    assert.deepEqual(
      told.map(({ held }) => held),
      [false, true],
    );
    const got = await pushes.get(appId, { messageId: message.id, n: 0 });
    assert.partialDeepStrictEqual(got?.push, { state: 'accepted', attempts: 2, vendorMessageId: 'v' });
    assert.equal(got?.attempts.length, 2);
  });

  it('counts what was stored once, also when a neighbour in the group cannot be stored', async () => {
    const { message, due, batch: first } = await inHand(1);
    const [second, third] = [await claim(due), await claim(due)];
    const unanswered = { state: null, code: 'timeout' };
    const told = await Promise.allSettled([
      batches.record(first, [outcome(message.id, 0, unanswered)], leaseMs),
      batches.record(second, [outcome(message.id, 0, unanswered)], leaseMs),
      batches.record(third, [outcome(message.id, 0, unanswered), outcome('no id', 0)], leaseMs),
    ]);
    assert.deepEqual(
      told.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected'],
    );
    const got = await pushes.get(appId, { messageId: message.id, n: 0 });
    assert.equal(got?.push.attempts, 2);
    assert.equal(got?.attempts.length, 2);
  });

  it('records states only from queued, and each attempt whatever the state', async () => {
    const { message, batch } = await inHand(2);
    const retry = {
      at: new Date(),
      durationMs: 5,
      kind: 'unavailable',
      action: 'retry',
      delayMs: 900,
      spent: true,
    };
    await batches.record(
      batch,
      [outcome(message.id, 0, { state: null, attempt: retry, code: 'timeout', detail: 'no answer' })],
      leaseMs,
    );
    let got = await pushes.get(appId, { messageId: message.id, n: 0 });
    assert.partialDeepStrictEqual(got?.push, {
      state: 'queued',
      attempts: 1,
      code: 'timeout',
      detail: 'no answer',
    });
    await batches.record(batch, [outcome(message.id, 0, { vendorMessageId: 'v-1' })], leaseMs);
    await batches.record(batch, [outcome(message.id, 0, { state: 'failed', code: 'late' })], leaseMs);
    got = await pushes.get(appId, { messageId: message.id, n: 0 });
    assert.partialDeepStrictEqual(got?.push, {
      state: 'accepted',
      attempts: 3,
      code: null,
      vendorMessageId: 'v-1',
    });
    assert.deepEqual(
      got?.attempts.map(({ kind, action, delayMs, code }) => [kind, action, delayMs, code]),
      [
        ['unavailable', 'retry', 900, 'timeout'],
        ['accepted', 'finish', null, null],
        ['accepted', 'finish', null, 'late'],
      ],
    );
  });

  it('counts a group once whose answer was lost, and that is brought again', async () => {
    const { message, batch } = await inHand(2);
    const group = [
      outcome(message.id, 0, { vendorMessageId: 'task', pollAt: inAnHour() }),
      outcome(message.id, 1, { vendorMessageId: 'task', pollAt: inAnHour() }),
    ];
    await batches.record(batch, group, leaseMs);
    await batches.record(batch, group, leaseMs, true);
    await batches.record(batch, group, leaseMs, true);
    for (const n of [0, 1]) {
      const found = await pushes.get(appId, { messageId: message.id, n });
      assert.equal(found?.push.attempts, 1);
      assert.equal(found?.attempts.length, 1);
      assert.equal(found?.task?.pushes, 2);
    }
  });

  it('counts an attempt only when it was spent, and none for an end without a call', async () => {
    const { message, batch } = await inHand(2);
    const snooze = {
      at: new Date(),
      durationMs: 5,
      kind: 'throttled',
      action: 'snooze',
      delayMs: 900,
      spent: false,
    };
    const expired: OutcomeRecord = {
      messageId: message.id,
      n: 1,
      place: 2,
      state: 'expired',
      code: 'expired',
      detail: null,
      vendorMessageId: null,
    };
    await batches.record(batch, [outcome(message.id, 0, { state: null, attempt: snooze }), expired], leaseMs);
    const page = await pushes.ofMessage(appId, message.id, { limit: 10 });
    assert.deepEqual(
      page.items.map(({ state, attempts }) => [state, attempts]),
      [
        ['queued', 0],
        ['expired', 0],
      ],
    );
    assert.deepEqual((await pushes.get(appId, { messageId: message.id, n: 1 }))?.attempts, []);
  });

  // A vendor's word with a NUL in it could not be stored as text, so the group could never be recorded, and its pushes
  // were sent again with every claim. The same went for a delay of more than 24 days in an integer.
  it('records whatever a vendor says', async () => {
    const { message, batch } = await inHand(1);
    const attempt = {
      at: new Date(),
      durationMs: 3e9,
      kind: 'throttled',
      action: 'snooze',
      delayMs: 26 * 86_400_000,
      spent: false,
    };
    const odd = 'a\0b \ud800 \u{1F680}';
    await batches.record(
      batch,
      [outcome(message.id, 0, { state: null, attempt, code: odd, detail: odd, vendorMessageId: odd })],
      leaseMs,
    );
    const got = await pushes.get(appId, { messageId: message.id, n: 0 });
    assert.match(got?.push.code ?? '', /^a.?b .+ \u{1F680}$/u);
    assert.equal(got?.attempts[0]?.delayMs, 2 ** 31 - 1);
  });

  it('tells the holder which messages were cancelled meanwhile', async () => {
    const { message, batch } = await inHand(2);
    assert.deepEqual((await batches.record(batch, [outcome(message.id, 0)], leaseMs)).cancelled, []);
    assert.equal(await messages.cancel(appId, message.id), true);
    assert.deepEqual((await batches.record(batch, [outcome(message.id, 1)], leaseMs)).cancelled, [
      message.id,
    ]);
  });

  it('leaves the table when nothing remains', async () => {
    const { channel, batch } = await inHand(2);
    assert.equal(await batches.settle(batch, []), true);
    assert.deepEqual(await batchesOf(channel.id), []);
  });

  it('splits what remains by due time', async () => {
    const { channel, message, due, batch } = await inHand(4, { lane: 'bulk' });
    const [soon, later] = [new Date(Date.now() - 10), inAnHour()];
    const push = (n: number) => ({ messageId: message.id, n });
    const remaining = [
      { dueAt: soon, pushes: [push(0)] },
      { dueAt: later, pushes: [push(1), push(3)] },
    ];
    assert.equal(await batches.settle(batch, remaining), true);
    const found = await batchesOf(channel.id);
    assert.deepEqual(
      found.map(({ id, lane, state, run, due_at, count }) => [
        id === due.id,
        lane,
        state,
        run,
        +due_at,
        count,
      ]),
      [
        [true, 1, 'waiting', 1, +soon, 1],
        [false, 1, 'waiting', 0, +later, 2],
      ],
    );
    const [next] = await take(channel.id);
    assert.deepEqual(
      (await claim(next as DueBatch)).pushes.map(({ n }) => n),
      [0],
    );
  });

  // Settling was not safe to repeat: when the commit's answer was lost, a second try would have made the split-off
  // batches twice, and their pushes been sent twice.
  it('changes nothing when it is repeated', async () => {
    const { channel, message, batch } = await inHand(2);
    const remaining = [0, 1].map((n) => ({
      dueAt: new Date(Date.now() + n * 1_000),
      pushes: [{ messageId: message.id, n }],
    }));
    assert.equal(await batches.settle(batch, remaining), true);
    const before = await batchesOf(channel.id);
    assert.equal(await batches.settle(batch, remaining), false);
    assert.deepEqual(await batchesOf(channel.id), before);
  });

  it('does not deadlock where outcomes and receipts of the same pushes meet in opposite orders', async () => {
    const { channel, message, batch } = await inHand(400);
    const all = message.recipients.map((_, n) => n);
    for (let round = 0; round < 5; round += 1) {
      await Promise.all([
        batches.record(
          batch,
          all.map((n) => outcome(message.id, n)),
          leaseMs,
        ),
        receipts.record(
          all.toReversed().map((n) => receipt(channel.id, message.id, n, { dedupKey: `${n} ${round}` })),
        ),
        batches.record(
          batch,
          all.toReversed().map((n) => outcome(message.id, n)),
          leaseMs,
        ),
      ]);
    }
  });
});

describe('what the sweeper sees', () => {
  it('is enqueued, old enough and held by nobody', async () => {
    const channel = await ledger.channel();
    await accept(ledger.message(channel.id, 1));
    const unheld = async (olderThanMs: number) =>
      (await batches.enqueuedUnheld(olderThanMs, 1_000)).filter((due) => due.channelId === channel.id);
    assert.deepEqual(await unheld(0), [], 'not enqueued');
    const [due] = await take(channel.id);
    assert.deepEqual(await unheld(60_000), [], 'too young');
    assert.deepEqual(await unheld(0), [due]);
    await claim(due as DueBatch);
    assert.deepEqual(await unheld(0), [], 'held');
    await ledger.loseLease(due?.id as string);
    await until('the lease to run out', async () => (await unheld(0)).length === 1);
  });

  // The sweeper looked at the oldest thousand batches only: where that many waited for a worker of a vendor that was
  // not running, what other channels had lost in Redis was never found.
  it('goes on behind a full page', async () => {
    const channel = await ledger.channel();
    const start = Date.now() - 1_000;
    const sendAt = (index: number) => new Date(start - index);
    await messages.accept(
      Array.from({ length: 25 }, (_, index) => ledger.message(channel.id, 1, { sendAt: sendAt(index) })),
    );
    const ids = (await take(channel.id)).map(({ id }) => id).sort();
    assert.equal(ids.length, 25);
    const seen: string[] = [];
    let after: string | undefined;
    for (;;) {
      const page = await batches.enqueuedUnheld(0, 10, after);
      seen.push(...page.filter((due) => due.channelId === channel.id).map(({ id }) => id));
      after = page.at(-1)?.id;
      if (page.length < 10) break;
    }
    assert.deepEqual(seen, ids);
  });

  it('counts the backlog by channel', async () => {
    const channel = await ledger.channel();
    await accept(ledger.message(channel.id, 3 * maxBatchSize));
    await take(channel.id, 1);
    const own = (await batches.backlog()).find((row) => row.channelId === channel.id);
    assert.deepEqual(own, { channelId: channel.id, waiting: 2, enqueued: 1 });
  });
});

describe('cancel', () => {
  it('ends at once what waits, and the message says so', async () => {
    const channel = await ledger.channel();
    const message = await accept(ledger.message(channel.id, 3, { sendAt: inAnHour() }));
    assert.equal(await messages.cancel(appId, message.id), true);
    const stored = await messages.get(appId, message.id);
    assert.ok(stored?.cancelledAt);
    assert.deepEqual(stored?.counts, { cancelled: 3 });
    assert.deepEqual(await batchesOf(channel.id), []);
    assert.equal(await messages.cancel(appId, message.id), true, 'again: the same');
    assert.deepEqual((await messages.get(appId, message.id))?.cancelledAt, stored?.cancelledAt);
    assert.equal(await messages.cancel(appId, newId()), false);
  });

  // Cancelling brought the message's batches forward. A batch is shared by the messages that were accepted together,
  // so the others were sent with it: a campaign planned for the evening went out at noon.
  it('does not move the other messages of the batch', async () => {
    const channel = await ledger.channel();
    const sendAt = inAnHour();
    const [one, other] = [
      ledger.message(channel.id, 2, { sendAt }),
      ledger.message(channel.id, 2, { sendAt }),
    ];
    await messages.accept([one, other]);
    await messages.cancel(appId, one.id);
    assert.deepEqual(await take(channel.id), []);
    assert.deepEqual(await statesOf(one.id), { 0: 'cancelled', 1: 'cancelled' });
    assert.deepEqual(await statesOf(other.id), { 0: 'queued', 1: 'queued' });
    const [batch] = await batchesOf(channel.id);
    assert.equal(batch?.due_at.getTime(), sendAt.getTime());
  });

  it('leaves what is in the queue to the worker, and what was sent as it is', async () => {
    const { message, batch, due } = await inHand(2);
    await batches.record(batch, [outcome(message.id, 0)], leaseMs);
    await messages.cancel(appId, message.id);
    assert.deepEqual(await statesOf(message.id), { 0: 'accepted', 1: 'queued' });
    assert.equal((await claim(due)).messages.get(message.id)?.cancelled, true);
  });

  it('works on a paused channel', async () => {
    const channel = await ledger.channel();
    const message = await accept(ledger.message(channel.id, 1));
    await channels.pause(appId, channel.name, { code: 'x', detail: 'x', by: 'operator' });
    await messages.cancel(appId, message.id);
    assert.deepEqual(await statesOf(message.id), { 0: 'cancelled' });
  });
});

function receipt(
  channelId: string,
  messageId: string,
  n: number,
  changes: Partial<IncomingReceipt> = {},
): IncomingReceipt {
  return {
    channelId,
    pushId: formatPushId({ messageId, n }),
    token: undefined,
    state: 'delivered',
    code: '1',
    detail: 'shown',
    tokenDead: false,
    dedupKey: `${messageId} ${n} ${changes.state ?? 'delivered'}`,
    proof: 'signature',
    rawQuery: '',
    rawBody: Buffer.from('{"raw":true}'),
    ...changes,
  };
}

describe('receipts', () => {
  it('move a push forward, once', async () => {
    const { channel, message, batch } = await inHand(1);
    await batches.record(batch, [outcome(message.id, 0)], leaseMs);
    const one = receipt(channel.id, message.id, 0, { token: message.recipients[0]?.token });
    assert.deepEqual(await receipts.record([one]), ['recorded']);
    assert.deepEqual(await receipts.record([one]), ['duplicate']);
    assert.deepEqual(await receipts.record([one, one]), ['duplicate', 'duplicate']);
    const got = await pushes.get(appId, { messageId: message.id, n: 0 });
    assert.partialDeepStrictEqual(got?.push, { state: 'delivered', code: '1', detail: 'shown' });
    assert.deepEqual(
      got?.receipts.map(({ state, proof }) => [state, proof]),
      [['delivered', 'signature']],
    );
  });

  const runs: [string, PushState[], PushState][] = [
    ['in order', ['accepted', 'delivered', 'displayed', 'clicked'], 'clicked'],
    ['out of order', ['clicked', 'accepted', 'displayed', 'delivered'], 'clicked'],
    ['displayed before delivered', ['displayed', 'delivered'], 'displayed'],
    ['dropped after delivered', ['delivered', 'dropped'], 'delivered'],
    ['delivered after dropped', ['dropped', 'delivered'], 'dropped'],
  ];
  for (const [name, states, end] of runs) {
    it(`only move forward: ${name}`, async () => {
      const { channel, message } = await inHand(2);
      const each = (n: number) =>
        states.map((state) => receipt(channel.id, message.id, n, { state: state as 'clicked' }));
      for (const one of each(0)) assert.deepEqual(await receipts.record([one]), ['recorded']);
      const group = await receipts.record(each(1));
      assert.ok(
        group.every((answer) => answer === 'recorded'),
        'all of one push in one group',
      );
      assert.deepEqual(await statesOf(message.id), { 0: end, 1: end });
      const got = await pushes.get(appId, { messageId: message.id, n: 1 });
      assert.equal(got?.receipts.length, states.length, 'each is kept');
    });
  }

  it('that say nothing final are kept and move nothing', async () => {
    const { channel, message } = await inHand(1);
    await receipts.record([receipt(channel.id, message.id, 0, { state: undefined, code: '9' })]);
    assert.deepEqual(await statesOf(message.id), { 0: 'queued' });
    assert.equal((await pushes.get(appId, { messageId: message.id, n: 0 }))?.receipts[0]?.code, '9');
  });

  it('tell what became of a push that had to be called unknown, or that failed and arrived all the same', async () => {
    const { channel, message, batch } = await inHand(3);
    await batches.record(
      batch,
      [
        outcome(message.id, 0, { state: 'unknown' }),
        outcome(message.id, 1, { state: 'failed' }),
        outcome(message.id, 2, { state: 'failed' }),
      ],
      leaseMs,
    );
    await receipts.record([
      receipt(channel.id, message.id, 0),
      receipt(channel.id, message.id, 1),
      receipt(channel.id, message.id, 2, { state: 'dropped' }),
    ]);
    assert.deepEqual(await statesOf(message.id), { 0: 'delivered', 1: 'delivered', 2: 'failed' });
  });

  // A receipt came while the worker's own record of the same push was being written. The receipt's update waited for
  // the row, then looked for the step from the state that it had seen before (queued), found the push accepted, and
  // moved nothing; the vendor's repetition was a duplicate. The push stayed `accepted` for ever.
  it('that meet the record of the worker are not lost', async () => {
    const { channel, message } = await inHand(1);
    const worker = await ledger.sql.connect();
    await worker.query('BEGIN');
    await worker.query(`UPDATE pushes SET state = 'accepted' WHERE message_id = $1`, [message.id]);
    const recording = receipts.record([receipt(channel.id, message.id, 0)]);
    await until('the receipt to wait for the row', async () => {
      const rows = await ledger.rows(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return rows.length > 0;
    });
    await worker.query('COMMIT');
    worker.release();
    assert.deepEqual(await recording, ['recorded']);
    assert.deepEqual(await statesOf(message.id), { 0: 'delivered' });
  });

  const strange: [
    string,
    (own: { channelId: string; otherId: string; messageId: string }) => IncomingReceipt,
  ][] = [
    ['another token', (own) => receipt(own.channelId, own.messageId, 0, { token: 'not-the-token' })],
    ['another channel', (own) => receipt(own.otherId, own.messageId, 0)],
    ['a push that never was', (own) => receipt(own.channelId, own.messageId, 77)],
    ['a message that never was', (own) => receipt(own.channelId, newId(), 0)],
    ['no push id', (own) => receipt(own.channelId, own.messageId, 0, { pushId: undefined })],
    ['words for a push id', (own) => receipt(own.channelId, own.messageId, 0, { pushId: 'hello' })],
  ];
  for (const [name, make] of strange) {
    it(`that match nothing are kept apart: ${name}`, async () => {
      const { channel, message } = await inHand(1);
      const other = await ledger.channel();
      const stray = make({ channelId: channel.id, otherId: other.id, messageId: message.id });
      const good = receipt(channel.id, message.id, 0, { state: 'accepted' });
      assert.deepEqual(await receipts.record([stray, good]), ['unmatched', 'recorded']);
      assert.deepEqual(await statesOf(message.id), { 0: 'accepted' });
      const { items } = await receipts.list(appId, { result: 'unmatched', limit: 1 });
      const expected = name === 'another channel' ? other.name : channel.name;
      assert.partialDeepStrictEqual(items[0], { result: 'unmatched', channel: expected });
    });
  }

  it('suppress a token that is proven dead, once', async () => {
    const { channel, message } = await inHand(1);
    const dead = receipt(channel.id, message.id, 0, { state: 'dropped', tokenDead: true });
    await receipts.record([dead]);
    await receipts.record([dead, { ...dead, dedupKey: 'another' }]);
    assert.equal(await suppressions.count(channel.id), 1);
  });

  it('do not bring a token back to the suppressed when they are repeated after it was registered again', async () => {
    const { channel, message } = await inHand(1);
    const dead = receipt(channel.id, message.id, 0, { state: 'dropped', tokenDead: true });
    await receipts.record([dead]);
    await suppressions.lift(channel.id, message.recipients[0]?.token as string);
    assert.deepEqual(await receipts.record([dead]), ['duplicate']);
    assert.equal(await suppressions.count(channel.id), 0);
  });

  it('are taken whatever the vendor says in them', async () => {
    const { channel, message } = await inHand(1);
    const odd = { code: 'a\0b', detail: '\0', rawQuery: 'x=\0', dedupKey: '\0' };
    assert.deepEqual(
      await receipts.record([
        receipt(channel.id, message.id, 0, odd),
        receipt(channel.id, newId(), 0, odd),
        receipt(channel.id, message.id, 0, { ...odd, token: 'a\0' }),
      ]),
      ['recorded', 'unmatched', 'unmatched'],
    );
  });

  it('come from many callers at once, and each is recorded once', async () => {
    const { channel, message } = await inHand(50);
    const group = message.recipients.map((_, n) => receipt(channel.id, message.id, n));
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => receipts.record(index % 2 ? group : group.toReversed())),
    );
    assert.equal(answers.flat().filter((answer) => answer === 'recorded').length, 50);
    assert.equal(answers.flat().filter((answer) => answer === 'duplicate').length, 7 * 50);
  });

  // The page's cursor named a push and the next page began behind it, so the second receipt of the push at the
  // border was never listed.
  it('are listed completely, page by page', async () => {
    const { channel, message } = await inHand(3);
    const states = ['accepted', 'delivered', 'displayed', 'clicked'] as const;
    await receipts.record(
      message.recipients.flatMap((_, n) =>
        states.map((state) => receipt(channel.id, message.id, n, { state })),
      ),
    );
    const listed: string[] = [];
    let cursor: string | undefined;
    for (;;) {
      const page = await receipts.list(appId, { result: 'taken', limit: 5, cursor });
      for (const item of page.items) {
        if (item.result === 'taken' && item.messageId === message.id) listed.push(`${item.n} ${item.state}`);
      }
      cursor = page.nextCursor;
      if (!cursor || listed.length > 12) break;
    }
    assert.deepEqual(listed.sort(), [0, 1, 2].flatMap((n) => states.map((state) => `${n} ${state}`)).sort());
  });
});

describe('pages', () => {
  it('walk the pushes of a message and the messages of an app', async () => {
    const channel = await ledger.channel();
    const app = await store.apps.ensure(`pages ${newId()}`);
    const own = [1, 2, 3, 4, 5].map(() => ledger.message(channel.id, 1, { appId: app.id }));
    for (const message of own) await accept(message);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await messages.list(app.id, { limit: 2, cursor });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor);
    assert.deepEqual(
      seen,
      own
        .map(({ id }) => id)
        .sort()
        .reverse(),
    );

    const message = await accept(ledger.message(channel.id, 7));
    const ns: number[] = [];
    do {
      const page = await pushes.ofMessage(appId, message.id, { limit: 3, cursor });
      ns.push(...page.items.map(({ n }) => n));
      cursor = page.nextCursor;
    } while (cursor);
    assert.deepEqual(ns, [0, 1, 2, 3, 4, 5, 6]);
  });

  it('find pushes by token, state, channel, vendor, code and time', async () => {
    const { channel, message, batch } = await inHand(3);
    await batches.record(batch, [outcome(message.id, 1, { state: 'failed', code: 'Gone' })], leaseMs);
    const token = message.recipients[2]?.token as string;
    const find = async (filter: object) => {
      const page = await pushes.find(appId, { channel: channel.name, limit: 10, ...filter });
      return page.items.map(({ n }) => n);
    };
    const minuteAgo = new Date(Date.now() - 60_000);
    assert.deepEqual(await find({}), [2, 1, 0]);
    assert.deepEqual(await find({ token }), [2]);
    assert.deepEqual(await find({ token: `${token}x` }), []);
    assert.deepEqual(await find({ state: 'failed' }), [1]);
    assert.deepEqual(await find({ code: 'Gone', vendor: 'apns' }), [1]);
    assert.deepEqual(await find({ vendor: 'mpaas' }), []);
    assert.deepEqual(await find({ from: minuteAgo }), [2, 1, 0]);
    assert.deepEqual(await find({ to: minuteAgo }), []);
    assert.deepEqual(await find({ from: new Date('1960-01-01'), to: new Date('+012000-01-01') }), [2, 1, 0]);
  });
});

describe('channels', () => {
  it('have names of their own per app; a removed one frees its name', async () => {
    const channel = await ledger.channel();
    assert.equal(
      await channels.create({
        appId,
        name: channel.name,
        vendor: 'apns',
        settings: {},
        credential: {},
        credentialShown: {},
      }),
      undefined,
    );
    assert.equal(await channels.remove(appId, channel.name), true);
    assert.equal(await channels.remove(appId, channel.name), false);
    const next = await ledger.channel({ name: channel.name });
    assert.notEqual(next.id, channel.id);
    assert.notEqual(next.callbackKey, channel.callbackKey);
  });

  it('removed: what was not sent is cancelled, receipts of what was are still taken', async () => {
    const { channel, message, batch } = await inHand(2);
    await batches.record(batch, [outcome(message.id, 0)], leaseMs);
    await channels.remove(appId, channel.name);
    assert.deepEqual(await statesOf(message.id), { 0: 'accepted', 1: 'cancelled' });
    assert.deepEqual(await batchesOf(channel.id), []);
    assert.equal(await batches.settle(batch, []), false);
    assert.equal(await channels.openById(channel.id), undefined);
    assert.equal((await channels.openByCallbackKey('apns', channel.callbackKey))?.id, channel.id);
    assert.deepEqual(await receipts.record([receipt(channel.id, message.id, 0)]), ['recorded']);
    // A message that was planned before the removal and stored after it.
    const late = await accept(ledger.message(channel.id, 1));
    assert.deepEqual(await take(channel.id), []);
    await store.maintain();
    assert.deepEqual(await statesOf(late.id), { 0: 'cancelled' });
  });

  it('are paused once by one refusal, and not by the refusal of an older version', async () => {
    const channel = await ledger.channel();
    const reason = { code: 'InvalidProviderToken', detail: 'no', by: 'pushmill' as const };
    const pause = (version: number) => channels.pauseVersion(channel.id, version, reason);
    const answers = await Promise.all(Array.from({ length: 10 }, () => pause(channel.version)));
    assert.equal(answers.filter(Boolean).length, 1);
    const paused = await channels.get(appId, channel.name);
    assert.partialDeepStrictEqual(paused, {
      state: 'paused',
      pausedReason: reason,
      version: channel.version + 1,
    });
    assert.equal(await pause(channel.version + 1), false, 'it is paused already');
    const repaired = await channels.update(appId, channel.name, {
      credential: { key: 'new' },
      credentialShown: {},
    });
    assert.partialDeepStrictEqual(repaired, { state: 'on', pausedReason: null });
    assert.equal(await pause(channel.version), false);
    assert.equal((await channels.get(appId, channel.name))?.state, 'on');
  });

  it('paused by an operator stay so through changes', async () => {
    const channel = await ledger.channel();
    await channels.pause(appId, channel.name, { code: 'x', detail: 'x', by: 'operator' });
    const changed = await channels.update(appId, channel.name, { credential: { a: 1 }, credentialShown: {} });
    assert.partialDeepStrictEqual(changed, { state: 'paused', pausedReason: { by: 'operator' } });
  });

  // A change of the retry policy alone put a channel with a refused credential back on.
  it('paused by a refusal stay so until credential or settings change', async () => {
    const channel = await ledger.channel();
    const pause = async () => {
      const { version = 0 } = (await channels.get(appId, channel.name)) ?? {};
      await channels.pauseVersion(channel.id, version, { code: 'x', detail: 'x', by: 'pushmill' });
    };
    await pause();
    assert.equal(
      (await channels.update(appId, channel.name, { policy: { maxAttempts: 3 } }))?.state,
      'paused',
    );
    assert.equal((await channels.update(appId, channel.name, { settings: { a: 1 } }))?.state, 'on');
    await pause();
    assert.equal((await channels.resume(appId, channel.name))?.state, 'on');
  });

  it('keep their credential sealed, bound to the channel', async () => {
    const secret = 'very-secret-key-material';
    const [a, b] = [await ledger.channel({ credential: { secret } }), await ledger.channel()];
    assert.deepEqual((await channels.openById(a.id))?.credential, { secret });
    assert.ok(!JSON.stringify(await channels.get(appId, a.name)).includes(secret));
    const [row] = await ledger.rows<{ all: string }>(
      'SELECT channels::text AS all FROM channels WHERE id = $1',
      [a.id],
    );
    assert.ok(row && !row.all.includes(Buffer.from(secret).toString('hex')) && !row.all.includes(secret));
    await ledger.sql.query(
      'UPDATE channels SET credential_sealed = (SELECT credential_sealed FROM channels WHERE id = $1) WHERE id = $2',
      [a.id, b.id],
    );
    await assert.rejects(channels.openById(b.id));
    const stranger = openStore({
      databaseUrl: new Secret(ledger.url),
      masterKeys: new Secret(Buffer.alloc(32, 7).toString('base64')),
    });
    await assert.rejects(stranger.channels.openById(a.id), /not in PUSHMILL_MASTER_KEY/);
    await stranger.close();
    await channels.remove(appId, b.name);
  });
});

describe('api keys', () => {
  it('are shown once, kept as a hash, and revoked for good', async () => {
    const created = await keys.create({ appId, name: 'ci', role: 'producer' });
    assert.match(created.key, /^pmk_[A-Za-z0-9_-]{43}$/);
    assert.deepEqual(await keys.authenticate(created.key), { keyId: created.id, appId, role: 'producer' });
    assert.equal(await keys.authenticate(`${created.key}x`), undefined);
    assert.equal(
      await keys.authenticate(created.key.slice(0, -1) + (created.key.endsWith('A') ? 'E' : 'A')),
      undefined,
    );
    assert.ok(!JSON.stringify(await keys.list(appId)).includes(created.key));
    const other = await store.apps.ensure('another');
    assert.equal(await keys.revoke(other.id, created.id), false, 'not by another app');
    assert.equal(await keys.revoke(appId, created.id), true);
    assert.equal(await keys.revoke(appId, created.id), false);
    assert.equal(await keys.authenticate(created.key), undefined);
    assert.ok((await keys.list(appId)).find(({ id }) => id === created.id)?.revokedAt);
  });
});

describe('partitions and maintenance', () => {
  it('are made from yesterday to two weeks ahead, again when they are missing', async () => {
    const names = async () =>
      (
        await ledger.rows<{ name: string }>(
          `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
           WHERE i.inhparent = 'pushes'::regclass ORDER BY 1`,
        )
      ).map(({ name }) => name);
    const before = await names();
    const day = (offset: number) =>
      `pushes_${new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10).replaceAll('-', '_')}`;
    for (const offset of [-1, 0, 1, 13]) assert.ok(before.includes(day(offset)), day(offset));
    await ledger.sql.query(`DROP TABLE ${before.at(-1)}`);
    await store.maintain();
    assert.deepEqual(await names(), before);
    await store.maintain();
  });

  it('take an id of each moment of the day', async () => {
    const midnight = Math.floor(Date.now() / 86_400_000) * 86_400_000;
    const channel = await ledger.channel();
    for (const ms of [midnight - 1, midnight, midnight + 86_400_000 - 1, midnight + 86_400_000]) {
      const hex = ms.toString(16).padStart(12, '0');
      const id = `${hex.slice(0, 8)}-${hex.slice(8)}-7fff-bfff-${newId().slice(24)}`;
      const message = await accept(ledger.message(channel.id, 1, { id }));
      assert.deepEqual(await statesOf(message.id), { 0: 'queued' });
    }
  });

  it('bounds what strangers can leave', async () => {
    const channel = await ledger.channel();
    await ledger.sql.query(
      `INSERT INTO stray_receipts (id, channel_id, result, code, detail, raw_query, raw_body)
       SELECT uuidv7(), $1, 'refused', 'x', 'x', '', '' FROM generate_series(1, 10500)`,
      [channel.id],
    );
    await store.maintain();
    const [row] = await ledger.rows<{ count: number }>('SELECT count(*)::int AS count FROM stray_receipts');
    assert.ok(row && row.count >= 10_000 && row.count < 10_100, `${row?.count}`);
  });

  it('may run in many processes at once', async () => {
    await Promise.all(Array.from({ length: 8 }, () => store.maintain()));
  });
});

// A connection that broke inside a transaction emitted an error that nobody listened to, which ended the process: a
// restart of Postgres took the workers and the api with it.
describe('a connection that breaks', () => {
  for (const [name, work] of [
    ['in a transaction', (id: string) => messages.cancel(appId, id)],
    ['in a single statement', (id: string) => messages.accept([ledger.message(id, 1)])],
  ] as const) {
    it(`${name} is an error of the call, and the next call succeeds`, async () => {
      const channel = await ledger.channel();
      const message = await accept(ledger.message(channel.id, 1));
      const blocker = await ledger.sql.connect();
      await blocker.query('BEGIN; LOCK TABLE messages, channels IN ACCESS EXCLUSIVE MODE');
      const working = work(name === 'in a transaction' ? message.id : channel.id);
      working.catch(() => undefined);
      const found = await until('the call to wait', async () => {
        const { rows } = await blocker.query<{ pid: number }>(
          `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return rows[0];
      });
      await blocker.query('SELECT pg_terminate_backend($1)', [found.pid]);
      await assert.rejects(working, (error) => isLedgerAway(error));
      await blocker.query('ROLLBACK');
      blocker.release();
      await work(name === 'in a transaction' ? message.id : channel.id);
    });
  }
});

// node-pg-migrate refuses when another process migrates; roles that started together died of it.
describe('migrate', () => {
  it('may be called by several processes at once', async () => {
    const database = await createLedgerDatabase();
    const admin = ledger.sql;
    const empty = `${database.name}_empty`;
    await admin.query(`CREATE DATABASE ${empty}`);
    const url = database.url.replace(database.name, empty);
    try {
      const results = await Promise.all(Array.from({ length: 5 }, () => migrate(url)));
      assert.equal(results.filter(({ applied }) => applied.length > 0).length, 1);
    } finally {
      await admin.query(`DROP DATABASE ${empty} WITH (FORCE)`);
      await database.drop();
    }
  });
});
