import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { createServer as createTlsServer } from 'node:tls';
import wrapper from 'http2-wrapper';
import { createPool } from './index.ts';
import type { Peer } from './peer.ts';
import { ca, failure, fixture, listen, poolFor, post, serverTls, startPeer } from './peer.ts';

const tenants = {
  A: { cert: fixture('tenant-a.cert.pem'), key: fixture('tenant-a.key.pem') },
  B: { cert: fixture('tenant-b.cert.pem'), key: fixture('tenant-b.key.pem') },
};
const stranger = { cert: fixture('stranger.cert.pem'), key: fixture('stranger.key.pem') };

/** Answers with the name in the client certificate of the connection that the request came on. */
function startWitness(t: Parameters<typeof startPeer>[0]): Promise<Peer> {
  return startPeer(t, {
    ca,
    requestCert: true,
    rejectUnauthorized: false,
    onRequest: (exchange) => {
      const certificate = (exchange.session.socket as TLSSocket).getPeerCertificate();
      exchange.answer(200, String(certificate.subject?.CN));
    },
  });
}

// A shared Agent was seen to send one tenant's request with another tenant's certificate: see the next test.
test('two pools, two client certificates, interleaved: never mixed up', async (t) => {
  const peer = await startWitness(t);
  const pools = {
    A: poolFor(t, peer.origin, { tls: tenants.A, maxSessions: 2 }),
    B: poolFor(t, peer.origin, { tls: tenants.B, maxSessions: 2 }),
  };
  const names = Array.from({ length: 400 }, (_, n) => (n % 3 === 0 ? 'A' : 'B'));
  const send = async (name: 'A' | 'B', n: number) => {
    if (n % 50 === 49) pools[name].retire('test'); // new connections in the middle of it
    return (await post(pools[name], n)).body.toString();
  };
  const seen = await Promise.all(names.map(async (name, n) => send(name as 'A' | 'B', n)));
  assert.deepEqual(
    seen,
    names.map((name) => `tenant ${name}`),
  );
});

// Why every connection has an Agent of its own. When a new http2-wrapper makes this test fail, rejoice, read
// docs/decisions/0003-http2-pool.md again, and delete it.
test('http2-wrapper 2.2.4: one Agent for two tenants sends B with the certificate of A', async (t) => {
  const peer = await startWitness(t);
  const read = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url));
  const agent = new wrapper.Agent();
  t.after(() => agent.destroy());
  const whoIs = async (p12: string) => {
    const pfx = [{ buf: read(p12), passphrase: 'test' }];
    const stream = await agent.request(peer.origin, { ca, pfx }, { ':method': 'POST', ':path': '/' });
    stream.end('{}');
    return Buffer.concat(await stream.toArray()).toString();
  };
  assert.equal(await whoIs('tenant-a.p12'), 'tenant A');
  assert.equal(await whoIs('tenant-b.p12'), 'tenant A', 'not tenant B: http2-wrapper has been repaired');
});

test('a server that nobody vouches for', async (t) => {
  const peer = await startPeer(t);
  const pool = createPool({ origin: peer.origin });
  t.after(() => pool.close(0));
  const error = await failure(post(pool));
  assert.deepEqual([error.kind, error.mayHaveArrived], ['tls', false]);
  assert.match(error.detail, /UNABLE_TO_VERIFY|self-signed|issuer/i);
});

test('the environment cannot switch verification off', async (t) => {
  const peer = await startPeer(t);
  const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  t.after(() => {
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
  });
  const pool = createPool({ origin: peer.origin });
  t.after(() => pool.close(0));
  assert.equal((await failure(post(pool))).kind, 'tls');
});

test('a certificate for another name', async (t) => {
  const peer = await startPeer(t);
  const error = await failure(post(poolFor(t, peer.origin, { tls: { servername: 'api.push.apple.com' } })));
  assert.deepEqual([error.kind, error.mayHaveArrived], ['tls', false]);
  assert.match(error.detail, /ALTNAME/);
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  const strict = {
    ca,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: version,
    maxVersion: version,
  };

  test(`${version}: a client certificate that is accepted`, async (t) => {
    const peer = await startPeer(t, strict);
    assert.equal((await post(poolFor(t, peer.origin, { tls: tenants.A }))).status, 200);
  });

  test(`${version}: a client certificate that is refused, and one that is missing`, async (t) => {
    const peer = await startPeer(t, strict);
    const refused = await failure(post(poolFor(t, peer.origin, { tls: stranger, backoffBaseMs: 10 })));
    assert.deepEqual([refused.kind, refused.mayHaveArrived], ['tls', false], refused.detail);
    const missing = await failure(post(poolFor(t, peer.origin, { maxConnectWaitMs: 0, backoffBaseMs: 10 })));
    assert.match(missing.kind, /^(tls|connect)$/);
    assert.equal(missing.mayHaveArrived, false);
  });
}

test('below TLS 1.2 nothing is sent', async (t) => {
  const peer = await startPeer(t, {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  assert.equal((await failure(post(poolFor(t, peer.origin)))).kind, 'tls');
});

test('TLS without HTTP/2 behind it', async (t) => {
  const server = createTlsServer({ ...serverTls, ALPNProtocols: ['http/1.1'] });
  const silent = createTlsServer(serverTls); // knows no ALPN at all
  server.on('tlsClientError', () => {});
  silent.on('secureConnection', (socket) => socket.on('error', () => {}));
  for (const each of [server, silent]) {
    await listen(t, each);
    const error = await failure(
      post(poolFor(t, `https://localhost:${(each.address() as AddressInfo).port}`)),
    );
    assert.deepEqual([error.kind, error.mayHaveArrived], ['tls', false]);
  }
});

test('a client key that is no key fails the request, not the process', async (t) => {
  const peer = await startPeer(t);
  const pool = poolFor(t, peer.origin, { tls: { cert: tenants.A.cert, key: 'nonsense' } });
  const error = await failure(post(pool));
  assert.deepEqual([error.kind, error.mayHaveArrived], ['tls', false], error.detail);
});
