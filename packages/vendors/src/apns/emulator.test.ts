import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createAuthority } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import type { ApnsEmulatorHandle, ApnsEmulatorOptions } from './emulator.ts';
import { startApnsEmulator } from './emulator.ts';
import { makeKey, RawClient, deviceToken as token } from './fixtures.ts';

const bundleId = 'com.example.pushmill';
const id = 'eabeae54-14a8-11e5-b60b-1697f925ec7b';
const start = 1_800_000_000_000;

let authority: Authority;
before(async () => {
  authority = await createAuthority(new Date());
});

async function withEmulator(
  options: Partial<ApnsEmulatorOptions>,
  act: (emulator: ApnsEmulatorHandle, client: RawClient) => Promise<void>,
): Promise<void> {
  const emulator = await startApnsEmulator({ port: 0, authority, seed: 1, ...options });
  const client = new RawClient(emulator.origin, authority);
  try {
    await act(emulator, client);
  } finally {
    client.close();
    await emulator.close();
  }
}

describe('the emulator refuses what APNs refuses', () => {
  const key = makeKey('AAAAAAAAAA', 'TEAMTEAM01');
  const keys = [key.known, makeKey('ONLYVOIP01', 'TEAMTEAM01').known];
  let emulator: ApnsEmulatorHandle;
  let client: RawClient;
  before(async () => {
    emulator = await startApnsEmulator({ port: 0, authority, seed: 1, keys, now: () => start });
    client = new RawClient(emulator.origin, authority);
  });
  after(async () => {
    client.close();
    await emulator.close();
  });

  const cases: [
    name: string,
    headers: Record<string, string | string[] | undefined>,
    status: number,
    reason?: string,
  ][] = [
    ['a good push', {}, 200],
    ['another method', { ':method': 'PUT' }, 405, 'MethodNotAllowed'],
    ['an id of 35 characters', { 'apns-id': '123e4567-e89b-12d3-a456-4266554400a' }, 400, 'BadMessageId'],
    ['no topic', { 'apns-topic': undefined }, 400, 'MissingTopic'],
    ['the topic of another app', { 'apns-topic': 'com.other' }, 400, 'TopicDisallowed'],
    ['the topic of another type', { 'apns-topic': `${bundleId}.voip` }, 400, 'BadTopic'],
    ['64 bytes of collapse id', { 'apns-collapse-id': 'a'.repeat(64) }, 200],
    [
      '66 bytes of collapse id in 22 characters',
      { 'apns-collapse-id': Buffer.from('あ'.repeat(22)).toString('latin1') },
      400,
      'BadCollapseId',
    ],
    ['an unknown priority', { 'apns-priority': '7' }, 400, 'BadPriority'],
    ['a background push at 10', { 'apns-push-type': 'background' }, 400, 'BadPriority'],
    ['a date for an expiration', { 'apns-expiration': '2026-01-01' }, 400, 'BadExpirationDate'],
    ['an unknown type', { 'apns-push-type': 'shout' }, 400, 'InvalidPushType'],
    ['a header twice', { 'apns-topic': [bundleId, bundleId] }, 400, 'DuplicateHeaders'],
    ['no device token', { ':path': '/3/device/' }, 400, 'MissingDeviceToken'],
    ['another path', { ':path': `/2/device/${token}` }, 404, 'BadPath'],
    ['an odd token', { ':path': `/3/device/${token}a` }, 400, 'BadDeviceToken'],
    ['a token of zeros', { ':path': `/3/device/${'0'.repeat(64)}` }, 400, 'BadDeviceToken'],
    ['a long token', { ':path': `/3/device/${token}${token}` }, 200],
    ['no provider token', { authorization: undefined }, 403, 'MissingProviderToken'],
    ['nonsense', { authorization: 'bearer nonsense' }, 403, 'InvalidProviderToken'],
    ['another scheme', { authorization: 'basic eA==' }, 403, 'InvalidProviderToken'],
    [
      'an unknown key',
      { authorization: makeKey('UNKNOWN001', 'TEAMTEAM01').header(start) },
      403,
      'InvalidProviderToken',
    ],
    [
      'a key that is not the one of its name',
      { authorization: makeKey('AAAAAAAAAA', 'TEAMTEAM01').header(start) },
      403,
      'InvalidProviderToken',
    ],
    ['an old token', { authorization: key.header(start - 3_601_000) }, 403, 'ExpiredProviderToken'],
    [
      'a token from the future',
      { authorization: key.header(start + 3_601_000) },
      403,
      'InvalidProviderToken',
    ],
  ];
  for (const [name, over, status, reason] of cases) {
    it(`${name}: ${status} ${reason ?? ''}`, async () => {
      const answer = await client.send({
        'apns-id': id,
        'apns-topic': bundleId,
        'apns-push-type': 'alert',
        'apns-priority': '10',
        'apns-expiration': '0',
        authorization: key.header(start),
        ...over,
      });
      // Every case signs anew, and two changes within 20 minutes would be refused before anything else.
      client.close();
      client = new RawClient(emulator.origin, authority);
      assert.equal(answer.status, status, String(answer.reason));
      assert.equal(answer.reason, reason);
      assert.equal(answer.headers['content-type'], undefined);
      if (over['apns-id'] === undefined) assert.equal(answer.headers['apns-id'], id);
    });
  }

  it('sizes: 4096 and 4097 bytes, 5120 and 5121 for voip, none', async () => {
    const headers = { 'apns-topic': bundleId, authorization: key.header(start) };
    const voip = { ...headers, 'apns-topic': `${bundleId}.voip`, 'apns-push-type': 'voip' };
    assert.equal((await client.send(headers, 'x'.repeat(4096))).status, 200);
    assert.equal((await client.send(headers, 'x'.repeat(4097))).reason, 'PayloadTooLarge');
    assert.equal((await client.send(voip, 'x'.repeat(5120))).status, 200);
    assert.equal((await client.send(voip, 'x'.repeat(5121))).status, 413);
    assert.equal((await client.send(headers, '')).reason, 'PayloadEmpty');
    const own = (await client.send(headers)).headers['apns-id'] as string;
    assert.match(own, /^[0-9A-F]{8}-/, 'an id that APNs makes is in capitals');
  });
});

describe('the emulator binds a connection', () => {
  const first = makeKey('AAAAAAAAAA', 'TEAMTEAM01', { relatedKeyId: 'BBBBBBBBBB' });
  const second = makeKey('BBBBBBBBBB', 'TEAMTEAM01');
  const unrelated = makeKey('CCCCCCCCCC', 'TEAMTEAM01');
  const otherTeam = makeKey('DDDDDDDDDD', 'TEAMTEAM02');
  const sandbox = makeKey('EEEEEEEEEE', 'TEAMTEAM01', { environment: 'sandbox' });
  const voipOnly = makeKey('FFFFFFFFFF', 'TEAMTEAM01', { topics: [`${bundleId}.voip`] });
  const keys = [first, second, unrelated, otherTeam, sandbox, voipOnly].map(({ known }) => known);

  it('to a team and a key, and lets a token follow twice an hour only', async () => {
    let now = start;
    await withEmulator({ keys, now: () => now }, async (_emulator, client) => {
      const send = async (authorization: string) =>
        (await client.send({ 'apns-topic': bundleId, authorization })).reason ?? 'ok';
      const opening = first.header(now);
      assert.equal(await send(opening), 'ok');
      assert.equal(await send(otherTeam.header(now)), 'InvalidProviderToken');
      assert.equal(await send(unrelated.header(now)), 'UnrelatedKeyIdInToken');
      assert.equal(await send(sandbox.header(now)), 'BadEnvironmentKeyIdInToken');
      assert.equal(await send(second.header(now)), 'ok', 'the rotation pair');
      assert.equal(await send(first.header(now - 1_000)), 'UnrelatedKeyIdInToken', 'not back again');
      now += 19 * 60_000;
      assert.equal(await send(second.header(now)), 'TooManyProviderTokenUpdates');
      now += 60_000;
      const third = second.header(now);
      assert.equal(await send(third), 'ok');
      now += 3_601_000;
      assert.equal(await send(third), 'ExpiredProviderToken');
    });
  });

  it('to the topics of a key', async () => {
    await withEmulator({ keys, now: () => start }, async (_emulator, client) => {
      const authorization = voipOnly.header(start);
      assert.equal((await client.send({ 'apns-topic': bundleId, authorization })).reason, 'TopicDisallowed');
      const headers = { 'apns-topic': `${bundleId}.voip`, 'apns-push-type': 'voip', authorization };
      assert.equal((await client.send(headers)).status, 200);
    });
  });

  it('to one stream, until a push is taken', async () => {
    await withEmulator({ keys, now: () => start }, async (_emulator, client) => {
      const authorization = first.header(start);
      await client.send({ 'apns-topic': 'com.other', authorization });
      assert.equal(client.session.remoteSettings.maxConcurrentStreams, 1);
      const raised = new Promise<void>((resolve) => client.session.once('remoteSettings', () => resolve()));
      await client.send({ 'apns-topic': bundleId, authorization });
      await raised;
      assert.equal(client.session.remoteSettings.maxConcurrentStreams, 1_000);
    });
  });
});

describe('what is planned for a token', () => {
  const key = makeKey('AAAAAAAAAA', 'TEAMTEAM01');
  const headers = () => ({ 'apns-topic': bundleId, 'apns-id': id, authorization: key.header(start) });

  it('comes in order, then yes; second copies are counted', async () => {
    await withEmulator({ keys: [key.known], now: () => start }, async (emulator, client) => {
      const all = headers();
      emulator.plan(token, 'token-dead', 'throttled', 'accepted');
      const dead = await client.send(all);
      assert.deepEqual([dead.status, dead.reason, dead.timestamp], [410, 'Unregistered', start]);
      assert.equal((await client.send(all)).reason, 'TooManyRequests');
      assert.equal((await client.send(all)).status, 200);
      assert.equal((await client.send(all)).status, 200);
      assert.deepEqual(emulator.account(), {
        requests: 4,
        accepted: 1,
        duplicates: 1,
        refused: { Unregistered: 1, TooManyRequests: 1 },
        receiptsSent: 0,
        receiptsTaken: 0,
      });
    });
  });

  it('may end the connection with words', async () => {
    await withEmulator({ keys: [key.known], now: () => start }, async (emulator, client) => {
      const all = headers();
      await client.send(all);
      emulator.plan(token, 'goaway');
      await assert.rejects(client.send(all));
      assert.deepEqual(client.goaways, ['{"reason":"Shutdown"}']);
      assert.equal(emulator.account().accepted, 1);
    });
  });

  it('is drawn by the seed otherwise', async () => {
    const draw = async () => {
      const reasons: (string | undefined)[] = [];
      await withEmulator({ keys: [key.known], seed: 7, now: () => start }, async (emulator, client) => {
        const all = headers();
        emulator.setFaults({ 'token-dead': 0.3, unavailable: 0.2 });
        for (let n = 0; n < 60; n++) reasons.push((await client.send(all)).reason);
      });
      return reasons;
    };
    const drawn = await draw();
    assert.deepEqual(await draw(), drawn);
    assert.deepEqual(new Set(drawn), new Set([undefined, 'Unregistered', 'ServiceUnavailable']));
  });
});
