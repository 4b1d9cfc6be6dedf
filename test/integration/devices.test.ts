import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPushId } from '@pushmill/core';
import type { ChannelRow, ClaimedPush, DeviceRegistration, OutcomeRecord } from '@pushmill/store';
import { newToken, useLedger } from './ledger-setup.ts';

const ledger = await useLedger();
const { store, appId } = ledger;
const { devices, batches, receipts, suppressions, messages } = store;

let made = 0;
/** Registers a device; with an id and a token of its own where none is given. */
async function put(channel: ChannelRow, changes: Partial<DeviceRegistration> = {}) {
  const device = {
    appId,
    id: `device-${++made}`,
    channelId: channel.id,
    token: newToken(),
    environment: null,
    user: null,
    tags: [],
    locale: null,
    timeZone: null,
    ...changes,
  };
  await devices.put(device);
  return device;
}

async function stateOf(device: { id: string }): Promise<string> {
  const row = await devices.get(appId, device.id);
  assert.ok(row);
  return `${row.state} ${row.code}`;
}

interface Address {
  token: string;
  environment?: string | null;
}

/** A message to some tokens of a channel, its one batch claimed by a worker. */
async function inHand(channel: ChannelRow, recipients: readonly Address[]) {
  const message = ledger.message(channel.id, 0, {
    recipients: recipients.map(({ token, environment }) => ({
      channelId: channel.id,
      token,
      environment: environment ?? undefined,
    })),
  });
  await messages.accept([message]);
  const [due] = await batches.takeDue(1_000, [channel.id]);
  assert.ok(due);
  const batch = await batches.claim(due.id, due.run, 20_000);
  assert.ok(batch);
  return { message, batch };
}

/** What a worker makes of a refusal of the push's token. */
function refused(push: ClaimedPush, changes: Partial<OutcomeRecord>): OutcomeRecord {
  const at = later();
  return {
    ...push,
    state: 'failed',
    attempt: { at, durationMs: 1, kind: 'rejected', action: 'bury', delayMs: null, spent: true },
    code: 'said',
    detail: null,
    vendorMessageId: null,
    ...changes,
  };
}
const misfiled = (push: ClaimedPush) => refused(push, { misfiled: true, code: 'BadDeviceToken' });
const dead = (push: ClaimedPush, deadSince: Date) => refused(push, { deadSince, code: 'Unregistered' });

// Registrations are dated to the microsecond, attempts to the millisecond.
const later = () => new Date(Date.now() + 1_000);
const earlier = () => new Date(Date.now() - 60_000);

/** Sends to what the ledger knows of a device, and has the vendor's word recorded. */
async function attempt(channel: ChannelRow, to: Address, said: (push: ClaimedPush) => OutcomeRecord) {
  const { batch } = await inHand(channel, [to]);
  const [push] = batch.pushes;
  assert.ok(push);
  await batches.record(batch, [said(push)], 20_000);
  await batches.settle(batch, []);
}

describe('a device whose token is dead', () => {
  it('is dead, and its token suppressed, until it is registered again', async () => {
    const channel = await ledger.channel();
    const device = await put(channel);
    const bystander = await put(channel);
    await attempt(channel, device, (push) => dead(push, later()));
    assert.equal(await stateOf(device), 'dead Unregistered');
    assert.equal(await stateOf(bystander), 'active null');
    assert.equal(await suppressions.count(channel.id), 1);
    assert.deepEqual(await devices.resolve(appId, [{ by: 'device', value: device.id, channel: null }], 10), {
      active: [],
      passedOver: [{ query: 0, state: 'dead', count: 1 }],
    });
    await put(channel, device);
    assert.equal(await stateOf(device), 'active null');
    assert.equal(await suppressions.count(channel.id), 0);
  });

  it('is alive when it was registered after the moment that the vendor names', async () => {
    const channel = await ledger.channel();
    const device = await put(channel);
    await attempt(channel, device, (push) => dead(push, earlier()));
    assert.equal(await stateOf(device), 'active null');
    assert.equal(await suppressions.count(channel.id), 0);
  });

  it('is dead in whatever environment the vendor said so, and on this channel only', async () => {
    const [channel, other] = [await ledger.channel(), await ledger.channel()];
    const device = await put(channel);
    const same = await put(other, { token: device.token });
    await attempt(channel, { token: device.token, environment: 'production' }, (push) => dead(push, later()));
    assert.equal(await stateOf(device), 'dead Unregistered');
    assert.equal(await stateOf(same), 'active null');
  });

  it('is dead when a receipt says so', async () => {
    const channel = await ledger.channel();
    const device = await put(channel);
    const { message } = await inHand(channel, [device]);
    await receipts.record([deadReceipt(channel, message.id)]);
    assert.equal(await stateOf(device), 'dead gone');
    assert.equal(await suppressions.count(channel.id), 1);
  });

  it('is alive when it was registered after the push of which a receipt tells', async () => {
    const channel = await ledger.channel();
    const device = await put(channel);
    const { message } = await inHand(channel, [device]);
    await put(channel, device);
    assert.deepEqual(await receipts.record([deadReceipt(channel, message.id)]), ['recorded']);
    assert.equal(await stateOf(device), 'active null');
    assert.equal(await suppressions.count(channel.id), 0);
  });
});

describe('a device that is misfiled', () => {
  it('is sent to where it is filed when it is registered again', async () => {
    const channel = await ledger.channel({ settings: { environment: 'production' } });
    const device = await put(channel);
    await attempt(channel, { token: device.token }, misfiled);
    assert.equal(await stateOf(device), 'misfiled BadDeviceToken');
    // The token lives, elsewhere.
    assert.equal(await suppressions.count(channel.id), 0);
    await put(channel, { ...device, environment: 'sandbox' });
    const { active } = await devices.resolve(
      appId,
      [{ by: 'device', value: device.id, channel: channel.name }],
      10,
    );
    assert.partialDeepStrictEqual(active, [{ token: device.token, environment: 'sandbox' }]);
    const { batch } = await inHand(channel, [{ token: device.token, environment: 'sandbox' }]);
    assert.equal(batch.pushes[0]?.environment, 'sandbox');
    await batches.record(batch, [misfiled(batch.pushes[0] as ClaimedPush)], 20_000);
    assert.equal(await stateOf(device), 'misfiled BadDeviceToken');
  });

  it('is so only for the environment that was tried', async () => {
    const channel = await ledger.channel({ settings: { environment: 'production' } });
    const own = await put(channel, { environment: 'production' });
    const none = await put(channel);
    const other = await put(channel, { environment: 'sandbox' });
    const all = [own, none, other];
    // As a producer's word about a token, against what its device is filed under.
    for (const { token } of [own, none]) {
      await attempt(channel, { token, environment: 'sandbox' }, misfiled);
    }
    await attempt(channel, { token: other.token }, misfiled);
    assert.deepEqual(await Promise.all(all.map(stateOf)), Array(3).fill('active null'));
    // What is said of the channel's own is said of it by either name.
    await attempt(channel, { token: own.token }, misfiled);
    await attempt(channel, { token: none.token }, misfiled);
    assert.deepEqual(await Promise.all([own, none].map(stateOf)), Array(2).fill('misfiled BadDeviceToken'));
  });

  it('is tried again when its channel moves, and not condemned by what was sent before', async () => {
    const channel = await ledger.channel({ settings: { environment: 'production' } });
    const devicesOfBoth = [await put(channel), await put(channel)] as const;
    const [tried, flying] = devicesOfBoth;
    await attempt(channel, tried, misfiled);
    const { batch } = await inHand(channel, [flying]);
    const [push] = batch.pushes;
    const before = new Date();
    await store.channels.update(appId, channel.name, { settings: { environment: 'sandbox' } });
    assert.equal(await stateOf(tried), 'active null');
    // The moments of the ledger and of this process are those of one clock here.
    const record = misfiled(push as ClaimedPush);
    const at = new Date(before.getTime() - 1);
    await ledger.sql.query('UPDATE devices SET registered_at = $2 WHERE id = $1', [flying.id, earlier()]);
    await batches.record(batch, [{ ...record, attempt: { ...record.attempt, at } as never }], 20_000);
    assert.equal(await stateOf(flying), 'active null');
  });

  it('stays so when the channel changes otherwise', async () => {
    const channel = await ledger.channel({ settings: { environment: 'production' } });
    const device = await put(channel);
    await attempt(channel, device, misfiled);
    await store.channels.update(appId, channel.name, { settings: { environment: 'production', more: 1 } });
    await store.channels.update(appId, channel.name, { policy: { maxAttempts: 2 } });
    assert.equal(await stateOf(device), 'misfiled BadDeviceToken');
  });
});

describe('resolve', () => {
  it('gives each device once, with the queries that it fits', async () => {
    const [channel, other] = [await ledger.channel(), await ledger.channel()];
    const both = await put(channel, { user: 'r-1', tags: ['r', 's'], timeZone: 'Asia/Shanghai' });
    const tagged = await put(other, { tags: ['r'] });
    const found = await devices.resolve(
      appId,
      [
        { by: 'user', value: 'r-1', channel: null },
        { by: 'tag', value: 'r', channel: null },
        { by: 'tag', value: 's', channel: other.name },
        { by: 'device', value: both.id, channel: channel.name },
        { by: 'user', value: 'r-2', channel: null },
      ],
      10,
    );
    const active = found.active
      .map((device) => ({ ...device, queries: device.queries.sort() }))
      .sort((a, b) => b.queries.length - a.queries.length);
    assert.deepEqual(active, [
      {
        channelId: channel.id,
        channel: channel.name,
        token: both.token,
        environment: null,
        timeZone: 'Asia/Shanghai',
        queries: [0, 1, 3],
      },
      {
        channelId: other.id,
        channel: other.name,
        token: tagged.token,
        environment: null,
        timeZone: null,
        queries: [1],
      },
    ]);
    assert.deepEqual(found.passedOver, []);
  });

  it('gives no more than it is asked for', async () => {
    const channel = await ledger.channel();
    for (let n = 0; n < 5; n++) await put(channel, { user: 'many', tags: ['many'] });
    const queries = [
      { by: 'user', value: 'many', channel: null },
      { by: 'tag', value: 'many', channel: null },
    ] as const;
    assert.equal((await devices.resolve(appId, queries, 3)).active.length, 3);
    assert.equal((await devices.resolve(appId, queries, 6)).active.length, 5);
  });
});

describe('maintenance', () => {
  it('forgets the devices of removed channels', async () => {
    const [gone, stays] = [await ledger.channel(), await ledger.channel()];
    for (const channel of [gone, stays]) await put(channel, { user: 'kept' });
    await store.channels.remove(appId, gone.name);
    await store.maintain();
    const rows = await ledger.rows<{ channel_id: string }>(
      `SELECT channel_id FROM devices WHERE user_id = 'kept'`,
    );
    assert.deepEqual(rows, [{ channel_id: stays.id }]);
  });
});

function deadReceipt(channel: ChannelRow, messageId: string) {
  return {
    channelId: channel.id,
    pushId: formatPushId({ messageId, n: 0 }),
    token: undefined,
    state: 'dropped',
    code: 'gone',
    detail: 'the app was removed',
    tokenDead: true,
    dedupKey: 'once',
    proof: 'signature',
    rawQuery: '',
    rawBody: Buffer.from('{}'),
  } as const;
}
