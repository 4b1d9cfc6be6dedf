import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Line, openLine } from './line.ts';

let server: Server;
let line: Line;

before(async () => {
  // Says back what it is told.
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  line = await openLine(`redis://:secret@127.0.0.1:${(server.address() as AddressInfo).port}/0`);
});

after(async () => {
  await line.close();
  server.close();
});

async function caller(): Promise<Socket> {
  const socket = connect(Number(new URL(line.url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

async function answer(socket: Socket, bytes: number): Promise<string> {
  let text = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += chunk;
    if (text.length >= bytes) break;
  }
  return text;
}

describe('a line', () => {
  it('keeps everything of the URL but the address', () => {
    assert.match(line.url, /^redis:\/\/:secret@127\.0\.0\.1:\d+\/0$/);
  });

  it('carries both ways, more than fits into one write', async () => {
    const socket = await caller();
    const text = 'x'.repeat(3_000_000);
    socket.write(text);
    assert.equal((await answer(socket, text.length)).length, text.length);
    socket.destroy();
  });

  it('holds everything back while it stalls, also of new connections, and loses nothing', async () => {
    const known = await caller();
    known.write('before ');
    assert.equal(await answer(known, 7), 'before ');
    const stalledAt = performance.now();
    line.stall(300);
    const fresh = await caller();
    for (const socket of [known, fresh]) socket.write('during');
    assert.deepEqual(await Promise.all([answer(known, 6), answer(fresh, 6)]), ['during', 'during']);
    // Node's timers count whole milliseconds.
    assert.ok(performance.now() - stalledAt >= 299);
    known.destroy();
    fresh.destroy();
  });

  it('breaks what is open, and takes new connections', async () => {
    const socket = await caller();
    socket.write('a');
    await answer(socket, 1);
    const closed = once(socket, 'close');
    line.cut();
    await closed;
    const next = await caller();
    next.write('b');
    assert.equal(await answer(next, 1), 'b');
    next.destroy();
  });
});
