import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { buildApi } from '@pushmill/api';
import { Secret } from '@pushmill/core';
import { createLogger, createMetrics } from '@pushmill/log';
import { createFeeder } from '@pushmill/queue';
import { openStore } from '@pushmill/store';
import { vendors } from '@pushmill/vendors';
import { apnsCredential, apnsToken, useHttpWorld } from './http-setup.ts';

const world = await useHttpWorld();
const { api, operator, producer } = world;
const basic = (user: string, password: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});
const person = basic('operator', world.password);
const message = (token: string) => ({
  notification: { title: 'Hi' },
  class: 'transactional',
  to: [{ channel: 'ios', token }],
});
const send = (token = apnsToken()) =>
  api.inject({ method: 'POST', url: '/v1/messages', headers: producer, payload: message(token) });

before(async () => {
  const made = await api.inject({
    method: 'POST',
    url: '/v1/channels',
    headers: operator,
    payload: { name: 'ios', vendor: 'apns', settings: { topic: 'a.b' }, credential: apnsCredential() },
  });
  assert.equal(made.statusCode, 201, made.body);
});

describe('the dashboard', () => {
  it('asks for the operator and the password', async () => {
    for (const headers of [
      {} as Record<string, string>,
      basic('operator', 'guess'),
      basic('root', world.password),
      basic('operator', ''),
      producer,
    ]) {
      for (const url of ['/', '/dashboard/page.js', '/dashboard/apps']) {
        const response = await api.inject({ url, headers });
        assert.equal(response.statusCode, 401);
        assert.match(String(response.headers['www-authenticate']), /^Basic/);
      }
    }
  });

  it('is a page that loads only from here, and nothing inline', async () => {
    const page = await api.inject({ url: '/', headers: person });
    assert.equal(page.statusCode, 200);
    assert.match(String(page.headers['content-security-policy']), /default-src 'none'/);
    assert.doesNotMatch(page.body, /<script>|<style|onclick|style=|https?:\/\//);
    const files = [...page.body.matchAll(/(?:src|href)="(\/dashboard\/[^"]+)"/g)].map((match) => match[1]);
    assert.ok(files.length >= 2);
    for (const url of files) {
      const file = await api.inject({ url: url as string, headers: person });
      assert.equal(file.statusCode, 200);
      assert.match(String(file.headers['content-type']), /^text\/(css|javascript)/);
    }
  });

  it('reads with the password, tokens shortened, and changes nothing', async () => {
    const token = apnsToken();
    const { id } = (await send(token)).json();
    const pushes = await api.inject({ url: `/v1/messages/${id}/pushes`, headers: person });
    assert.equal(pushes.json().items[0].token, `${token.slice(0, 8)}…${token.slice(-4)}`);
    const push = await api.inject({ url: `/v1/pushes/${id}.0?app=default`, headers: person });
    assert.equal(push.statusCode, 200);
    assert.ok(!push.body.includes(token));
    assert.equal((await api.inject({ url: '/v1/messages?app=none', headers: person })).statusCode, 404);
    const cancel = await api.inject({ method: 'POST', url: `/v1/messages/${id}/cancel`, headers: person });
    assert.equal(cancel.statusCode, 403);
  });

  it('is off without a password', async () => {
    const closed = await buildApi({ ...depsOf(), settings: { publicReceiptsUrl: 'http://x' } });
    assert.equal((await closed.inject({ url: '/', headers: basic('operator', '') })).statusCode, 404);
    assert.equal(
      (await closed.inject({ url: '/v1/messages', headers: basic('operator', '') })).statusCode,
      401,
    );
    await closed.close();
  });
});

describe('GET /v1/events', () => {
  it('tells of messages when they change, and ends when the server closes', async () => {
    const own = await buildApi(depsOf());
    await own.listen({ host: '127.0.0.1', port: 0 });
    const { port } = own.server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/v1/events`, { headers: producer });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'text/event-stream');
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    let text = '';
    const until = async (pattern: RegExp) => {
      while (!pattern.test(text)) {
        const { done, value } = await reader.read();
        if (done) throw new Error(`the stream ended before ${pattern}`);
        text += Buffer.from(value).toString();
      }
    };
    await until(/event: channels\ndata: .*"ios"/);
    const { id } = (await send()).json();
    await until(new RegExp(`event: messages\ndata: .*"${id}"`));
    assert.doesNotMatch(text, /callbackUrl":"/);
    const closing = own.close();
    while (!(await reader.read()).done);
    await closing;
  });

  it('asks for a key', async () => {
    assert.equal((await api.inject({ url: '/v1/events' })).statusCode, 401);
  });
});

describe('the document', () => {
  it('is OpenAPI 3.1 with every route, open to all', async () => {
    const response = await api.inject({ url: '/openapi.json' });
    const document = response.json();
    assert.equal(document.openapi, '3.1.0');
    for (const path of [
      '/v1/messages',
      '/v1/messages/batch',
      '/v1/messages/{id}',
      '/v1/messages/{id}/pushes',
      '/v1/messages/{id}/cancel',
      '/v1/messages/{id}/pause',
      '/v1/messages/{id}/resume',
      '/v1/pushes',
      '/v1/pushes/{id}',
      '/v1/channels',
      '/v1/channels/{name}/rotate',
      '/v1/keys',
      '/v1/receipts',
      '/v1/events',
      '/readyz',
    ]) {
      assert.ok(document.paths[path], path);
    }
    const { schema } = document.paths['/v1/messages'].post.requestBody.content['application/json'];
    assert.deepEqual(schema.required, ['class', 'to']);
    assert.ok(schema.properties.vendor.properties.apns.properties.pushType);
  });

  it('has a page whose files come from here', async () => {
    const page = await api.inject({ url: '/docs/' });
    assert.equal(page.statusCode, 200);
    for (const [, file] of page.body.matchAll(/(?:src|href)="\.\/(static\/[^"]+)"/g)) {
      assert.equal((await api.inject({ url: `/docs/${file}` })).statusCode, 200);
    }
  });
});

describe('readiness', () => {
  it('is given while both servers answer', async () => {
    assert.equal((await api.inject({ url: '/healthz' })).statusCode, 200);
    const ready = await api.inject({ url: '/readyz' });
    assert.deepEqual(ready.json(), { status: 'ready', problems: [], degraded: [] });
  });

  it('names what is away, and nothing is taken without the ledger', async () => {
    const nowhere = await closedPort();
    const log = createLogger({ role: 'test', level: 'silent' });
    const store = openStore({
      databaseUrl: new Secret(`postgres://u:p@127.0.0.1:${nowhere}/none`),
      masterKeys: new Secret(randomBytes(32).toString('base64')),
    });
    const feeder = createFeeder({
      redisUrl: new Secret(`redis://127.0.0.1:${nowhere}`),
      ledger: store.batches,
      warn: () => undefined,
    });
    const alone = await buildApi({ ...depsOf(), store, feeder, log });
    after(async () => {
      await alone.close();
      await feeder.close();
      await store.close();
    });
    const ready = await alone.inject({ url: '/readyz' });
    assert.equal(ready.statusCode, 503);
    assert.deepEqual(ready.json().problems, ['Postgres does not answer', 'Redis does not answer']);
    const refused = await alone.inject({
      method: 'POST',
      url: '/v1/messages',
      headers: producer,
      payload: message(apnsToken()),
    });
    assert.equal(refused.statusCode, 503, refused.body);
    assert.equal(refused.json().code, 'ledger-away');
    assert.equal(refused.headers['retry-after'], '2');
  });

  it('takes messages while Redis is away', async () => {
    const feeder = createFeeder({
      redisUrl: new Secret(`redis://127.0.0.1:${await closedPort()}`),
      ledger: world.store.batches,
      warn: () => undefined,
    });
    const own = await buildApi({ ...depsOf(), feeder });
    const taken = await own.inject({
      method: 'POST',
      url: '/v1/messages',
      headers: producer,
      payload: message(apnsToken()),
    });
    assert.equal(taken.statusCode, 202, taken.body);
    await own.close();
    await feeder.close();
  });
});

describe('the log', () => {
  it('holds no key, no password and no token', async () => {
    const token = apnsToken();
    await send(token);
    await api.inject({ url: `/v1/pushes?token=${token}`, headers: producer });
    await api.inject({ url: `/v1/nothing?token=${token}`, headers: producer });
    const log = world.logged.join('');
    for (const secret of [token, world.password, producer.authorization as string]) {
      assert.ok(!log.includes(secret.replace('Bearer ', '')));
    }
  });
});

function depsOf() {
  return {
    store: world.store,
    feeder: { feed: () => undefined, add: () => undefined, room: () => 0, ready: () => true },
    vendors,
    log: createLogger({ role: 'test', level: 'silent' }),
    metrics: createMetrics('api'),
    settings: { publicReceiptsUrl: 'https://receipts.test', operatorPassword: new Secret(world.password) },
  };
}

/** A port on which nothing listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
