import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { createClient, type PushmillError } from '@pushmill/client';
import pg from 'pg';
import { apnsCredential, apnsToken, mpaasChannel, useHttpWorld } from './http-setup.ts';

const world = await useHttpWorld();
const { api, producer, operator, store } = world;
const { id: appId } = await store.apps.ensureDefault();

const settings = { topic: 'com.example.app', environment: 'production' };
const addChannel = async (payload: object) => {
  const made = await api.inject({ method: 'POST', url: '/v1/channels', headers: operator, payload });
  assert.equal(made.statusCode, 201, made.body);
};
const addApns = (name: string) =>
  addChannel({ name, vendor: 'apns', settings, credential: apnsCredential() });

before(async () => {
  for (const name of ['ios', 'ipad']) await addApns(name);
  await addChannel(await mpaasChannel('china'));
});

type Method = 'GET' | 'PUT' | 'DELETE' | 'POST' | 'PATCH';
const call = (method: Method, url: string, payload?: object, headers = producer) =>
  api.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) });

let made = 0;
/** Registers a device; with an id and a token of its own where none is given. */
async function put(change: Record<string, unknown> = {}, id = `device-${++made}`) {
  const body = { channel: 'ios', token: apnsToken(), ...change };
  const response = await call('PUT', `/v1/devices/${encodeURIComponent(id)}`, body);
  assert.ok(response.statusCode < 300, response.body);
  return response.json();
}
const get = async (url: string) => {
  const response = await call('GET', url);
  assert.equal(response.statusCode, 200, response.body);
  return response.json();
};
const idsOf = (list: { items: { id: string }[] }) => list.items.map((item) => item.id);

const send = (to: object[], change: object = {}) =>
  call('POST', '/v1/messages', {
    notification: { title: 'Hi' },
    class: 'transactional',
    to,
    ...change,
  });
/** What a message became: `channel token environment` of each push, and what was not sent. */
async function sent(to: object[], change: object = {}) {
  const response = await send(to, change);
  assert.equal(response.statusCode, 202, response.body);
  const { id, rejected } = response.json();
  const { items } = await get(`/v1/messages/${id}/pushes`);
  return {
    id,
    pushes: items
      .map((push: Record<string, string>) => `${push.channel} ${push.token} ${push.environment}`)
      .sort(),
    rejected: rejected.map((one: Record<string, string>) => `${one.pointer} ${one.code}`),
    details: rejected.map((one: Record<string, string>) => one.detail),
  };
}

/** As the ledger keeps what a vendor said of a device's token; how it comes there is the ledger's own test. */
async function mark(device: { id: string; token: string; channel: string }, said: 'dead' | 'misfiled') {
  const code = said === 'dead' ? 'Unregistered' : 'BadDeviceToken';
  await sql('UPDATE devices SET state = $2, code = $3 WHERE id = $1', [device.id, said, code]);
  if (said === 'misfiled') return;
  await sql('INSERT INTO suppressions (channel_id, token, code, since) VALUES ($1, $2, $3, now())', [
    await channelId(device.channel),
    device.token,
    code,
  ]);
}

describe('PUT /v1/devices/{id}', () => {
  it('registers a device, and registers it again', async () => {
    const body = {
      channel: 'ios',
      token: apnsToken(),
      user: 'u-put',
      tags: ['vip', 'beta', 'vip'],
      locale: 'zh-Hans-CN',
      timeZone: 'Asia/Shanghai',
      environment: 'sandbox',
    };
    const first = await call('PUT', '/v1/devices/phone', body);
    assert.equal(first.statusCode, 201, first.body);
    const device = first.json();
    const shown = { ...body, tags: ['vip', 'beta'], id: 'phone', state: 'active' };
    assert.partialDeepStrictEqual({ ...device }, shown);
    assert.equal(device.code, null);
    assert.deepEqual(await get('/v1/devices/phone'), device);

    const again = await call('PUT', '/v1/devices/phone', body);
    assert.equal(again.statusCode, 200);
    const second = again.json();
    assert.ok(second.registeredAt > device.registeredAt);
    assert.deepEqual({ ...second, registeredAt: device.registeredAt }, device);

    // What is not given is forgotten: a null says the same.
    const bare = await call('PUT', '/v1/devices/phone', { channel: 'ipad', token: body.token, user: null });
    assert.partialDeepStrictEqual(bare.json(), {
      channel: 'ipad',
      user: null,
      tags: [],
      locale: null,
      timeZone: null,
      environment: null,
      createdAt: device.createdAt,
    });
  });

  it('takes any printable id of 256 characters', async () => {
    for (const id of ['%'.repeat(256), '/'.repeat(256), 'a b?c#d;e&f+g', '~'.repeat(256)]) {
      assert.equal((await put({}, id)).id, id);
      const path = `/v1/devices/${encodeURIComponent(id)}`;
      assert.equal((await get(path)).id, id);
      assert.equal((await call('DELETE', path)).statusCode, 204);
      assert.equal((await call('GET', path)).statusCode, 404);
      assert.equal((await call('DELETE', path)).statusCode, 404);
    }
  });

  it('gives a token to the device that registered it last', async () => {
    const old = await put({ user: 'u-old' });
    const other = await put({ channel: 'ipad', token: old.token, user: 'u-ipad' });
    const young = await put({ token: old.token, user: 'u-young' });
    assert.equal((await call('GET', `/v1/devices/${old.id}`)).statusCode, 404);
    const owners = await get(`/v1/devices?token=${old.token}`);
    // A token of another channel is another token.
    assert.deepEqual(idsOf(owners), [other.id, young.id]);
    assert.deepEqual((await sent([{ user: 'u-young' }])).pushes, [`ios ${old.token} null`]);
    assert.equal((await send([{ user: 'u-old' }])).statusCode, 422);
  });

  it('lets two devices swap their tokens, and many fight for one', async () => {
    const [one, two] = [await put(), await put()];
    for (let round = 0; round < 10; round++) {
      await Promise.all([put({ token: two.token }, one.id), put({ token: one.token }, two.id)]);
      const owners = [
        ...idsOf(await get(`/v1/devices?token=${one.token}`)),
        ...idsOf(await get(`/v1/devices?token=${two.token}`)),
      ];
      assert.equal(new Set(owners).size, owners.length);
      assert.ok(owners.length > 0);
    }
    const token = apnsToken();
    await Promise.all(Array.from({ length: 20 }, () => put({ token })));
    assert.equal((await get(`/v1/devices?token=${token}`)).items.length, 1);
  });

  const cases: [
    name: string,
    change: Record<string, unknown>,
    status: number,
    pointer: string,
    code: string,
  ][] = [
    ['no channel', { channel: undefined }, 400, '/channel', 'required'],
    ['no token', { token: undefined }, 400, '/token', 'required'],
    ['an unknown field', { colour: 'blue' }, 400, '/colour', 'unknown-field'],
    ['too many tags', { tags: Array(101).fill('a') }, 400, '/tags', 'too-many'],
    ['a long tag', { tags: ['a'.repeat(257)] }, 400, '/tags/0', 'too-long'],
    ['a long user', { user: 'a'.repeat(257) }, 400, '/user', 'too-long'],
    ['an empty user', { user: '' }, 400, '/user', 'too-short'],
    ['a token of umlauts', { token: 'ü'.repeat(64) }, 400, '/token', 'wrong-format'],
    ['an unknown channel', { channel: 'nokia' }, 422, '/channel', 'unknown-channel'],
    ['a token of another form', { token: 'not-hex' }, 422, '/token', 'wrong-token-form'],
    ['an unknown environment', { environment: 'moon' }, 422, '/environment', 'not-allowed'],
    [
      'an environment where there is one',
      { channel: 'china', environment: 'sandbox' },
      422,
      '/environment',
      'not-allowed',
    ],
    ['a locale of POSIX', { locale: 'zh_CN.UTF-8' }, 422, '/locale', 'wrong-format'],
    ['a city', { timeZone: 'Shanghai' }, 422, '/timeZone', 'wrong-format'],
    ['an offset', { timeZone: '+08:00' }, 422, '/timeZone', 'wrong-format'],
    ['an abbreviation', { timeZone: 'PST' }, 422, '/timeZone', 'wrong-format'],
  ];
  for (const [name, change, status, pointer, code] of cases) {
    it(`refuses ${name}`, async () => {
      const body = { channel: 'ios', token: apnsToken(), ...change };
      const response = await call('PUT', '/v1/devices/refused', body);
      assert.equal(response.statusCode, status, response.body);
      const { errors } = response.json();
      assert.deepEqual([errors[0].pointer, errors[0].code], [pointer, code], response.body);
      assert.ok(!response.body.includes(body.token as string));
      assert.equal((await call('GET', '/v1/devices/refused')).statusCode, 404);
    });
  }

  it('tells all that is wrong at once', async () => {
    const response = await call('PUT', '/v1/devices/refused', {
      channel: 'ios',
      token: 'x',
      environment: 'moon',
      locale: '?',
      timeZone: '?',
    });
    assert.equal(response.json().code, 'invalid-device');
    assert.deepEqual(
      response.json().errors.map((error: { pointer: string }) => error.pointer),
      ['/token', '/environment', '/locale', '/timeZone'],
    );
  });

  it('refuses ids that are none', async () => {
    for (const id of ['ü', 'a\u0000', 'a'.repeat(257)]) {
      const response = await call('PUT', `/v1/devices/${encodeURIComponent(id)}`, {
        channel: 'ios',
        token: apnsToken(),
      });
      assert.ok([400, 404].includes(response.statusCode), response.body);
    }
  });
});

describe('GET /v1/devices', () => {
  it('finds devices by each of their sides, page by page', async () => {
    const tag = 'list';
    const devices = [
      await put({ user: 'u-list', tags: [tag] }, 'list-1'),
      await put({ user: 'u-list', tags: [tag, 'x'], channel: 'ipad' }, 'list-2'),
      await put({ user: 'u-other', tags: [tag] }, 'list-3'),
    ];
    const ids = async (query: string) => idsOf(await get(`/v1/devices?${query}`));
    assert.deepEqual(await ids('user=u-list'), ['list-1', 'list-2']);
    assert.deepEqual(await ids('tag=list&channel=ipad'), ['list-2']);
    assert.deepEqual(await ids(`token=${devices[2].token}`), ['list-3']);
    assert.deepEqual(await ids('tag=list&state=dead'), []);
    assert.deepEqual(await ids('tag=list&state=active&user=u-other'), ['list-3']);
    assert.deepEqual(await ids('tag=none'), []);
    const first = await get('/v1/devices?tag=list&limit=2');
    assert.deepEqual([idsOf(first), first.nextCursor], [['list-1', 'list-2'], 'list-2']);
    const second = await get(`/v1/devices?tag=list&limit=2&cursor=${first.nextCursor}`);
    assert.deepEqual([idsOf(second), second.nextCursor], [['list-3'], null]);
    assert.equal((await call('GET', '/v1/devices?state=asleep')).statusCode, 400);
  });

  it('shows a person at the dashboard the ends of a token', async () => {
    const { id, token } = await put();
    const authorization = `Basic ${Buffer.from(`operator:${world.password}`).toString('base64')}`;
    for (const url of [`/v1/devices/${id}`, `/v1/devices?token=${token}`]) {
      const response = await call('GET', url, undefined, { authorization });
      assert.equal(response.statusCode, 200, response.body);
      assert.ok(!response.body.includes(token));
      assert.ok(response.body.includes(`${token.slice(0, 8)}…${token.slice(-4)}`));
    }
    const change = await call('DELETE', `/v1/devices/${id}`, undefined, { authorization });
    assert.equal(change.statusCode, 403);
  });

  it('shows an app its own', async () => {
    const mine = await put({ user: 'u-mine', tags: ['mine'] });
    const other = await store.apps.ensure('other');
    const { key } = await store.keys.create({ appId: other.id, name: 'k', role: 'operator' });
    const headers = { authorization: `Bearer ${key}` };
    assert.deepEqual((await call('GET', '/v1/devices', undefined, headers)).json().items, []);
    for (const method of ['GET', 'DELETE'] as const) {
      assert.equal((await call(method, `/v1/devices/${mine.id}`, undefined, headers)).statusCode, 404);
    }
    for (const to of [{ user: 'u-mine' }, { tag: 'mine' }, { device: mine.id }]) {
      const payload = { notification: { title: 'x' }, class: 'marketing', to: [to] };
      const response = await call('POST', '/v1/messages', payload, headers);
      assert.equal(response.json().errors[0].code, 'no-device', response.body);
    }
    // The same id is another device there.
    await call(
      'POST',
      '/v1/channels',
      { name: 'ios', vendor: 'apns', settings, credential: apnsCredential() },
      headers,
    );
    const body = { channel: 'ios', token: mine.token };
    assert.equal((await call('PUT', `/v1/devices/${mine.id}`, body, headers)).statusCode, 201);
    assert.equal((await get(`/v1/devices/${mine.id}`)).user, 'u-mine');
  });
});

describe('sending to users, tags and devices', () => {
  it('sends to each of their devices once', async () => {
    const phone = await put({ user: 'u-send', tags: ['send'] });
    const pad = await put({ user: 'u-send', channel: 'ipad' });
    const other = await put({ tags: ['send'] });
    const { pushes, rejected } = await sent([
      { user: 'u-send' },
      { tag: 'send' },
      { device: other.id },
      { channel: 'ipad', token: pad.token },
    ]);
    assert.deepEqual(
      pushes,
      [`ios ${phone.token} null`, `ipad ${pad.token} null`, `ios ${other.token} null`].sort(),
    );
    // An entry of which nothing is left was in the message already; that two entries overlap is no mistake.
    assert.deepEqual(rejected, ['/to/2/device duplicate-recipient', '/to/3/token duplicate-recipient']);
  });

  it('narrows to a channel', async () => {
    const phone = await put({ user: 'u-narrow', tags: ['narrow'] });
    const pad = await put({ user: 'u-narrow', tags: ['narrow'], channel: 'ipad' });
    assert.deepEqual((await sent([{ user: 'u-narrow', channel: 'ipad' }])).pushes, [
      `ipad ${pad.token} null`,
    ]);
    assert.deepEqual((await sent([{ tag: 'narrow', channel: 'ios' }])).pushes, [`ios ${phone.token} null`]);
    for (const [to, code] of [
      [{ device: phone.id, channel: 'ipad' }, 'no-device'],
      [{ user: 'u-narrow', channel: 'nokia' }, 'unknown-channel'],
      [{ user: 'u-nobody' }, 'no-device'],
      [{ user: 'u-narrow', tag: 'narrow' }, 'required'],
      [{ user: 'u-narrow', environment: 'sandbox' }, 'not-allowed'],
      [{ channel: 'ios', audience: { kind: 'broadcast' }, environment: 'sandbox' }, 'not-allowed'],
    ] as const) {
      const response = await send([to]);
      assert.equal(response.statusCode, 422, response.body);
      assert.equal(response.json().errors[0].code, code, response.body);
    }
  });

  it('files a push under another environment than the channel’s, and only then', async () => {
    const own = await put({ tags: ['filed'], environment: 'production' });
    const other = await put({ tags: ['filed'], environment: 'sandbox' });
    const none = await put({ tags: ['filed'] });
    assert.deepEqual(
      (await sent([{ tag: 'filed' }])).pushes,
      [`ios ${own.token} null`, `ios ${other.token} sandbox`, `ios ${none.token} null`].sort(),
    );
  });

  it('lets one vendor refuse what another takes', async () => {
    const phones = [await put({ user: 'u-long' }), await put({ user: 'u-long' })];
    for (let n = 0; n < 2; n++) await put({ user: 'u-long', channel: 'china' });
    const { pushes, rejected } = await sent([{ user: 'u-long' }], { data: { long: 'x'.repeat(3_000) } });
    assert.deepEqual(pushes, phones.map(({ token }) => `ios ${token} null`).sort());
    // Each once, and not once a device.
    assert.ok(rejected.length > 0);
    assert.equal(new Set(rejected).size, rejected.length);
  });

  it('passes over what is dead or misfiled, and says so', async () => {
    const alive = await put({ user: 'u-mixed', tags: ['mixed'] });
    const dead = await put({ user: 'u-mixed', tags: ['mixed', 'gone'] });
    const lost = await put({ user: 'u-mixed', tags: ['mixed', 'gone'] });
    await mark(dead, 'dead');
    await mark(lost, 'misfiled');
    assert.deepEqual(
      [await get(`/v1/devices/${dead.id}`), await get(`/v1/devices/${lost.id}`)].map(
        ({ state, code }) => `${state} ${code}`,
      ),
      ['dead Unregistered', 'misfiled BadDeviceToken'],
    );
    assert.deepEqual(idsOf(await get('/v1/devices?tag=mixed&state=dead')), [dead.id]);

    const { pushes, rejected, details } = await sent([
      { user: 'u-mixed' },
      { tag: 'gone' },
      { device: dead.id },
      { device: lost.id },
    ]);
    assert.deepEqual(pushes, [`ios ${alive.token} null`]);
    assert.deepEqual(rejected, [
      '/to/0/user device-dead',
      '/to/0/user device-misfiled',
      '/to/1/tag no-device',
      '/to/2/device device-dead',
      '/to/3/device device-misfiled',
    ]);
    assert.equal(
      details[2],
      'to.1.tag: the app has no such device to send to: the token of one device is dead, and the token of one device is not known in the environment that it is filed under.',
    );
    // The producer said so: sent all the same. A dead one is stored and not sent.
    const direct = await sent([
      { channel: 'ios', token: lost.token },
      { channel: 'ios', token: dead.token },
    ]);
    const { counts } = await get(`/v1/messages/${direct.id}`);
    assert.deepEqual(counts, { queued: 1, suppressed: 1 });

    // Registered again, both are alive, and the token is not suppressed any more.
    await put({ token: dead.token, user: 'u-mixed' }, dead.id);
    await put({ token: lost.token, user: 'u-mixed', environment: 'sandbox' }, lost.id);
    const after = await sent([{ user: 'u-mixed' }]);
    assert.deepEqual(
      after.pushes,
      [`ios ${alive.token} null`, `ios ${dead.token} null`, `ios ${lost.token} sandbox`].sort(),
    );
    assert.deepEqual((await get(`/v1/messages/${after.id}`)).counts, { queued: 3 });
  });

  it('tries misfiled devices again when the channel moves to another environment', async () => {
    await addApns('moving');
    const follows = await put({ channel: 'moving', tags: ['moving'] });
    const stays = await put({ channel: 'moving', tags: ['moving'], environment: 'production' });
    for (const device of [follows, stays]) await mark(device, 'misfiled');
    const states = async () =>
      (await get('/v1/devices?tag=moving')).items.map((device: { state: string }) => device.state);
    assert.deepEqual(await states(), ['misfiled', 'misfiled']);
    const change = (body: object) => call('PATCH', '/v1/channels/moving', body, operator);
    assert.equal((await change({ settings: { maxConnections: 2 } })).statusCode, 200);
    assert.deepEqual(await states(), ['misfiled', 'misfiled']);
    assert.equal((await change({ settings: { environment: 'sandbox' } })).statusCode, 200);
    assert.deepEqual(await states(), ['active', 'misfiled']);
  });

  it('leaves out the devices of removed channels', async () => {
    await addApns('leaving');
    const gone = await put({ channel: 'leaving', user: 'u-leaving' });
    const stays = await put({ user: 'u-leaving' });
    await call('DELETE', '/v1/channels/leaving', undefined, operator);
    assert.deepEqual((await sent([{ user: 'u-leaving' }])).pushes, [`ios ${stays.token} null`]);
    assert.equal((await call('GET', `/v1/devices/${gone.id}`)).statusCode, 404);
    assert.deepEqual(idsOf(await get('/v1/devices?user=u-leaving')), [stays.id]);
    // A new channel of the name has none of them.
    await addApns('leaving');
    assert.deepEqual((await sent([{ user: 'u-leaving' }])).pushes, [`ios ${stays.token} null`]);
  });

  it('answers a repeated key as it did, although the device is gone since', async () => {
    const device = await put({ user: 'u-key' });
    const request = () =>
      api.inject({
        method: 'POST',
        url: '/v1/messages',
        headers: { ...producer, 'idempotency-key': 'devices-1' },
        payload: { notification: { title: 'x' }, class: 'marketing', to: [{ user: 'u-key' }] },
      });
    const first = await request();
    assert.equal(first.statusCode, 202, first.body);
    await call('DELETE', `/v1/devices/${device.id}`);
    const second = await request();
    assert.deepEqual([second.statusCode, second.body], [202, first.body]);
  });

  it('takes a tag of fifty thousand devices, and no more', async () => {
    const id = await channelId('ios');
    const fill = (from: number, to: number, tags: string[]) =>
      sql(
        `INSERT INTO devices (app_id, id, channel_id, token, tags)
         SELECT $1, 'crowd-' || n, $2, lpad(n::text, 64, '0'), $5 FROM generate_series($3::int, $4::int) n`,
        [appId, id, from, to, tags],
      );
    await fill(1, 30_000, ['crowd', 'first']);
    await fill(30_001, 50_000, ['crowd', 'second']);
    // Two tags that mean mostly the same devices are one audience.
    const full = await send([{ tag: 'crowd' }, { tag: 'first' }], { class: 'marketing' });
    assert.equal(full.statusCode, 202, full.body.slice(0, 500));
    assert.equal(full.json().pushes, 50_000);
    await sql(
      `INSERT INTO devices (app_id, id, channel_id, token, tags, state)
       VALUES ($1, 'crowd-dead', $2, $3, ARRAY['crowd'], 'dead')`,
      [appId, id, apnsToken()],
    );
    const beside = await send([{ tag: 'crowd' }], { class: 'marketing', validateOnly: true });
    assert.equal(beside.json().pushes, 50_000);
    assert.equal(beside.json().rejected[0].code, 'device-dead');

    await fill(50_001, 50_001, ['crowd', 'second']);
    const refused = await send([{ tag: 'crowd' }]);
    assert.equal(refused.statusCode, 422);
    const { code, errors } = refused.json();
    assert.deepEqual([code, errors[0].pointer, errors[0].code], ['invalid-message', '/to/0/tag', 'too-many']);
    assert.match(errors[0].detail, /^to\.0\.tag means more than 50000 devices/);
    // Together too large, though none is by itself.
    const together = await send([{ tag: 'first' }, { tag: 'second' }]);
    assert.deepEqual([together.statusCode, together.json().errors[0].pointer], [422, '/to']);
    // Narrower, it may go.
    await put({ channel: 'ipad', tags: ['crowd'] });
    assert.equal((await sent([{ tag: 'crowd', channel: 'ipad' }])).pushes.length, 1);
  });

  it('looks up a hundred tags, and no more', async () => {
    await put({ tags: ['tag-7'] });
    const tags = (count: number) => Array.from({ length: count }, (_, n) => ({ tag: `tag-${n}` }));
    const hundred = await send(tags(100));
    assert.deepEqual([hundred.statusCode, hundred.json().rejected.length], [202, 99]);
    // The same one again costs nothing.
    assert.equal((await send([...tags(100), ...tags(100)])).statusCode, 202);
    const more = await send(tags(101));
    assert.deepEqual([more.statusCode, more.json().errors[0].code], [422, 'too-many']);
  });
});

describe('GET /v1/pushes?user=', () => {
  it('tells what arrived at a user’s devices, newest first', async () => {
    const phone = await put({ user: 'u-ask' });
    const pad = await put({ user: 'u-ask', channel: 'ipad' });
    const first = await sent([{ user: 'u-ask' }]);
    const second = await sent([{ channel: 'ios', token: phone.token }]);
    // The same token on a channel where it is nobody's.
    await sent([{ channel: 'ipad', token: phone.token }]);
    const all = await get('/v1/pushes?user=u-ask');
    assert.deepEqual(
      all.items.map((push: { messageId: string }) => push.messageId),
      [second.id, first.id, first.id],
    );
    const narrow = await get('/v1/pushes?user=u-ask&channel=ipad&state=queued');
    assert.deepEqual(
      narrow.items.map((push: { token: string }) => push.token),
      [pad.token],
    );
    const page = await get('/v1/pushes?user=u-ask&limit=1');
    const next = await get(`/v1/pushes?user=u-ask&limit=1&cursor=${page.nextCursor}`);
    assert.equal(next.items[0].messageId, first.id);
    assert.deepEqual((await get('/v1/pushes?user=u-nobody')).items, []);
  });
});

describe('the client', () => {
  it('registers, finds and forgets devices, and sends to them', async () => {
    const url = await api.listen({ port: 0, host: '127.0.0.1' });
    const apiKey = (producer.authorization as string).replace('Bearer ', '');
    const client = createClient({ url, apiKey, maxRetries: 0 });
    const token = apnsToken();
    const id = 'a device/of 100%';
    const device = await client.devices.put(id, { channel: 'ios', token, user: 'u-client', tags: ['c'] });
    assert.deepEqual(await client.devices.get(id), device);
    await client.devices.put('b', { channel: 'ipad', token, user: 'u-client' });
    const listed = await all(client.devices.list({ user: 'u-client', limit: 1 }));
    assert.deepEqual(
      listed.map((one) => one.id),
      [id, 'b'],
    );
    const { pushes } = await client.messages.send({
      notification: { title: 'x' },
      class: 'transactional',
      to: [{ user: 'u-client', channel: 'ios' }, { device: 'b' }],
    });
    assert.equal(pushes, 2);
    assert.equal((await all(client.pushes.find({ user: 'u-client' }))).length, 2);
    await client.devices.delete(id);
    await assert.rejects(client.devices.get(id), (error) => (error as PushmillError).status === 404);
  });
});

async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of pages) items.push(item);
  return items;
}

async function sql(text: string, values: unknown[]): Promise<void> {
  const client = new pg.Client({ connectionString: world.databaseUrl, application_name: 'test' });
  await client.connect();
  await client.query(text, values).finally(() => client.end());
}

async function channelId(name: string): Promise<string> {
  return (await store.channels.get(appId, name))?.id as string;
}
