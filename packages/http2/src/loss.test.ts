import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { failure, listen, poolFor, post, startCable, startPeer, until } from './peer.ts';

test('a killed session: no error, no status, and the request may have arrived', async (t) => {
  const peer = await startPeer(t, { onRequest: () => {} });
  const cable = await startCable(t, peer.port);
  const pool = poolFor(t, cable.origin, { maxSessions: 1, initialMaxStreams: 10, backoffBaseMs: 5 });
  const sent = [1, 2, 3].map((n) => post(pool, n));
  await until(() => peer.held.length === 3, 'three in flight');
  cable.cut();
  for (const promise of sent) {
    const error = await failure(promise);
    assert.deepEqual([error.kind, error.mayHaveArrived], ['reset', true]);
  }
  const again = post(pool, 4);
  await until(() => peer.sessions.length === 2 && peer.held.at(-1)?.id === '4', 'a new session');
  peer.held.at(-1)?.answer();
  assert.equal((await again).status, 200);
  assert.equal(pool.stats().failures, 0);
});

test('a reset stream fails alone; an answer cut short is no answer', async (t) => {
  const peer = await startPeer(t, {
    onRequest: (exchange) => {
      if (exchange.id === 'reset') exchange.stream.close(8);
      else if (exchange.id === 'cut') {
        exchange.stream.respond({ ':status': 200 });
        exchange.stream.write('half of ', () => exchange.stream.destroy(new Error('cut')));
      } else if (exchange.id === 'kill') {
        exchange.stream.respond({ ':status': 200 });
        exchange.stream.write('half of ', () => cable.cut());
      } else exchange.answer();
    },
  });
  const cable = await startCable(t, peer.port);
  const pool = poolFor(t, cable.origin, { maxSessions: 1 });
  assert.equal((await post(pool, 'first')).status, 200);
  for (const id of ['reset', 'cut', 'kill']) {
    const error = await failure(post(pool, id));
    assert.deepEqual([error.kind, error.mayHaveArrived], ['reset', true], id);
    if (id === 'cut') assert.equal(pool.stats().opened, 1);
  }
  assert.equal((await post(pool, 'fine')).status, 200);
});

test('half-open: PING finds it, what was in flight may have arrived, the next request gets a new session', async (t) => {
  const peer = await startPeer(t, { onRequest: (exchange) => exchange.id === 'hold' || exchange.answer() });
  const cable = await startCable(t, peer.port);
  const pool = poolFor(t, cable.origin, { maxSessions: 1, pingIntervalMs: 200, pingTimeoutMs: 1_000 });
  await post(pool, 'first');
  const sent = post(pool, 'hold');
  await until(() => peer.held.length === 1, 'one in flight');
  cable.freeze();
  const error = await failure(sent);
  assert.deepEqual([error.kind, error.mayHaveArrived], ['reset', true]);
  assert.match(error.detail, /PING/);
  const next = await post(pool, 'next');
  assert.deepEqual([next.status, next.sessionId === 'h2-1'], [200, false]);
});

test('half-open while idle is found as well', async (t) => {
  const peer = await startPeer(t);
  const cable = await startCable(t, peer.port);
  const pool = poolFor(t, cable.origin, { pingIntervalMs: 200, pingTimeoutMs: 300 });
  await post(pool);
  cable.freeze();
  await until(() => pool.stats().sessions === 0, 'the dead session is dropped');
  assert.equal((await post(pool)).status, 200);
});

test('PING keeps a quiet session', async (t) => {
  let pings = 0;
  const peer = await startPeer(t, { onSession: (session) => session.on('ping', () => pings++) });
  const pool = poolFor(t, peer.origin, { pingIntervalMs: 100, pingTimeoutMs: 5_000 });
  await post(pool);
  await until(() => pings >= 3, 'three pings');
  assert.equal(pool.stats().sessions, 1);
});

test('the deadline counts from writing, not from asking', async (t) => {
  const peer = await startPeer(t, {
    streams: 1,
    onRequest: (exchange) => exchange.id === 'slow' || exchange.answer(),
  });
  const pool = poolFor(t, peer.origin, { maxSessions: 1 });
  await post(pool, 'first');
  const slow = failure(post(pool, 'slow', { timeoutMs: 900 }));
  const quick = post(pool, 'quick', { timeoutMs: 300 }); // waits three times its own deadline
  const error = await slow;
  assert.deepEqual([error.kind, error.mayHaveArrived], ['timeout', true]);
  assert.equal((await quick).status, 200);
  assert.equal(pool.stats().opened, 1);
});

test('AbortSignal: out of the line unsent, out of its stream perhaps arrived, and no listener stays', async (t) => {
  const peer = await startPeer(t, {
    streams: 2,
    onRequest: (exchange) => exchange.id === 'first' && exchange.answer(),
  });
  const pool = poolFor(t, peer.origin, { maxSessions: 1 });
  await post(pool, 'first');
  const controller = new AbortController();
  const { signal } = controller;
  const sent = Array.from({ length: 300 }, (_, n) => failure(post(pool, n, { signal })));
  await until(() => peer.held.length === 2, 'two in flight');
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  controller.abort();
  const errors = await Promise.all(sent);
  assert.ok(errors.every((error) => error.kind === 'aborted'));
  assert.equal(errors.filter((error) => error.mayHaveArrived).length, 2);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  assert.equal(pool.stats().waiting, 0);
  assert.equal((await failure(post(pool, 'late', { signal }))).mayHaveArrived, false);
  await until(() => pool.stats().streams === 0, 'both streams are closed');
});

test('no connection: attempts back off, and waiting has a bound', async (t) => {
  let attempts = 0;
  const server = createServer((socket) => {
    attempts += 1;
    socket.destroy();
  });
  await listen(t, server);
  const pool = poolFor(t, `https://localhost:${(server.address() as AddressInfo).port}`, {
    maxConnectWaitMs: 1_500,
    backoffBaseMs: 300,
    random: () => 0.999,
  });
  const errors = await Promise.all(Array.from({ length: 20 }, (_, n) => failure(post(pool, n))));
  for (const error of errors) assert.deepEqual([error.kind, error.mayHaveArrived], ['connect', false]);
  // 0, 0.3 s, 0.9 s, 2.1 s: one storm of twenty would be twenty
  assert.ok(attempts >= 2 && attempts <= 4, `${attempts} attempts`);
});

test('a server that comes back is found, and the backoff forgotten', async (t) => {
  const placeholder = createServer();
  placeholder.listen(0, '127.0.0.1');
  await until(() => placeholder.listening, 'a free port');
  const { port } = placeholder.address() as AddressInfo;
  await new Promise((resolve) => placeholder.close(resolve));
  const pool = poolFor(t, `https://localhost:${port}`, { backoffBaseMs: 100, backoffMaxMs: 200 });
  const sent = post(pool);
  await until(() => pool.stats().failures >= 2, 'two failures');
  const peer = await startPeer(t);
  await startCable(t, peer.port, port);
  assert.equal((await sent).status, 200);
  assert.equal(pool.stats().failures, 0);
});

test('a server that accepts and says nothing', async (t) => {
  const server = createServer(() => {});
  await listen(t, server);
  const pool = poolFor(t, `https://localhost:${(server.address() as AddressInfo).port}`, {
    connectTimeoutMs: 200,
    maxConnectWaitMs: 300,
    backoffBaseMs: 10,
  });
  const error = await failure(post(pool));
  assert.deepEqual([error.kind, error.mayHaveArrived], ['connect', false]);
  assert.match(error.detail, /200 ms/);
});
