import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import type { Callback } from './callback.ts';
import { hire } from './crew.ts';

const { signal } = new AbortController();
const undo: (() => unknown)[] = [];
after(() => Promise.all(undo.map((one) => one())));

const numbered = (count: number): Callback[] =>
  Array.from({ length: count }, (_, n) => ({ query: `sign=${n}`, body: Buffer.from(`{"n":${n}}`) }));

/** A process that hands callbacks in at a server of this process. */
async function loadOn(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const hand = hire('load.ts', [`http://127.0.0.1:${port}/callbacks/mpaas/key`, '4'], signal);
  undo.push(
    () => hand.dismiss(),
    () => server.close(),
  );
  return hand;
}

describe('the load', () => {
  it('hands in each callback once, as many at a time as it has connections, and counts the answers', async () => {
    const heard: string[] = [];
    const sockets = new Set<unknown>();
    const hand = await loadOn(async (request, response) => {
      sockets.add(request.socket);
      let body = '';
      for await (const chunk of request) body += chunk;
      heard.push(`${request.method} ${request.url} ${body}`);
      response.statusCode = body.includes('7') ? 503 : 200;
      response.end('success');
    });
    await hand.prepare(numbered(20));
    const { results, durationMs, cpuMs } = await hand.work();
    assert.deepEqual(results, { 200: 18, 503: 2 });
    assert.ok(durationMs > 0 && cpuMs > 0);
    assert.equal(sockets.size, 4);
    assert.deepEqual(
      new Set(heard),
      new Set(numbered(20).map(({ query, body }) => `POST /callbacks/mpaas/key?${query} ${body}`)),
    );
    assert.equal(heard.length, 20);
  });

  it('fails at an answer that it cannot read', async () => {
    const hand = await loadOn((_request, response) => void response.writeHead(200).end('in chunks'));
    await hand.prepare(numbered(1));
    await assert.rejects(hand.work(), /does not say its length/);
  });

  it('fails when a connection is closed on it', async () => {
    const hand = await loadOn((request) => request.socket.destroy());
    await hand.prepare(numbered(1));
    await assert.rejects(hand.work(), /closed a connection|ECONNRESET/);
  });
});

describe('the bare verification', () => {
  it('tells signatures that hold from those that do not', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const body = Buffer.from('{"n":1}');
    const query = `sign=${encodeURIComponent(sign('sha256', body, privateKey).toString('base64url'))}`;
    const key = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    const hand = hire('bare-verification.ts', [key], signal);
    undo.push(() => hand.dismiss());
    await hand.prepare([
      { query, body },
      { query, body: Buffer.from('{"n":2}') },
    ]);
    assert.deepEqual((await hand.work()).results, { true: 1, false: 1 });
  });
});
