import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MessageContent } from '@pushmill/core';
import fc from 'fast-check';
import { messageWith, pushesTo } from '../fixtures.ts';
import { checkMessage } from './check.ts';
import { readCall } from './emulator-fields.ts';
import { settingsWith } from './fixtures.ts';
import { expireSeconds, pushBody } from './payload.ts';

const android = settingsWith();
const ios = settingsWith({ platform: 'ios', accessId: '1600001048', environment: 'dev' });
const app = (platform: 'android' | 'ios') => ({ channelName: 'c', platform, accessId: '1', secretKey: '2' });
const bodyOf = (of: Parameters<typeof messageWith>[0], settings = android, tokens = ['t1']) =>
  JSON.parse(pushBody(pushesTo(tokens, messageWith(of)), settings, 0));

test('one token on Android', () => {
  const body = bodyOf({
    notification: {
      title: 'Parcel',
      body: 'Here.',
      imageUrl: 'https://x.example/a.png',
      badge: 120,
      sound: 'bell',
      click: { type: 'url', url: 'https://x.example/p' },
    },
    data: { parcel: '4711' },
  });
  assert.deepEqual(body, {
    audience_type: 'token',
    token_list: ['t1'],
    ignore_invalid_token: 1,
    expire_time: 600,
    message_type: 'notify',
    message: {
      title: 'Parcel',
      content: 'Here.',
      xg_media_resources: 'https://x.example/a.png',
      android: {
        hw_importance: 2,
        vivo_ch_id: '1',
        badge_type: 99,
        ring: 1,
        ring_raw: 'bell',
        action: { action_type: 2, browser: { url: 'https://x.example/p', confirm: 0 } },
        custom_content: '{"parcel":"4711"}',
      },
    },
  });
});

test('several tokens on iOS', () => {
  const click = { type: 'screen', name: 'parcels' } as const;
  const body = bodyOf(
    {
      notification: { title: 'Parcel', body: 'Here.', badge: 3, sound: 'bell.caf', click },
      data: { k: 'v' },
    },
    ios,
    ['t1', 't2'],
  );
  assert.deepEqual(body, {
    audience_type: 'token_list',
    token_list: ['t1', 't2'],
    ignore_invalid_token: 1,
    expire_time: 600,
    message_type: 'notify',
    message: {
      title: 'Parcel',
      content: 'Here.',
      ios: {
        aps: { badge_type: 3, sound: 'bell.caf' },
        custom_content: '{"k":"v","pushmill":{"click":{"type":"screen","name":"parcels"}}}',
      },
    },
    environment: 'dev',
  });
});

test('an account is a single target with its type', () => {
  const settings = settingsWith({ audience: 'account', accountType: 2, accountPushType: 1 });
  const body = bodyOf({}, settings, ['a@example.com']);
  const { message, message_type, expire_time, ...head } = body;
  assert.deepEqual(head, {
    audience_type: 'account',
    account_list: ['a@example.com'],
    account_type: 2,
    account_push_type: 1,
  });
  assert.equal(bodyOf({ vendor: { tpns: { account_push_type: 0 } } }, settings).account_push_type, 0);
});

test('data alone makes a silent push to iOS', () => {
  const { message_type, message } = bodyOf({ notification: null, data: { k: 'v' } }, ios);
  assert.deepEqual(
    [message_type, message],
    ['message', { ios: { aps: { 'content-available': 1 }, custom_content: '{"k":"v"}' } }],
  );
});

test('a screen is an address or the class of an activity', () => {
  const actionOf = (name: string) =>
    bodyOf({ notification: { title: 'a', body: 'b', click: { type: 'screen', name } } }).message.android
      .action;
  assert.deepEqual(actionOf('app://parcels?id=1'), { action_type: 3, intent: 'app://parcels?id=1' });
  assert.deepEqual(actionOf('com.example.Parcels'), { action_type: 1, activity: 'com.example.Parcels' });
});

test('every override reaches its place, and each platform takes its own part', () => {
  const tpns = {
    accept_time: [{ start: { hour: '13', min: '00' }, end: { hour: '14', min: '30' } }],
    thread_id: 'th',
    thread_sumtext: 'sum',
    xg_media_resources: 'https://x.example/b.png',
    xg_media_audio_resources: 'https://x.example/b.mp3',
    show_type: 1,
    android: {
      n_ch_id: 'n',
      n_ch_name: 'name',
      xm_ch_id: 'xm',
      fcm_ch_id: 'fcm',
      hw_ch_id: 'hw',
      oppo_ch_id: 'oppo',
      hw_biz_type: 1,
      hw_category: 'IM',
      hw_importance: 1,
      vivo_ch_id: '0',
      n_id: 5,
      builder_id: 1,
      badge_type: -2,
      ring: 0,
      ring_raw: 'r',
      vibrate: 0,
      lights: 0,
      clearable: 0,
      icon_type: 1,
      icon_res: 'i',
      style_id: 2,
      small_icon: 's',
      icon_color: 255,
      action: { action_type: 3, intent: 'x://y' },
      custom_content: '{"deep":{"er":1}}',
      show_type: 1,
    },
    ios: {
      aps: {
        alert: { subtitle: 'sub' },
        badge_type: -2,
        category: 'cat',
        'mutable-content': 0,
        sound: 's.caf',
        'interruption-level': 'time-sensitive',
      },
      custom_content: '{"other":[1]}',
    },
    multi_pkg: true,
    plan_id: 'plan',
    force_collapse: true,
    channel_rules: [{ channel: 'hw', disable: true }],
    tpns_online_push_type: 1,
  };
  const message = messageWith({ class: 'marketing', vendor: { tpns } });
  assert.deepEqual(checkMessage(message, android), []);
  assert.deepEqual(checkMessage(message, ios), []);
  const shared = {
    title: 'Parcel',
    content: 'It is at the door.',
    accept_time: tpns.accept_time,
    thread_id: 'th',
    thread_sumtext: 'sum',
    xg_media_resources: tpns.xg_media_resources,
    xg_media_audio_resources: tpns.xg_media_audio_resources,
  };
  const options = {
    multi_pkg: true,
    plan_id: 'plan',
    force_collapse: true,
    channel_rules: tpns.channel_rules,
    tpns_online_push_type: 1,
  };
  const send = (settings: typeof android) => {
    const { message: object, ...rest } = JSON.parse(pushBody(pushesTo(['t'], message), settings, 0));
    const { audience_type, token_list, ignore_invalid_token, expire_time, message_type, ...last } = rest;
    return [object, last];
  };
  assert.deepEqual(send(android), [{ ...shared, android: tpns.android }, options]);
  assert.deepEqual(send(ios), [
    { ...shared, show_type: 1, ios: tpns.ios },
    { ...options, environment: 'dev' },
  ]);
});

test('the class is told to the makers that ask for one', () => {
  const { hw_importance, vivo_ch_id } = bodyOf({ class: 'marketing' }).message.android;
  assert.deepEqual([hw_importance, vivo_ch_id], [1, '0']);
  const passed = bodyOf({ class: 'marketing', vendor: { tpns: { message_type: 'message' } } });
  assert.deepEqual([passed.message_type, passed.message.android], ['message', {}]);
});

test('expire_time is what is left, capped, whole and never 0', () => {
  assert.equal(expireSeconds(10_999, 0, android), 10);
  assert.equal(expireSeconds(500, 0, android), 1);
  assert.equal(expireSeconds(0, 500, android), 1);
  assert.equal(expireSeconds(1e12, 0, android), 259_200);
  assert.equal(expireSeconds(1e12, 0, settingsWith({ maxExpireSeconds: 86_400 })), 86_400);
});

test('the limit is 4,096 bytes of the message object, counted as it is sent', () => {
  const withBody = (body: string) => ({ ...messageWith({ notification: { title: 't', body } }) });
  const empty = Buffer.byteLength(JSON.stringify(bodyOf({ notification: { title: 't', body: '' } }).message));
  const room = 4_096 - empty;
  assert.deepEqual(checkMessage(withBody('x'.repeat(room)), android), []);
  assert.equal(checkMessage(withBody('x'.repeat(room + 1)), android)[0]?.code, 'too-large');
  const chinese = '中'.repeat(Math.floor(room / 3));
  assert.deepEqual(checkMessage(withBody(chinese), android), []);
  assert.equal(checkMessage(withBody(`${chinese}中`), android)[0]?.code, 'too-large');
  // A quotation mark in the data is escaped twice on its way: as JSON text, and that text in JSON.
  const data = { a: '"'.repeat(Math.floor(room / 4)) };
  assert.equal(checkMessage({ ...withBody('x'), data }, android)[0]?.code, 'too-large');
});

test('a message that would be refused is refused here', () => {
  const plain = { title: 'Title', body: 'Body' };
  const tpns = (overrides: unknown) => ({ vendor: { tpns: overrides } });
  const url = { ...plain, click: { type: 'url', url: 'https://x.example' } as const };
  const cases: [string, string, Partial<MessageContent>, typeof android?][] = [
    ['/notification/title', 'required', { notification: { body: 'x' } }],
    ['/notification/body', 'required', { notification: { title: 'x', body: '  ' } }],
    ['/notification/title', 'required', { notification: null, data: { a: 'b' } }],
    ['/notification/title', 'required', { notification: { badge: 1 } }, ios],
    ['/notification/title', 'too-long', {}, settingsWith({ maxTitleChars: 4 })],
    ['/notification/body', 'too-long', {}, settingsWith({ maxBodyChars: 3 })],
    ['/notification/body', 'too-large', { notification: { title: 'x', body: 'x'.repeat(4_096) } }],
    ['/data', 'too-large', { notification: null, data: { a: 'x'.repeat(4_096) } }, ios],
    ['/notification/title', 'excluded', tpns({ message_type: 'message' }), ios],
    [
      '/vendor/tpns/ios/aps/sound',
      'excluded',
      { notification: null, ...tpns({ ios: { aps: { sound: 'x' } } }) },
      ios,
    ],
    ['/vendor/tpns/android/action/browser', 'required', tpns({ android: { action: { action_type: 2 } } })],
    ['/vendor/tpns/android/action/intent', 'required', tpns({ android: { action: { action_type: 3 } } })],
    ['/vendor/tpns/android/custom_content', 'invalid', tpns({ android: { custom_content: '[]' } })],
    ['/vendor/tpns/android/custom_content', 'invalid', tpns({ android: { custom_content: '{x' } })],
    [
      '/vendor/tpns/android/custom_content',
      'excluded',
      { data: { a: 'b' }, ...tpns({ android: { custom_content: '{}' } }) },
    ],
    [
      '/vendor/tpns/ios/custom_content',
      'excluded',
      { notification: url, ...tpns({ ios: { custom_content: '{}' } }) },
      ios,
    ],
    ['/data/pushmill', 'reserved', { notification: url, data: { pushmill: 'x' } }, ios],
    ['/vendor/tpns/android/hw_importance', 'invalid', tpns({ android: { hw_importance: 3 } })],
    ['/vendor/tpns/collapse_id', 'invalid', tpns({ collapse_id: 1 })],
  ];
  for (const [pointer, code, changes, settings] of cases) {
    const content = {
      class: 'marketing',
      priority: 'normal',
      notification: plain,
      ...changes,
    } as MessageContent;
    const problems = checkMessage(content, settings ?? android);
    assert.ok(
      problems.some((problem) => problem.pointer === pointer && problem.code === code),
      `${pointer} ${code}: ${JSON.stringify(problems)}`,
    );
  }
});

test('what we find nothing wrong with, the emulator finds nothing wrong with', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 1_500 });
  const content = fc.record({
    title: fc.option(text),
    body: fc.option(text),
    badge: fc.option(fc.nat(1_000)),
    sound: fc.option(fc.constant('bell')),
    data: fc.option(fc.dictionary(fc.string({ maxLength: 20 }), text, { maxKeys: 3 })),
    isPassed: fc.boolean(),
    isIos: fc.boolean(),
    tokens: fc.uniqueArray(fc.stringMatching(/^[0-9a-f]{36}$/), { minLength: 1, maxLength: 5 }),
    lifeMs: fc.integer({ min: -10_000, max: 1_000_000_000 }),
  });
  let sound = 0;
  fc.assert(
    fc.property(content, ({ title, body, badge, sound: bell, data, isPassed, isIos, tokens, lifeMs }) => {
      const settings = isIos ? ios : android;
      const message = messageWith({
        notification: { title, body, badge, sound: bell },
        data,
        expiresAt: lifeMs,
        ...(isPassed ? { vendor: { tpns: { message_type: 'message' } } } : {}),
      });
      const bytes = Buffer.from(pushBody(pushesTo(tokens, message), settings, 0));
      const call = readCall(bytes, app(settings.platform), 0);
      if (checkMessage(message, settings).length > 0) return;
      sound += 1;
      assert.ok('targets' in call, JSON.stringify(call));
      assert.deepEqual(call.targets, tokens);
    }),
    { numRuns: 500 },
  );
  assert.ok(sound > 50, `only ${sound} messages were sound`);
});
