import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { messageWith } from '../fixtures.ts';
import type { OutgoingMessage } from '../vendor.ts';
import { readDuration, writeDuration } from './duration.ts';
import { closeBody, closeTrial, prepareMessage } from './payload.ts';

const hour = 3_600_000;
const now = 1_700_000_000_000;

type Fields = Record<string, Record<string, unknown>>;

function messageOf(changes: Partial<OutgoingMessage>, at = now): Fields {
  const message = messageWith({ expiresAt: now + hour, ...changes });
  const body = closeBody('token', 'TOKEN', prepareMessage(message, at).tail);
  return (JSON.parse(body) as { message: Fields }).message;
}

const headersOf = (platform: Fields[string] | undefined) =>
  (platform?.headers ?? {}) as Record<string, string>;

describe('the body', () => {
  test('is the published one around any fields', () => {
    const shown = ',"notification":{"title":"Hi","body":"héllo 👋"}}}';
    const body = closeBody('token', 'TOKEN', shown);
    assert.equal(body, '{"message":{"token":"TOKEN","notification":{"title":"Hi","body":"héllo 👋"}}}');
    assert.equal(Buffer.byteLength(body), 80);
  });

  test('names one target, whatever characters it has', () => {
    const { tail } = prepareMessage(messageWith({ expiresAt: now + hour }), now);
    for (const target of ['token', 'fid', 'topic', 'condition'] as const) {
      const { message, ...rest } = JSON.parse(closeBody(target, 'a"b\\', tail));
      assert.equal(message[target], 'a"b\\');
      assert.deepEqual(rest, {});
      assert.equal(['token', 'fid', 'topic', 'condition'].filter((name) => name in message).length, 1);
    }
  });

  test('on trial is the same, and says so', () => {
    const { tail } = prepareMessage(messageWith({ expiresAt: now + hour }), now);
    const trial = JSON.parse(closeTrial('topic', 'news', tail));
    assert.deepEqual(trial, { validate_only: true, ...JSON.parse(closeBody('topic', 'news', tail)) });
  });
});

describe('a plain message', () => {
  test('goes to every platform with one life', () => {
    assert.deepEqual(messageOf({ data: { parcel: '4711' } }), {
      token: 'TOKEN',
      notification: { title: 'Parcel', body: 'It is at the door.' },
      data: { parcel: '4711' },
      android: { priority: 'HIGH', ttl: '3600s' },
      apns: { headers: { 'apns-priority': '10', 'apns-expiration': '1700003600' } },
      webpush: { headers: { TTL: '3600', Urgency: 'high' } },
    });
  });

  test('of normal priority is so everywhere', () => {
    const { android, apns, webpush } = messageOf({ priority: 'normal' });
    assert.equal(android?.priority, 'NORMAL');
    assert.deepEqual(apns?.headers, { 'apns-priority': '5', 'apns-expiration': '1700003600' });
    assert.deepEqual(webpush?.headers, { TTL: '3600', Urgency: 'normal' });
  });

  test('of data alone wakes an Apple device as Apple asks', () => {
    const { notification, android, apns } = messageOf({ notification: null, data: { sync: '1' } });
    assert.equal(notification, undefined);
    assert.deepEqual(android, { priority: 'HIGH', ttl: '3600s' });
    assert.deepEqual(apns?.payload, { aps: { 'content-available': 1 } });
    assert.equal(headersOf(apns)['apns-priority'], '5');
  });

  test('says what is shown besides', () => {
    const { notification, android, apns } = messageOf({
      notification: { title: 'T', body: 'B', imageUrl: 'https://i.example/a.png', badge: 3, sound: 'ding' },
    });
    assert.equal(notification?.image, 'https://i.example/a.png');
    assert.deepEqual(android?.notification, { sound: 'ding', notification_count: 3 });
    assert.deepEqual(apns?.payload, { aps: { badge: 3, sound: 'ding', 'mutable-content': 1 } });
  });

  test('takes a badge away from an Apple device, and leaves Android’s own count alone', () => {
    const { android, apns } = messageOf({ notification: { title: 'T', badge: 0 } });
    assert.deepEqual(apns?.payload, { aps: { badge: 0 } });
    assert.equal(android?.notification, undefined);
  });

  test('with a badge alone shows no empty notification on Android', () => {
    const { notification, android, apns } = messageOf({ notification: { badge: 2 } });
    assert.equal(notification, undefined);
    assert.equal(android?.notification, undefined);
    assert.deepEqual(apns?.payload, { aps: { badge: 2 } });
  });
});

describe('a collapse key', () => {
  test('is one everywhere, and replaces what is shown', () => {
    const { android, apns, webpush } = messageOf({ collapseKey: 'chat' });
    assert.equal(android?.collapse_key, 'chat');
    assert.deepEqual(android?.notification, { tag: 'chat' });
    assert.equal(headersOf(apns)['apns-collapse-id'], 'chat');
    assert.equal(headersOf(webpush).Topic, 'chat');
  });

  test('that a header cannot carry is hashed: equal keys stay equal, others stay apart', () => {
    const topicOf = (collapseKey: string) => {
      const { apns, webpush } = messageOf({ collapseKey });
      const id = headersOf(apns)['apns-collapse-id'] as string;
      const topic = headersOf(webpush).Topic as string;
      assert.match(topic, /^[A-Za-z0-9_-]{1,32}$/);
      assert.match(id, /^[A-Za-z0-9_-]{1,64}$/);
      return `${id} ${topic}`;
    };
    const keys = ['あ', 'い', 'a b', 'x'.repeat(33), 'x'.repeat(65)];
    assert.equal(new Set(keys.map(topicOf)).size, keys.length);
    assert.equal(topicOf('あ'), topicOf('あ'));
  });
});

describe('a click', () => {
  test('on a link travels in data, and opens it in a browser', () => {
    const click = { type: 'url', url: 'https://shop.example/4711' } as const;
    const { data, webpush, android } = messageOf({ notification: { title: 'T', click }, data: { a: '1' } });
    assert.deepEqual(data, { a: '1', pushmill: JSON.stringify({ click }) });
    assert.deepEqual(webpush?.fcm_options, { link: 'https://shop.example/4711' });
    assert.equal(android?.notification, undefined);
  });

  test('on another address is no link for a browser, which takes https alone', () => {
    const { webpush } = messageOf({
      notification: { title: 'T', click: { type: 'url', url: 'app://4711' } },
    });
    assert.equal(webpush?.fcm_options, undefined);
  });

  test('on a screen is Android’s own action, too', () => {
    const { android } = messageOf({
      notification: { title: 'T', click: { type: 'screen', name: 'orders' } },
    });
    assert.deepEqual(android?.notification, { click_action: 'orders' });
  });

  test('on the app says nothing', () => {
    assert.equal(messageOf({ notification: { title: 'T', click: { type: 'app' } } }).data, undefined);
  });
});

describe('the life of a message', () => {
  const lives: [leftMs: number, ttl: string][] = [
    [0, '0s'],
    [999, '0s'],
    [-5_000, '0s'],
    [3_500, '3s'],
    [28 * 24 * hour, '2419200s'],
    [28 * 24 * hour + 1_000, '2419200s'],
  ];
  for (const [leftMs, ttl] of lives) {
    test(`${leftMs} ms are ${ttl}`, () => {
      const { android, webpush } = messageOf({ expiresAt: now + leftMs });
      assert.equal(android?.ttl, ttl);
      assert.equal(headersOf(webpush).TTL, ttl.slice(0, -1));
    });
  }

  test('is never longer than it says, at any moment until it is prepared again', () => {
    const message = messageWith({ expiresAt: now + 90_500 });
    for (let at = now; at < message.expiresAt; at += 137) {
      const { tail, freshUntil } = prepareMessage(message, at);
      const seconds = Number(/"ttl":"(\d+)s"/.exec(tail)?.[1]);
      assert.ok(freshUntil >= at);
      assert.ok(freshUntil + seconds * 1_000 <= message.expiresAt, `${at - now}`);
      assert.ok(freshUntil - at < 1_000, 'and not much shorter either');
    }
  });

  test('may be made shorter by the message, and not longer', () => {
    const ttlOf = (ttl: string) => messageOf({ vendor: { fcm: { android: { ttl } } } }).android?.ttl;
    assert.equal(ttlOf('3.5s'), '3.5s');
    assert.equal(ttlOf('0s'), '0s');
    assert.equal(ttlOf('86400s'), '3600s');
  });

  test('is written as protobuf does', () => {
    assert.deepEqual([0, 3_500, 2_419_200_000].map(writeDuration), ['0s', '3.5s', '2419200s']);
    assert.deepEqual(['0s', '3.5s', '2419201s'].map(readDuration), [0, 3_500, 2_419_201_000]);
  });
});

describe('what a message says to FCM itself', () => {
  test('stands over the neutral fields and beside them', () => {
    const { fcm_options, android, apns, webpush } = messageOf({
      collapseKey: 'chat',
      notification: { title: 'T', sound: 'ding' },
      vendor: {
        fcm: {
          fcm_options: { analytics_label: 'a' },
          android: {
            priority: 'NORMAL',
            notification: { channel_id: 'orders', tag: 'other' },
            direct_boot_ok: true,
          },
          apns: {
            headers: { 'apns-priority': '1' },
            payload: { aps: { category: 'c', sound: 'dong' }, own: { deep: [1] } },
            fcm_options: { image: 'https://i.example/b.png' },
          },
          webpush: { headers: { Urgency: 'low' }, notification: { actions: [] } },
        },
      },
    });
    assert.deepEqual(fcm_options, { analytics_label: 'a' });
    assert.deepEqual(android, {
      priority: 'NORMAL',
      collapse_key: 'chat',
      ttl: '3600s',
      notification: { sound: 'ding', tag: 'other', channel_id: 'orders' },
      direct_boot_ok: true,
    });
    assert.deepEqual(apns, {
      headers: { 'apns-priority': '1', 'apns-expiration': '1700003600', 'apns-collapse-id': 'chat' },
      payload: { aps: { sound: 'dong', category: 'c' }, own: { deep: [1] } },
      fcm_options: { image: 'https://i.example/b.png' },
    });
    assert.deepEqual(webpush, {
      headers: { TTL: '3600', Urgency: 'low', Topic: 'chat' },
      notification: { actions: [] },
    });
  });

  test('makes a Live Activity what it is, and no background push', () => {
    const aps = { event: 'update', timestamp: 1, 'content-state': { eta: 5 } };
    const { apns } = messageOf({
      notification: null,
      vendor: { fcm: { apns: { live_activity_token: 'abc', payload: { aps } } } },
    });
    assert.equal(apns?.live_activity_token, 'abc');
    assert.deepEqual(apns?.payload, { aps });
    assert.equal(headersOf(apns)['apns-priority'], '10');
  });
});
