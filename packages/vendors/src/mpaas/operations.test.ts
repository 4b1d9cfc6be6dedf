import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Value } from 'typebox/value';
import { createAuthority } from '../authority.ts';
import type { EmulatorChannel } from '../emulator.ts';
import { messageWith, openChannel, pushesTo, type Warning } from '../fixtures.ts';
import type { Audience, OutgoingPush, Sender, VendorReceipt } from '../vendor.ts';
import { audiences } from './audience.ts';
import { prepareCredential } from './credential.ts';
import { type MpaasEmulator, startMpaasEmulator } from './emulator.ts';
import { openSender } from './fixtures.ts';
import { operations } from './operations.ts';
import { readCallback } from './receipt.ts';
import type { MpaasSettings } from './settings.ts';

/* What is asked of MPS besides pushes to tokens: broadcasts, and the operations, most of which are about them. */

let emulator: MpaasEmulator;
const senders: Record<string, Sender> = {};
const warnings: Warning[] = [];
const signal = new AbortController().signal;

before(async () => {
  const authority = await createAuthority(new Date());
  emulator = await startMpaasEmulator({ port: 0, authority, seed: 3, lateReceiptMs: 10 });
  for (const offered of emulator.channels) senders[offered.name] = senderOf(offered);
});
after(async () => {
  await Promise.all(Object.values(senders).map((sender) => sender.close(1_000)));
  await emulator.close();
});

const channelOf = (offered: EmulatorChannel) => openChannel(prepareCredential, offered);

const senderOf = (offered: EmulatorChannel, settings: Partial<MpaasSettings> = {}) =>
  openSender(offered, { settings, warnings });

async function operate(name: string, input: Record<string, unknown>, channel = 'mpaas-openapi') {
  assert.ok(Value.Check(operations[name]?.input as never, input), `${name} ${JSON.stringify(input)}`);
  const answer = await senders[channel]?.operate?.(name, input, signal);
  assert.ok(answer);
  return answer;
}

const expiresAt = Date.now() + 600_000;

async function send(pushes: readonly OutgoingPush[], channel = 'mpaas-openapi') {
  const outcomes = await senders[channel]?.send(pushes, signal);
  assert.ok(outcomes?.length === pushes.length);
  return outcomes;
}

function broadcastOf(
  audience: Omit<Audience, 'kind'> = {},
  mpaas: Record<string, unknown> = { templateName: 'pushmill_plain' },
): OutgoingPush[] {
  const message = messageWith({ expiresAt, vendor: { mpaas } });
  return pushesTo([''], message).map((push) => ({ ...push, audience: { kind: 'broadcast', ...audience } }));
}

describe('a broadcast', () => {
  test('is one push, taken once', async () => {
    for (const offered of emulator.channels) {
      for (const audience of offered.audiences ?? []) {
        assert.ok(Value.Check(audiences.schema, audience));
        const pushes = broadcastOf(audience);
        const [push] = pushes as [OutgoingPush];
        assert.deepEqual(audiences.check(audience, push.message, channelOf(offered).settings), []);
        const before = emulator.account();
        const [outcome] = await send(pushes, offered.name);
        assert.equal(outcome?.kind, 'accepted');
        assert.ok(emulator.hasTaken(push));
        await send(pushes, offered.name);
        const after = emulator.account();
        assert.deepEqual([after.accepted - before.accepted, after.duplicates - before.duplicates], [1, 1]);
      }
    }
  });

  test('that is refused is refused, and condemns no token', async () => {
    const codeOf = async (audience: Omit<Audience, 'kind'>, templateName = 'pushmill_plain') => {
      const [outcome] = await send(broadcastOf(audience, { templateName }));
      assert.equal(outcome?.kind, 'rejected');
      return outcome?.kind === 'rejected' && outcome.code;
    };
    assert.equal(await codeOf({ deliveryType: 3 }), '3030');
    assert.equal(await codeOf({}, 'nobody_made_it'), '3022');
    assert.equal(await codeOf({}, 'pushmill_code'), '3023');
    assert.equal(await codeOf({ pushStatus: 5 }), '3028');
    assert.equal(await codeOf({ strategy: { type: 1 } }), '3028');
    emulator.plan('', 'token-dead');
    assert.equal(await codeOf({}), '8005');
  });

  test('is reported by each device, late or not, and by forgers', { timeout: 20_000 }, async () => {
    const receipts: VendorReceipt[] = [];
    const refused: string[] = [];
    const done = Promise.withResolvers<void>();
    const channel = channelOf(emulator.channels[0] as EmulatorChannel);
    const server = http.createServer(async (request, response) => {
      const rawBody = Buffer.concat(await request.toArray());
      const rawQuery = request.url?.split('?')[1] ?? '';
      const verdict = readCallback({ rawQuery, headers: request.headers, rawBody }, channel);
      if (verdict.kind === 'receipts') receipts.push(...verdict.receipts);
      if (verdict.kind === 'refused') refused.push(verdict.code);
      response.writeHead(verdict.kind === 'refused' ? 401 : 200).end();
      if (receipts.length === 3 && refused.length === 3) done.resolve();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    emulator.setCallback('mpaas', `http://127.0.0.1:${port}/callback`);
    emulator.setFaults({ 'forged-receipt': 1, 'late-receipt': 1 });
    const before = emulator.account();
    const pushes = broadcastOf();
    await send(pushes, 'mpaas');
    await done.promise;
    emulator.setFaults({});
    const after = emulator.account();
    assert.equal(after.receiptsSent - before.receiptsSent, 3);
    assert.equal(Number(after.receiptsForged) - Number(before.receiptsForged), 3);
    assert.equal(new Set(receipts.map((receipt) => receipt.dedupKey)).size, 3);
    for (const receipt of receipts) {
      const { pushId, token, state, code, tokenDead } = receipt;
      const expected = [pushes[0]?.id, undefined, undefined, '2', false];
      assert.deepEqual([pushId, token, state, code, tokenDead], expected);
    }
    assert.deepEqual(refused, ['bad-signature', 'bad-signature', 'bad-signature']);
    server.closeAllConnections();
    server.close();
  });
});

describe('verify', () => {
  test('proves the credential of either interface and sends nothing', async () => {
    for (const { name } of emulator.channels) {
      const before = emulator.account().accepted;
      const { outcome, result } = await operate('verify', {}, name);
      assert.equal(outcome.kind, 'accepted');
      assert.deepEqual(result, { answer: '3021' });
      assert.equal(emulator.account().accepted, before);
    }
  });

  test('works where tokens are live activities', async () => {
    for (const offered of emulator.channels) {
      const sender = senderOf(offered, { deliveryType: 6 });
      assert.equal((await sender.operate?.('verify', {}, signal))?.outcome.kind, 'accepted');
      await sender.close(1_000);
    }
  });

  test('tells a wrong secret, a wrong app and the switch, in the vendor’s words', async () => {
    const [rest, openapi] = emulator.channels as [EmulatorChannel, EmulatorChannel];
    const wrong = { ...openapi, credential: { ...openapi.credential, accessKeySecret: 'another' } };
    const told = async (offered: EmulatorChannel, changes: Partial<MpaasSettings> = {}) => {
      const sender = senderOf(offered, changes);
      const answer = await sender.operate?.('verify', {}, signal);
      await sender.close(1_000);
      assert.equal(answer?.outcome.kind, 'misconfigured');
      return answer?.outcome.kind === 'misconfigured' && `${answer.outcome.code} ${answer.outcome.detail}`;
    };
    const mismatch = /^SignatureDoesNotMatch Specified signature is not matched/;
    assert.match(String(await told(wrong)), mismatch);
    assert.match(
      String(await told(wrong, { openapi: { signature: 'rpc-v1', version: '2020-10-28' } })),
      mismatch,
    );
    assert.equal(await told(openapi, { workspaceId: 'other' }), '3007 APPID_WRONG');
    assert.equal(await told(rest, { appId: 'OTHER' }), '3007 APPID_WRONG');
    emulator.setRestSwitch('mpaas', false);
    assert.equal(await told(rest), '3032 REST_API_SWITCH_NOT_OPEN');
    emulator.setRestSwitch('mpaas', true);
  });
});

describe('operations', () => {
  test('know what they may be given', () => {
    const wrong: [string, Record<string, unknown>][] = [
      ['verify', { more: 1 }],
      ['revoke-message', { pushId: 'x' }],
      ['revoke-task', { taskId: 'a,b' }],
      ['device-state', { target: 'x', targetType: 'phone' }],
      ['list-schedules', { startTime: 1 }],
      ['cancel-schedule', { uniqueIds: [] }],
      ['create-template', { templateName: 'a,b', description: 'x', title: 'x', content: 'x' }],
    ];
    assert.deepEqual(
      wrong.map(([name]) => name),
      Object.keys(operations),
    );
    for (const [name, input] of wrong) assert.ok(!Value.Check(operations[name]?.input as never, input), name);
  });

  test('but verify are the OpenAPI’s, and others there are none', async () => {
    const { outcome } = await operate('revoke-task', { taskId: 'x' }, 'mpaas');
    assert.deepEqual(
      [outcome.kind, outcome.kind === 'rejected' && outcome.code],
      ['rejected', 'unsupported'],
    );
    for (const name of ['send', 'constructor']) {
      const answer = await senders['mpaas-openapi']?.operate?.(name, {}, signal);
      assert.equal(answer?.outcome.kind === 'rejected' && answer.outcome.code, 'unknown-operation');
    }
  });

  test('revoke-message takes back a push, once', async () => {
    const token = emulator.newToken();
    const pushes = pushesTo([token], messageWith({ expiresAt }));
    await send(pushes);
    const input = { pushId: pushes[0]?.id as string, target: token };
    assert.equal((await operate('revoke-message', { ...input, target: 'other' })).outcome.kind, 'rejected');
    assert.equal((await operate('revoke-message', input)).outcome.kind, 'accepted');
    const { outcome } = await operate('revoke-message', input);
    assert.equal(outcome.kind === 'rejected' && outcome.code, '3028');
  });

  test('revoke-task takes back a batch and a broadcast by the id that their pushes were given', async () => {
    const vendor = { mpaas: { templateName: 'pushmill_plain', templateValuesByTarget: {} } };
    const batch = pushesTo([emulator.newToken(), emulator.newToken()], messageWith({ expiresAt, vendor }));
    for (const pushes of [batch, broadcastOf()]) {
      const outcomes = await send(pushes);
      const ids = outcomes.map((outcome) => outcome.kind === 'accepted' && outcome.vendorMessageId);
      assert.equal(new Set(ids).size, 1);
      const input = { taskId: String(ids[0]) };
      assert.equal((await operate('revoke-task', input)).outcome.kind, 'accepted');
      assert.equal((await operate('revoke-task', input)).outcome.kind, 'rejected');
    }
  });

  test('device-state tells what a device is, and none of its tokens', async () => {
    const token = emulator.newToken();
    const { outcome, result } = await operate('device-state', { target: token, targetType: 'device' });
    assert.equal(outcome.kind, 'accepted');
    assert.deepEqual(result, {
      platform: 'android',
      manufacturer: 'android',
      state: 'ONLINE',
      isBound: false,
      hasManufacturerToken: false,
    });
    const ofUser = await operate('device-state', { target: token, targetType: 'user' });
    assert.equal(ofUser.result?.isBound, true);
    const nobody = await operate('device-state', { target: 'nobody-knows-it', targetType: 'device' });
    assert.deepEqual(
      [nobody.outcome.kind === 'token-dead' && nobody.outcome.code, nobody.result],
      ['8000', undefined],
    );
    assert.ok(!JSON.stringify([outcome, result, ofUser, nobody]).includes(token));
  });

  test('list-schedules and cancel-schedule see what the vendor is to send later', async () => {
    const hour = 3_600_000;
    const from = Date.now();
    const once = broadcastOf({ strategy: { type: 1, fixedTime: from + hour } });
    const time = '09:00:00';
    const often = broadcastOf({
      strategy: { type: 2, startTime: from + 2 * hour, endTime: from + 9 * hour, circleType: 1, time },
    });
    const ids: string[] = [];
    for (const pushes of [once, often]) {
      const [outcome] = await send(pushes);
      ids.push(String(outcome?.kind === 'accepted' && outcome.vendorMessageId));
    }
    const list = async (more: Record<string, unknown> = {}) => {
      const { outcome, result } = await operate('list-schedules', {
        startTime: from,
        endTime: from + 3 * hour,
        ...more,
      });
      assert.equal(outcome.kind, 'accepted');
      const { totalCount, schedules } = result as { totalCount: number; schedules: { uniqueId: string }[] };
      return [totalCount, ...schedules.map((schedule) => schedule.uniqueId)];
    };
    assert.deepEqual(await list(), [2, ...ids]);
    assert.deepEqual(await list({ endTime: from + hour }), [1, ids[0]]);
    assert.deepEqual(await list({ type: 0 }), [0]);
    assert.deepEqual(await list({ uniqueId: ids[1] }), [1, ids[1]]);
    assert.deepEqual(await list({ pageSize: 1, pageNumber: 2 }), [2, ids[1]]);
    const unknown = await operate('cancel-schedule', { uniqueIds: [...ids, 'unknown'] });
    assert.equal(unknown.outcome.kind, 'rejected');
    assert.equal((await operate('cancel-schedule', { uniqueIds: ids })).outcome.kind, 'accepted');
    assert.deepEqual(await list(), [0]);
  });

  test('a broadcast whose time has come is no schedule', async () => {
    await send(broadcastOf({ strategy: { type: 1, fixedTime: Date.now() - 1_000 } }));
    const { result } = await operate('list-schedules', { startTime: 0, endTime: Date.now() + 1_000 });
    assert.equal(result?.totalCount, 0);
  });

  test('create-template makes one that can be sent by', async () => {
    const template = {
      templateName: 'parcel',
      description: 'A parcel has come',
      title: 'Parcel #number#',
      content: 'It is at #place#.',
      uri: 'app://parcels/#number#',
      uriType: 'intent',
      variables: ['number', 'place'],
      silent: true,
      imageUrls: { defaultUrl: 'https://x.example/a.png' },
    };
    assert.equal((await operate('create-template', template)).outcome.kind, 'accepted');
    const again = (await operate('create-template', template)).outcome;
    assert.ok(again.kind === 'rejected' && again.code === '3036');
    assert.match(again.detail, /TEMPLATE_ALREADY_EXIST/);
    const careless = { ...template, templateName: 'other', variables: ['number'] };
    assert.equal((await operate('create-template', careless)).outcome.kind, 'rejected');
    const kindWith = async (templateKeyValue: Record<string, string>) => {
      const [outcome] = await send(broadcastOf({}, { templateName: 'parcel', templateKeyValue }));
      return outcome?.kind;
    };
    assert.equal(await kindWith({ number: '1' }), 'rejected');
    assert.equal(await kindWith({ number: '1', place: 'the door' }), 'accepted');
  });
});

test('nothing was worth a warning', () => assert.deepEqual(warnings, []));
