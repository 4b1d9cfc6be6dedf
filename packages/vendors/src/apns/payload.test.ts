import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OutgoingMessage, PublicCredential } from '../vendor.ts';
import { checkMessage } from './check.ts';
import { collapseId, prepareMessage } from './payload.ts';
import { pushTypeNames } from './push-type.ts';
import type { ApnsSettings } from './settings.ts';

const settings: ApnsSettings = {
  environment: 'production',
  topic: 'com.example.MyApp',
  port: 443,
  requestTimeoutMs: 10_000,
  maxConnections: 8,
  collapse: 'identity',
};
const token: PublicCredential = { kind: 'token' };
const certificate: PublicCredential = {
  kind: 'certificate',
  topics: ['com.example.MyApp', 'com.example.MyApp.voip'],
};

type Overrides = Record<string, unknown>;
const message = (over: Partial<OutgoingMessage> = {}, apns?: Overrides): OutgoingMessage => ({
  id: '01900000-0000-7000-8000-000000000000',
  createdAt: 1_685_952_000_500,
  expiresAt: 1_685_955_600_999,
  class: 'transactional',
  priority: 'high',
  ...over,
  ...(apns === undefined ? {} : { vendor: { apns } }),
});
const made = (over: Partial<OutgoingMessage> = {}, apns?: Overrides) => {
  const prepared = prepareMessage(message(over, apns), settings);
  return { ...prepared, text: prepared.body.toString('utf8') };
};
const problems = (over: Partial<OutgoingMessage>, apns?: Overrides, credential = token) =>
  checkMessage(message(over, apns), settings, credential).map(({ pointer, code }) => `${pointer} ${code}`);

const hello = { notification: { body: 'Hello' } };

describe('what is sent', () => {
  it('is Apple’s sample: Hello in 25 bytes', () => {
    const prepared = made(hello, { expiration: 'once' });
    assert.equal(prepared.text, '{"aps":{"alert":"Hello"}}');
    assert.equal(prepared.body.length, 25);
    assert.equal(prepared.topic, 'com.example.MyApp');
    assert.equal(prepared.pushType, 'alert');
    assert.equal(prepared.priority, '10');
    assert.equal(prepared.expiration, '0');
    assert.equal(made({ notification: { body: 'héllo 👋' } }).body.length, 31);
  });

  it('holds every neutral field, data beside aps', () => {
    const prepared = made({
      notification: {
        title: 'T',
        body: 'B',
        imageUrl: 'https://example.com/i.png',
        badge: 0,
        sound: 'default',
        click: { type: 'url', url: 'https://example.com/' },
      },
      data: { order: '17' },
      priority: 'normal',
    });
    assert.deepEqual(JSON.parse(prepared.text), {
      aps: { alert: { title: 'T', body: 'B' }, badge: 0, sound: 'default', 'mutable-content': 1 },
      order: '17',
      pushmill: {
        click: { type: 'url', url: 'https://example.com/' },
        imageUrl: 'https://example.com/i.png',
      },
    });
    assert.equal(prepared.priority, '5');
    // Rounded down: never delivered after the expiry.
    assert.equal(prepared.expiration, '1685955600');
  });

  it('takes null for absent', () => {
    const notification = {
      title: null,
      body: 'Hello',
      imageUrl: null,
      badge: null,
      sound: null,
      click: null,
    };
    assert.equal(made({ notification, data: null, collapseKey: null }).text, '{"aps":{"alert":"Hello"}}');
  });

  it('holds every override', () => {
    const prepared = made(hello, {
      threadId: 'parcels',
      category: 'c',
      subtitle: 's',
      titleLocKey: 'tk',
      titleLocArgs: ['1'],
      subtitleLocKey: 'sk',
      subtitleLocArgs: ['2'],
      locKey: 'k',
      locArgs: ['3'],
      launchImage: 'l',
      badge: 3,
      sound: { name: 'siren.caf', critical: true, volume: 0.5 },
      interruptionLevel: 'critical',
      relevanceScore: 0.5,
      targetContentId: 'w',
      filterCriteria: 'f',
      mutableContent: true,
      contentAvailable: true,
      aps: { future: [1] },
      custom: { nested: { a: 1 } },
    });
    assert.deepEqual(JSON.parse(prepared.text), {
      aps: {
        alert: {
          subtitle: 's',
          body: 'Hello',
          'launch-image': 'l',
          'title-loc-key': 'tk',
          'title-loc-args': ['1'],
          'subtitle-loc-key': 'sk',
          'subtitle-loc-args': ['2'],
          'loc-key': 'k',
          'loc-args': ['3'],
        },
        badge: 3,
        sound: { critical: 1, name: 'siren.caf', volume: 0.5 },
        'thread-id': 'parcels',
        category: 'c',
        'interruption-level': 'critical',
        'relevance-score': 0.5,
        'target-content-id': 'w',
        'filter-criteria': 'f',
        'content-available': 1,
        'mutable-content': 1,
        future: [1],
      },
      nested: { a: 1 },
    });
  });

  it('is a background push when nothing is shown', () => {
    const prepared = made({ data: { sync: '1' } });
    assert.equal(prepared.text, '{"aps":{"content-available":1},"sync":"1"}');
    assert.equal(prepared.pushType, 'background');
    assert.equal(prepared.priority, '5');
  });

  it('is a Live Activity with the time of the message', () => {
    const prepared = made({}, { liveActivity: { event: 'update', contentState: { currentHealthLevel: 0 } } });
    assert.equal(
      prepared.text,
      '{"aps":{"timestamp":1685952000,"event":"update","content-state":{"currentHealthLevel":0}}}',
    );
    assert.equal(prepared.topic, 'com.example.MyApp.push-type.liveactivity');
    assert.equal(prepared.pushType, 'liveactivity');
  });

  it('is the start of a Live Activity that subscribes to a channel or asks for a token', () => {
    const start = { event: 'start', contentState: {}, attributesType: 'A', attributes: {} };
    const aps = (more: Overrides) =>
      JSON.parse(made(hello, { liveActivity: { ...start, ...more } }).text).aps as Overrides;
    const common = {
      alert: 'Hello',
      timestamp: 1685952000,
      event: 'start',
      'content-state': {},
      'attributes-type': 'A',
      attributes: {},
    };
    assert.deepEqual(aps({}), common);
    assert.deepEqual(aps({ inputPushChannel: 'dHN0' }), { ...common, 'input-push-channel': 'dHN0' });
    assert.deepEqual(aps({ inputPushToken: true }), { ...common, 'input-push-token': 1 });
    const end = { event: 'end', contentState: {}, timestamp: 7, staleDate: 8, dismissalDate: 9 };
    assert.deepEqual(JSON.parse(made({}, { liveActivity: end, relevanceScore: 100 }).text).aps, {
      'relevance-score': 100,
      timestamp: 7,
      event: 'end',
      'content-state': {},
      'stale-date': 8,
      'dismissal-date': 9,
    });
  });

  it('is an MDM wake-up without aps', () => {
    const prepared = made({}, { pushMagic: 'magic' });
    assert.equal(prepared.text, '{"mdm":"magic"}');
    assert.equal(prepared.topic, 'com.example.MyApp');
  });

  const suffixes: Record<string, [suffix: string, highPriority: string, expiration: string]> = {
    alert: ['', '10', '1685955600'],
    background: ['', '5', '1685955600'],
    controls: ['.push-type.controls', '10', '1685955600'],
    complication: ['.complication', '10', '1685955600'],
    fileprovider: ['.pushkit.fileprovider', '10', '1685955600'],
    liveactivity: ['.push-type.liveactivity', '10', '1685955600'],
    location: ['.location-query', '10', '1685955600'],
    mdm: ['', '10', '1685955600'],
    pushtotalk: ['.voip-ptt', '10', '0'],
    voip: ['.voip', '10', '0'],
    widgets: ['.push-type.widgets', '10', '1685955600'],
  };
  for (const pushType of pushTypeNames) {
    it(`has the topic, priority and expiration of ${pushType}`, () => {
      const prepared = made({}, { pushType });
      assert.deepEqual(
        [prepared.topic, prepared.priority, prepared.expiration],
        [`com.example.MyApp${suffixes[pushType]?.[0]}`, suffixes[pushType]?.[1], suffixes[pushType]?.[2]],
      );
      assert.equal(made({}, { pushType, topic: 'com.other' }).topic, 'com.other');
      assert.equal(made({}, { pushType, expiration: 'store' }).expiration, '1685955600');
    });
  }
});

describe('the collapse id', () => {
  it('is the producer’s key where a header can carry it, else a hash', () => {
    assert.equal(collapseId('order-17'), 'order-17');
    assert.equal(collapseId('two words'), 'two words');
    assert.equal(collapseId('a'.repeat(64)), 'a'.repeat(64));
    for (const key of ['a'.repeat(65), 'あ'.repeat(22), 'é', 'Ċ', ' a', 'a ', 'a\nb', '\u0100']) {
      assert.match(collapseId(key), /^[A-Za-z0-9_-]{43}$/);
      assert.equal(collapseId(key), collapseId(key));
    }
    // Both would leave Node as the same byte.
    assert.notEqual(collapseId('あ'), collapseId('B'));
  });

  it('is left to the push when there is no key', () => {
    assert.equal(made(hello).collapseId, undefined);
    assert.equal(made({ ...hello, collapseKey: '' }).collapseId, undefined);
    assert.equal(made({ ...hello, collapseKey: 'k' }).collapseId, 'k');
  });
});

describe('what is refused before it is sent', () => {
  const bodyOf = (bytes: number) => ({ notification: { body: 'x'.repeat(bytes - 20) } });

  it('is a payload over the limit, to the byte', () => {
    assert.equal(made(bodyOf(4096)).body.length, 4096);
    assert.deepEqual(problems(bodyOf(4096)), []);
    assert.deepEqual(problems(bodyOf(4097)), ['/notification/body payload-too-large']);
    assert.deepEqual(problems(bodyOf(5120), { pushType: 'voip' }), []);
    assert.deepEqual(problems(bodyOf(5121), { pushType: 'voip' }), ['/notification/body payload-too-large']);
    assert.deepEqual(problems({ notification: { body: 'あ'.repeat(1_400) } }), [
      '/notification/body payload-too-large',
    ]);
  });

  const start = { event: 'start', contentState: {}, attributesType: 'A', attributes: {} };
  const cases: [
    name: string,
    over: Partial<OutgoingMessage>,
    apns: Overrides | undefined,
    credential: PublicCredential,
    found: string[],
  ][] = [
    ['nothing wrong', hello, { threadId: 'x' }, token, []],
    [
      'background at 10',
      {},
      { pushType: 'background', priority: 10 },
      token,
      ['/vendor/apns/priority priority'],
    ],
    ['background at 5', {}, { pushType: 'background', priority: 5 }, token, []],
    [
      'live activity at 1',
      hello,
      { liveActivity: start, priority: 1 },
      token,
      ['/vendor/apns/priority priority'],
    ],
    ['voip at 5', {}, { pushType: 'voip', priority: 5 }, token, ['/vendor/apns/priority priority']],
    ['visible background', hello, { pushType: 'background' }, token, ['/notification background-visible']],
    [
      'location, certificate',
      {},
      { pushType: 'location' },
      certificate,
      ['/vendor/apns/pushType push-type-credential', '/vendor/apns/pushType topic-not-in-certificate'],
    ],
    ['location, token', {}, { pushType: 'location' }, token, []],
    [
      'mdm, token',
      {},
      { pushType: 'mdm', pushMagic: 'm' },
      token,
      ['/vendor/apns/pushType push-type-credential'],
    ],
    ['mdm without magic', {}, { pushType: 'mdm' }, certificate, ['/vendor/apns/pushMagic required']],
    [
      'magic elsewhere',
      hello,
      { pushType: 'alert', pushMagic: 'm' },
      token,
      ['/vendor/apns/pushMagic push-type'],
    ],
    ['voip in the certificate', {}, { pushType: 'voip' }, certificate, []],
    [
      'complication not in it',
      {},
      { pushType: 'complication' },
      certificate,
      ['/vendor/apns/pushType topic-not-in-certificate'],
    ],
    [
      'a channel id that is none',
      hello,
      { liveActivity: { ...start, inputPushChannel: 'no base64' } },
      token,
      ['/vendor/apns/liveActivity/inputPushChannel schema'],
    ],
    [
      'a subscription to a channel',
      hello,
      { liveActivity: { ...start, inputPushChannel: 'dHN0LXNyY2gtY2hubA==' } },
      token,
      [],
    ],
    [
      'a subscription by an update',
      {},
      { liveActivity: { event: 'update', contentState: {}, inputPushChannel: 'dHN0' } },
      token,
      ['/vendor/apns/liveActivity/inputPushChannel event'],
    ],
    [
      'another topic',
      hello,
      { topic: 'com.other' },
      certificate,
      ['/vendor/apns/topic topic-not-in-certificate'],
    ],
    ['a certificate that names no topics', hello, undefined, { kind: 'certificate', topics: [] }, []],
    [
      'reserved data',
      { ...hello, data: { aps: '1', pushmill: '2' } },
      undefined,
      token,
      ['/data/aps reserved-key', '/data/pushmill reserved-key'],
    ],
    ['reserved custom', hello, { custom: { aps: {} } }, token, ['/vendor/apns/custom/aps reserved-key']],
    [
      'a key twice',
      { ...hello, data: { 'a/b': '1' } },
      { custom: { 'a/b': 2 } },
      token,
      ['/vendor/apns/custom/a~1b exclusive'],
    ],
    [
      'aps keys with a field',
      hello,
      { aps: { badge: 1, future: 1 } },
      token,
      ['/vendor/apns/aps/badge use-field'],
    ],
    ['a badge below 0', { notification: { badge: -1 } }, undefined, token, ['/notification/badge badge']],
    ['a score above 1', hello, { relevanceScore: 2 }, token, ['/vendor/apns/relevanceScore range']],
    ['a score of a Live Activity', hello, { liveActivity: start, relevanceScore: 100 }, token, []],
    [
      'no Live Activity fields',
      {},
      { pushType: 'liveactivity' },
      token,
      ['/vendor/apns/liveActivity required'],
    ],
    [
      'a start without what it needs',
      {},
      { liveActivity: { event: 'start' } },
      token,
      [
        '/vendor/apns/liveActivity/contentState required',
        '/vendor/apns/liveActivity/attributesType required',
        '/vendor/apns/liveActivity/attributes required',
        '/notification required',
      ],
    ],
    [
      'both ways of updates',
      hello,
      { liveActivity: { ...start, inputPushToken: true, inputPushChannel: 'c' } },
      token,
      ['/vendor/apns/liveActivity/inputPushToken exclusive'],
    ],
    [
      'an update with attributes',
      {},
      { liveActivity: { ...start, event: 'update', dismissalDate: 1 } },
      token,
      [
        '/vendor/apns/liveActivity/attributesType event',
        '/vendor/apns/liveActivity/attributes event',
        '/vendor/apns/liveActivity/dismissalDate event',
      ],
    ],
    ['an end', {}, { liveActivity: { event: 'end', dismissalDate: 1 } }, token, []],
    ['an unknown field', hello, { colour: 'red' }, token, ['/vendor/apns schema']],
    ['a wrong type', hello, { priority: 7 }, token, ['/vendor/apns/priority schema']],
  ];
  // Even a certificate that lists the topic.
  const everything = { kind: 'certificate', topics: [] };
  for (const pushType of ['controls', 'liveactivity', 'location', 'pushtotalk', 'widgets'] as const) {
    it(`${pushType} with a certificate`, () => {
      const apns = pushType === 'liveactivity' ? { liveActivity: start } : { pushType };
      assert.deepEqual(problems(hello, apns, everything), ['/vendor/apns/pushType push-type-credential']);
      assert.deepEqual(problems(hello, apns, token), []);
    });
  }
  for (const pushType of ['alert', 'complication', 'fileprovider', 'voip'] as const) {
    it(`but not ${pushType} with either`, () => {
      for (const credential of [everything, token])
        assert.deepEqual(problems(hello, { pushType }, credential), []);
    });
  }

  for (const [name, over, apns, credential, found] of cases) {
    it(name, () => {
      const got = [...new Set(problems(over, apns, credential))];
      if (found.length === 1 && found[0]?.endsWith(' schema')) {
        assert.ok(got.length > 0 && got.every((problem) => problem.endsWith(' schema')), got.join());
      } else {
        assert.deepEqual(got, found);
      }
    });
  }
});
