import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { settlePorts } from './ports.ts';

describe('settlePorts', () => {
  it('takes free ports for 0, all different, and leaves the others', async () => {
    const ports = await settlePorts('127.0.0.1', { api: 0, receipts: 0, metrics: 0 });
    assert.equal(new Set(Object.values(ports)).size, 3);
    assert.ok(Object.values(ports).every((port) => port >= 20_000 && port < 32_000));
    assert.deepEqual(await settlePorts('127.0.0.1', ports), ports);
  });

  it('names a busy port and the option that moves it', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      await assert.rejects(
        settlePorts('127.0.0.1', { api: port, receipts: 0, metrics: 0 }),
        new RegExp(`^CommandError: Port ${port} for the HTTP API is in use: .*--port N`),
      );
      await assert.rejects(
        settlePorts('127.0.0.1', { api: 0, receipts: port, metrics: 0 }),
        /receipts service is in use.*PUSHMILL_RECEIPTS_PORT/,
      );
    } finally {
      server.close();
    }
  });

  it('tells a wrong address from a busy port', async () => {
    await assert.rejects(
      settlePorts('192.0.2.1', { api: 8080, receipts: 0, metrics: 0 }),
      /Cannot listen on 192\.0\.2\.1:8080 .*PUSHMILL_HOST/,
    );
  });
});
