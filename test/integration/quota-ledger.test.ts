import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChannelRow, ClaimedBatch, NewMessage, OutcomeRecord } from '@pushmill/store';
import { newToken, useLedger } from './ledger-setup.ts';

const ledger = await useLedger();
const { store } = ledger;

/** In their zone, which is nobody's matter here. */
const dayAfter = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
const [day, tomorrow] = [dayAfter(0), dayAfter(1)];
const lane = 'bulk' as const;

/** So many pushes of a channel, claimed as a worker does. */
async function claimed(channel: ChannelRow, count: number, changes: Partial<NewMessage> = {}) {
  await store.messages.accept([ledger.message(channel.id, count, { lane, ...changes })]);
  const [due] = await store.batches.takeDue(100, [channel.id]);
  return claim(due?.id as string, 0);
}

async function claim(id: string, run: number): Promise<ClaimedBatch> {
  await ledger.loseLease(id);
  const batch = await store.batches.claim(id, run, 20_000);
  assert.ok(batch);
  return batch;
}

const reserve = (batch: ClaimedBatch, perDay: number | undefined, perDevice?: number) =>
  store.quotas.reserve(batch, { class: 'marketing', day, perDay, perDevice, pushes: batch.pushes });
const used = async (channel: ChannelRow, on = day) =>
  (await store.quotas.usedOn([{ channelId: channel.id, day: on }])).find((use) => use.class === 'marketing')
    ?.used;

/** As after an answer of the vendor. */
async function sent(batch: ClaimedBatch, places: readonly number[]): Promise<void> {
  const records = batch.pushes
    .filter((push) => places.includes(push.place))
    .map(
      ({ messageId, n, place }): OutcomeRecord => ({
        messageId,
        n,
        place,
        state: 'accepted',
        attempt: {
          at: new Date(),
          durationMs: 1,
          kind: 'accepted',
          action: 'finish',
          delayMs: null,
          spent: true,
        },
        code: null,
        detail: null,
        vendorMessageId: null,
      }),
    );
  await store.batches.record(batch, records, 20_000);
}

describe('a reservation', () => {
  it('gets what is left, those first that come first', async () => {
    const channel = await ledger.channel();
    const first = await claimed(channel, 4);
    assert.deepEqual(await reserve(first, 6), { granted: [1, 2, 3, 4], deviceSpent: [] });
    const second = await claimed(channel, 4);
    assert.deepEqual((await reserve(second, 6))?.granted, [1, 2]);
    const third = await claimed(channel, 4);
    assert.deepEqual((await reserve(third, 6))?.granted, []);
    assert.equal(await used(channel), 6);
    assert.deepEqual((await reserve(await claimed(channel, 3), 0))?.granted, []);
    // Lowered during the day: what was sent was sent.
    assert.deepEqual((await reserve(await claimed(channel, 3), 5))?.granted, []);
    assert.equal(await used(channel), 6);
    assert.deepEqual((await reserve(await claimed(channel, 3), 8))?.granted, [1, 2]);
  });

  it('is of one class and one day', async () => {
    const channel = await ledger.channel();
    const batch = await claimed(channel, 2);
    await reserve(batch, 2);
    await store.quotas.release(batch, 'marketing');
    const other = { day: tomorrow, perDay: 2, perDevice: undefined, pushes: batch.pushes };
    assert.deepEqual((await store.quotas.reserve(batch, { ...other, class: 'marketing' }))?.granted, [1, 2]);
    const urgent = await claimed(channel, 2, { lane: 'urgent' });
    assert.equal(
      (await store.quotas.reserve(urgent, { ...other, class: 'transactional' }))?.granted.length,
      2,
    );
    assert.deepEqual(await store.quotas.usedOn([{ channelId: channel.id, day: tomorrow }]), [
      { channelId: channel.id, class: 'transactional', used: 2 },
      { channelId: channel.id, class: 'marketing', used: 2 },
    ]);
    assert.equal(await used(channel), 0);
  });

  for (const perDevice of [undefined, 5]) {
    it(`never exceeds the day, however many ask at once${perDevice ? ', by device too' : ''}`, async () => {
      const channel = await ledger.channel();
      const batches: ClaimedBatch[] = [];
      for (let count = 0; count < 30; count += 1) batches.push(await claimed(channel, (count % 7) + 1));
      const wanted = batches.reduce((sum, batch) => sum + batch.pushes.length, 0);
      const perDay = Math.floor(wanted / 2);
      const grants = await Promise.all(batches.map((batch) => reserve(batch, perDay, perDevice)));
      const granted = grants.reduce((sum, grant) => sum + (grant?.granted.length ?? 0), 0);
      assert.equal(granted, perDay);
      assert.equal(await used(channel), perDay);
      // And back at once, while others ask.
      const more = await claimed(channel, 3);
      await Promise.all([
        ...batches.map((batch) => store.quotas.release(batch, 'marketing')),
        reserve(more, undefined, perDevice),
      ]);
      assert.equal(await used(channel), 3);
    });
  }

  it('is nothing for who does not hold the batch any more', async () => {
    const channel = await ledger.channel();
    for (const perDevice of [undefined, 3]) {
      const lost = await claimed(channel, 3);
      const holder = await claim(lost.id, 0);
      assert.equal(await reserve(lost, 10, perDevice), undefined);
      assert.equal(await used(channel), 0);
      assert.equal((await reserve(holder, 10, perDevice))?.granted.length, 3);
      await store.quotas.release(lost, 'marketing');
      assert.equal(await used(channel), 3, 'an outdated holder gives nothing back');
      await store.quotas.release(holder, 'marketing');
    }
  });
});

describe('what is given back', () => {
  it('is what spent no attempt, once, and to its own day', async () => {
    const channel = await ledger.channel();
    const batch = await claimed(channel, 5);
    await reserve(batch, 4);
    await sent(batch, [1, 2]);
    await store.quotas.release(batch, 'marketing');
    assert.equal(await used(channel), 2);
    await store.quotas.release(batch, 'marketing');
    assert.equal(await used(channel), 2, 'a repeated word gives nothing back again');
    assert.equal(await used(channel, tomorrow), 0);
  });

  it('never makes it less than nothing', async () => {
    const channel = await ledger.channel();
    const batch = await claimed(channel, 5);
    await reserve(batch, 5, 1);
    await ledger.sql.query('UPDATE quota_days SET used = 1 WHERE channel_id = $1', [channel.id]);
    await ledger.sql.query('UPDATE quota_devices SET used = 0 WHERE channel_id = $1', [channel.id]);
    await store.quotas.release(batch, 'marketing');
    assert.equal(await used(channel), 0);
    assert.deepEqual(
      await ledger.rows('SELECT DISTINCT used FROM quota_devices WHERE channel_id = $1', [channel.id]),
      [{ used: 0 }],
    );
  });

  it('goes with the batch: a later run has no reservation', async () => {
    const channel = await ledger.channel();
    const batch = await claimed(channel, 2);
    await reserve(batch, 2);
    await store.quotas.release(batch, 'marketing');
    const group = { dueAt: new Date(Date.now() - 1_000), pushes: batch.pushes, isQuotaHeld: true };
    assert.equal(await store.batches.settle(batch, [group]), true);
    await store.batches.takeDue(100, [channel.id]);
    const next = await claim(batch.id, 1);
    assert.deepEqual([next.reservation, next.quotaHeld], [undefined, true]);
  });
});

describe('a second claim', () => {
  it('finds what the first reserved, and only what was not sent goes back', async () => {
    const channel = await ledger.channel();
    const first = await claimed(channel, 6);
    assert.equal(first.reservation, undefined);
    await reserve(first, 4);
    await sent(first, [1, 3]);
    // The first one dies here.
    const second = await claim(first.id, 0);
    assert.deepEqual(second.reservation, { day, places: [1, 2, 3, 4] });
    assert.deepEqual(
      second.pushes.map((push) => push.place),
      [2, 4, 5, 6],
    );
    assert.deepEqual((await reserve(second, 5))?.granted, [2, 4, 5]);
    assert.equal(await used(channel), 5);
    await sent(second, [2]);
    await store.quotas.release(second, 'marketing');
    assert.equal(await used(channel), 3, '1, 2 and 3');
  });
});

describe('a call whose answer was lost', () => {
  for (const perDevice of [undefined, 1]) {
    it(`is repeated and counts once${perDevice ? ', for the device too' : ''}`, async () => {
      const channel = await ledger.channel();
      const batch = await claimed(channel, 5);
      const grant = await reserve(batch, 3, perDevice);
      assert.deepEqual(await reserve(batch, 3, perDevice), grant);
      assert.equal(await used(channel), 3);
      await store.quotas.release(batch, 'marketing');
      assert.equal(await used(channel), 0);
      assert.deepEqual((await reserve(await claimed(channel, 4), 3, perDevice))?.granted, [1, 2, 3]);
    });
  }
});

describe('the bound of a device', () => {
  const to = (channel: ChannelRow, tokens: readonly string[]) => ({
    recipients: tokens.map((token) => ({ channelId: channel.id, token })),
  });
  const devices = async (channel: ChannelRow) =>
    (
      await ledger.rows<{ used: number }>('SELECT used FROM quota_devices WHERE channel_id = $1', [
        channel.id,
      ])
    )
      .map((row) => row.used)
      .sort();

  it('counts each token', async () => {
    const channel = await ledger.channel();
    const [a, b] = [newToken(), newToken()];
    const first = await claimed(channel, 0, to(channel, [a, b, a, a]));
    assert.deepEqual(await reserve(first, undefined, 2), { granted: [1, 2, 3], deviceSpent: [4] });
    const second = await claimed(channel, 0, to(channel, [a, b]));
    assert.deepEqual(await reserve(second, undefined, 2), { granted: [2], deviceSpent: [1] });
    assert.deepEqual(await devices(channel), [2, 2]);
    await sent(first, [1]);
    await store.quotas.release(first, 'marketing');
    assert.deepEqual(await devices(channel), [1, 1]);
    assert.equal(await used(channel), 2);
  });

  it('is not used up by pushes that the day has no room for', async () => {
    const channel = await ledger.channel();
    const tokens = [newToken(), newToken(), newToken()];
    const batch = await claimed(channel, 0, to(channel, tokens));
    assert.deepEqual(await reserve(batch, 1, 1), { granted: [1], deviceSpent: [] });
    assert.deepEqual(await devices(channel), [0, 0, 1]);
  });

  it('lets later pushes of the batch have what it leaves of the day', async () => {
    const channel = await ledger.channel();
    const [a, b] = [newToken(), newToken()];
    const batch = await claimed(channel, 0, to(channel, [a, a, b]));
    assert.deepEqual(await reserve(batch, 2, 1), { granted: [1, 3], deviceSpent: [2] });
  });

  it('says nothing of audiences', async () => {
    const channel = await ledger.channel();
    const audience = { kind: 'all' };
    const recipients = [1, 2].map(() => ({ channelId: channel.id, token: '', audience }));
    const batch = await claimed(channel, 0, { recipients });
    assert.deepEqual((await reserve(batch, 5, 1))?.granted, [1, 2]);
    await store.quotas.release(batch, 'marketing');
    assert.equal(await used(channel), 0);
  });

  it('is forgotten after two days', async () => {
    const channel = await ledger.channel();
    const batch = await claimed(channel, 3);
    await reserve(batch, 5, 1);
    await ledger.sql.query('UPDATE quota_devices SET day = current_date - 1 WHERE channel_id = $1', [
      channel.id,
    ]);
    await store.maintain();
    assert.equal((await devices(channel)).length, 3);
    await ledger.sql.query('UPDATE quota_devices SET day = current_date - 4 WHERE channel_id = $1', [
      channel.id,
    ]);
    await store.maintain();
    assert.deepEqual(await devices(channel), []);
    assert.equal(await used(channel), 3);
  });
});

describe('what waits', () => {
  it('is what is not counted yet, by lane and time, without what is paused', async () => {
    const channel = await ledger.channel();
    const batch = await claimed(channel, 10);
    await reserve(batch, 4);
    const inAnHour = new Date(Date.now() + 3_600_000);
    const inTwo = new Date(Date.now() + 7_200_000);
    const shut = ledger.message(channel.id, 7, { lane });
    await store.messages.accept([
      ledger.message(channel.id, 3, { lane }),
      ledger.message(channel.id, 5, { lane: 'urgent' }),
      ledger.message(channel.id, 20, { lane, sendAt: inAnHour }),
      shut,
    ]);
    await store.pauses.pause(ledger.appId, shut.id);
    assert.equal(await store.quotas.waiting(channel.id, lane, inAnHour, undefined), 6 + 3);
    assert.equal(await store.quotas.waiting(channel.id, lane, inTwo, undefined), 6 + 3 + 20);
    assert.equal(await store.quotas.waiting(channel.id, lane, inTwo, inAnHour), 20);
    assert.equal(await store.quotas.waiting(channel.id, 'urgent', inTwo, undefined), 5);
  });
});
