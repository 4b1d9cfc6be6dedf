import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { createLogger } from '@pushmill/log';
import { createLiveView } from './live-view.ts';

const log = createLogger({ role: 'test', level: 'silent' });

/** A listener that can be read until something was said. */
async function listen(server: Server) {
  const { port } = server.address() as AddressInfo;
  const [response] = (await once(get({ port, host: '127.0.0.1', agent: false }), 'response')) as [
    IncomingMessage,
  ];
  response.setEncoding('utf8');
  let text = '';
  response.on('data', (chunk: string) => {
    text += chunk;
  });
  return {
    response,
    text: () => text,
    until: async (part: string) => {
      while (!text.includes(part)) await once(response, 'data');
    },
  };
}

describe('createLiveView', () => {
  it('sends what changed, to all, with one reader, and none when nobody listens', async () => {
    let view = { a: '1', b: '1' };
    let reads = 0;
    const live = createLiveView({
      log,
      intervalMs: 5,
      heartbeatMs: 5,
      read: async () => {
        reads += 1;
        if (reads === 3) throw new Error('the ledger is away for a moment');
        return view;
      },
    });
    const server = createServer((_request, response) => live.attach('app', response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const first = await listen(server);
    await first.until('event: b\ndata: 1\n\n');
    const second = await listen(server);
    await second.until('event: b\ndata: 1\n\n');
    view = { a: '1', b: '2' };
    await Promise.all([first.until('event: b\ndata: 2\n\n'), second.until('event: b\ndata: 2\n\n')]);
    assert.equal(first.text().split('event: a').length, 2, 'what did not change is sent once');
    await first.until(': alive');

    first.response.destroy();
    live.close();
    await once(second.response, 'end');
    const readsAtClose = reads;
    await new Promise((resolve) => server.close(resolve));
    assert.ok(reads <= readsAtClose + 1);
  });
});
