import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { createAuthority } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import type { Audience, OutgoingMessage, OutgoingPush } from '../vendor.ts';
import { audiences, broadcastRequest } from './broadcast.ts';
import { checkMessage } from './check.ts';
import type { TakenPush } from './emulator.ts';
import type { Scene, SceneOptions } from './fixtures.ts';
import { stage as stageWith } from './fixtures.ts';
import type { ApnsSettings } from './settings.ts';

let authority: Authority;
before(async () => {
  authority = await createAuthority(new Date());
});

const hour = 3_600_000;
const createdAt = 1_700_000_000_500;
const channelId = 'dHN0LXNyY2gtY2hubA==';
const update = { liveActivity: { event: 'update', contentState: { score: '1:0' } } };

const content = (apns: Record<string, unknown>, over: Partial<OutgoingMessage> = {}) => ({
  createdAt,
  expiresAt: createdAt + 24 * hour,
  notification: null,
  ...over,
  vendor: { apns },
});

const stage = (options: SceneOptions, act: (scene: Scene, audience: Audience) => Promise<void>) =>
  stageWith(authority, { content: content(update), ...options }, (scene) => {
    const offered = scene.emulator.channels.find(({ name }) => name === 'apns-token')?.audiences?.[0];
    return act(scene, offered as Audience);
  });

describe('a broadcast', () => {
  const settings: ApnsSettings = {
    environment: 'production',
    topic: 'com.example.MyApp',
    port: 443,
    requestTimeoutMs: 1_000,
    maxConnections: 8,
    collapse: 'identity',
  };
  const message = (apns: Record<string, unknown>, over: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
    id: 'm',
    class: 'transactional',
    priority: 'high',
    ...content(apns, over),
  });
  const made = (apns: Record<string, unknown>, over: Partial<OutgoingMessage> = {}) =>
    broadcastRequest(
      {
        id: 'm.0',
        identity: '6f1a2c1e-0000-4000-8000-000000000000',
        token: '',
        message: message(apns, over),
      } satisfies OutgoingPush,
      { kind: 'broadcast', channelId },
      settings,
      new AbortController().signal,
    );

  it('has no topic, no collapse id and no device', () => {
    const { method, path, headers, body } = made(update, { collapseKey: 'k' });
    assert.equal(method, 'POST');
    assert.equal(path, '/4/broadcasts/apps/com.example.MyApp');
    assert.deepEqual(headers, {
      'apns-channel-id': channelId,
      'apns-request-id': '6f1a2c1e-0000-4000-8000-000000000000',
      'apns-push-type': 'liveactivity',
      'apns-priority': '10',
      'apns-expiration': '0',
    });
    assert.equal(
      String(body),
      '{"aps":{"timestamp":1700000000,"event":"update","content-state":{"score":"1:0"}}}',
    );
    assert.equal(made(update, { priority: 'normal' }).headers['apns-priority'], '5');
  });

  it('is stored only where the message asks for it, eight hours at most, rounded down', () => {
    const expiration = (apns: Record<string, unknown>, expiresAt: number) =>
      made({ ...update, ...apns }, { expiresAt }).headers['apns-expiration'];
    assert.equal(expiration({}, createdAt + hour), '0');
    assert.equal(expiration({ expiration: 'once' }, createdAt + hour), '0');
    assert.equal(expiration({ expiration: 'store' }, createdAt + hour + 999), '1700003601');
    assert.equal(expiration({ expiration: 'store' }, createdAt + 24 * hour), '1700028800');
  });

  const cases: [name: string, apns: Record<string, unknown>, found: string[]][] = [
    ['an update', update, []],
    ['an end', { liveActivity: { event: 'end' } }, []],
    ['the type said as well', { ...update, pushType: 'liveactivity' }, []],
    ['no Live Activity', {}, ['/vendor/apns/liveActivity required']],
    ['another type', { ...update, pushType: 'alert' }, ['/vendor/apns/liveActivity required']],
    [
      'a start',
      { liveActivity: { event: 'start', contentState: {}, attributesType: 'A', attributes: {} } },
      ['/vendor/apns/liveActivity/event event'],
    ],
    ['a topic', { ...update, topic: 'com.other' }, ['/vendor/apns/topic broadcast-topic']],
  ];
  for (const [name, apns, found] of cases) {
    it(`is checked: ${name}`, () => {
      const problems = audiences.check({ kind: 'broadcast', channelId }, message(apns), settings);
      assert.deepEqual(
        problems.map(({ pointer, code }) => `${pointer} ${code}`),
        found,
      );
    });
  }

  it('is as large as a push at most', () => {
    const apns = (bytes: number) => ({
      liveActivity: { event: 'end', contentState: { s: 'x'.repeat(bytes) } },
    });
    const size = (bytes: number) => Buffer.byteLength(made(apns(bytes)).body as Buffer);
    const room = 4_096 - size(0);
    const problems = (bytes: number) =>
      checkMessage(message(apns(bytes)), settings, { kind: 'token' }).map(({ code }) => code);
    assert.equal(size(room), 4_096);
    assert.deepEqual(problems(room), []);
    assert.deepEqual(problems(room + 1), ['payload-too-large']);
  });

  it('arrives, with its identity', async () => {
    const taken: TakenPush[] = [];
    await stage({ onPush: (each) => taken.push(each) }, async ({ push, send, emulator }, audience) => {
      const each = push({ token: '', audience });
      assert.deepEqual(await send(each), { kind: 'accepted', vendorMessageId: each.identity });
      assert.ok(emulator.hasTaken(each));
      assert.equal((await send(each)).kind, 'accepted');
      assert.equal(emulator.account().duplicates, 1);
      const [one] = taken;
      assert.equal(one?.channelId, audience.channelId);
      assert.equal(one?.token, '');
      assert.match(String(one?.headers.authorization), /^bearer /);
      // Pushes to devices go over the same connection.
      const device = push();
      assert.equal((await send({ ...device, message: { ...device.message } })).kind, 'accepted');
      assert.equal(emulator.connectionsOpened, 1);
    });
  });

  it('may be stored by a channel that stores', async () => {
    const options = { content: content({ ...update, expiration: 'store' }) };
    await stage(options, async ({ push, send, sender }, audience) => {
      assert.equal((await send(push({ token: '', audience }))).kind, 'accepted');
      const { signal } = new AbortController();
      const made = await sender.operate?.('create-broadcast-channel', { messageStoragePolicy: 0 }, signal);
      const keepsNothing = { kind: 'broadcast', channelId: made?.result?.channelId };
      const refused = await send(push({ token: '', audience: keepsNothing }));
      assert.partialDeepStrictEqual(refused, { kind: 'rejected', code: 'BadExpirationDate' });
      assert.match((refused as { detail: string }).detail, /stores no message.*leave out/);
    });
  });

  it('gives every kind of answer its outcome, and the channel goes on', async () => {
    await stage({ settings: { requestTimeoutMs: 200 } }, async ({ emulator, push, send }, audience) => {
      for (const [answer, expected] of [
        ['token-dead', { kind: 'rejected', code: 'ChannelNotRegistered' }],
        ['rejected', { kind: 'rejected', code: 'BadChannelId' }],
        ['throttled', { kind: 'throttled', scope: 'token' }],
        ['unavailable', { kind: 'unavailable', mayHaveArrived: false }],
        ['timeout', { kind: 'unavailable', code: 'timeout', mayHaveArrived: true }],
        ['reset', { kind: 'unavailable', code: 'connection-lost', mayHaveArrived: true }],
        ['goaway', { kind: 'accepted' }],
        ['misconfigured', { kind: 'misconfigured', code: 'InvalidProviderToken' }],
      ] as const) {
        emulator.plan(audience.channelId as string, answer);
        assert.partialDeepStrictEqual(await send(push({ token: '', audience })), expected, answer);
      }
      assert.equal((await send(push({ token: '', audience }))).kind, 'accepted');
    });
  });

  it('to a channel of one environment is not known in the other', async () => {
    await stage({}, async ({ push, send }, audience) => {
      const lost = await send(push({ token: '', audience, environment: 'sandbox' }));
      assert.partialDeepStrictEqual(lost, { kind: 'rejected', code: 'ChannelNotRegistered' });
      assert.match((lost as { detail: string }).detail, /in the sandbox environment/);
    });
  });
});
