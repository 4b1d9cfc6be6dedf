import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { MessageContent } from '@pushmill/core';
import { Value } from 'typebox/value';
import { audiences, bareTopic, targetOf } from './audience.ts';
import { checkMessage } from './check.ts';
import { conditionFault } from './condition.ts';
import { settingsWith } from './fixtures.ts';
import { checkToken, settingsSchema } from './settings.ts';

const content = (changes: Partial<MessageContent> = {}): MessageContent => ({
  notification: { title: 'Parcel', body: 'It is at the door.' },
  class: 'transactional',
  priority: 'high',
  ...changes,
});
const fcm = (overrides: Record<string, unknown>) => content({ vendor: { fcm: overrides } });
/** Each once: of a choice among words the schema names every one that it is not. */
const pointersOf = (message: MessageContent) => [
  ...new Set(checkMessage(message).map(({ pointer }) => pointer)),
];

describe('a message', () => {
  test('that FCM takes has no problem', () => {
    assert.deepEqual(
      checkMessage(content({ data: { id: '42', collapse_key: 'x', googleId: '1', gcm: '1' } })),
      [],
    );
    assert.deepEqual(checkMessage(content({ notification: null, data: { a: '1' } })), []);
  });

  test('keeps FCM’s own keys out of data, on every platform', () => {
    const data = { from: 'x', message_type: 'x', 'google.a': 'x', 'gcm.notification.b/c': 'x', fromage: 'x' };
    const under = (pointer: string) =>
      ['from', 'message_type', 'google.a', 'gcm.notification.b~1c'].map((key) => `${pointer}/${key}`);
    assert.deepEqual(pointersOf(content({ data })), under('/data'));
    assert.deepEqual(pointersOf(fcm({ android: { data } })), under('/vendor/fcm/android/data'));
    assert.deepEqual(pointersOf(fcm({ webpush: { data } })), under('/vendor/fcm/webpush/data'));
  });

  test('keeps the key free under which a click travels', () => {
    const data = { pushmill: 'x' };
    assert.deepEqual(pointersOf(content({ data })), []);
    const click = { type: 'screen', name: 'orders' } as const;
    assert.deepEqual(pointersOf(content({ data, notification: { title: 'T', click } })), ['/data/pushmill']);
  });

  test('has a whole badge', () => {
    for (const badge of [-1, 1.5]) {
      assert.deepEqual(pointersOf(content({ notification: { title: 'T', badge } })), ['/notification/badge']);
    }
  });

  const overrides: [what: string, good: Record<string, unknown>, bad: Record<string, unknown>, at: string][] =
    [
      [
        'a label',
        { fcm_options: { analytics_label: 'a-Z_.~%9'.repeat(6) } },
        { fcm_options: { analytics_label: 'x'.repeat(51) } },
        '/fcm_options/analytics_label',
      ],
      ['a life', { android: { ttl: '2419200s' } }, { android: { ttl: '2419201s' } }, '/android/ttl'],
      ['a life in seconds', { android: { ttl: '3.5s' } }, { android: { ttl: '1h' } }, '/android/ttl'],
      [
        'a priority',
        { android: { priority: 'HIGH' } },
        { android: { priority: 'high' } },
        '/android/priority',
      ],
      [
        'a colour',
        { android: { notification: { color: '#00ff7F' } } },
        { android: { notification: { color: 'red' } } },
        '/android/notification/color',
      ],
      [
        'a link',
        { webpush: { fcm_options: { link: 'https://a.example' } } },
        { webpush: { fcm_options: { link: 'http://a.example' } } },
        '/webpush/fcm_options/link',
      ],
      [
        'data of texts',
        { android: { data: { n: '1' } } },
        { android: { data: { n: 1 } } },
        '/android/data/n',
      ],
      [
        'headers of texts',
        { apns: { headers: { 'apns-priority': '5' } } },
        { apns: { headers: { 'apns-priority': 5 } } },
        '/apns/headers/apns-priority',
      ],
      ['aps', { apns: { payload: { aps: {} } } }, { apns: { payload: { aps: 'x' } } }, '/apns/payload/aps'],
    ];
  for (const [what, good, bad, at] of overrides) {
    test(`has ${what} of the right form`, () => {
      assert.deepEqual(pointersOf(fcm(good)), []);
      assert.deepEqual(pointersOf(fcm(bad)), [`/vendor/fcm${at}`]);
    });
  }

  test('has no field that FCM does not know', () => {
    assert.ok(pointersOf(fcm({ android: { colour: 'red' } })).includes('/vendor/fcm/android'));
    assert.ok(pointersOf(fcm({ token: 'x' })).includes('/vendor/fcm'));
  });

  test('is not larger than 4096 bytes by any count, in bytes of UTF-8', () => {
    const sized = (bytes: number) => content({ notification: null, data: { k: 'x'.repeat(bytes - 1) } });
    assert.deepEqual(pointersOf(sized(4_096)), []);
    assert.deepEqual(pointersOf(sized(4_097)), ['/data']);
    const body = 'あ'.repeat(1_400);
    assert.deepEqual(pointersOf(content({ notification: { body } })), ['/notification/body']);
    const big = { apns: { payload: { aps: {}, own: 'x'.repeat(4_090) } } };
    assert.deepEqual(pointersOf(fcm(big)), ['/vendor/fcm/apns/payload']);
  });
});

describe('an audience', () => {
  const check = (audience: Record<string, unknown> & { kind: string }, message = content()) =>
    audiences.check(audience, message, settingsWith()).map(({ pointer }) => pointer);

  test('is a topic or a condition', () => {
    const good = [
      { kind: 'topic', topic: 'news' },
      { kind: 'topic', topic: '/topics/a-Z_.~%9' },
      { kind: 'condition', condition: "'a' in topics" },
    ];
    const bad = [
      { kind: 'topic', topic: '' },
      { kind: 'topic', topic: 'two words' },
      { kind: 'topic', topic: 'a/b' },
      { kind: 'topic' },
      { kind: 'topic', topic: 'a', condition: 'b' },
      { kind: 'all' },
    ];
    for (const audience of good) {
      assert.ok(Value.Check(audiences.schema, audience), JSON.stringify(audience));
      assert.deepEqual(check(audience), []);
    }
    for (const audience of bad) assert.ok(!Value.Check(audiences.schema, audience), JSON.stringify(audience));
  });

  test('goes out under its bare name', () => {
    assert.equal(bareTopic('/topics/news'), 'news');
    assert.deepEqual(targetOf({ kind: 'topic', topic: '/topics/news' }), { target: 'topic', name: 'news' });
    const condition = "'a' in topics";
    assert.deepEqual(targetOf({ kind: 'condition', condition }), { target: 'condition', name: condition });
  });

  test('takes half of what a token takes', () => {
    const topic = { kind: 'topic', topic: 'news' };
    const sized = (bytes: number) => content({ notification: null, data: { k: 'x'.repeat(bytes - 1) } });
    assert.deepEqual(check(topic, sized(2_048)), []);
    assert.deepEqual(check(topic, sized(2_049)), ['/data']);
  });

  test('is not one device’s Live Activity', () => {
    const message = fcm({ apns: { live_activity_token: 'abc', payload: { aps: {} } } });
    assert.deepEqual(check({ kind: 'topic', topic: 'a' }, message), ['/vendor/fcm/apns/live_activity_token']);
  });

  const good = [
    "'a' in topics",
    '"a" in topics',
    "'a' in topics && ('b' in topics || 'c' in topics)",
    "!('a' in topics)",
    "!!'a' in topics&&'b' in topics || 'c' in topics",
    "(('a' in topics))",
    ['a', 'b', 'c', 'd', 'e'].map((name) => `'${name}' in topics`).join(' && '),
  ];
  const bad = [
    '',
    'a in topics',
    "'a'",
    "'a' in topics &&",
    "&& 'a' in topics",
    "'a' in topics 'b' in topics",
    "('a' in topics",
    "'a' in topics)",
    "'a' on topics",
    "'a b' in topics",
    "'a' in topics & 'b' in topics",
    '()',
    ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `'${name}' in topics`).join(' || '),
  ];
  test('by condition adds up', () => {
    for (const condition of good) assert.equal(conditionFault(condition), undefined, condition);
    for (const condition of bad) {
      assert.equal(typeof conditionFault(condition), 'string', condition);
      assert.deepEqual(check({ kind: 'condition', condition }), ['/condition'], condition);
    }
  });
});

describe('a token', () => {
  test('is one word, and not another service’s', () => {
    const settings = settingsWith();
    assert.equal(checkToken(`dXyz_1-AbCdEfGhIjKlMn:APA91b${'x'.repeat(134)}`, settings), undefined);
    for (const token of ['', 'two words', 'a\nb', 'a"b', 'a\\b', 'ü', 'x'.repeat(4_097)]) {
      assert.match(String(checkToken(token, settings)), /one word/);
    }
    assert.match(String(checkToken('0'.repeat(64), settings)), /APNs/);
    assert.match(String(checkToken('https://fcm.googleapis.com/fcm/send/x', settings)), /browser/);
  });

  test('is an installation id where the channel says so', () => {
    const settings = settingsWith({ address: 'fid' });
    assert.equal(checkToken('dXyz_1-AbCdEfGhIjKlMn7', settings), undefined);
    assert.match(String(checkToken('dXyz_1-AbCdEfGhIjKlMn:APA91b', settings)), /22/);
  });
});

test('settings take addresses without a path, and have working defaults', () => {
  const settings = Value.Default(settingsSchema, {}) as Record<string, unknown>;
  assert.deepEqual(settings, { requestTimeoutMs: 10_000, maxConnections: 16, emulator: false });
  for (const field of ['sendOrigin', 'tokenOrigin', 'iidOrigin']) {
    const isTaken = (origin: string): boolean =>
      Value.Check(settingsSchema, { ...settings, [field]: origin });
    assert.ok(isTaken('https://localhost:8443'));
    for (const bad of ['http://a.example', 'https://a.example/x', 'https://a@b.example'])
      assert.ok(!isTaken(bad));
  }
  for (const projectId of ['demo-project', 'example.com:demo', '123456789']) {
    assert.ok(Value.Check(settingsSchema, { ...settings, projectId }), projectId);
  }
  assert.ok(!Value.Check(settingsSchema, { ...settings, projectId: 'a/../b' }));
});
