import assert from 'node:assert/strict';
import https from 'node:https';
import { after, before, test } from 'node:test';
import type { Outcome } from '@pushmill/core';
import { createAuthority } from '../authority.ts';
import type { Authority, EmulatorChannel } from '../emulator.ts';
import { messageWith, pushesTo } from '../fixtures.ts';
import type { OutgoingPush, Sender } from '../vendor.ts';
import { channelPath, pushMessage } from './channel-payload.ts';
import { checkMessage } from './check.ts';
import { type BaiduEmulator, startBaiduEmulator } from './emulator.ts';
import { openSender, settingsWith } from './fixtures.ts';
import { formBody, type Params, signCall } from './sign.ts';

/* The channel API 2.0. */

let authority: Authority;
let emulator: BaiduEmulator;
let offered: EmulatorChannel;
let sender: Sender;

before(async () => {
  authority = await createAuthority(new Date());
  emulator = await startBaiduEmulator({ port: 0, authority, seed: 1 });
  offered = emulator.channels.find(({ name }) => name === 'baidu-2') as EmulatorChannel;
  sender = openSender(offered);
});
after(async () => {
  await sender.close(1_000);
  await emulator.close();
});

const signal = new AbortController().signal;
const settings = settingsWith({ api: 'channel-2.0' });

function pushTo(token: string, changes: Parameters<typeof messageWith>[0] = {}): OutgoingPush {
  const message = messageWith({ expiresAt: Date.now() + 600_000, ...changes });
  return pushesTo([token], message)[0] as OutgoingPush;
}

async function send(push: OutgoingPush): Promise<Outcome> {
  return (await sender.send([push], signal))[0] as Outcome;
}

test('the parameters of a notification to one device', () => {
  const push = pushTo('1105115563847474869:3944730196422489622', { expiresAt: 600_000 });
  assert.deepEqual(pushMessage(push, settings, 0), {
    method: 'push_msg',
    push_type: '1',
    user_id: '1105115563847474869',
    channel_id: '3944730196422489622',
    device_type: '3',
    message_type: '1',
    messages: '{"title":"Parcel","description":"It is at the door."}',
    msg_keys: JSON.stringify(push.id),
    message_expires: '600',
  });
});

test('a text of its own is a JSON string, a collapse key the key, and an iPhone has a certificate', () => {
  const changes = { collapseKey: 'key1', notification: null, vendor: { baidu: { message: "{'a':1}" } } };
  const params = pushMessage(pushTo('1', changes), settings, 0);
  assert.deepEqual([params.message_type, params.messages, params.msg_keys], ['0', `"{'a':1}"`, '"key1"']);
  assert.equal(params.channel_id, undefined);
  const ios = settingsWith({ api: 'channel-2.0', platform: 'ios', deployStatus: 'development' });
  const apple = pushMessage(pushTo('1'), ios, 0);
  assert.deepEqual([apple.device_type, apple.deploy_status, apple.message_type], ['4', '1', '1']);
});

test('a tag and everybody are other push types', () => {
  const of = (audience: OutgoingPush['audience']) => pushMessage({ ...pushTo(''), audience }, settings, 0);
  const tag = of({ kind: 'tag', tag: 'news' });
  assert.deepEqual([tag.push_type, tag.tag, tag.user_id], ['2', 'news', undefined]);
  assert.equal(of({ kind: 'all' }).push_type, '3');
});

test('overrides that 2.0 has no field for are refused', () => {
  for (const field of [
    { channelType: 1 },
    { topicId: 't' },
    { targetChannelId: 'c' },
    { spp: { style: 5 } },
  ]) {
    const problems = checkMessage(pushTo('1', { vendor: { baidu: field } }).message, settings);
    assert.deepEqual(
      problems.map(({ pointer, code }) => [pointer, code]),
      [[`/vendor/baidu/${Object.keys(field)[0]}`, 'unsupported']],
    );
  }
});

test('users and devices are taken one by one, and known by the ids of their pushes', async () => {
  const message = messageWith({ expiresAt: Date.now() + 600_000 });
  const pushes = pushesTo(['1105115563847474869', emulator.newToken('baidu-2')], message);
  const before = emulator.account().requests;
  const outcomes = await sender.send(pushes, signal);
  for (const outcome of outcomes) {
    assert.ok(outcome.kind === 'accepted');
    assert.match(String(outcome.vendorMessageId), /^\d+$/);
    assert.equal(outcome.poll, undefined);
  }
  assert.equal(emulator.account().requests - before, 2);
  for (const push of pushes) assert.ok(emulator.hasTaken(push));
});

test('a tag, everybody, and a tag that there is not', async () => {
  const to = async (audience: OutgoingPush['audience']) => send({ ...pushTo(''), audience });
  assert.equal((await to({ kind: 'tag', tag: 'news' })).kind, 'accepted');
  const all = await to({ kind: 'all' });
  assert.equal(all.kind, 'accepted');
  const nobody = await to({ kind: 'tag', tag: 'nobody' });
  assert.deepEqual([nobody.kind, 'code' in nobody && nobody.code], ['rejected', '30611']);
});

test('a user without a binding is dead', async () => {
  const token = emulator.newToken('baidu-2');
  emulator.unbind(token);
  const outcome = await send(pushTo(token));
  assert.deepEqual([outcome.kind, 'code' in outcome && outcome.code], ['token-dead', '30608']);
});

test('the keys are proved by a question; what 2.0 has not is not asked for', async () => {
  assert.deepEqual(await sender.operate?.('verify', {}, signal), { outcome: { kind: 'accepted' } });
  const none = await sender.operate?.('list-tags', {}, signal);
  assert.equal(none?.outcome.kind === 'rejected' && none.outcome.code, 'not-offered');
  assert.equal(sender.poll, undefined);
});

/** A call made by hand. */
async function codeOf(changes: Params, path = channelPath): Promise<unknown> {
  const params = {
    apikey: offered.credential.apiKey as string,
    timestamp: String(Math.floor(Date.now() / 1000)),
    ...pushMessage(pushTo('1105115563847474869'), settings, Date.now()),
    ...changes,
  };
  const sign = signCall('POST', emulator.origin + path, params, offered.credential.secretKey as string);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const request = https.request(`${emulator.origin}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    ca: authority.certificate,
    agent: false,
  });
  request.on('error', reject);
  request.on('response', async (response) => resolve(Buffer.concat(await response.toArray()).toString()));
  request.end(formBody({ ...params, sign }));
  return JSON.parse(await promise).error_code;
}

test('the emulator refuses what 2.0 would', async () => {
  assert.equal(await codeOf({}), undefined);
  const bad: [Params, number][] = [
    [{ method: 'nothing' }, 30601],
    [{ push_type: '4' }, 30602],
    [{ push_type: '2' }, 30602],
    [{ user_id: 'abc' }, 30602],
    [{ channel_id: 'abc' }, 30602],
    [{ messages: 'no json' }, 30602],
    [{ messages: '{"title":"no description"}' }, 30602],
    [{ messages: '5', message_type: '0' }, 30602],
    [{ msg_keys: 'key1' }, 30602],
    [{ message_type: '2' }, 30602],
    [{ message_expires: '-1' }, 30602],
    [{ device_type: '6' }, 30602],
    [{ deploy_status: '3' }, 30602],
    [{ apikey: 'stranger' }, 30603],
    [{ timestamp: '1313293563' }, 30606],
  ];
  for (const [changes, code] of bad) assert.equal(await codeOf(changes), code, JSON.stringify(changes));
  assert.equal(await codeOf({}, '/rest/2.0/channel/1'), 30605);
});
