import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { requestBytes, sendAll } from './http-load.ts';

const never = new AbortController().signal;

/** A server that answers with what `statusOf` makes of a body, and what it was sent. */
async function withServer(
  statusOf: (body: string) => number,
  work: (url: string, bodies: string[], connections: () => number) => Promise<void>,
): Promise<void> {
  const bodies: string[] = [];
  let opened = 0;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    bodies.push(body);
    response.statusCode = statusOf(body);
    response.end(`{"got":"${body}"}`);
  });
  server.on('connection', () => opened++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies, () => opened);
  } finally {
    server.close().closeAllConnections();
  }
}

const requests = (bodies: readonly string[]) =>
  bodies.map((body) => requestBytes('/messages', { authorization: 'Bearer key' }, body));

describe('sendAll', () => {
  it('sends every request once, over so many connections', async () => {
    const wanted = Array.from({ length: 50 }, (_, number) => `größe ${number}`);
    await withServer(
      () => 202,
      async (url, bodies, opened) => {
        await sendAll(url, requests(wanted), 4, never);
        assert.deepEqual(bodies.toSorted(), wanted.toSorted());
        assert.equal(opened(), 4);
      },
    );
  });

  it('ends with the first refusal and its words', async () => {
    await withServer(
      (body) => (body === 'bad' ? 429 : 202),
      async (url) => {
        await assert.rejects(
          sendAll(url, requests(['good', 'bad', 'good']), 2, never),
          /429: \{"got":"bad"\}/,
        );
      },
    );
  });

  it('stops when it is told to', async () => {
    await withServer(
      () => 202,
      async (url, bodies) => {
        await assert.rejects(
          sendAll(url, requests(['a', 'b']), 1, AbortSignal.abort(new Error('enough'))),
          /enough|abort/i,
        );
        assert.deepEqual(bodies, []);
      },
    );
  });
});
