import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createAuthority } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import { fcmCodeOf, HandClient } from './by-hand.ts';
import { type FcmEmulatorHandle, startFcmEmulator } from './emulator.ts';

let authority: Authority;
let emulator: FcmEmulatorHandle;
let client: HandClient;
before(async () => {
  authority = await createAuthority(new Date());
  emulator = await startFcmEmulator({ port: 0, authority, seed: 1 });
  client = new HandClient(emulator, authority);
});
after(async () => {
  client.close();
  await emulator.close();
});

type Headers = Record<string, string | undefined>;

describe('many tokens and one topic', () => {
  const batch = async (what: 'Add' | 'Remove', body: unknown, over: Headers = {}) =>
    client.call(
      {
        ':path': `/iid/v1:batch${what}`,
        authorization: await client.authorization(),
        access_token_auth: 'true',
        'content-type': 'application/json',
        ...over,
      },
      JSON.stringify(body),
    );
  const tokensOf = (...tokens: unknown[]) => ({ to: '/topics/news', registration_tokens: tokens });

  it('are put together and apart, each token answered for in order', async () => {
    const [good, gone, none, foreign] = [1, 2, 3, 4].map(() => emulator.newToken()) as [
      string,
      string,
      string,
      string,
    ];
    emulator.setToken(gone, 'unregistered');
    emulator.setToken(none, 'malformed');
    emulator.setToken(foreign, 'mismatched');
    const added = await batch('Add', tokensOf(good, gone, none, 'x', 7, foreign));
    assert.equal(added.status, 200);
    assert.deepEqual(added.json.results, [
      {},
      { error: 'NOT_FOUND' },
      { error: 'INVALID_ARGUMENT' },
      { error: 'INVALID_ARGUMENT' },
      { error: 'INVALID_ARGUMENT' },
      { error: 'PERMISSION_DENIED' },
    ]);
    assert.deepEqual(
      [emulator.isSubscribed(good, 'news'), emulator.isSubscribed(gone, 'news')],
      [true, false],
    );
    assert.deepEqual((await batch('Remove', tokensOf(good))).json.results, [{}]);
    assert.equal(emulator.isSubscribed(good, 'news'), false);
  });

  it('get what is planned for a token', async () => {
    const token = emulator.newToken();
    emulator.plan(token, 'token-dead', 'rejected', 'misconfigured', 'throttled', 'unavailable');
    const words = ['NOT_FOUND', 'TOO_MANY_TOPICS', 'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'INTERNAL'];
    for (const error of words) {
      assert.deepEqual((await batch('Add', tokensOf(token))).json.results, [{ error }]);
    }
    assert.deepEqual((await batch('Add', tokensOf(token))).json.results, [{}]);
  });

  it('are 1,000 at most, and topics 2,000 a device', async () => {
    const token = emulator.newToken();
    assert.equal((await batch('Add', tokensOf(...Array(1_000).fill(token)))).json.results?.length, 1_000);
    const tooMany = await batch('Add', tokensOf(...Array(1_001).fill(token)));
    assert.deepEqual([tooMany.status, tooMany.json.error], [400, 'TooManyRegistrationTokens']);
    const topics = Array.from({ length: 1_999 }, (_, n) => `topic-${n}`);
    for (const topic of topics) {
      const { json } = await batch('Add', { to: `/topics/${topic}`, registration_tokens: [token] });
      assert.deepEqual(json.results, [{}], topic);
    }
    const beyond = { to: '/topics/beyond', registration_tokens: [token] };
    assert.deepEqual((await batch('Add', beyond)).json.results, [{ error: 'TOO_MANY_TOPICS' }]);
    assert.deepEqual((await batch('Add', tokensOf(token))).json.results, [{}], 'one that it has');
  });

  it('are refused as a whole for what is wrong with the call', async () => {
    const token = emulator.newToken();
    const cases: [unknown, Headers, number, string][] = [
      [{ to: 'news', registration_tokens: [token] }, {}, 400, 'InvalidTopicName'],
      [{ to: '/topics/a b', registration_tokens: [token] }, {}, 400, 'InvalidTopicName'],
      [{ to: '/topics/news' }, {}, 400, 'MissingRegistrationTokens'],
      [tokensOf(), {}, 400, 'MissingRegistrationTokens'],
      [[], {}, 400, 'InvalidRequest'],
      [tokensOf(token), { access_token_auth: undefined }, 401, 'Unauthorized'],
      [tokensOf(token), { authorization: 'Bearer x' }, 401, 'Unauthorized'],
    ];
    for (const [body, headers, status, error] of cases) {
      const answer = await batch('Add', body, headers);
      assert.deepEqual([answer.status, answer.json.error], [status, error]);
    }
    emulator.setPermission('denied');
    assert.equal((await batch('Add', tokensOf(token))).status, 403);
    emulator.setPermission('granted');
  });
});

describe('one token and one topic', () => {
  const ask = async (method: string, token: string, rest: string, project = emulator.projectId) =>
    client.call(
      {
        ':method': method,
        ':path': `/v1/projects/${project}/registrations/${encodeURIComponent(token)}/topicSubscriptions${rest}`,
        authorization: await client.authorization(),
        'content-type': 'application/json',
      },
      method === 'POST' ? '{}' : '',
    );

  it('are put together once, and apart', async () => {
    const token = emulator.newToken();
    assert.equal((await ask('POST', token, '?topic_name=news')).status, 200);
    assert.ok(emulator.isSubscribed(token, 'news'));
    const twice = await ask('POST', token, '?topic_name=news');
    assert.deepEqual([twice.status, twice.json.error?.status], [409, 'ALREADY_EXISTS']);
    assert.equal((await ask('DELETE', token, '/news')).status, 200);
    assert.equal(emulator.isSubscribed(token, 'news'), false);
    assert.equal((await ask('DELETE', token, '/news')).status, 404);
    assert.equal((await ask('DELETE', token, '/news?allow_missing=true')).status, 200);
  });

  it('are refused', async () => {
    const token = emulator.newToken();
    const gone = emulator.newToken();
    emulator.setToken(gone, 'unregistered');
    const dead = await ask('POST', gone, '?topic_name=news');
    assert.deepEqual([dead.status, fcmCodeOf(dead)], [404, 'UNREGISTERED']);
    const bad = await ask('POST', 'x', '?topic_name=news');
    assert.deepEqual([bad.status, fcmCodeOf(bad)], [400, 'INVALID_ARGUMENT']);
    emulator.plan(token, 'throttled');
    assert.equal((await ask('POST', token, '?topic_name=news')).json.error?.status, 'RESOURCE_EXHAUSTED');
    assert.equal((await ask('POST', token, '?topic_name=a%20b')).status, 400);
    assert.equal((await ask('POST', token, '')).status, 400);
    assert.equal((await ask('PUT', token, '?topic_name=news')).status, 404);
    const elsewhere = await ask('POST', token, '?topic_name=news', 'other-project');
    assert.deepEqual([elsewhere.status, fcmCodeOf(elsewhere)], [404, undefined]);
    assert.equal(emulator.isSubscribed(token, 'news'), false);
  });
});
