import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { ChannelRow } from '@pushmill/store';
import { type Emulator, type EmulatorChannel, type VendorName, vendors } from '@pushmill/vendors';
import { createAuthority, emulators } from '@pushmill/vendors/emulators';
import { Value } from 'typebox/value';
import { until } from '../e2e/until.ts';
import { useWorkerBench } from './worker-setup.ts';

/*
 * What goes wrong at a vendor, seen from the ledger: real workers and senders against each vendor's emulator. Every
 * push ends in the right state, with the vendor's own words.
 */

const bench = await useWorkerBench(6);
const { ledger } = bench;
const { store, appId } = ledger;
const authority = await createAuthority(new Date());

/** Codes of the vendors themselves, as their pages print them. */
const words: Readonly<Record<VendorName, { dead: RegExp; refused: RegExp }>> = {
  apns: { dead: /^Unregistered$/, refused: /^(InvalidProviderToken|BadCertificateEnvironment)$/ },
  baidu: { dead: /^(30607|30608|300200)$/, refused: /^(30603|401|403)/ },
  fcm: { dead: /^UNREGISTERED$/, refused: /^IAM_PERMISSION_DENIED$/ },
  mpaas: { dead: /^800[0157]/, refused: /^(-1|SignatureDoesNotMatch|InvalidAccessKeyId)/ },
  tpns: { dead: /^(1008029|invalid_targe_list)$/, refused: /^(1008003|1008031)$/ },
};

async function start(name: VendorName, options: { now?: () => number } = {}): Promise<Emulator> {
  const emulator = await emulators[name]({ port: 0, authority, seed: 3, ...options });
  after(() => emulator.close());
  return emulator;
}

async function channelAt(name: VendorName, offered: EmulatorChannel): Promise<ChannelRow> {
  const vendor = vendors[name];
  const settings = Value.Default(vendor.settingsSchema, structuredClone(offered.settings)) as Record<
    string,
    unknown
  >;
  const { credential, shown } = await vendor.prepareCredential(offered.credential, settings, new Date());
  const policy = { baseDelayMs: 1, throttleDelayMs: 1 };
  return ledger.channel({ vendor: name, settings, credential, credentialShown: shown, policy });
}

const to = (channel: ChannelRow, tokens: readonly string[]) => ({
  content: {
    notification: { title: 'Parcel', body: 'It is at the door.' },
    class: 'transactional' as const,
    priority: 'high' as const,
  },
  recipients: tokens.map((token) => ({ channelId: channel.id, token })),
});

for (const name of Object.keys(vendors) as VendorName[]) {
  describe(`${name}, end to end`, () => {
    it('keeps the vendor’s word for a dead token, and does not send to it again', async () => {
      const emulator = await start(name);
      await bench.work({ vendorTable: vendors });
      for (const offered of emulator.channels) {
        const channel = await channelAt(name, offered);
        const [good, dead] = [emulator.newToken(offered.name), emulator.newToken(offered.name)];
        emulator.plan(dead, 'token-dead');
        const message = await bench.send(channel, 0, to(channel, [good, dead]));
        const [first, second] = await bench.settled(message);
        assert.ok(
          ['accepted', 'delivered'].includes(first?.state as string),
          `${offered.name}: ${first?.state}`,
        );
        assert.equal(second?.state, 'failed', offered.name);
        assert.match(String(second?.code), words[name].dead, offered.name);
        const [again] = await bench.settled(await bench.send(channel, 0, to(channel, [dead])));
        assert.equal(again?.state, 'suppressed', offered.name);
      }
    });

    it('pauses at a refused credential, spends nothing, and goes on with a right one', async () => {
      const emulator = await start(name);
      await bench.work({ vendorTable: vendors });
      const offered = emulator.channels[0] as EmulatorChannel;
      const channel = await channelAt(name, offered);
      const token = emulator.newToken(offered.name);
      emulator.plan(token, 'misconfigured');
      const message = await bench.send(channel, 0, to(channel, [token]));
      await until(
        'the pause',
        async () => (await store.channels.get(appId, channel.name))?.state === 'paused',
      );
      const reason = (await store.channels.get(appId, channel.name))?.pausedReason;
      assert.match(String(reason?.code), words[name].refused);
      const [push] = await bench.pushesOf(message);
      assert.deepEqual([push?.state, push?.attempts], ['queued', 0]);
      const opened = await store.channels.openById(channel.id);
      await store.channels.update(appId, channel.name, {
        credential: opened?.credential,
        credentialShown: channel.credentialShown,
      });
      bench.feeder.feed([channel.id]);
      const [sent] = await bench.settled(message);
      assert.ok(['accepted', 'delivered'].includes(sent?.state as string), String(sent?.state));
      assert.equal(sent?.attempts, 1);
    });

    it('splits what is more than a call may carry', async () => {
      const emulator = await start(name);
      await bench.work({ vendorTable: vendors });
      const offered = emulator.channels[0] as EmulatorChannel;
      const channel = await channelAt(name, offered);
      const tokens = Array.from({ length: 1_200 }, () => emulator.newToken(offered.name));
      const pushes = await bench.settled(await bench.send(channel, 0, to(channel, tokens)));
      for (const { state, code } of pushes)
        assert.ok(state === 'accepted' || state === 'delivered', `${state} ${code}`);
      assert.equal(emulator.account().accepted, 1_200);
      assert.deepEqual(emulator.account().refused, {});
    });
  });
}

describe('a clock that is an hour off', () => {
  for (const name of ['baidu', 'fcm', 'mpaas', 'tpns'] as const) {
    it(`is told apart from a bad secret at ${name}, and costs no push`, async () => {
      const emulator = await start(name, { now: () => Date.now() + 3_600_000 });
      await bench.work({ vendorTable: vendors });
      for (const offered of emulator.channels) {
        const channel = await channelAt(name, offered);
        const message = await bench.send(channel, 0, to(channel, [emulator.newToken(offered.name)]));
        const [push] = await bench.settled(message);
        assert.equal(push?.state, 'accepted', `${offered.name}: ${push?.code}`);
        assert.equal((await store.channels.get(appId, channel.name))?.state, 'on', offered.name);
      }
    });
  }

  it('pauses an APNs channel with a word about the clock', async () => {
    const emulator = await start('apns', { now: () => Date.now() + 2 * 3_600_000 });
    await bench.work({ vendorTable: vendors });
    const offered = emulator.channels.find(({ name }) => name === 'apns-token') as EmulatorChannel;
    const channel = await channelAt('apns', offered);
    const message = await bench.send(channel, 0, to(channel, [emulator.newToken(offered.name)]));
    await until('the pause', async () => (await store.channels.get(appId, channel.name))?.state === 'paused');
    const reason = (await store.channels.get(appId, channel.name))?.pausedReason;
    assert.equal(reason?.code, 'ExpiredProviderToken');
    assert.match(String(reason?.detail), /check the clock/);
    assert.equal((await bench.pushesOf(message))[0]?.attempts, 0);
  });
});
