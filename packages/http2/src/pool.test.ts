import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPool } from './index.ts';
import { failure, poolFor, post, startPeer, until } from './peer.ts';

test('a request and its answer', async (t) => {
  const peer = await startPeer(t, {
    onRequest: (exchange) => exchange.answer(410, '{"reason":"Unregistered"}'.repeat(4_000)),
  });
  const pool = poolFor(t, peer.origin);
  const seen: unknown[] = [];
  peer.held.push = (...exchanges) => {
    seen.push(...exchanges.map((exchange) => [exchange.headers, exchange.body.toString()]));
    return seen.length;
  };
  const answer = await pool.request({
    path: '/3/device/00?x=1',
    headers: { 'x-id': 'a', authorization: 'bearer x' },
    body: '{"é":1}',
  });
  assert.equal(answer.status, 410);
  assert.equal(answer.headers['x-id'], 'a');
  assert.equal(answer.body.toString(), '{"reason":"Unregistered"}'.repeat(4_000));
  assert.equal(answer.sessionId, 'h2-1');
  const [[headers, body]] = seen as [[Record<string, string>, string]];
  assert.equal(headers[':method'], 'POST');
  assert.equal(headers[':path'], '/3/device/00?x=1');
  assert.equal(headers[':scheme'], 'https');
  assert.equal(headers[':authority'], `localhost:${peer.port}`);
  assert.equal(headers.authorization, 'bearer x');
  assert.equal(body, '{"é":1}');
});

test('GET without a body, bytes as a body, an answer without one', async (t) => {
  const peer = await startPeer(t, {
    onRequest: (exchange) =>
      exchange.answer(200, `${exchange.headers[':method']} ${exchange.body.toString('hex')}`),
  });
  const pool = poolFor(t, peer.origin);
  const get = await pool.request({ method: 'GET', path: '/1/apps', headers: {} });
  assert.equal(get.body.toString(), 'GET ');
  const put = await pool.request({ method: 'PUT', path: '/', headers: {}, body: new Uint8Array([1, 255]) });
  assert.equal(put.body.toString(), 'PUT 01ff');
  const plain = await startPeer(t);
  assert.equal((await post(poolFor(t, plain.origin))).body.length, 0);
});

test('an answer beyond maxResponseBytes is cut off', async (t) => {
  const peer = await startPeer(t, { onRequest: (exchange) => exchange.answer(200, 'x'.repeat(100_000)) });
  const pool = poolFor(t, peer.origin, { maxResponseBytes: 50_000 });
  const error = await failure(post(pool));
  assert.deepEqual([error.kind, error.mayHaveArrived], ['reset', true]);
  await until(() => pool.stats().streams === 0, 'the stream is closed');
});

test('headers that HTTP/2 would mangle are the bug of the caller, and the value is not in the error', async (t) => {
  const peer = await startPeer(t);
  const pool = poolFor(t, peer.origin);
  for (const value of ['あ', 'é', 'Ċ', 'a\nb', '\u0000']) {
    await assert.rejects(pool.request({ path: '/', headers: { 'apns-collapse-id': value } }), {
      name: 'TypeError',
      message: 'Header apns-collapse-id is not printable ASCII',
    });
  }
  await assert.rejects(pool.request({ path: '/3/device/あ', headers: {} }), TypeError);
  await assert.rejects(pool.request({ path: '3/device', headers: {} }), TypeError);
  await post(pool);
  await assert.rejects(pool.request({ path: '/', headers: { 'bad name': 'x' } }), TypeError);
  await assert.rejects(pool.request({ path: '/', headers: { connection: 'close' } }), {
    code: 'ERR_HTTP2_INVALID_CONNECTION_HEADERS',
  });
  assert.equal((await post(pool)).status, 200);
  assert.deepEqual([pool.stats().streams, pool.stats().opened], [0, 1]);
});

test('https://127.0.0.1, and another name than the origin', async (t) => {
  const peer = await startPeer(t);
  assert.equal((await post(poolFor(t, `https://127.0.0.1:${peer.port}`))).status, 200);
  assert.equal(
    (await post(poolFor(t, `https://127.0.0.1:${peer.port}`, { tls: { servername: 'localhost' } }))).status,
    200,
  );
});

test('options that cannot be right', () => {
  for (const origin of [
    'http://localhost',
    'https://localhost/path',
    'https://me@localhost',
    'https://[::1]:443',
    'localhost',
  ]) {
    assert.throws(() => createPool({ origin }), TypeError, origin);
  }
  assert.throws(() => createPool({ origin: 'https://localhost', maxSessions: 0 }), RangeError);
  assert.throws(() => createPool({ origin: 'https://localhost', requestTimeoutMs: Number.NaN }), RangeError);
});

test('retire: what is in flight finishes on the old session, later requests get a new one', async (t) => {
  const peer = await startPeer(t, { onRequest: (exchange) => exchange.id === 'hold' || exchange.answer() });
  const pool = poolFor(t, peer.origin);
  const first = await post(pool, 'first');
  const held = post(pool, 'hold');
  await until(() => peer.held.length === 1, 'one in flight');
  pool.retire('ExpiredProviderToken', first.sessionId);
  pool.retire('ExpiredProviderToken', first.sessionId);
  const second = await post(pool, 'second');
  assert.notEqual(second.sessionId, first.sessionId);
  // A late answer of the old session must not end the new one.
  pool.retire('ExpiredProviderToken', first.sessionId);
  assert.equal((await post(pool, 'third')).sessionId, second.sessionId);
  peer.held[0]?.answer();
  assert.equal((await held).sessionId, first.sessionId);
  pool.retire('credential rotated');
  assert.equal((await post(pool, 'fourth')).sessionId, 'h2-3');
  await until(() => pool.stats().draining === 0, 'both old sessions are gone');
  assert.deepEqual([pool.stats().failures, pool.stats().lastRetirement], [0, 'credential rotated']);
});

test('an idle session is closed, and the next request opens another', async (t) => {
  const peer = await startPeer(t);
  const pool = poolFor(t, peer.origin, { idleTimeoutMs: 200 });
  await post(pool);
  await until(() => pool.stats().sessions === 0 && pool.stats().draining === 0, 'no session');
  assert.equal((await post(pool)).sessionId, 'h2-2');
  assert.equal(pool.stats().failures, 0);
});

test('close waits for what is in flight, fails what waits, and takes nothing new', async (t) => {
  const peer = await startPeer(t, {
    streams: 2,
    onRequest: (exchange) => exchange.id === 'first' && exchange.answer(),
  });
  const pool = poolFor(t, peer.origin, { maxSessions: 1 });
  await post(pool, 'first');
  const inFlight = [post(pool, 1), post(pool, 2)];
  await until(() => peer.held.length === 2, 'two in flight');
  const waiting = failure(post(pool, 3));
  const closing = pool.close();
  assert.equal((await waiting).kind, 'closed');
  assert.equal((await waiting).mayHaveArrived, false);
  assert.equal((await failure(post(pool, 4))).kind, 'closed');
  for (const exchange of [...peer.held]) exchange.answer();
  assert.deepEqual(
    (await Promise.all(inFlight)).map((answer) => answer.status),
    [200, 200],
  );
  await closing;
  assert.deepEqual(peer.accepted, ['first', '1', '2']);
});

test('close at its deadline: what is still in flight may have arrived', async (t) => {
  const peer = await startPeer(t, { onRequest: () => {} });
  const pool = poolFor(t, peer.origin);
  const sent = failure(post(pool));
  await until(() => peer.held.length === 1, 'one in flight');
  await pool.close(100);
  assert.deepEqual([(await sent).kind, (await sent).mayHaveArrived], ['closed', true]);
});

test('close while connecting, and close of a pool that was never used', async (t) => {
  const peer = await startPeer(t);
  const pool = poolFor(t, peer.origin);
  const sent = failure(post(pool));
  await pool.close();
  assert.deepEqual([(await sent).kind, (await sent).mayHaveArrived], ['closed', false]);
  await poolFor(t, peer.origin).close();
  assert.equal(peer.accepted.length, 0);
});

test('many callers at once, with bodies', async (t) => {
  const peer = await startPeer(t, {
    streams: 50,
    onRequest: (exchange) => exchange.answer(200, exchange.body.toString()),
  });
  const pool = poolFor(t, peer.origin, { maxSessions: 4 });
  const bodies = Array.from({ length: 2_000 }, (_, n) => `${n}`.padStart(1 + (n % 4_000), '.'));
  const answers = await Promise.all(bodies.map((body) => pool.request({ path: '/', headers: {}, body })));
  assert.deepEqual(
    answers.map((answer) => answer.body.toString()),
    bodies,
  );
});
