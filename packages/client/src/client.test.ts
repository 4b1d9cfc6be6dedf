import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type Client, createClient } from './client.ts';
import { PushmillError } from './errors.ts';

interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}

type Answer = (request: Seen, response: ServerResponse) => void;

let server: Server;
let url: string;
let seen: Seen[] = [];
let answers: Answer[] = [];
let waits: number[] = [];
let client: Client;

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
const hangUp: Answer = (_, response) => response.destroy();

before(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const one = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body };
    seen.push(one);
    (answers.shift() ?? json(500, { code: 'unplanned' }))(one, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(() => {
  server.closeAllConnections();
  server.close();
});

beforeEach(() => {
  seen = [];
  answers = [];
  waits = [];
  client = createClient({ url: `${url}/`, apiKey: 'k-1', wait: async (ms) => void waits.push(ms) });
});

const message = { class: 'transactional', to: [{ channel: 'ios', token: 't' }] } as const;
const taken = { id: 'm', state: 'queued', pushes: 1, rejected: [], createdAt: '2026-11-01T00:00:00Z' };
const problem = (code: string) => ({ title: 'No', code, detail: `because ${code}` });

async function refusal(promise: Promise<unknown>): Promise<PushmillError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof PushmillError, String(error));
  return error;
}

describe('messages.send', () => {
  it('posts with the key and an idempotency key of its own', async () => {
    answers = [json(202, taken), json(202, taken)];
    assert.deepEqual(await client.messages.send(message), taken);
    await client.messages.send(message);
    const [first, second] = seen as [Seen, Seen];
    assert.equal(`${first.method} ${first.url}`, 'POST /v1/messages');
    assert.equal(first.headers.authorization, 'Bearer k-1');
    assert.deepEqual(JSON.parse(first.body), message);
    assert.match(String(first.headers['idempotency-key']), /^[0-9a-f-]{36}$/);
    assert.notEqual(first.headers['idempotency-key'], second.headers['idempotency-key']);
  });

  it('tries again on 503, 429 and a broken connection, under the same idempotency key', async () => {
    answers = [
      json(503, problem('ledger-away'), { 'retry-after': '2' }),
      json(429, problem('too-many'), { 'retry-after': '0' }),
      hangUp,
      json(202, taken),
    ];
    await client.messages.send(message);
    assert.equal(new Set(seen.map((one) => one.headers['idempotency-key'])).size, 1);
    assert.equal(seen.length, 4);
    assert.deepEqual(waits.slice(0, 2), [2000, 0]);
    assert.ok((waits[2] as number) > 0);
  });

  it('gives up after the allowed tries with the last answer', async () => {
    answers = Array.from({ length: 6 }, () => json(503, problem('ledger-away')));
    const error = await refusal(client.messages.send(message));
    assert.equal(error.status, 503);
    assert.equal(seen.length, 6);
  });

  it('does not sit through a Retry-After of an hour', async () => {
    answers = [json(429, problem('quota'), { 'retry-after': '3600' })];
    assert.equal((await refusal(client.messages.send(message))).code, 'quota');
    assert.deepEqual(waits, []);
  });

  it('turns a problem document into an error that names the fields', async () => {
    const errors = [{ pointer: '/to/0/token', code: 'token-form', detail: 'must be hexadecimal' }];
    answers = [json(422, { ...problem('invalid'), errors })];
    const error = await refusal(client.messages.send(message));
    assert.deepEqual(
      [error.status, error.code, error.title, error.detail, error.errors],
      [422, 'invalid', 'No', 'because invalid', errors],
    );
    assert.match(error.message, /\/to\/0\/token: must be hexadecimal/);
    assert.equal(seen.length, 1);
  });

  it("makes an error of a proxy's page too", async () => {
    answers = [(_, response) => response.writeHead(502).end('<html>')];
    assert.equal((await refusal(client.messages.send(message))).code, 'http-502');
  });

  it('stops when its signal aborts', async () => {
    const controller = new AbortController();
    answers = [() => controller.abort(new Error('enough'))];
    await assert.rejects(client.messages.send(message, { signal: controller.signal }), /enough/);
  });
});

describe('calls', () => {
  it('does not repeat a POST without a key over a broken connection', async () => {
    answers = [hangUp, json(201, {})];
    const error = await refusal(client.keys.create({ name: 'x', role: 'producer' }));
    assert.deepEqual([error.status, error.code], [0, 'unreachable']);
    assert.match(error.detail, /cannot be reached/);
    assert.equal(seen.length, 1);
  });

  it('names a time-out', async () => {
    const hasty = createClient({ url, apiKey: 'k', timeoutMs: 20, maxRetries: 0 });
    answers = [() => undefined];
    assert.equal((await refusal(hasty.messages.get('m'))).code, 'timeout');
  });

  it('waits longer where a vendor is asked', async () => {
    const hasty = createClient({ url, apiKey: 'k', timeoutMs: 20, maxRetries: 0 });
    const later: Answer = (...call) => void setTimeout(() => json(200, { ok: true })(...call), 60);
    // One more than are asked for: a call of the test before may come in now.
    answers = [later, later, later, later];
    assert.deepEqual(await hasty.channels.verify('a'), { ok: true });
    assert.deepEqual(await hasty.channels.operate('a', 'query'), { ok: true });
    assert.equal((await refusal(hasty.channels.get('a'))).code, 'timeout');
  });

  it('lists vendors', async () => {
    answers = [json(200, { items: [{ name: 'apns' }], nextCursor: null })];
    assert.deepEqual(await client.vendors.list(), [{ name: 'apns' }]);
    assert.equal(seen[0]?.url, '/v1/vendors');
  });

  it('lists dead letters', async () => {
    answers = [json(200, { items: [{ pushId: 'm.0' }], nextCursor: null })];
    const ids: string[] = [];
    for await (const { pushId } of client.deadLetters.list({ code: '503' })) ids.push(pushId);
    assert.deepEqual([ids, seen[0]?.url], [['m.0'], '/v1/dead-letters?code=503']);
  });

  it('walks all pages', async () => {
    answers = [
      json(200, { items: [{ id: 'm.0' }], nextCursor: 'c 1' }),
      json(200, { items: [{ id: 'm.1' }] }),
    ];
    const ids: string[] = [];
    for await (const push of client.messages.pushes('m', { state: 'failed' })) ids.push(push.id);
    assert.deepEqual(ids, ['m.0', 'm.1']);
    assert.deepEqual(
      seen.map((one) => one.url),
      ['/v1/messages/m/pushes?state=failed', '/v1/messages/m/pushes?state=failed&cursor=c+1'],
    );
  });

  for (const [name, call, expected] of [
    ['messages.get', (c: Client) => c.messages.get('m'), 'GET /v1/messages/m'],
    ['pushes.get', (c: Client) => c.pushes.get('m.0'), 'GET /v1/pushes/m.0'],
    ['channels.get', (c: Client) => c.channels.get('a/b'), 'GET /v1/channels/a%2Fb'],
    [
      'channels.update',
      (c: Client) => c.channels.update('a', { settings: {} }),
      'PATCH /v1/channels/a {"settings":{}}',
    ],
    ['messages.cancel', (c: Client) => c.messages.cancel('m'), 'POST /v1/messages/m/cancel'],
    ['messages.pause', (c: Client) => c.messages.pause('m'), 'POST /v1/messages/m/pause'],
    ['messages.resume', (c: Client) => c.messages.resume('m'), 'POST /v1/messages/m/resume'],
    ['channels.pause', (c: Client) => c.channels.pause('a'), 'POST /v1/channels/a/pause {}'],
    ['channels.resume', (c: Client) => c.channels.resume('a'), 'POST /v1/channels/a/resume'],
    [
      'channels.rotate',
      (c: Client) => c.channels.rotate('a', { k: 1 }),
      'POST /v1/channels/a/rotate {"credential":{"k":1}}',
    ],
    ['channels.verify', (c: Client) => c.channels.verify('a'), 'POST /v1/channels/a/verify'],
    [
      'channels.operate',
      (c: Client) => c.channels.operate('a', 'tag-create', { tag: 'vip' }),
      'POST /v1/channels/a/operations/tag-create {"tag":"vip"}',
    ],
    [
      'channels.operate without input',
      (c: Client) => c.channels.operate('a', 'query'),
      'POST /v1/channels/a/operations/query {}',
    ],
    ['vendors.get', (c: Client) => c.vendors.get('apns'), 'GET /v1/vendors/apns'],
    [
      'deadLetters.summary',
      (c: Client) => c.deadLetters.summary({ channel: 'ios' }),
      'GET /v1/dead-letters/summary?channel=ios',
    ],
    [
      'deadLetters.replay',
      (c: Client) => c.deadLetters.replay({ filter: { code: 'BadTopic' } }, { ttlSeconds: 60 }),
      'POST /v1/dead-letters/replay {"filter":{"code":"BadTopic"},"ttlSeconds":60}',
    ],
    [
      'deadLetters.drop',
      (c: Client) => c.deadLetters.drop({ all: true }),
      'POST /v1/dead-letters/drop {"all":true}',
    ],
  ] as const) {
    it(name, async () => {
      answers = [json(200, { ok: true })];
      assert.deepEqual(await call(client), { ok: true });
      const [one] = seen as [Seen];
      assert.equal(`${one.method} ${one.url} ${one.body}`.trim(), expected);
      // A content type without a body is refused by strict servers.
      assert.equal(one.headers['content-type'] !== undefined, one.body !== '');
    });
  }

  it('takes a 204', async () => {
    answers = [
      (_, response) => response.writeHead(204).end(),
      (_, response) => response.writeHead(204).end(),
    ];
    assert.equal(await client.channels.delete('a'), undefined);
    assert.equal(await client.keys.revoke('k'), undefined);
    assert.deepEqual(
      seen.map((one) => `${one.method} ${one.url}`),
      ['DELETE /v1/channels/a', 'DELETE /v1/keys/k'],
    );
  });
});

describe('events', () => {
  const stream =
    (...chunks: string[]): Answer =>
    (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const chunk of chunks) response.write(chunk);
      response.end();
    };

  it('reads events over chunk borders, and comes back where it was', async () => {
    answers = [
      stream(
        ': hello\n\nretry: 5\nid: 1\nevent: pu',
        'sh\ndata: {"id":"m.0"}\r',
        '\n\r\n',
        'data: a\ndata: b\n\n',
      ),
      stream('id: 2\ndata: 3\n\n'),
    ];
    const controller = new AbortController();
    const got: unknown[] = [];
    for await (const event of client.events({ signal: controller.signal })) {
      got.push(event);
      if (got.length === 3) controller.abort();
    }
    assert.deepEqual(got, [
      { id: '1', event: 'push', data: { id: 'm.0' } },
      { id: '1', event: 'message', data: 'a\nb' },
      { id: '2', event: 'message', data: 3 },
    ]);
    assert.equal(seen[1]?.headers['last-event-id'], '1');
    assert.deepEqual(waits, [5]);
  });

  it('throws on an answer that waiting cannot cure', async () => {
    answers = [json(401, problem('key-unknown'))];
    const first = client.events()[Symbol.asyncIterator]().next();
    assert.equal((await refusal(first)).code, 'key-unknown');
  });
});
