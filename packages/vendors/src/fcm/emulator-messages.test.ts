import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createAuthority } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import { fcmCodeOf, fieldsOf, HandClient } from './by-hand.ts';
import { type FcmEmulatorHandle, startFcmEmulator, type TakenMessage } from './emulator.ts';

/* What FCM takes and refuses of a message, whoever sends it. */

let authority: Authority;
let emulator: FcmEmulatorHandle;
let client: HandClient;
let token: string;
let last: TakenMessage | undefined;
before(async () => {
  authority = await createAuthority(new Date());
  emulator = await startFcmEmulator({
    port: 0,
    authority,
    seed: 1,
    onMessage: (taken) => {
      last = taken;
    },
  });
  client = new HandClient(emulator, authority);
  token = emulator.newToken();
});
after(async () => {
  client.close();
  await emulator.close();
});

const full = {
  data: { id: '42', n: '1' },
  notification: { title: 'Hi', body: 'héllo 👋', image: 'https://example.com/i.png' },
  fcm_options: { analytics_label: 'a'.repeat(50) },
  android: {
    collapse_key: 'chat',
    priority: 'HIGH',
    ttl: '3.5s',
    restricted_package_name: 'com.example',
    direct_boot_ok: true,
    notification: {
      channel_id: 'news',
      color: '#00ff7F',
      title_loc_args: ['a', 'b'],
      event_time: '2026-10-02T15:01:23.045Z',
      notification_priority: 'PRIORITY_HIGH',
      vibrate_timings: ['0.5s', '1s'],
      visibility: 'PUBLIC',
      notification_count: 3,
      light_settings: { color: { red: 1, alpha: 0.5 }, light_on_duration: '1s', light_off_duration: '2s' },
    },
  },
  webpush: {
    headers: { TTL: '60' },
    notification: { actions: [{ action: 'a', title: 'b' }] },
    fcm_options: { link: 'https://example.com/' },
  },
  apns: {
    headers: { 'apns-priority': '10' },
    payload: { aps: { alert: 'Hi', 'mutable-content': 1 }, own: [1, null] },
    live_activity_token: 'abc',
  },
};

describe('a message that is taken', () => {
  const good: [name: string, message: Record<string, unknown>][] = [
    ['with nothing but a target', {}],
    ['with everything', full],
    ['with nulls', { android: null, data: null, topic: null }],
    ['at priority high in small letters', { android: { priority: 'high' } }],
    ['that lives no time', { android: { ttl: '0s' } }],
    ['that lives four weeks', { android: { ttl: '2419200s' } }],
    ['with a key that only looks reserved', { data: { googleId: '1', collapse_key: 'x', fromage: '2' } }],
    ['with numbers as texts', { android: { notification: { notification_count: '3', sticky: 'true' } } }],
  ];
  for (const [name, more] of good) {
    it(name, async () => {
      const answer = await client.send({ token, ...more });
      assert.equal(answer.status, 200, answer.text);
      assert.match(answer.json.name as string, /^projects\/pushmill-demo\/messages\/0:\d{16}%[0-9a-f]{24}$/);
    });
  }

  it('in camel case as in the names of the proto', async () => {
    const text = JSON.stringify({ token, ...full }).replace(/"([a-z]+(?:_[a-z]+)+)":/g, (_, name: string) => {
      return `"${name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())}":`;
    });
    assert.ok(text.includes('"analyticsLabel"') && !text.includes('channel_id'));
    assert.equal((await client.send(JSON.parse(text))).status, 200);
    const android = last?.message.android as { notification: Record<string, unknown> };
    assert.equal(android.notification.channel_id, 'news');
  });

  it('for a topic, for a condition, for an installation', async () => {
    for (const condition of [
      "'a' in topics",
      "!('a' in topics)",
      " 'a-b.c~d%' in topics  &&('b' in topics|| !('c' in topics)) ",
      "'a' in topics || 'b' in topics || 'c' in topics || 'd' in topics || 'e' in topics",
    ]) {
      assert.equal((await client.send({ condition })).status, 200, condition);
    }
    assert.equal((await client.send({ topic: 'news' })).status, 200);
    assert.deepEqual([last?.kind, last?.target], ['topic', 'news']);
    assert.equal((await client.send({ fid: emulator.newFid() })).status, 200);
  });

  it('of 4,096 bytes, and of 2,048 for a topic; one more is too big', async () => {
    const ofBytes = (bytes: number) => ({
      notification: { title: 'é' },
      data: { key: 'x'.repeat(bytes - 5) },
    });
    assert.equal((await client.send({ token, ...ofBytes(4_096) })).status, 200);
    assert.equal((await client.send({ topic: 'news', ...ofBytes(2_048) })).status, 200);
    for (const message of [
      { token, ...ofBytes(4_097) },
      { topic: 'news', ...ofBytes(2_049) },
      { condition: "'a' in topics", ...ofBytes(2_049) },
      { token, android: { notification: { body_loc_args: ['x'.repeat(4_097)] } } },
    ]) {
      const answer = await client.send(message);
      assert.deepEqual([answer.status, answer.json.error?.message], [400, 'Android message is too big']);
      assert.deepEqual([fcmCodeOf(answer), fieldsOf(answer)], ['INVALID_ARGUMENT', []]);
    }
    // Android's own data stand in place of the common ones.
    const own = { ...ofBytes(4_096), android: { data: { a: 'b' } } };
    assert.equal((await client.send({ token, ...own })).status, 200);
  });

  it('to an iPhone: silent at priority 5 only', async () => {
    const iphone = emulator.newIosToken();
    const silent = (priority?: string) => ({
      token: iphone,
      apns: {
        ...(priority === undefined ? {} : { headers: { 'apns-priority': priority } }),
        payload: { aps: { 'content-available': 1 } },
      },
    });
    assert.equal((await client.send(silent('5'))).status, 200);
    for (const message of [silent('10'), silent()]) {
      const answer = await client.send(message);
      assert.equal(answer.status, 400);
      const reason = answer.json.error?.details?.find((detail) => detail.reason !== undefined)?.reason;
      assert.equal(reason, 'BadPriority');
    }
    assert.equal((await client.send({ ...silent('10'), token })).status, 200, 'not an iPhone');
  });

  it('is not kept when it is only to be checked', async () => {
    const { accepted } = emulator.account();
    for (const name of ['validate_only', 'validateOnly']) {
      const answer = await client.send({ token }, {}, { [name]: true });
      assert.equal(answer.json.name, 'projects/pushmill-demo/messages/fake_message_id');
    }
    assert.equal(emulator.account().accepted, accepted);
    assert.equal((await client.send({ token, topic: 'news' }, {}, { validate_only: true })).status, 400);
  });
});

describe('a message that is refused where JSON is read, without a word of FCM', () => {
  const bad: [name: string, body: unknown, fields: string[] | undefined, message: RegExp][] = [
    ['no JSON', '{"message":', undefined, /^Invalid JSON payload received\./],
    ['no object', '[]', undefined, /Root element must be a message/],
    [
      'an unknown name',
      { colour: 'x', android: { Priority: 'HIGH' } },
      ['message', 'message.android'],
      /Unknown name "colour" at 'message': Cannot find field\.\n.*Unknown name "Priority" at 'message\.android'/,
    ],
    ['an unknown name at the top', '{"to":"x"}', [''], /Unknown name "to": Cannot find field/],
    [
      'a number in the data',
      { data: { a: 'b', n: 12 } },
      ['message.data[1].value'],
      /^Invalid value at 'message\.data\[1\]\.value' \(TYPE_STRING\), 12$/,
    ],
    ['a list for the data', { data: [] }, ['message.data'], /\(Map\)/],
    [
      'two targets',
      { topic: 'news' },
      ['message'],
      /oneof field 'target' is already set\. Cannot set 'topic'/,
    ],
    [
      'an unknown priority',
      { android: { priority: 'URGENT' } },
      ['message.android.priority'],
      /\(type\.googleapis\.com\/google\.firebase\.fcm\.v1\.AndroidMessagePriority\), "URGENT"/,
    ],
    ['a number for a time to live', { android: { ttl: 60 } }, ['message.android.ttl'], /must end with 's'/],
    ['a time to live of no unit', { android: { ttl: '60' } }, ['message.android.ttl'], /Duration/],
    [
      'a time of no zone',
      { android: { notification: { event_time: '2026-10-02T15:01:23' } } },
      ['message.android.notification.event_time'],
      /Timestamp/,
    ],
    [
      'a number for a truth',
      { android: { direct_boot_ok: 1 } },
      ['message.android.direct_boot_ok'],
      /\(TYPE_BOOL\), 1$/,
    ],
    [
      'a number in a list of texts',
      { android: { notification: { title_loc_args: ['a', 7] } } },
      ['message.android.notification.title_loc_args[1]'],
      /TYPE_STRING/,
    ],
    [
      'half a notification',
      { android: { notification: { notification_count: 0.5 } } },
      ['message.android.notification.notification_count'],
      /TYPE_INT32/,
    ],
    [
      'a number in the headers',
      { apns: { headers: { 'apns-priority': 5 } } },
      ['message.apns.headers[0].value'],
      /5$/,
    ],
    ['a text for a payload', { apns: { payload: '{}' } }, ['message.apns.payload'], /Struct/],
    ['a text for a block', { android: 'x' }, ['message.android'], /"x"$/],
    ['a name in both ways', { fcm_options: {}, fcmOptions: {} }, ['message'], /'fcm_options' is given twice/],
  ];
  for (const [name, body, fields, message] of bad) {
    it(name, async () => {
      const answer = await client.send(typeof body === 'string' ? body : { token, ...(body as object) });
      assert.deepEqual([answer.status, answer.json.error?.status], [400, 'INVALID_ARGUMENT'], answer.text);
      assert.match(answer.json.error?.message as string, message);
      assert.deepEqual(fieldsOf(answer), fields);
      assert.equal(fcmCodeOf(answer), undefined);
    });
  }

  it('bytes that are no UTF-8, and brackets without end', async () => {
    const headers = {
      ':path': '/v1/projects/pushmill-demo/messages:send',
      authorization: await client.authorization(),
    };
    const latin = Buffer.from(`{"message":{"token":"${token}","data":{"a":"é"}}}`, 'latin1');
    const deep = `{"message":{"token":"${token}","android":{"ttl":${'['.repeat(100_000)}${']'.repeat(100_000)}}}}`;
    for (const body of [latin, deep]) assert.equal((await client.call(headers, body)).status, 400);
    assert.equal((await client.send({ token })).status, 200);
  });

  it('more than a front end reads: 413 in HTML', async () => {
    const answer = await client.send({ token, data: { a: 'x'.repeat(1_048_576) } });
    assert.equal(answer.status, 413);
    assert.match(answer.headers['content-type'] as string, /^text\/html/);
  });
});

describe('a message that FCM finds fault with', () => {
  const bad: [name: string, body: unknown, field: string][] = [
    ['none', '{}', 'message'],
    ['an empty body', '', 'message'],
    ['no target', { token: undefined }, 'message'],
    ['an empty target', { token: '' }, 'message'],
    ['the key from', { data: { from: 'x' } }, 'message.data'],
    ['the key gcm', { data: { gcm: 'x' } }, 'message.data'],
    ['the key message_type', { data: { message_type: 'x' } }, 'message.data'],
    ['a key of Google’s', { data: { 'google.a': 'x' } }, 'message.data'],
    ['a key of notifications', { android: { data: { 'gcm.notification.a': 'x' } } }, 'message.data'],
    ['too long a life', { android: { ttl: '2419200.000000001s' } }, 'message.android.ttl'],
    ['four weeks and a second', { android: { ttl: '2419201s' } }, 'message.android.ttl'],
    ['a life before now', { android: { ttl: '-1s' } }, 'message.android.ttl'],
    [
      'a label of 51',
      { fcm_options: { analytics_label: 'a'.repeat(51) } },
      'message.fcm_options.analytics_label',
    ],
    [
      'a label with a blank',
      { apns: { fcm_options: { analytics_label: 'a b' } } },
      'message.apns.fcm_options.analytics_label',
    ],
    ['the prefix of topics', { token: undefined, topic: '/topics/news' }, 'message.topic'],
    ['a topic with a blank', { token: undefined, topic: 'a b' }, 'message.topic'],
    ['a condition of no topics', { token: undefined, condition: 'a in topics' }, 'message.condition'],
    [
      'two topics side by side',
      { token: undefined, condition: "'a' in topics 'b' in topics" },
      'message.condition',
    ],
    ['a bracket left open', { token: undefined, condition: "('a' in topics" }, 'message.condition'],
    [
      'six topics',
      {
        token: undefined,
        condition: ['a', 'b', 'c', 'd', 'e', 'f'].map((t) => `'${t}' in topics`).join('||'),
      },
      'message.condition',
    ],
    [
      'no end of negations',
      { token: undefined, condition: `${'!'.repeat(100_000)}'a' in topics` },
      'message.condition',
    ],
    [
      'a link that is not HTTPS',
      { webpush: { fcm_options: { link: 'http://a' } } },
      'message.webpush.fcm_options.link',
    ],
    [
      'a colour by name',
      { android: { notification: { color: 'red' } } },
      'message.android.notification.color',
    ],
    [
      'a light of no colour',
      { android: { notification: { light_settings: { light_on_duration: '1s' } } } },
      'message.android.notification.light_settings',
    ],
    ['no installation', { token: undefined, fid: 'x' }, 'message.fid'],
  ];
  for (const [name, body, field] of bad) {
    it(name, async () => {
      const answer = await client.send(typeof body === 'string' ? body : { token, ...(body as object) });
      assert.deepEqual([answer.status, answer.json.error?.status], [400, 'INVALID_ARGUMENT'], answer.text);
      assert.deepEqual([fieldsOf(answer), fcmCodeOf(answer)], [[field], 'INVALID_ARGUMENT']);
    });
  }

  it('a token that is none', async () => {
    for (const wrong of ['TOKEN', `${token} `, 'ab'.repeat(32)]) {
      const answer = await client.send({ token: wrong });
      assert.equal(
        answer.json.error?.message,
        'The registration token is not a valid FCM registration token',
      );
      assert.deepEqual(
        [answer.status, fcmCodeOf(answer), fieldsOf(answer)],
        [400, 'INVALID_ARGUMENT', undefined],
      );
    }
  });
});
