import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure, poolFor, post, startPeer, until } from './peer.ts';

const reason = (text: string) => Buffer.from(JSON.stringify({ reason: text }));
const fifty = Array.from({ length: 50 }, (_, n) => n);

test('GOAWAY in the middle of 50 in flight: each accepted exactly once', async (t) => {
  let hold = false;
  const peer = await startPeer(t, {
    onRequest: (exchange) => {
      if (!hold) exchange.answer();
    },
  });
  const pool = poolFor(t, peer.origin, { maxSessions: 1 });
  await post(pool, 'first');
  hold = true;
  const sent = fifty.map((n) => post(pool, n));
  await until(() => peer.held.length === 50, 'fifty in flight');
  hold = false;
  const held = [...peer.held];
  peer.sessions[0]?.goaway(0, held[24]?.stream.id, reason('Shutdown'));
  await until(() => peer.sessions.length === 2, 'a second session');
  // Drained, not destroyed: the old session still answers.
  assert.equal(pool.stats().draining, 1);
  for (const exchange of held.slice(0, 25)) exchange.answer();
  const answers = await Promise.all(sent);
  assert.ok(answers.every((answer) => answer.status === 200));
  assert.deepEqual(
    peer.accepted
      .slice(1)
      .map(Number)
      .sort((a, b) => a - b),
    fifty,
  );
  assert.deepEqual([...new Set(answers.map((answer) => answer.sessionId))].sort(), ['h2-1', 'h2-2']);
  assert.equal(pool.stats().opened, 2);
  await until(() => pool.stats().draining === 0, 'the old session is gone');
});

test('GOAWAY with an error: below the last id it may have arrived, above it is sent again', async (t) => {
  let hold = false;
  const peer = await startPeer(t, {
    onRequest: (exchange) => {
      if (!hold) exchange.answer();
    },
  });
  const pool = poolFor(t, peer.origin, { maxSessions: 1 });
  await post(pool, 'first');
  hold = true;
  const sent = fifty.map((n) => post(pool, n));
  await until(() => peer.held.length === 50, 'fifty in flight');
  hold = false;
  peer.sessions[0]?.goaway(11, peer.held[9]?.stream.id, Buffer.from('too many active streams'));
  const results = await Promise.allSettled(sent);
  assert.equal(results.filter((result) => result.status === 'fulfilled').length, 40);
  for (const promise of sent.slice(0, 10)) {
    const error = await failure(promise);
    assert.deepEqual(
      [error.kind, error.mayHaveArrived, error.goawayReason],
      ['goaway', true, 'too many active streams'],
    );
  }
});

test('a reason given at connect fails the request with it, after three connections at the most', async (t) => {
  const peer = await startPeer(t, {
    onSession: (session) => session.goaway(0, 0, reason('BadCertificateEnvironment')),
  });
  const pool = poolFor(t, peer.origin, { backoffBaseMs: 20 });
  const error = await failure(post(pool));
  assert.deepEqual(
    [error.kind, error.mayHaveArrived, error.goawayReason],
    ['goaway', false, 'BadCertificateEnvironment'],
  );
  assert.ok(peer.sessions.length <= 3, `${peer.sessions.length} connections`);
  assert.ok(pool.stats().failures >= 1);
  assert.equal(peer.accepted.length, 0);
});

test('a fatal reason fails everything unprocessed at once', async (t) => {
  const peer = await startPeer(t, {
    onSession: (session) => session.goaway(0, 0, reason('BadCertificateEnvironment')),
  });
  const pool = poolFor(t, peer.origin, { fatalGoawayReasons: ['BadCertificateEnvironment'] });
  const errors = await Promise.all(fifty.map((n) => failure(post(pool, n))));
  for (const error of errors) {
    assert.deepEqual(
      [error.kind, error.mayHaveArrived, error.goawayReason],
      ['goaway', false, 'BadCertificateEnvironment'],
    );
  }
  assert.equal(peer.sessions.length, 1);
});

test('GOAWAY twice: the second has no reason, the first is kept', async (t) => {
  const peer = await startPeer(t, { onRequest: () => {} });
  const pool = poolFor(t, peer.origin, { maxSessions: 1 });
  const sent = post(pool);
  await until(() => peer.held.length === 1, 'a request');
  const session = peer.sessions[0];
  session?.goaway(0, 2 ** 31 - 1, reason('Shutdown'));
  session?.goaway(0, peer.held[0]?.stream.id);
  await until(() => pool.stats().draining === 1, 'draining');
  session?.destroy();
  const error = await failure(sent);
  assert.deepEqual([error.kind, error.mayHaveArrived, error.goawayReason], ['goaway', true, 'Shutdown']);
});

test('a peer that ends every session after a few requests costs no request', async (t) => {
  const ended = new Set<unknown>();
  const peer = await startPeer(t, {
    onRequest: (exchange, peer) => {
      if (ended.has(exchange.session)) return; // beyond the last id
      const mine = peer.held.filter((other) => other.session === exchange.session);
      if (mine.length < 5) return;
      ended.add(exchange.session);
      exchange.session.goaway(0, mine.at(-1)?.stream.id, reason('IdleTimeout'));
      for (const other of mine) other.answer();
    },
  });
  const pool = poolFor(t, peer.origin, { maxSessions: 2, initialMaxStreams: 20, backoffBaseMs: 5 });
  const answers = await Promise.all(fifty.map((n) => post(pool, n)));
  assert.ok(answers.every((answer) => answer.status === 200));
  assert.deepEqual(
    peer.accepted.map(Number).sort((a, b) => a - b),
    fifty,
  );
});

test('REFUSED_STREAM is sent again, twice, then told', async (t) => {
  let refusals = 1;
  const peer = await startPeer(t, {
    onRequest: (exchange) => {
      if (exchange.id === 'always' || refusals-- > 0) exchange.stream.close(7);
      else exchange.answer();
    },
  });
  const pool = poolFor(t, peer.origin, { maxSessions: 1 });
  assert.equal((await post(pool, 'once')).status, 200);
  const error = await failure(post(pool, 'always'));
  assert.deepEqual([error.kind, error.mayHaveArrived], ['refused', false]);
  assert.equal(pool.stats().opened, 1);
});
