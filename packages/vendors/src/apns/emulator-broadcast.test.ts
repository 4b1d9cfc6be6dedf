import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createAuthority } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import type { ApnsEmulatorHandle } from './emulator.ts';
import { startApnsEmulator } from './emulator.ts';
import { makeKey, RawClient } from './fixtures.ts';

const bundleId = 'com.example.pushmill';
const start = 1_800_000_000_000;
const requestId = 'eabeae54-14a8-11e5-b60b-1697f925ec7b';
const unknownChannel = 'dHN0LXNyY2gtY2hubA==';
const update = JSON.stringify({ aps: { timestamp: 1, event: 'update', 'content-state': {} } });

type Headers = Record<string, string | undefined>;

describe('the emulator refuses what APNs refuses of broadcasts', () => {
  const key = makeKey('AAAAAAAAAA', 'TEAMTEAM01');
  const voipOnly = makeKey('BBBBBBBBBB', 'TEAMTEAM01', { topics: [`${bundleId}.voip`] });
  const authorization = key.header(start);
  let authority: Authority;
  let emulator: ApnsEmulatorHandle;
  let client: RawClient;
  let stored: string;
  let unstored: string;

  const manage = (headers: Headers, body?: unknown, path = `/1/apps/${bundleId}/channels`) =>
    client.send(
      {
        ':path': path,
        'apns-id': undefined,
        'apns-request-id': requestId,
        authorization,
        ...headers,
      },
      body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body),
    );
  const create = (policy: unknown) =>
    manage({}, { 'message-storage-policy': policy, 'push-type': 'LiveActivity' });

  before(async () => {
    authority = await createAuthority(new Date());
    emulator = await startApnsEmulator({
      port: 0,
      authority,
      seed: 1,
      keys: [key.known, voipOnly.known],
      now: () => start,
    });
    client = new RawClient(emulator.origin, authority);
    [unstored, stored] = (await Promise.all([create(0), create(1)])).map(
      ({ headers }) => headers['apns-channel-id'] as string,
    ) as [string, string];
  });
  after(async () => {
    client.close();
    await emulator.close();
  });

  const broadcasts: [name: string, over: Headers, body: string, status: number, reason?: string][] = [
    ['a good one', {}, update, 200],
    ['an end', {}, '{"aps":{"timestamp":1,"event":"end"}}', 200],
    ['the type in capitals', { 'apns-push-type': 'LiveActivity' }, update, 200],
    ['no priority', { 'apns-priority': undefined }, update, 200],
    ['a start', {}, '{"aps":{"timestamp":1,"event":"start"}}', 400, 'BadRequestPayload'],
    ['no time', {}, '{"aps":{"event":"update"}}', 400, 'BadRequestPayload'],
    ['an alert', {}, '{"aps":{"alert":"Hello"}}', 400, 'BadRequestPayload'],
    ['no JSON', {}, '{', 400, 'BadRequestPayload'],
    ['nothing', {}, '', 400, 'PayloadEmpty'],
    ['too much', {}, ' '.repeat(5_121), 413, 'PayloadTooLarge'],
    ['no channel', { 'apns-channel-id': undefined }, update, 400, 'MissingChannelId'],
    ['no base64', { 'apns-channel-id': 'x!' }, update, 400, 'BadChannelId'],
    ['no such channel', { 'apns-channel-id': unknownChannel }, update, 400, 'ChannelNotRegistered'],
    ['no type', { 'apns-push-type': undefined }, update, 400, 'MissingPushType'],
    ['another type', { 'apns-push-type': 'alert' }, update, 400, 'InvalidPushType'],
    ['priority 1', { 'apns-priority': '1' }, update, 400, 'BadPriority'],
    ['no expiration', { 'apns-expiration': undefined }, update, 400, 'BadExpirationDate'],
    ['a time where nothing is stored', { 'apns-expiration': '1800000600' }, update, 400, 'BadExpirationDate'],
    ['an id that is none', { 'apns-request-id': 'x' }, update, 400, 'BadMessageId'],
    ['a topic', { 'apns-topic': bundleId }, update, 400, 'BadRequestParams'],
    ['another method', { ':method': 'PUT' }, update, 405, 'MethodNotAllowed'],
    ['another path', { ':path': '/4/broadcasts' }, update, 404, 'BadPath'],
    ['a suffix', { ':path': `/4/broadcasts/apps/${bundleId}.voip` }, update, 400, 'TopicDisallowed'],
    ['another app', { ':path': '/4/broadcasts/apps/com.other' }, update, 403, 'TopicMismatch'],
    ['no provider token', { authorization: undefined }, update, 403, 'MissingProviderToken'],
    ['nonsense', { authorization: 'bearer x' }, update, 403, 'InvalidProviderToken'],
    ['an old token', { authorization: key.header(start - 3_601_000) }, update, 403, 'ExpiredProviderToken'],
  ];
  for (const [name, over, body, status, reason] of broadcasts) {
    it(`${name}: ${status} ${reason ?? ''}`, async () => {
      const answer = await client.send(
        {
          ':path': `/4/broadcasts/apps/${bundleId}`,
          'apns-channel-id': unstored,
          'apns-request-id': requestId,
          'apns-push-type': 'liveactivity',
          'apns-priority': '10',
          'apns-expiration': '0',
          authorization,
          ...over,
        },
        body,
      );
      assert.equal(answer.status, status, String(answer.reason));
      assert.equal(answer.reason, reason);
      assert.equal(answer.headers['apns-id'], undefined);
      if (over['apns-request-id'] === undefined) assert.equal(answer.headers['apns-request-id'], requestId);
    });
  }

  it('a time where something is stored: 200', async () => {
    const answer = await client.send(
      {
        ':path': `/4/broadcasts/apps/${bundleId}`,
        'apns-channel-id': stored,
        'apns-push-type': 'liveactivity',
        'apns-expiration': '1800000600',
        authorization,
      },
      update,
    );
    assert.equal(answer.status, 200);
  });

  const policy = { 'message-storage-policy': 0, 'push-type': 'LiveActivity' };
  const gone = { 'apns-channel-id': unknownChannel };
  const all = `/1/apps/${bundleId}/all-channels`;
  const managements: [
    name: string,
    over: Headers,
    body: unknown,
    path: string | undefined,
    status: number,
    reason?: string,
  ][] = [
    ['a body of nothing', {}, undefined, undefined, 400, 'PayloadEmpty'],
    ['a body that is no JSON', {}, 'x', undefined, 400, 'BadRequestPayload'],
    ['no policy', {}, { 'push-type': 'LiveActivity' }, undefined, 400, 'MissingChannelQueueSize'],
    ['policy 2', {}, { ...policy, 'message-storage-policy': 2 }, undefined, 400, 'MissingChannelQueueSize'],
    ['no type', {}, { 'message-storage-policy': 0 }, undefined, 400, 'MissingPushType'],
    ['another type', {}, { ...policy, 'push-type': 'alert' }, undefined, 400, 'InvalidPushType'],
    ['reading none', { ':method': 'GET' }, undefined, undefined, 400, 'MissingChannelId'],
    [
      'reading an unknown one',
      { ':method': 'GET', ...gone },
      undefined,
      undefined,
      400,
      'ChannelNotRegistered',
    ],
    ['deleting none', { ':method': 'DELETE' }, undefined, undefined, 400, 'MissingChannelId'],
    [
      'deleting an unknown one',
      { ':method': 'DELETE', ...gone },
      undefined,
      undefined,
      400,
      'ChannelNotRegistered',
    ],
    ['another method', { ':method': 'PUT' }, undefined, undefined, 405, 'MethodNotAllowed'],
    ['making a list', {}, policy, all, 405, 'MethodNotAllowed'],
    ['another path', {}, policy, `/1/apps/${bundleId}/none`, 404, 'BadPath'],
    ['another app', {}, policy, '/1/apps/com.other/channels', 403, 'TopicMismatch'],
    ['an id that is none', { 'apns-request-id': 'x' }, policy, undefined, 400, 'BadMessageId'],
    ['no provider token', { authorization: undefined }, policy, undefined, 403, 'MissingProviderToken'],
  ];
  for (const [name, over, body, path, status, reason] of managements) {
    it(`management, ${name}: ${status} ${reason ?? ''}`, async () => {
      const answer = await manage(over, body, path);
      assert.deepEqual([answer.status, answer.reason], [status, reason]);
    });
  }

  it('a key of another topic of the app', async () => {
    const other = new RawClient(emulator.origin, authority);
    const answer = await other.send(
      { ':method': 'GET', ':path': all, authorization: voipOnly.header(start) },
      '',
    );
    other.close();
    assert.equal(answer.reason, 'TopicMismatch');
  });

  it('channels of the other environment', async () => {
    const sandbox = new RawClient(emulator.otherOrigin, authority);
    const headers = { ':method': 'GET', ':path': all, authorization };
    const listed = (await sandbox.send(headers, '')) as unknown as { channels: string[] };
    assert.deepEqual(listed.channels, []);
    const own = (await client.send(headers, '')) as unknown as { channels: string[] };
    assert.ok(own.channels.includes(stored));
    sandbox.close();
  });
});
