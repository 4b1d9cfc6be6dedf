import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MessageContent } from '@pushmill/core';
import fc from 'fast-check';
import { messageWith, pushesTo } from '../fixtures.ts';
import { checkMessage } from './check.ts';
import { expirySeconds } from './expiry.ts';
import { settingsWith } from './fixtures.ts';
import { pushCall } from './payload.ts';
import type { BaiduSettings } from './settings.ts';
import { formEncode } from './sign.ts';

const android = settingsWith();
const ios = settingsWith({ platform: 'ios' });
const plain = { title: 'Title', body: 'Body' };

function msgOf(content: Partial<MessageContent>, settings: BaiduSettings = android): unknown {
  const { params } = pushCall(pushesTo(['1'], messageWith(content)), settings, 0);
  return JSON.parse(params.msg as string);
}

test('a single push to Android', () => {
  const message = messageWith({ data: { parcel: '4711' } });
  const { path, params } = pushCall(pushesTo(['4483825412066692748'], message, [7]), android, 0);
  assert.equal(path, '/rest/3.0/push/single_device');
  assert.deepEqual(params, {
    device_type: '3',
    msg: '{"title":"Parcel","description":"It is at the door.","custom_content":{"parcel":"4711"}}',
    msg_type: '1',
    msg_expires: '600',
    topic_id: `${message.id.replaceAll('-', '')}_7`,
    channel_id: '4483825412066692748',
  });
});

test('a batch is one call with the ids as JSON text', () => {
  const message = messageWith();
  const { path, params } = pushCall(pushesTo(['11', '12'], message), android, 0);
  assert.equal(path, '/rest/3.0/push/batch_device');
  assert.equal(params.channel_ids, '["11","12"]');
  assert.equal(params.channel_id, undefined);
  assert.equal(params.topic_id, `${message.id.replaceAll('-', '')}_0t1`);
});

test('a push to iOS says which certificate', () => {
  const message = messageWith({
    notification: { ...plain, badge: 3, sound: 'bell.caf' },
    data: { k: 'v' },
    vendor: { baidu: { mutableContent: true, threadId: 'parcels' } },
  });
  const { params } = pushCall(pushesTo(['1'], message), ios, 0);
  assert.deepEqual([params.device_type, params.msg_type, params.deploy_status], ['4', '1', '2']);
  assert.deepEqual(JSON.parse(params.msg as string), {
    k: 'v',
    aps: { alert: plain, badge: 3, sound: 'bell.caf', 'mutable-content': 1, 'thread-id': 'parcels' },
  });
  const development = settingsWith({ platform: 'ios', deployStatus: 'development' });
  assert.equal(pushCall(pushesTo(['1'], message), development, 0).params.deploy_status, '1');
  assert.deepEqual(msgOf({ notification: { body: 'only' } }, ios), { aps: { alert: 'only' } });
});

test('a click opens an address or an intent, and an override decides', () => {
  const click = (click: NonNullable<MessageContent['notification']>['click'], baidu = {}) => {
    const { open_type, url, pkg_content } = msgOf({
      notification: { ...plain, click },
      vendor: { baidu },
    }) as Record<string, unknown>;
    return [open_type, url, pkg_content];
  };
  const url = { type: 'url', url: 'https://x.example' } as const;
  const screen = { type: 'screen', name: 'intent:#Intent;end' } as const;
  assert.deepEqual(click(url), [1, 'https://x.example', undefined]);
  assert.deepEqual(click(screen), [2, undefined, 'intent:#Intent;end']);
  assert.deepEqual(click({ type: 'app' }), [undefined, undefined, undefined]);
  assert.deepEqual(click(screen, { url: 'https://y.example' }), [1, 'https://y.example', undefined]);
  assert.deepEqual(click(url, { pkgContent: 'intent:x' }), [2, undefined, 'intent:x']);
});

test('what shows nothing goes through to the app', () => {
  const call = (content: Partial<MessageContent>) =>
    pushCall(pushesTo(['1'], messageWith(content)), android, 0).params;
  const data = call({ notification: null, data: { k: 'v' } });
  assert.deepEqual([data.msg_type, data.msg], ['0', '{"custom_content":{"k":"v"}}']);
  const chosen = call({ vendor: { baidu: { messageType: 'message' } } });
  assert.deepEqual(
    [chosen.msg_type, chosen.msg],
    ['0', '{"title":"Parcel","description":"It is at the door."}'],
  );
  const free = call({ notification: null, vendor: { baidu: { message: 'free text' } } });
  assert.deepEqual([free.msg_type, free.msg], ['0', 'free text']);
});

test('topic and private-message channel can be chosen', () => {
  const params = (
    settings: BaiduSettings,
    baidu = {},
    messageClass: MessageContent['class'] = 'transactional',
  ) => pushCall(pushesTo(['1'], messageWith({ class: messageClass, vendor: { baidu } })), settings, 0).params;
  const chosen = settingsWith({ topicId: 'all', privateMessages: true });
  assert.equal(params(chosen).topic_id, 'all');
  assert.equal(params(chosen, { topicId: 'news' }).topic_id, 'news');
  assert.equal(params(android).channel_type, undefined);
  assert.equal(params(chosen).channel_type, '1');
  assert.equal(params(chosen, {}, 'marketing').channel_type, undefined);
  assert.equal(params(chosen, { channelType: 0 }).channel_type, undefined);
});

test('msg_expires is what is left, whole, never 0 and a week at most', () => {
  assert.equal(expirySeconds(10_999, 0), 10);
  assert.equal(expirySeconds(0, 500), 1);
  assert.equal(expirySeconds(1e12, 0), 604_800);
});

const half = 'a\ud83d';

test('a message that would be refused or lose a part is refused here', () => {
  const cases: [string, string, Partial<MessageContent>, BaiduSettings?][] = [
    ['/notification/body', 'required', { notification: { title: 'x' } }],
    ['/notification/body', 'required', { notification: { title: 'x', body: ' ' } }],
    ['/notification/body', 'required', { notification: null }],
    ['/notification/body', 'required', { notification: null, data: { k: 'v' } }, ios],
    ['/notification/body', 'too-large', { notification: { body: '中'.repeat(1_400) } }],
    ['/notification/body', 'too-large', { notification: { body: 'x'.repeat(2_100) } }, ios],
    [
      '/vendor/baidu/message',
      'too-large',
      { notification: null, vendor: { baidu: { message: '中'.repeat(1_400) } } },
    ],
    ['/vendor/baidu/more', 'invalid', { vendor: { baidu: { more: 1 } } }],
    ['/vendor/baidu/notificationBasicStyle', 'invalid', { vendor: { baidu: { notificationBasicStyle: 8 } } }],
    ['/vendor/baidu/topicId', 'invalid', { vendor: { baidu: { topicId: 'a-b' } } }],
    ['/vendor/baidu/messageType', 'unsupported', { vendor: { baidu: { messageType: 'message' } } }, ios],
    ['/vendor/baidu/threadId', 'unsupported', { vendor: { baidu: { threadId: 't' } } }],
    ['/vendor/baidu/pkgContent', 'excluded', { vendor: { baidu: { pkgContent: 'i', url: 'u' } } }],
    [
      '/vendor/baidu/message',
      'excluded',
      { vendor: { baidu: { messageType: 'notification', message: 'm' } } },
    ],
    ['/vendor/baidu/url', 'excluded', { vendor: { baidu: { messageType: 'message', url: 'u' } } }],
    ['/data', 'excluded', { notification: null, data: { k: 'v' }, vendor: { baidu: { message: 'm' } } }],
    ['/data/aps', 'excluded', { data: { aps: 'x' } }, ios],
    [
      '/vendor/baidu/customContent/aps',
      'excluded',
      { vendor: { baidu: { customContent: { aps: {} } } } },
      ios,
    ],
    ['/notification/body', 'lone-surrogate', { notification: { body: half } }],
    ['/data/a~1b', 'lone-surrogate', { data: { 'a/b': half } }],
    ['/vendor/baidu/message', 'lone-surrogate', { notification: null, vendor: { baidu: { message: half } } }],
  ];
  for (const [pointer, code, changes, settings = android] of cases) {
    const content = {
      class: 'marketing',
      priority: 'normal',
      notification: plain,
      ...changes,
    } as MessageContent;
    const problems = checkMessage(content, settings);
    assert.ok(
      problems.some((problem) => problem.pointer === pointer && problem.code === code),
      `${pointer} ${code}: ${JSON.stringify(problems)}`,
    );
  }
});

test('the limit is in bytes and exact', () => {
  const problems = (bytes: number, settings: BaiduSettings, frame: number) =>
    checkMessage(
      { class: 'marketing', priority: 'normal', notification: { body: 'x'.repeat(bytes - frame) } },
      settings,
    ).length;
  const androidFrame = '{"description":""}'.length;
  const iosFrame = '{"aps":{"alert":""}}'.length;
  assert.deepEqual([problems(4_096, android, androidFrame), problems(4_097, android, androidFrame)], [0, 1]);
  assert.deepEqual([problems(2_048, ios, iosFrame), problems(2_049, ios, iosFrame)], [0, 1]);
  const newer = settingsWith({ platform: 'ios', maxIosMessageBytes: 4_096 });
  assert.deepEqual([problems(4_096, newer, iosFrame), problems(4_097, newer, iosFrame)], [0, 1]);
});

test('whatever text is let through can be signed, and what is only half a character is not let through', () => {
  const anyText = fc.string({
    unit: fc.oneof(fc.constantFrom('\\', 'u', 'd83d', '\ud83d', '\ude00'), fc.string()),
  });
  fc.assert(
    fc.property(anyText, (text) => {
      const content = {
        class: 'marketing',
        priority: 'normal',
        notification: null,
        vendor: { baidu: { message: `m${text}` } },
      } as const;
      const refused = checkMessage(content, android).some(({ code }) => code === 'lone-surrogate');
      assert.equal(refused, !text.isWellFormed());
      if (!refused)
        formEncode(pushCall(pushesTo(['1'], messageWith(content)), android, 0).params.msg as string);
    }),
  );
});
