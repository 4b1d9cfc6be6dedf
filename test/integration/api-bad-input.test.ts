import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { apnsCredential, apnsToken, useHttpWorld } from './http-setup.ts';

const world = await useHttpWorld();
before(async () => {
  await world.api.inject({
    method: 'POST',
    url: '/v1/channels',
    headers: world.operator,
    payload: {
      name: 'ios',
      vendor: 'apns',
      settings: { topic: 'com.example.app' },
      credential: apnsCredential(),
    },
  });
});

const token = apnsToken();
const good = { notification: { title: 'Hi' }, class: 'transactional', to: [{ channel: 'ios', token }] };
const json = { 'content-type': 'application/json' };

/** Each with what the problem must say: status, code, and where the first fault is. */
const cases: [
  name: string,
  body: unknown,
  status: number,
  code: string,
  pointer: string | undefined,
  field: string,
][] = [
  ['no body', undefined, 400, 'invalid-request', '', 'wrong-type'],
  ['broken JSON', '{"class": "transactional",', 400, 'malformed-json', '', 'malformed'],
  ['an empty text', '', 400, 'invalid-request', '', 'wrong-type'],
  ['an array', '[]', 400, 'invalid-request', '', 'wrong-type'],
  ['a text', '"hello"', 400, 'invalid-request', '', 'wrong-type'],
  ['null', 'null', 400, 'invalid-request', '', 'wrong-type'],
  ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 400, 'malformed-json', '', 'malformed'],
  ['a poisoned prototype', '{"__proto__": {"x": 1}}', 400, 'malformed-json', '', 'malformed'],
  ['brackets a million deep', '['.repeat(1_000_000), 400, 'malformed-json', '', 'malformed'],
  [
    'objects thousands deep',
    `{"data":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_001)}`,
    400,
    'invalid-request',
    '',
    'too-deep',
  ],
  [
    'half a surrogate pair',
    JSON.stringify({ ...good, notification: { title: '\ud800' } }),
    400,
    'invalid-request',
    '/notification/title',
    'wrong-format',
  ],
  [
    'a NUL',
    JSON.stringify({ ...good, data: { a: '\u0000' } }),
    400,
    'invalid-request',
    '/data/a',
    'wrong-format',
  ],
  ['an unknown field', { ...good, urgent: true }, 400, 'invalid-request', '/urgent', 'unknown-field'],
  [
    'an unknown field inside',
    { ...good, notification: { title: 'x', subtitel: 'y' } },
    400,
    'invalid-request',
    '/notification/subtitel',
    'unknown-field',
  ],
  [
    'no class',
    { notification: good.notification, to: good.to },
    400,
    'invalid-request',
    '/class',
    'required',
  ],
  ['a class of its own', { ...good, class: 'spam' }, 400, 'invalid-request', '/class', 'not-allowed'],
  ['no recipients', { ...good, to: [] }, 400, 'invalid-request', '/to', 'too-few'],
  [
    'a number as title',
    { ...good, notification: { title: 5 } },
    400,
    'invalid-request',
    '/notification/title',
    'wrong-type',
  ],
  [
    'a number as data',
    { ...good, data: { orderId: 1 } },
    400,
    'invalid-request',
    '/data/orderId',
    'wrong-type',
  ],
  ['a text as number', { ...good, ttlSeconds: '60' }, 400, 'invalid-request', '/ttlSeconds', 'wrong-type'],
  ['no life', { ...good, ttlSeconds: 0 }, 400, 'invalid-request', '/ttlSeconds', 'too-small'],
  ['eternal life', { ...good, ttlSeconds: 1e9 }, 400, 'invalid-request', '/ttlSeconds', 'too-large'],
  ['a date of its own', { ...good, sendAt: 'tomorrow' }, 400, 'invalid-request', '/sendAt', 'wrong-format'],
  [
    'a far date',
    { ...good, sendAt: new Date(Date.now() + 31 * 86_400_000).toISOString() },
    422,
    'invalid-message',
    '/sendAt',
    'too-large',
  ],
  [
    'a past date',
    { ...good, sendAt: '2020-01-01T00:00:00Z' },
    422,
    'invalid-message',
    '/sendAt',
    'too-small',
  ],
  [
    'a click to nowhere',
    { ...good, notification: { title: 'x', click: { type: 'url' } } },
    422,
    'invalid-message',
    '/notification/click/url',
    'required',
  ],
  [
    'nothing to say',
    { class: 'marketing', to: good.to },
    422,
    'invalid-message',
    '/notification',
    'required',
  ],
  [
    'an unknown vendor',
    { ...good, vendor: { pigeon: {} } },
    400,
    'invalid-request',
    '/vendor/pigeon',
    'unknown-field',
  ],
  [
    'an unknown override',
    { ...good, vendor: { apns: { volume: 11 } } },
    400,
    'invalid-request',
    '/vendor/apns/volume',
    'unknown-field',
  ],
  [
    'a wrong override',
    { ...good, vendor: { apns: { priority: 7 } } },
    400,
    'invalid-request',
    '/vendor/apns/priority',
    'not-allowed',
  ],
  [
    'an over-long payload',
    { ...good, notification: { title: 'x', body: 'ü'.repeat(4_000) } },
    422,
    'nothing-sendable',
    '/notification/body',
    'payload-too-large',
  ],
  [
    'a wrong token form',
    { ...good, to: [{ channel: 'ios', token: 'not-hex' }] },
    422,
    'nothing-sendable',
    '/to/0/token',
    'wrong-token-form',
  ],
  [
    'a wrong token in a list',
    { ...good, to: [{ channel: 'ios', tokens: ['xyz'] }] },
    422,
    'nothing-sendable',
    '/to/0/tokens/0',
    'wrong-token-form',
  ],
  [
    'an unknown channel',
    { ...good, to: [{ channel: 'nokia', token }] },
    422,
    'nothing-sendable',
    '/to/0/channel',
    'unknown-channel',
  ],
  ['no channel', { ...good, to: [{ token }] }, 422, 'nothing-sendable', '/to/0/channel', 'required'],
  ['no token', { ...good, to: [{ channel: 'ios' }] }, 422, 'nothing-sendable', '/to/0/token', 'required'],
  ['an unknown user', { ...good, to: [{ user: 'u-1' }] }, 422, 'nothing-sendable', '/to/0/user', 'no-device'],
  ['an unknown tag', { ...good, to: [{ tag: 'vip' }] }, 422, 'nothing-sendable', '/to/0/tag', 'no-device'],
  [
    'an unknown device',
    { ...good, to: [{ device: 'd' }] },
    422,
    'nothing-sendable',
    '/to/0/device',
    'no-device',
  ],
  [
    'a user and a token',
    { ...good, to: [{ ...good.to[0], user: 'u-1' }] },
    422,
    'nothing-sendable',
    '/to/0/token',
    'required',
  ],
];

describe('bad input to POST /v1/messages', () => {
  for (const [name, body, status, code, pointer, field] of cases) {
    it(`refuses ${name}`, async () => {
      const response = await world.api.inject({
        method: 'POST',
        url: '/v1/messages',
        headers: { ...world.producer, ...json },
        ...(body === undefined ? {} : { payload: body as string | object }),
      });
      assert.equal(response.statusCode, status, response.body);
      assert.equal(response.headers['content-type'], 'application/problem+json');
      const problem = response.json();
      assert.equal(problem.code, code);
      assert.equal(problem.status, status);
      assert.ok(problem.title && problem.detail && problem.type, response.body);
      const fault = problem.errors.find(
        (one: { pointer: string }) => pointer === undefined || one.pointer === pointer,
      );
      assert.ok(fault, response.body);
      if (field) assert.equal(fault.code, field);
      assert.ok(!response.body.includes(token), 'the problem echoes a token');
    });
  }

  const others: [name: string, request: object, status: number, code: string, says: RegExp][] = [
    ['no key', { headers: json, payload: good }, 401, 'unauthenticated', /Authorization/],
    [
      'an unknown key',
      { headers: { ...json, authorization: 'Bearer pmk_nobody' }, payload: good },
      401,
      'unauthenticated',
      /unknown or revoked/,
    ],
    [
      'another scheme',
      { headers: { ...json, authorization: 'Digest x' }, payload: good },
      401,
      'unauthenticated',
      /Authorization/,
    ],
    [
      'another content type',
      { type: 'text/plain', payload: JSON.stringify(good) },
      415,
      'unsupported-media-type',
      /Content-Type/,
    ],
    [
      'a form',
      { type: 'application/x-www-form-urlencoded', payload: 'class=x' },
      415,
      'unsupported-media-type',
      /Content-Type/,
    ],
    [
      'no content type',
      { type: undefined, payload: Buffer.from(JSON.stringify(good)) },
      415,
      'unsupported-media-type',
      /Content-Type/,
    ],
    [
      'ten megabytes',
      { payload: JSON.stringify({ ...good, data: { a: 'x'.repeat(10_000_000) } }), type: 'application/json' },
      413,
      'body-too-large',
      /larger than 5000000 bytes/,
    ],
    [
      'an idempotency key of 256',
      { payload: good, key: 'k'.repeat(256) },
      400,
      'invalid-request',
      /idempotency-key/,
    ],
    [
      'an idempotency key with an umlaut',
      { payload: good, key: 'ü' },
      400,
      'invalid-request',
      /idempotency-key/,
    ],
    ['an unknown path', { url: '/v1/massages', payload: good }, 404, 'not-found', /POST \/v1\/massages/],
  ];
  for (const [name, given, status, code, says] of others) {
    it(`refuses ${name}`, async () => {
      const { type, key, headers, ...request } = given as Record<string, never>;
      const response = await world.api.inject({
        method: 'POST',
        url: '/v1/messages',
        headers: headers ?? {
          ...world.producer,
          ...('type' in given ? (type ? { 'content-type': type } : {}) : json),
          ...(key ? { 'idempotency-key': key } : {}),
        },
        ...request,
      });
      assert.equal(response.statusCode, status, response.body);
      assert.equal(response.headers['content-type'], 'application/problem+json');
      assert.equal(response.json().code, code);
      assert.match(response.body, says);
      if (status === 401) assert.match(String(response.headers['www-authenticate']), /^Bearer/);
    });
  }

  it('refuses more than a message may name', async () => {
    const tokens = Array.from({ length: 50_001 }, (_, index) => index.toString(16).padStart(64, '0'));
    const to = [
      { channel: 'ios', tokens: tokens.slice(0, 30_000) },
      { channel: 'ios', tokens: tokens.slice(30_000) },
    ];
    const response = await world.api.inject({
      method: 'POST',
      url: '/v1/messages',
      headers: world.producer,
      payload: { ...good, to },
    });
    assert.equal(response.statusCode, 422, response.body.slice(0, 500));
    assert.equal(response.json().errors[0].pointer, '/to');
  });

  it('refuses a revoked key at once', async () => {
    const made = await world.api.inject({
      method: 'POST',
      url: '/v1/keys',
      headers: world.operator,
      payload: { name: 'short-lived', role: 'producer' },
    });
    const { id, key } = made.json();
    const ask = () => world.api.inject({ url: '/v1/messages', headers: { authorization: `Bearer ${key}` } });
    assert.equal((await ask()).statusCode, 200);
    const gone = await world.api.inject({ method: 'DELETE', url: `/v1/keys/${id}`, headers: world.operator });
    assert.equal(gone.statusCode, 204);
    assert.equal((await ask()).statusCode, 401);
    const again = await world.api.inject({
      method: 'DELETE',
      url: `/v1/keys/${id}`,
      headers: world.operator,
    });
    assert.equal(again.statusCode, 404);
  });

  it('queued nothing of all this', async () => {
    const { items } = await world.api
      .inject({ url: '/v1/messages', headers: world.producer })
      .then((response) => response.json());
    assert.deepEqual(items, []);
    assert.deepEqual(await world.store.batches.backlog(), []);
    assert.deepEqual(world.fed, []);
  });
});

describe('bad parameters', () => {
  const id = randomUUID();
  for (const [url, status, pointer] of [
    ['/v1/messages?limit=0', 400, '/query/limit'],
    ['/v1/messages?limit=1.5', 400, '/query/limit'],
    ['/v1/messages?limit=', 400, '/query/limit'],
    ['/v1/messages?page=2', 400, '/query/page'],
    ['/v1/messages?cursor=x', 400, '/query/cursor'],
    ['/v1/messages/1', 400, '/path/id'],
    [`/v1/messages/${id}`, 404, undefined],
    [`/v1/messages/${id}/pushes`, 404, undefined],
    [`/v1/messages/${id}/pushes?state=lost`, 400, '/query/state'],
    [`/v1/messages/${id}/pushes?code=%00`, 400, '/query/code'],
    [`/v1/pushes/${id}`, 400, '/path/id'],
    [`/v1/pushes/${id}.0`, 404, undefined],
    ['/v1/pushes?from=2026-02-30T99:00:00Z', 400, '/query/from'],
    ['/v1/pushes?cursor=x', 400, '/query/cursor'],
    [`/v1/receipts?result=refused&cursor=${id}.1`, 400, '/query/cursor'],
    ['/v1/channels/a%00b', 400, '/path/name'],
    ['/v1/channels/none', 404, undefined],
    [`/v1/channels/${'x'.repeat(300)}`, 404, undefined],
    ['/v1/channels/%zz', 404, undefined],
  ] as const) {
    it(`answers ${status} to GET ${url}`, async () => {
      const response = await world.api.inject({ url, headers: world.operator });
      assert.equal(response.statusCode, status, response.body);
      assert.equal(response.json().errors?.[0].pointer, pointer);
    });
  }
});
