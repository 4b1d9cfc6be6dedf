import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { apnsCredential, mpaasChannel, useHttpWorld } from './http-setup.ts';

const world = await useHttpWorld();
const { api, operator, producer } = world;

const settings = { topic: 'com.example.app' };
const call = (
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  payload?: object,
  headers = operator,
) =>
  api.inject({
    method,
    url: `/v1/channels${path}`,
    headers,
    ...(payload === undefined ? {} : { payload }),
  });
const names = async () =>
  (await call('GET', '')).json().items.map((channel: { name: string }) => channel.name);

describe('channels', () => {
  it('are added, and their secrets never come out', async () => {
    const credential = apnsCredential();
    const made = await call('POST', '', { name: 'ios', vendor: 'apns', settings, credential });
    assert.equal(made.statusCode, 201, made.body);
    const channel = made.json();
    assert.equal(channel.state, 'on');
    assert.equal(channel.emulator, false);
    assert.equal(channel.settings.environment, 'production');
    assert.equal(channel.credential.keyId, credential.keyId);
    assert.equal(channel.callbackUrl, null);
    const everything = [made.body, (await call('GET', '')).body, (await call('GET', '/ios')).body];
    const secret = (credential.privateKey as string).split('\n')[1] as string;
    assert.ok(!everything.join('').includes(secret));
    assert.ok(!world.logged.join('').includes(secret));
  });

  it('show their callback address to operators alone', async () => {
    const made = await call('POST', '', await mpaasChannel('china'));
    const { callbackUrl } = made.json();
    assert.match(callbackUrl, /^https:\/\/receipts\.test\/callbacks\/mpaas\/[A-Za-z0-9_-]{32}$/);
    assert.equal((await call('GET', '/china', undefined, producer)).json().callbackUrl, null);
  });

  it('have names of their own', async () => {
    const again = await call('POST', '', {
      name: 'ios',
      vendor: 'apns',
      settings,
      credential: apnsCredential(),
    });
    assert.equal(again.statusCode, 409);
    assert.equal(again.json().errors[0].pointer, '/name');
  });

  const bad: [name: string, change: Record<string, unknown>, status: number, pointer: string][] = [
    ['a wrong name', { name: 'a b' }, 400, '/name'],
    ['an unknown vendor', { vendor: 'pigeon' }, 400, '/vendor'],
    ['an unknown field', { colour: 'blue' }, 400, '/colour'],
    ['no credential', { credential: undefined }, 400, '/credential'],
    ['no topic', { settings: {} }, 400, '/settings/topic'],
    ['an unknown setting', { settings: { ...settings, speed: 1 } }, 400, '/settings/speed'],
    [
      'an unknown environment',
      { settings: { ...settings, environment: 'moon' } },
      400,
      '/settings/environment',
    ],
    ['a credential of no kind', { credential: {} }, 400, '/credential/kind'],
    ['a number as key', { credential: { kind: 'token', privateKey: 5 } }, 400, '/credential/privateKey'],
    [
      'a key that is none',
      { credential: { ...apnsCredential(), privateKey: 'hunter2' } },
      422,
      '/credential/privateKey',
    ],
    ['a policy of its own', { policy: { maxAttempts: 0 } }, 400, '/policy/maxAttempts'],
    ['a plain address', { settings: { ...settings, origin: 'http://example.com' } }, 400, '/settings/origin'],
    [
      'this machine',
      { settings: { ...settings, origin: 'https://localhost:8443' } },
      422,
      '/settings/origin',
    ],
    ['a private network', { settings: { ...settings, origin: 'https://10.1.2.3' } }, 422, '/settings/origin'],
    [
      'a cloud metadata service',
      { settings: { ...settings, origin: 'https://169.254.169.254' } },
      422,
      '/settings/origin',
    ],
  ];
  for (const [name, change, status, pointer] of bad) {
    it(`refuse ${name}, and nothing is made`, async () => {
      const before = await names();
      const body = { name: 'new', vendor: 'apns', settings, credential: apnsCredential(), ...change };
      const response = await call('POST', '', body);
      assert.equal(response.statusCode, status, response.body);
      assert.equal(response.json().errors[0].pointer, pointer, response.body);
      assert.ok(!response.body.includes('hunter2'));
      assert.deepEqual(await names(), before);
    });
  }

  it('may be an emulator on this machine, and say so', async () => {
    const made = await call('POST', '', {
      name: 'fake',
      vendor: 'apns',
      settings: { ...settings, origin: 'https://127.0.0.1:9443', emulator: true },
      credential: apnsCredential(),
    });
    assert.equal(made.statusCode, 201, made.body);
    assert.equal(made.json().emulator, true);
  });

  it('are paused and resumed', async () => {
    const paused = (await call('POST', '/ios/pause', { reason: 'the key is being renewed' })).json();
    assert.equal(paused.state, 'paused');
    assert.equal(paused.pausedReason.detail, 'the key is being renewed');
    assert.equal(paused.pausedReason.by, 'operator');
    const resumed = (await call('POST', '/ios/resume')).json();
    assert.deepEqual([resumed.state, resumed.pausedReason], ['on', null]);
    assert.equal((await call('POST', '/ios/pause')).statusCode, 200);
    assert.equal((await call('POST', '/none/pause')).statusCode, 404);
    assert.equal((await call('POST', '/ios/resume')).statusCode, 200);
  });

  it('get a new credential', async () => {
    const { version } = (await call('GET', '/ios')).json();
    const credential = { ...apnsCredential(), keyId: 'NEWKEY1234' };
    const rotated = await call('POST', '/ios/rotate', { credential });
    assert.equal(rotated.statusCode, 200, rotated.body);
    assert.equal(rotated.json().credential.keyId, 'NEWKEY1234');
    assert.ok(rotated.json().version > version);
    const broken = await call('POST', '/ios/rotate', { credential: { ...credential, privateKey: 'x' } });
    assert.equal(broken.statusCode, 422);
    assert.equal((await call('GET', '/ios')).json().credential.keyId, 'NEWKEY1234');
  });

  it('change settings and policy', async () => {
    const changed = await call('PATCH', '/ios', {
      settings: { maxConnections: 2 },
      policy: { maxAttempts: 3 },
    });
    assert.equal(changed.statusCode, 200, changed.body);
    assert.equal(changed.json().settings.maxConnections, 2);
    assert.equal(changed.json().settings.topic, settings.topic);
    assert.deepEqual(changed.json().policy, { maxAttempts: 3 });
    const wrong = await call('PATCH', '/ios', { settings: { topic: null } });
    assert.equal(wrong.json().errors[0].pointer, '/settings/topic');
  });

  it('do not send a stored credential to a new address', async () => {
    const origin = { origin: 'https://proxy.example.com' };
    const refused = await call('PATCH', '/ios', { settings: origin });
    assert.equal(refused.statusCode, 422);
    assert.equal(refused.json().errors[0].pointer, '/credential');
    const taken = await call('PATCH', '/ios', { settings: origin, credential: apnsCredential() });
    assert.equal(taken.statusCode, 200, taken.body);
    assert.equal(taken.json().settings.origin, origin.origin);
  });

  it('are removed, and their name is free', async () => {
    assert.equal((await call('DELETE', '/ios')).statusCode, 204);
    assert.equal((await call('DELETE', '/ios')).statusCode, 404);
    assert.equal((await call('GET', '/ios')).statusCode, 404);
    const again = await call('POST', '', {
      name: 'ios',
      vendor: 'apns',
      settings,
      credential: apnsCredential(),
    });
    assert.equal(again.statusCode, 201);
  });

  it('are changed by operators only', async () => {
    const body = { name: 'mine', vendor: 'apns', settings, credential: apnsCredential() };
    for (const [method, path, payload] of [
      ['POST', '', body],
      ['PATCH', '/ios', {}],
      ['POST', '/ios/rotate', { credential: {} }],
      ['POST', '/ios/pause', undefined],
      ['POST', '/ios/resume', undefined],
      ['DELETE', '/ios', undefined],
    ] as const) {
      const response = await call(method, path, payload, producer);
      assert.equal(response.statusCode, 403, `${method} ${path}`);
      assert.equal(response.json().code, 'forbidden');
    }
    assert.equal((await api.inject({ url: '/v1/keys', headers: producer })).statusCode, 403);
    assert.equal((await api.inject({ url: '/v1/receipts', headers: producer })).statusCode, 403);
  });
});
