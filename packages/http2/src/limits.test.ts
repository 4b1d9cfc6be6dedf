import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure, poolFor, post, startPeer, until } from './peer.ts';

// maxResends 0 in this file: a refused stream would otherwise be sent again and the test would not see it.

test('1000 requests at a limit of 1, raised to 1000 by the first answer: 1000 answers, nothing refused', async (t) => {
  const raised = new Set<unknown>();
  const peer = await startPeer(t, {
    streams: 1,
    onRequest: (exchange) => {
      exchange.answer();
      if (raised.has(exchange.session)) return;
      raised.add(exchange.session);
      exchange.session.settings({ maxConcurrentStreams: 1000 });
    },
  });
  const pool = poolFor(t, peer.origin, { maxResends: 0, maxSessions: 2 });
  const answers = await Promise.all(Array.from({ length: 1000 }, (_, n) => post(pool, n)));
  assert.ok(answers.every((answer) => answer.status === 200));
  assert.equal(new Set(peer.accepted).size, 1000);
  assert.equal(peer.accepted.length, 1000);
  assert.equal(pool.stats().failures, 0);
});

test('one stream until the first answer, whatever SETTINGS allow; 403 is no answer', async (t) => {
  const peer = await startPeer(t, { streams: 100, onRequest: () => {} });
  const pool = poolFor(t, peer.origin, { maxSessions: 1, maxResends: 0 });
  const sent = Array.from({ length: 10 }, (_, n) => post(pool, n));
  await until(() => peer.held.length === 1, 'the first request');
  peer.held[0]?.answer(403, '{"reason":"ExpiredProviderToken"}');
  assert.equal((await sent[0])?.status, 403);
  await until(() => peer.held.length === 1, 'the second request');
  assert.deepEqual([pool.stats().streams, pool.stats().waiting, pool.stats().streamLimit], [1, 8, 1]);
  peer.held[0]?.answer(200);
  await until(() => peer.held.length === 8, 'all the others at once');
  for (const exchange of [...peer.held]) exchange.answer();
  await Promise.all(sent);
});

test('a lowered limit is followed, and a raised one again', async (t) => {
  const peer = await startPeer(t, { streams: 10, onRequest: () => {} });
  const pool = poolFor(t, peer.origin, { maxSessions: 1, initialMaxStreams: 100, maxResends: 0 });
  const sent = Array.from({ length: 60 }, (_, n) => post(pool, n));
  await until(() => peer.held.length === 10, 'ten streams');
  const session = peer.sessions[0];
  assert.ok(session);
  await new Promise((resolve) => session.settings({ maxConcurrentStreams: 3 }, resolve));
  assert.equal(pool.stats().streamLimit, 3);
  let most = 0;
  for (let n = 0; n < 40; n++) {
    await until(() => peer.held.length >= 3, 'three streams');
    if (peer.accepted.length > 10) most = Math.max(most, pool.stats().streams);
    peer.held[0]?.answer();
  }
  assert.equal(most, 3);
  await new Promise((resolve) => session.settings({ maxConcurrentStreams: 20 }, resolve));
  await until(() => peer.held.length === 20, 'twenty streams');
  for (const exchange of [...peer.held]) exchange.answer();
  await Promise.all(sent);
  assert.equal(peer.accepted.length, 60);
});

test('a limit of 0 waits for a better one', async (t) => {
  const peer = await startPeer(t, { streams: 0 });
  const pool = poolFor(t, peer.origin, { maxSessions: 1, maxResends: 0 });
  const sent = post(pool);
  await until(() => pool.stats().sessions === 1, 'a session');
  assert.deepEqual([pool.stats().streamLimit, pool.stats().waiting], [0, 1]);
  peer.sessions[0]?.settings({ maxConcurrentStreams: 5 });
  assert.equal((await sent).status, 200);
});

test('our own cap holds below the limit of the peer', async (t) => {
  const peer = await startPeer(t, { streams: 1000 });
  const pool = poolFor(t, peer.origin, {
    maxSessions: 1,
    initialMaxStreams: 50,
    maxStreamsPerSession: 7,
    maxResends: 0,
  });
  await Promise.all(Array.from({ length: 200 }, (_, n) => post(pool, n)));
  assert.ok(peer.mostStreams <= 7, `${peer.mostStreams} streams`);
});

test('sessions are added while the line does not move, up to maxSessions, and the line is first in first out', async (t) => {
  let hold = false;
  const peer = await startPeer(t, {
    streams: 5,
    onRequest: (exchange) => {
      if (!hold) exchange.answer();
    },
  });
  const pool = poolFor(t, peer.origin, { maxSessions: 3, initialMaxStreams: 5, maxResends: 0 });
  await post(pool, 'first');
  hold = true;
  const sent = Array.from({ length: 20 }, (_, n) => post(pool, n));
  await until(() => peer.held.length === 15, 'three full sessions');
  assert.deepEqual([pool.stats().sessions, pool.stats().waiting, pool.stats().streamLimit], [3, 5, 15]);
  const held = peer.held.map((exchange) => Number(exchange.id)).sort((a, b) => a - b);
  assert.deepEqual(
    held,
    Array.from({ length: 15 }, (_, n) => n),
  );
  hold = false;
  for (const exchange of [...peer.held]) exchange.answer();
  await Promise.all(sent);
  assert.equal(peer.sessions.length, 3);
  assert.ok(peer.mostStreams <= 5);
});

test('the waiting line is bounded: one more fails at once', async (t) => {
  const peer = await startPeer(t, { streams: 1, onRequest: () => {} });
  const pool = poolFor(t, peer.origin, { maxSessions: 1, maxWaiting: 3 });
  const sent = [post(pool, 0)];
  await until(() => peer.held.length === 1, 'the first request');
  for (let n = 1; n <= 3; n++) sent.push(post(pool, n));
  const error = await failure(post(pool, 4));
  assert.deepEqual([error.kind, error.mayHaveArrived], ['pool-full', false]);
  for (let n = 0; n <= 3; n++) {
    await until(() => peer.held[0]?.id === String(n), `request ${n}`);
    peer.held[0]?.answer();
  }
  await Promise.all(sent);
});
