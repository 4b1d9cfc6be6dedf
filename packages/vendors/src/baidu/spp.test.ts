import assert from 'node:assert/strict';
import https from 'node:https';
import { after, before, describe, test } from 'node:test';
import type { MessageContent, Outcome } from '@pushmill/core';
import { createAuthority } from '../authority.ts';
import type { Authority, EmulatorChannel } from '../emulator.ts';
import { messageWith, pushesTo, ValuesInMemory, type Warning } from '../fixtures.ts';
import type { OutgoingPush, Sender } from '../vendor.ts';
import type { BaiduAudience } from './audience.ts';
import { checkMessage } from './check.ts';
import { createSender } from './client.ts';
import { type BaiduEmulator, startBaiduEmulator } from './emulator.ts';
import { digestOfText } from './emulator-checks.ts';
import { readSppPush } from './emulator-spp-fields.ts';
import { openSender, settingsWith, vectors } from './fixtures.ts';
import type { BaiduSettings } from './settings.ts';
import { signSpp } from './sign.ts';
import { sppCall } from './spp-payload.ts';

let authority: Authority;
let clock = Date.now();
let emulator: BaiduEmulator;
let offered: EmulatorChannel;
let sender: Sender;
const warnings: Warning[] = [];

before(async () => {
  authority = await createAuthority(new Date());
  emulator = await startBaiduEmulator({
    port: 0,
    authority,
    seed: 1,
    now: () => clock,
    maxBroadcastsPerDay: 3,
    sensitiveWord: 'forbidden',
  });
  offered = emulator.channels.find(({ name }) => name === 'baidu-spp') as EmulatorChannel;
  sender = openSender(offered, { now: () => clock, warnings });
});
after(async () => {
  await sender.close(1_000);
  await emulator.close();
});

const signal = new AbortController().signal;
const settings = settingsWith({ api: 'spp' });
const ios = settingsWith({ api: 'spp', platform: 'ios' });

function pushTo(token: string, changes: Parameters<typeof messageWith>[0] = {}): OutgoingPush {
  return pushesTo([token], messageWith({ expiresAt: clock + 600_000, ...changes }))[0] as OutgoingPush;
}

async function send(push: OutgoingPush): Promise<Outcome> {
  return (await sender.send([push], signal))[0] as Outcome;
}

const sendTo = (audience: BaiduAudience) => send({ ...pushTo(''), audience });
const newToken = () => emulator.newToken('baidu-spp');
const codeOf = (outcome: Outcome) => [outcome.kind, 'code' in outcome ? outcome.code : undefined];

describe('a body', () => {
  const bodyOf = (push: OutgoingPush, of: BaiduSettings = settings) => {
    const { path, body } = sppCall(push, of, clock);
    // As it is on the wire.
    return { path, body: JSON.parse(JSON.stringify(body)) as Record<string, unknown> };
  };

  test('of a notification to one device', () => {
    const push = pushTo('push_id1', {
      data: { parcel: '4711' },
      notification: { title: 't', body: '内容', click: { type: 'app' } },
      vendor: { baidu: { spp: { style: 5, notify: { sound: 1 }, skipPlatformMessages: true } } },
    });
    assert.deepEqual(bodyOf(push), {
      path: '/push/api/open/v1/message/unicast',
      body: {
        push_id: 'push_id1',
        message_type: 0,
        notification: {
          title: 't',
          content: '内容',
          style: 5,
          action: { action_type: 6 },
          notify: { sound: 1 },
          extras: { parcel: '4711' },
        },
        option: { expire: 600 },
        skip_platform_msg: true,
        cbparams: push.id,
      },
    });
  });

  test('of a pass-through message, and of one for an iPhone', () => {
    const data = { parcel: '4711' };
    const through = bodyOf(pushTo('p', { notification: null, data })).body;
    assert.deepEqual(
      [through.message_type, through.transmission],
      [2, { title: '', content: '{"custom_content":{"parcel":"4711"}}' }],
    );
    const apple = bodyOf(pushTo('p', { data, notification: { body: 'b', badge: 2 } }), ios).body;
    assert.deepEqual([apple.message_type, apple.aps], [4, { alert: 'b', badge: 2, extras: data }]);
  });

  test('of an audience names it, its time, and marks what comes back', () => {
    const sendTime = Math.floor(clock / 1000) + 300;
    const of = (audience: BaiduAudience) => {
      const { path, body } = bodyOf({ ...pushTo(''), audience });
      const { condition, cuids, push_time, cbparams, option } = body;
      assert.match(String(cbparams), /^audience:[0-9a-f-]{36}\.0$/);
      return [path.split('/').at(-1), condition, cuids, push_time, option];
    };
    const option = { expire: 600 };
    assert.deepEqual(of({ kind: 'all', sendTime }).slice(0, 4), [
      'broadcast',
      undefined,
      undefined,
      sendTime,
    ]);
    assert.deepEqual(of({ kind: 'tag', tag: 'news' }), [
      'tags',
      [{ key: 'tags', values: ['news'], operate: 'or' }],
      undefined,
      undefined,
      option,
    ]);
    assert.deepEqual(of({ kind: 'cuids', cuids: ['c'] }), ['cuids', undefined, ['c'], undefined, option]);
    const selector = [{ key: 'alias', values: ['a'], operate: 'or' }];
    assert.deepEqual(of({ kind: 'selector', selector })[1], selector);
  });

  test('that SPP has no field for is refused before', () => {
    const cases: [string, Partial<MessageContent>, BaiduSettings?][] = [
      ['/vendor/baidu/spp', { vendor: { baidu: { spp: { more: 1 } } } }],
      ['/vendor/baidu/spp/notify', { vendor: { baidu: { spp: { notify: { light: 1 } } } } }],
      ['/vendor/baidu/spp/action', { vendor: { baidu: { spp: { action: {} } } } }],
      ['/vendor/baidu/topicId', { vendor: { baidu: { topicId: 't' } } }],
      ['/vendor/baidu/url', { vendor: { baidu: { url: 'u' } } }],
      [
        '/notification/click',
        { notification: { body: 'b', click: { type: 'url', url: 'https://x.example' } } },
      ],
      ['/notification/click', { notification: { body: 'b', click: { type: 'screen', name: 's' } } }],
      ['/notification/body', { notification: { title: 'only' } }],
      ['/notification/body', { notification: { body: '中'.repeat(1_400) } }],
      ['/notification/body', { notification: { body: 'x'.repeat(2_100) } }, ios],
    ];
    for (const [pointer, changes, of = settings] of cases) {
      const pointers = checkMessage(pushTo('p', changes).message, of).map((problem) => problem.pointer);
      assert.ok(pointers.includes(pointer), `${pointer}: ${pointers}`);
      for (const found of pointers) assert.ok(found.startsWith(pointer), found);
    }
    const told = { click: { type: 'screen', name: 's' }, body: 'b' } as const;
    const vendor = { baidu: { spp: { action: { action_type: 2, url: 'u' } } } };
    assert.deepEqual(checkMessage(pushTo('p', { notification: told, vendor }).message, settings), []);
    const elsewhere = checkMessage(pushTo('p', { vendor }).message, settingsWith());
    assert.deepEqual(
      elsewhere.map(({ pointer }) => pointer),
      ['/vendor/baidu/spp'],
    );
  });
});

describe('the sender', () => {
  test('sends each device alone, whatever the text, and is told an id', async () => {
    const text = "50% off *today* ~ (a+b) 'q' ! & = ? / 你好 😀 \\ \n";
    const message = messageWith({
      notification: { title: text, body: text },
      data: { 'k & v': '*~' },
      expiresAt: clock + 60_000,
    });
    const pushes = pushesTo([newToken(), newToken(), newToken()], message);
    const before = emulator.account().requests;
    for (const outcome of await sender.send(pushes, signal)) {
      assert.ok(outcome.kind === 'accepted');
      assert.match(String(outcome.vendorMessageId), /^\d+$/);
    }
    assert.equal(emulator.account().requests - before, 3);
    for (const push of pushes) assert.ok(emulator.hasTaken(push));
  });

  test('asks about a refused device, and forgets it when it is invalid', async () => {
    const [gone, refused] = [newToken(), newToken()];
    emulator.unbind(gone);
    emulator.plan(refused, 'rejected');
    const before = emulator.account().requests;
    assert.deepEqual(codeOf(await send(pushTo(gone))), ['token-dead', '300200']);
    assert.deepEqual(codeOf(await send(pushTo(refused))), ['rejected', '300100']);
    assert.equal(emulator.account().requests - before, 4);
    assert.match(warnings.at(-1)?.message ?? '', /no row/);
  });

  test('does not ask about the device when it is the content', async () => {
    const before = emulator.account().requests;
    const outcome = await send(pushTo(newToken(), { notification: { body: 'a forbidden word' } }));
    assert.deepEqual(codeOf(outcome), ['rejected', '300001']);
    assert.equal(emulator.account().requests - before, 1);
  });

  test('tells another key from a clock that is far off, though SPP does not', async () => {
    for (const [changes, kind] of [
      [{ credential: { masterKey: 'another' }, now: () => clock }, 'misconfigured'],
      [{ now: () => clock + 3_600_000 }, 'accepted'],
    ] as const) {
      const stranger = openSender(offered, changes);
      const [outcome] = await stranger.send([pushTo(newToken())], signal);
      assert.equal(outcome?.kind, kind);
      await stranger.close(1_000);
    }
  });

  test('with the keys of another generation sends nothing', async () => {
    const before = emulator.account().requests;
    // As after a change of `api` alone, which `prepareCredential` does not see.
    const deps = { now: Date.now, shared: new ValuesInMemory(), warn: () => {} };
    const keyless = createSender(
      { id: 'c', settings: offered.settings as BaiduSettings, credential: { apiKey: 'a', secretKey: 'b' } },
      deps,
    );
    assert.deepEqual((await keyless.send([pushTo('p')], signal)).map(codeOf), [
      ['misconfigured', 'wrong-keys'],
    ]);
    const verified = await keyless.operate?.('verify', {}, signal);
    assert.equal(verified?.outcome.kind, 'misconfigured');
    assert.equal(
      (await keyless.poll?.([{ id: '1', pushes: 1, acceptedAt: 0 }], signal))?.[0]?.kind,
      'failed',
    );
    assert.equal(emulator.account().requests, before);
    await keyless.close(1_000);
  });

  test('proves the keys, asks for a device and takes a message back', async () => {
    assert.deepEqual(await sender.operate?.('verify', {}, signal), { outcome: { kind: 'accepted' } });
    const [fine, gone] = [newToken(), newToken()];
    emulator.unbind(gone);
    for (const [pushId, status] of [
      [fine, 'online'],
      [gone, 'invalid'],
    ] as const) {
      const answer = await sender.operate?.('device-status', { pushId }, signal);
      assert.deepEqual(answer?.result, { status });
    }
    const sent = await send(pushTo(fine));
    assert.ok(sent.kind === 'accepted');
    const taken = await sender.operate?.('delete-message', { messageId: sent.vendorMessageId }, signal);
    assert.equal(taken?.outcome.kind, 'accepted');
    const none = await sender.operate?.('create-tag', { tag: 't' }, signal);
    assert.deepEqual(none && codeOf(none.outcome), ['rejected', 'not-offered']);
    assert.equal(sender.poll, undefined);
  });

  test('may call everybody, and tags, so many times a day', async () => {
    const kinds: string[] = [];
    for (let n = 0; n < 4; n += 1) kinds.push((await sendTo({ kind: 'all' })).kind);
    kinds.push((await sendTo({ kind: 'tag', tag: 'news' })).kind);
    kinds.push((await sendTo({ kind: 'cuids', cuids: ['c'] })).kind);
    clock += 86_400_000;
    kinds.push((await sendTo({ kind: 'all' })).kind);
    const once = 'accepted';
    assert.deepEqual(kinds, [once, once, once, 'throttled', once, once, once]);
  });

  test('has no token to forget behind an audience', async () => {
    emulator.plan('', 'token-dead');
    assert.equal((await sendTo({ kind: 'cuids', cuids: ['c'] })).kind, 'rejected');
  });
});

describe('the emulator', () => {
  /** A call made by hand. */
  async function ask(
    path: string,
    body: string,
    changes: Record<string, string> = {},
    origin = emulator.origin,
  ) {
    const keys = {
      name: offered.credential.appKey as string,
      secret: offered.credential.masterKey as string,
    };
    const timestamp = String(Math.floor(clock / 1000));
    const sign = signSpp('POST', `${origin}${path}`, body, timestamp, keys);
    const query = new URLSearchParams({ appkey: keys.name, timestamp, sign, ...changes });
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
    const options = { method: 'POST', ca: authority.certificate, agent: false } as const;
    const request = https.request(`${emulator.origin}${path}?${query}`, options);
    request.on('error', reject);
    request.on('response', async (response) => {
      resolve({ status: response.statusCode ?? 0, text: Buffer.concat(await response.toArray()).toString() });
    });
    request.end(body);
    const { status, text } = await promise;
    return [status, JSON.parse(text).code];
  }
  const unicast = '/push/api/open/v1/message/unicast';
  const good = { push_id: 'p', message_type: 2, transmission: { title: 't', content: 'c' } };

  test('takes what is signed for its own address or the official one, and nothing else', async () => {
    const body = JSON.stringify(good);
    assert.deepEqual(await ask(unicast, body), [200, 0]);
    assert.deepEqual(await ask(unicast, body, {}, 'https://push.safe.baidu.com'), [200, 0]);
    const bad: Record<string, string>[] = [
      { sign: '0'.repeat(32) },
      { appkey: 'stranger' },
      { timestamp: String(Math.floor(clock / 1000) - 601) },
      { timestamp: 'now' },
    ];
    for (const changes of bad) assert.deepEqual(await ask(unicast, body, changes), [403, 403]);
    assert.deepEqual(await ask(unicast, body, {}, 'https://elsewhere.example'), [403, 403]);
    assert.deepEqual(await ask('/push/api/open/v1/message/nothing', body), [404, 404]);
    assert.deepEqual(await ask(unicast, 'no json'), [200, 300100]);
  });

  test('has the signatures of the vectors, by code of its own', () => {
    for (const { baseString, sign } of vectors.movedProductSpp.vectors) {
      assert.equal(digestOfText(baseString), sign);
      assert.notEqual(digestOfText(`${baseString} `), sign);
    }
  });

  test('takes the forms of every message, and refuses others', () => {
    const read = (method: string, body: Record<string, unknown>) => readSppPush(method, body, clock);
    const seconds = Math.floor(clock / 1000);
    const takes: [string, Record<string, unknown>][] = [
      ['unicast', good],
      ['multicast', { ...good, push_id: ['a', 'b'] }],
      ['multicast', { ...good, push_id: undefined, push_ids: ['a', 'b'] }],
      ['broadcast', { ...good, push_time: seconds + 3_600 }],
      ['broadcast', { ...good, push_time: 0 }],
      ['cuids', { ...good, cuids: ['c'] }],
      ['tags', { ...good, condition: [{ key: 'tags', values: ['t'], operate: 'or' }] }],
      ['unicast', { push_id: 'p', message_type: 4, aps: { alert: 'a' } }],
      ['unicast', { push_id: 'p', message_type: 0, notification: { title: 't', content: 'c' } }],
    ];
    for (const [method, body] of takes) assert.ok(read(method, body), JSON.stringify([method, body]));
    assert.equal(read('multicast', { ...good, push_id: ['a', 'b'] })?.identities.length, 2);
    const refuses: [string, Record<string, unknown>][] = [
      ['unicast', { ...good, push_id: undefined }],
      ['unicast', { ...good, push_id: 'two words' }],
      ['unicast', { ...good, message_type: 1 }],
      ['unicast', { ...good, message_type: 0 }],
      ['unicast', { ...good, transmission: { title: 't' } }],
      ['unicast', { ...good, transmission: { content: '中'.repeat(1_400) } }],
      ['unicast', { ...good, option: { expire: 0 } }],
      ['unicast', { ...good, cbparams: 5 }],
      ['unicast', { ...good, skip_platform_msg: 1 }],
      ['broadcast', { ...good, push_time: seconds + 30 }],
      ['broadcast', { ...good, push_time: seconds + 4 * 86_400 }],
      ['multicast', { ...good, push_id: Array.from({ length: 1_001 }, String) }],
      ['cuids', good],
      ['tags', good],
      ['tags', { ...good, condition: [{ key: 'tags', values: [], operate: 'or' }] }],
    ];
    for (const [method, body] of refuses) {
      assert.equal(read(method, body), undefined, JSON.stringify([method, body]).slice(0, 120));
    }
  });
});
