import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { apnsCredential, apnsToken, mpaasChannel, useHttpWorld } from './http-setup.ts';

const world = await useHttpWorld();
const { api, producer, operator, store } = world;

const ios = { name: 'ios', vendor: 'apns', settings: { topic: 'com.example.app' } };

before(async () => {
  for (const payload of [
    { ...ios, credential: apnsCredential() },
    { ...ios, name: 'ipad', credential: apnsCredential() },
    await mpaasChannel('china'),
  ]) {
    const made = await api.inject({ method: 'POST', url: '/v1/channels', headers: operator, payload });
    assert.equal(made.statusCode, 201, made.body);
  }
});

const hello = { notification: { title: 'Parcel', body: 'Delivered' }, class: 'transactional' };
const toOne = () => ({ ...hello, to: [{ channel: 'ios', token: apnsToken() }] });
const post = (payload: object, headers: Record<string, string> = {}) =>
  api.inject({ method: 'POST', url: '/v1/messages', headers: { ...producer, ...headers }, payload });
const get = async (url: string) => {
  const response = await api.inject({ url, headers: producer });
  assert.equal(response.statusCode, 200, response.body);
  return response.json();
};
/** The newest messages' ids. */
const newest = async (count: number): Promise<string[]> =>
  (await get(`/v1/messages?limit=${count}`)).items.map((message: { id: string }) => message.id);

describe('POST /v1/messages', () => {
  it('takes a message; it can be read with its pushes and their timeline', async () => {
    const tokens = [apnsToken(), apnsToken()];
    const response = await post({
      ...hello,
      data: { orderId: '1' },
      to: [
        { channel: 'ios', token: tokens[0] },
        { channel: 'ipad', tokens: [tokens[1], tokens[0]] },
      ],
      collapseKey: 'parcel-1',
      vendor: { apns: { threadId: 'parcels' } },
    });
    assert.equal(response.statusCode, 202, response.body);
    const accepted = response.json();
    assert.deepEqual(Object.keys(accepted), ['id', 'state', 'pushes', 'rejected', 'createdAt']);
    assert.equal(accepted.pushes, 3);
    assert.equal(accepted.state, 'queued');
    assert.deepEqual(accepted.rejected, []);

    const message = await get(`/v1/messages/${accepted.id}`);
    assert.deepEqual(message.counts, { queued: 3 });
    assert.equal(message.priority, 'high');
    assert.deepEqual(message.vendor, { apns: { threadId: 'parcels' } });
    assert.equal(Date.parse(message.expiresAt) - Date.parse(message.createdAt) > 86_390_000, true);

    const { items, nextCursor } = await get(`/v1/messages/${accepted.id}/pushes?limit=2`);
    assert.deepEqual(
      items.map((push: { id: string; channel: string; token: string }) => [
        push.id,
        push.channel,
        push.token,
      ]),
      [
        [`${accepted.id}.0`, 'ios', tokens[0]],
        [`${accepted.id}.1`, 'ipad', tokens[1]],
      ],
    );
    const rest = await get(`/v1/messages/${accepted.id}/pushes?limit=2&cursor=${nextCursor}`);
    assert.deepEqual([rest.items[0].id, rest.nextCursor], [`${accepted.id}.2`, null]);

    const push = await get(`/v1/pushes/${accepted.id}.1`);
    assert.deepEqual(push.timeline, [{ at: message.createdAt, type: 'queued' }]);

    const arrived = await get(`/v1/pushes?token=${tokens[0]}&channel=ipad`);
    assert.deepEqual(
      arrived.items.map((one: { id: string }) => one.id),
      [`${accepted.id}.2`],
    );
    assert.ok(world.fed.length >= 2);
  });

  it('sends what can be sent and says what not', async () => {
    const token = apnsToken();
    const response = await post({
      ...hello,
      to: [
        { channel: 'ios', token },
        { channel: 'nokia', tokens: ['a', 'b'] },
        { channel: 'ios', tokens: [token, 'short', apnsToken()] },
        { user: 'u-1' },
      ],
    });
    assert.equal(response.statusCode, 202);
    const { pushes, rejected } = response.json();
    assert.equal(pushes, 2);
    assert.deepEqual(
      rejected.map((one: { index: number; pointer: string; code: string }) => [
        one.index,
        one.pointer,
        one.code,
      ]),
      [
        [1, '/to/1/channel', 'unknown-channel'],
        [2, '/to/2/tokens/0', 'duplicate-recipient'],
        [2, '/to/2/tokens/1', 'wrong-token-form'],
        [3, '/to/3/user', 'no-device'],
      ],
    );
    assert.ok(!JSON.stringify(rejected).includes(token));
  });

  it('lets one vendor refuse what another takes', async () => {
    const response = await post({
      ...hello,
      notification: { title: 'Long', body: 'x'.repeat(3_000) },
      to: [
        { channel: 'ios', token: apnsToken() },
        { channel: 'china', token: apnsToken() },
      ],
    });
    assert.equal(response.statusCode, 202, response.body);
    assert.equal(response.json().pushes, 1);
    assert.equal(response.json().rejected[0].index, 1);
  });

  it('stores nothing when it is only asked', async () => {
    const before = await newest(1);
    const response = await post({ ...toOne(), validateOnly: true });
    assert.equal(response.statusCode, 200);
    assert.deepEqual(response.json(), { validateOnly: true, pushes: 1, rejected: [] });
    assert.deepEqual(await newest(1), before);
  });

  it('keeps a message for later', async () => {
    const sendAt = new Date(Date.now() + 3_600_000);
    const response = await post({ ...toOne(), sendAt: sendAt.toISOString(), ttlSeconds: 60 });
    assert.equal(response.json().state, 'scheduled');
    const message = await get(`/v1/messages/${response.json().id}`);
    assert.equal(message.state, 'scheduled');
    assert.equal(Date.parse(message.expiresAt), sendAt.getTime() + 60_000);
    // A moment that just passed is now: the producer's clock, or its second try.
    assert.equal(
      (await post({ ...toOne(), sendAt: new Date(Date.now() - 5_000).toISOString() })).statusCode,
      202,
    );
  });

  it('takes fifty thousand recipients', async () => {
    const tokens = Array.from({ length: 50_000 }, (_, index) => index.toString(16).padStart(64, '0'));
    const response = await post({ ...hello, class: 'marketing', to: [{ channel: 'ios', tokens }] });
    assert.equal(response.statusCode, 202, response.body.slice(0, 300));
    assert.equal(response.json().pushes, 50_000);
    assert.deepEqual((await get(`/v1/messages/${response.json().id}`)).counts, { queued: 50_000 });
  });

  it('sees a channel that another process made', async () => {
    const app = await store.apps.ensureDefault();
    const ios = await store.channels.get(app.id, 'ios');
    assert.ok(ios);
    await post(toOne()); // the directory is fresh now
    await store.channels.create({ ...ios, name: 'made-elsewhere', credential: {}, appId: app.id });
    // The unknown name is asked for again, though not more often than every tenth of a second.
    const until = Date.now() + 2_000;
    let status = 0;
    while (status !== 202 && Date.now() < until) {
      status = (await post({ ...hello, to: [{ channel: 'made-elsewhere', token: apnsToken() }] })).statusCode;
    }
    assert.equal(status, 202);
  });
});

describe('concurrent messages', () => {
  it('go into few commits, each with its own answer', async () => {
    const requests = Array.from({ length: 200 }, toOne);
    const responses = await Promise.all(requests.map((request) => post(request)));
    assert.ok(responses.every(({ statusCode }) => statusCode === 202));
    const ids = responses.map((response) => response.json().id);
    assert.equal(new Set(ids).size, 200);
    const [last] = (await get(`/v1/messages/${ids[199]}/pushes`)).items;
    assert.equal(last.token, requests[199]?.to[0]?.token);
    const metrics = (await api.inject({ url: '/metrics' })).body;
    const commits = Number(/pushmill_commit_messages_count\{[^}]*\} (\d+)/.exec(metrics)?.[1]);
    const messages = Number(/pushmill_commit_messages_sum\{[^}]*\} (\d+)/.exec(metrics)?.[1]);
    assert.ok(messages / commits > 5, `${messages} messages in ${commits} commits`);
  });
});

describe('Idempotency-Key', () => {
  it('answers the same and sends once', async () => {
    const body = toOne();
    const key = { 'idempotency-key': 'order-1' };
    const before = await newest(1);
    const first = await post(body, key);
    const second = await post(body, key);
    assert.equal(first.statusCode, 202);
    assert.equal(first.headers['idempotency-replayed'], undefined);
    assert.equal(second.statusCode, 202);
    assert.equal(second.headers['idempotency-replayed'], 'true');
    assert.equal(second.body, first.body);
    assert.deepEqual(await newest(2), [first.json().id, ...before]);
  });

  it('refuses the key with another body', async () => {
    const key = { 'idempotency-key': 'order-2' };
    assert.equal((await post(toOne(), key)).statusCode, 202);
    const other = await post(toOne(), key);
    assert.equal(other.statusCode, 409);
    assert.equal(other.json().code, 'idempotency-conflict');
    assert.equal(other.json().errors[0].pointer, '/headers/idempotency-key');
  });

  it('holds when all tries come at once', async () => {
    const body = toOne();
    const before = await newest(1);
    const tries = await Promise.all(
      Array.from({ length: 20 }, () => post(body, { 'idempotency-key': 'order-3' })),
    );
    assert.equal(new Set(tries.map((response) => response.body)).size, 1);
    assert.equal(tries.filter(({ headers }) => headers['idempotency-replayed'] === undefined).length, 1);
    assert.deepEqual(await newest(2), [tries[0]?.json().id, ...before]);
  });

  it('answers as it did although the channel is gone since', async () => {
    const made = await api.inject({
      method: 'POST',
      url: '/v1/channels',
      headers: operator,
      payload: { ...ios, name: 'short-lived', credential: apnsCredential() },
    });
    assert.equal(made.statusCode, 201, made.body);
    const body = { ...hello, to: [{ channel: 'short-lived', token: apnsToken() }] };
    const key = { 'idempotency-key': 'order-5' };
    const first = await post(body, key);
    assert.equal(first.statusCode, 202, first.body);
    await api.inject({ method: 'DELETE', url: '/v1/channels/short-lived', headers: operator });
    const second = await post(body, key);
    assert.equal(second.statusCode, 202, second.body);
    assert.equal(second.body, first.body);
  });

  it('stays free when nothing could be sent', async () => {
    const key = { 'idempotency-key': 'order-4' };
    assert.equal((await post({ ...hello, to: [{ channel: 'nokia', token: 'x' }] }, key)).statusCode, 422);
    assert.equal((await post(toOne(), key)).statusCode, 202);
  });
});

describe('POST /v1/messages/batch', () => {
  const batch = (messages: unknown, headers = {}) =>
    api.inject({
      method: 'POST',
      url: '/v1/messages/batch',
      headers: { ...producer, ...headers },
      payload: { messages },
    });

  it('answers each on its own', async () => {
    const response = await batch([
      toOne(),
      { ...toOne(), class: 'spam' },
      7,
      { ...hello, to: [{ channel: 'nokia', token: 'x' }] },
      { ...toOne(), validateOnly: true },
    ]);
    assert.equal(response.statusCode, 200);
    const { items } = response.json();
    assert.deepEqual(
      items.map((item: { status: number }) => item.status),
      [202, 400, 400, 422, 200],
    );
    assert.equal(items[1].problem.errors[0].pointer, '/class');
    assert.equal(items[3].problem.code, 'nothing-sendable');
  });

  it('repeats as one with an idempotency key', async () => {
    const messages = [toOne(), toOne()];
    const key = { 'idempotency-key': 'batch-1' };
    const first = (await batch(messages, key)).json().items;
    const second = (await batch(messages, key)).json().items;
    assert.deepEqual(
      second.map((item: { message: object }) => item.message),
      first.map((item: { message: object }) => item.message),
    );
    assert.equal(second[1].replayed, true);
  });

  it('takes a thousand and no more', async () => {
    const thousand = Array.from({ length: 1_000 }, toOne);
    const { items } = (await batch(thousand)).json();
    assert.ok(items.every((item: { status: number }) => item.status === 202));
    const more = await batch([...thousand, toOne()]);
    assert.equal(more.statusCode, 400);
    assert.equal(more.json().errors[0].pointer, '/messages');
  });
});

describe('cancelling', () => {
  it('marks the message, as often as it is asked', async () => {
    const { id } = (await post({ ...toOne(), sendAt: new Date(Date.now() + 60_000).toISOString() })).json();
    const cancel = () => api.inject({ method: 'POST', url: `/v1/messages/${id}/cancel`, headers: producer });
    const first = await cancel();
    assert.equal(first.statusCode, 200, first.body);
    assert.equal(first.json().state, 'cancelled');
    assert.equal((await cancel()).json().cancelledAt, first.json().cancelledAt);
  });
});

describe('another app', () => {
  it('sees nothing of this one', async () => {
    const other = await store.apps.ensure('other');
    const { key } = await store.keys.create({ appId: other.id, name: 'k', role: 'operator' });
    const headers = { authorization: `Bearer ${key}` };
    const { id } = (await post(toOne())).json();
    for (const [url, status] of [
      [`/v1/messages/${id}`, 404],
      [`/v1/messages/${id}/pushes`, 404],
      [`/v1/pushes/${id}.0`, 404],
      ['/v1/channels/ios', 404],
    ] as const) {
      assert.equal((await api.inject({ url, headers })).statusCode, status, url);
    }
    for (const url of ['/v1/messages', '/v1/pushes', '/v1/channels', '/v1/receipts']) {
      assert.deepEqual((await api.inject({ url, headers })).json().items, [], url);
    }
    const cancel = await api.inject({ method: 'POST', url: `/v1/messages/${id}/cancel`, headers });
    assert.equal(cancel.statusCode, 404);
    const send = await api.inject({ method: 'POST', url: '/v1/messages', headers, payload: toOne() });
    assert.equal(send.statusCode, 422);
  });
});
