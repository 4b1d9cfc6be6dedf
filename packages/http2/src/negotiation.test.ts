import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { failure, listen, poolFor, post, serverTls, startPeer, until } from './peer.ts';

interface Old {
  origin: string;
  connections: number;
  requests: string[];
  held: ServerResponse[];
  stop(): Promise<void>;
}

/** An HTTP/1.1 server; `hold` answers nothing. */
async function startOld(t: TestContext, alpn: boolean): Promise<Old> {
  const stop = async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  const old: Old = { origin: '', connections: 0, requests: [], held: [], stop };
  const server = createServer(
    { ...serverTls, ...(alpn ? { ALPNProtocols: ['http/1.1'] } : {}) },
    (request, response) => {
      const id = String(request.headers['x-id']);
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        old.requests.push(
          `${request.method} ${request.url} ${request.headers.host} ${Buffer.concat(chunks)}`,
        );
        if (id === 'hold') old.held.push(response);
        else if (id === 'cut')
          response.writeHead(200, { 'content-length': '10' }).write('half', () => response.destroy());
        else response.writeHead(id === 'dead' ? 410 : 200, { 'x-id': id }).end(`old ${id}`);
      });
    },
  );
  server.on('secureConnection', () => {
    old.connections += 1;
  });
  await listen(t, server);
  old.origin = `https://localhost:${(server.address() as AddressInfo).port}`;
  return old;
}

test('auto: HTTP/2 where the server speaks it', async (t) => {
  const peer = await startPeer(t);
  const pool = poolFor(t, peer.origin, { protocol: 'auto' });
  assert.equal((await post(pool)).sessionId, 'h2-1');
  assert.equal(pool.stats().protocol, 'h2');
});

for (const alpn of [true, false]) {
  test(`auto: HTTP/1.1 with keep-alive, ${alpn ? 'negotiated' : 'from a server without ALPN'}`, async (t) => {
    const old = await startOld(t, alpn);
    const pool = poolFor(t, old.origin, { protocol: 'auto' });
    for (let n = 0; n < 5; n++) {
      const answer = await post(pool, n);
      assert.deepEqual(
        [answer.status, answer.headers['x-id'], answer.body.toString()],
        [200, `${n}`, `old ${n}`],
      );
    }
    assert.equal((await post(pool, 'dead')).status, 410);
    assert.equal(old.requests[0], `POST /3/device/00 ${new URL(old.origin).host} {}`);
    assert.equal(old.connections, 1); // the socket of the negotiation, kept
    assert.deepEqual([pool.stats().protocol, pool.stats().opened], ['http/1.1', 1]);
  });
}

test('HTTP/1.1: sockets are bounded, the rest waits', async (t) => {
  const old = await startOld(t, true);
  const pool = poolFor(t, old.origin, { protocol: 'auto', maxHttp1Sockets: 3 });
  const sent = Array.from({ length: 10 }, () => post(pool, 'hold'));
  for (let n = 0; n < 10; n++) {
    await until(() => old.held.length > 0, `request ${n}`);
    assert.ok(pool.stats().streams <= 3);
    old.held.shift()?.end();
  }
  assert.ok((await Promise.all(sent)).every((answer) => answer.status === 200));
  assert.equal(old.connections, 3);
});

test('HTTP/1.1: deadline, abort, an answer cut short', async (t) => {
  const old = await startOld(t, true);
  const pool = poolFor(t, old.origin, { protocol: 'auto' });
  const late = await failure(post(pool, 'hold', { timeoutMs: 200 }));
  assert.deepEqual([late.kind, late.mayHaveArrived], ['timeout', true]);
  const controller = new AbortController();
  const aborted = failure(post(pool, 'hold', { signal: controller.signal }));
  await until(() => old.held.length === 2, 'one in flight');
  controller.abort();
  assert.deepEqual([(await aborted).kind, (await aborted).mayHaveArrived], ['aborted', true]);
  const cut = await failure(post(pool, 'cut'));
  assert.deepEqual([cut.kind, cut.mayHaveArrived], ['reset', true]);
  assert.equal((await post(pool, 'fine')).status, 200);
  await until(() => pool.stats().streams === 0, 'nothing in flight');
});

test('HTTP/1.1: close waits, then gives up; retire negotiates anew', async (t) => {
  const old = await startOld(t, true);
  const pool = poolFor(t, old.origin, { protocol: 'auto' });
  const held = post(pool, 'hold');
  await until(() => old.held.length === 1, 'one in flight');
  pool.retire('test');
  assert.equal((await post(pool, 'next')).sessionId, 'http1-2');
  old.held.shift()?.end();
  assert.equal((await held).sessionId, 'http1-1');
  const sent = failure(post(pool, 'hold'));
  await until(() => old.held.length === 1, 'one in flight');
  await pool.close(100);
  assert.deepEqual([(await sent).kind, (await sent).mayHaveArrived], ['closed', true]);
});

test('HTTP/1.1: a server that has gone away was never reached', async (t) => {
  const old = await startOld(t, true);
  const pool = poolFor(t, old.origin, { protocol: 'auto', maxConnectWaitMs: 300, backoffBaseMs: 10 });
  await post(pool, 'first');
  await old.stop();
  let error = await failure(post(pool));
  if (error.kind === 'reset') {
    // It was written before the end of the kept socket was read: HTTP/1.1 cannot say that it did not arrive.
    assert.equal(error.mayHaveArrived, true);
    error = await failure(post(pool));
  }
  assert.deepEqual([error.kind, error.mayHaveArrived], ['connect', false], error.detail);
});
