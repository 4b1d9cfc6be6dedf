import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createSecureServer, type Http2SecureServer, type SecureServerOptions } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import type { IssuedCertificate } from '../authority.ts';
import { createAuthority, issueClientCertificate, issueServerCertificate } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import type { ApnsEmulatorHandle } from './emulator.ts';
import { startApnsEmulator } from './emulator.ts';
import type { HandshakeOptions, HandshakeReport } from './handshake.ts';
import { checkHandshake } from './handshake.ts';

const topic = 'com.example.pushmill';
const valid = { notBefore: new Date(Date.now() - 86_400_000), notAfter: new Date(Date.now() + 86_400_000) };

let authority: Authority;
let stranger: Authority;
let server: IssuedCertificate;
let elsewhere: IssuedCertificate;
let both: IssuedCertificate;
let sandbox: IssuedCertificate;
let foreign: IssuedCertificate;
let emulator: ApnsEmulatorHandle;
const opened: { close(): unknown }[] = [];
const sockets = new Set<Socket>();

before(async () => {
  [authority, stranger] = await Promise.all([createAuthority(), createAuthority()]);
  const client = { commonName: `Apple Push Services: ${topic}`, bundleId: topic, ...valid };
  const topics = [{ topic, label: 'app' }];
  [server, elsewhere, both, sandbox, foreign] = await Promise.all([
    issueServerCertificate(authority, { hosts: ['localhost', '127.0.0.1'], ...valid }),
    issueServerCertificate(authority, { hosts: ['elsewhere.example'], ...valid }),
    issueClientCertificate(authority, { ...client, topics, environments: ['sandbox', 'production'] }),
    issueClientCertificate(authority, { ...client, topics, environments: ['sandbox'] }),
    issueClientCertificate(stranger, { ...client, topics, environments: ['production'] }),
  ]);
  emulator = await startApnsEmulator({ port: 0, authority, seed: 1 });
});

after(async () => {
  await emulator.close();
  for (const socket of sockets) socket.destroy();
  for (const one of opened) one.close();
});

const emulatorPort = () => Number(new URL(emulator.origin).port);

function check(port: number, over: Partial<HandshakeOptions> & { client?: IssuedCertificate } = {}) {
  const { client = both, ...rest } = over;
  return checkHandshake({
    host: '127.0.0.1',
    port,
    certificate: client.certificate,
    privateKey: client.privateKey,
    environments: [],
    ca: authority.certificate,
    stepTimeoutMs: 10_000,
    ...rest,
  });
}

async function listening<S extends Server | Http2SecureServer>(made: S): Promise<number> {
  opened.push(made);
  // Clients that give up, or are refused, are what is tested.
  made.on('tlsClientError', () => {});
  made.on('sessionError', () => {});
  (made as Server).on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  (made as Server).listen(0, '127.0.0.1');
  await once(made, 'listening');
  return (made.address() as AddressInfo).port;
}

const http2 = (options: SecureServerOptions) =>
  listening(
    createSecureServer({
      cert: server.certificate,
      key: server.privateKey,
      ca: authority.certificate,
      ...options,
    }),
  );

/** The last step says why, each one before went well, and each is a sentence or a clause of one. */
function assertStops(report: HandshakeReport, verdict: string, at: string, says: RegExp): void {
  assert.equal(report.verdict, verdict, report.sentence);
  assert.match(report.sentence, says);
  assert.match(report.sentence, /^[A-Z].*\.$/);
  const last = report.steps.at(-1);
  assert.equal(last?.name, at);
  assert.equal(last?.state, 'failed');
  assert.equal(last?.detail, report.sentence);
  assert.ok(report.steps.slice(0, -1).every(({ state }) => state === 'ok'));
}

const beforeSettings = ['DNS', 'TCP', 'TLS', 'server certificate', 'client certificate', 'ALPN'];

function findOpenssl(): string | undefined {
  try {
    return execFileSync('openssl', ['version'], { encoding: 'utf8' });
  } catch {
    return undefined;
  }
}

const openssl = findOpenssl();
const skip = openssl?.startsWith('OpenSSL 3')
  ? false
  : `needs the openssl command, version 3; found ${openssl ?? 'none'}`;

describe('a handshake with the emulator', () => {
  it('is told step by step', async () => {
    const told: string[] = [];
    const report = await check(emulatorPort(), { host: 'localhost', tell: ({ name }) => told.push(name) });
    assert.equal(report.verdict, 'accepted', report.sentence);
    assert.deepEqual(told, [...beforeSettings, 'HTTP/2 settings', 'verdict of the server']);
    assert.deepEqual(
      report.steps.map(({ name }) => name),
      told,
    );
    const details = report.steps.map(({ detail }) => detail).join('\n');
    assert.match(details, /localhost is .*127\.0\.0\.1/);
    assert.match(details, /TLSv1\.3 with TLS_/);
    assert.match(details, /is for localhost, 127\.0\.0\.1.*emulator authority/);
    assert.match(details, /asked for it, and it was offered/);
    assert.match(details, /allowing 1000 pushes|allowing 1 pushes/);
    assert.match(report.sentence, /--probe/);
  });

  it('is refused for the other environment, after it went well', async () => {
    const report = await check(emulatorPort(), { client: sandbox, environments: ['sandbox'] });
    assert.equal(report.verdict, 'refused');
    assert.match(report.sentence, /BadCertificateEnvironment.*is for sandbox: use the other --environment/);
    assert.ok(['HTTP/2 settings', 'verdict of the server'].includes(report.steps.at(-1)?.name ?? ''));
  });

  it('is refused with what a reason means', async () => {
    const report = await check(emulatorPort(), { client: foreign });
    assert.equal(report.verdict, 'refused');
    assert.match(report.sentence, /with BadCertificate\. APNs refused the client certificate/);
  });

  it('is proven by a push to a random token', async () => {
    assert.match(
      (await check(emulatorPort(), { probeTopic: topic })).sentence,
      /^Accepted: .*was taken \(200\)/,
    );
    emulator.setFaults({ rejected: 1 });
    try {
      const report = await check(emulatorPort(), { probeTopic: topic });
      assert.equal(report.verdict, 'accepted');
      assert.match(report.sentence, /400 BadDeviceToken, so certificate and topic are right/);
    } finally {
      emulator.setFaults({});
    }
  });

  it('is not proven by a push for another app, nor by a busy server', async () => {
    assertStops(
      await check(emulatorPort(), { probeTopic: 'com.example.other' }),
      'refused',
      'probe',
      /com\.example\.other got 4\d\d \w+\. /,
    );
    emulator.setFaults({ unavailable: 1 });
    try {
      assertStops(
        await check(emulatorPort(), { probeTopic: topic }),
        'unclear',
        'probe',
        /503 ServiceUnavailable/,
      );
    } finally {
      emulator.setFaults({});
    }
  });
});

describe('a server that demands a certificate it trusts', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const demanding = () =>
      http2({ requestCert: true, rejectUnauthorized: true, minVersion: version, maxVersion: version });

    it(`accepts one under ${version}`, async () => {
      const report = await check(await demanding());
      assert.equal(report.verdict, 'accepted', report.sentence);
      assert.match(report.steps[2]?.detail ?? '', new RegExp(`^${version.replace('.', '\\.')}`));
    });

    it(`refuses another under ${version}, at the place where that version does`, async () => {
      const report = await check(await demanding(), { client: foreign });
      if (version === 'TLSv1.2') {
        assertStops(
          report,
          'refused',
          'TLS',
          /showed its certificate, asked for ours, and ended the handshake/,
        );
      } else {
        assertStops(
          report,
          'refused',
          'HTTP/2 settings',
          /ended the connection after the handshake.*under TLS 1\.3/,
        );
      }
    });
  }

  // Node ends a connection that it refuses without a word; OpenSSL sends the alert.
  for (const [version, at] of [
    ['-tls1_2', 'TLS'],
    ['-tls1_3', 'HTTP/2 settings'],
  ] as const) {
    it(`refuses with an alert under ${version}`, { skip }, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'pushmill-handshake-'));
      const file = (name: string, text: string) => {
        writeFileSync(join(folder, name), text);
        return join(folder, name);
      };
      const options = {
        '-cert': file('cert.pem', server.certificate),
        '-key': file('key.pem', server.privateKey),
        '-CAfile': file('ca.pem', authority.certificate),
        '-accept': '127.0.0.1:0',
        '-Verify': '1',
        '-alpn': 'h2',
      };
      const child = spawn('openssl', [
        's_server',
        version,
        '-verify_return_error',
        ...Object.entries(options).flat(),
      ]);
      try {
        let said = '';
        for await (const chunk of child.stdout) {
          said += chunk;
          if (/^ACCEPT .*:\d+$/m.test(said)) break;
        }
        const port = Number(/^ACCEPT .*:(\d+)$/m.exec(said)?.[1]);
        assertStops(await check(port, { client: foreign }), 'refused', at, /alert unknown ca/i);
      } finally {
        child.kill();
        rmSync(folder, { recursive: true });
      }
    });
  }
});

describe('a check that cannot come so far', () => {
  it('when the server does not ask', async () => {
    assertStops(await check(await http2({})), 'not-asked', 'client certificate', /did not ask/);
  });

  it('when the server is not to be trusted', async () => {
    const unknown = { ca: stranger.certificate };
    assertStops(
      await check(emulatorPort(), unknown),
      'untrusted',
      'server certificate',
      /does not know \((SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+)\)\. The file given with --ca is not/,
    );
    assertStops(
      await check(emulatorPort(), { ca: undefined as never }),
      'untrusted',
      'server certificate',
      /give its authority with --ca FILE/,
    );
  });

  it('when the server is another', async () => {
    const port = await http2({ cert: elsewhere.certificate, key: elsewhere.privateKey, requestCert: true });
    assertStops(
      await check(port),
      'untrusted',
      'server certificate',
      /is for elsewhere\.example and not for 127\.0\.0\.1/,
    );
  });

  it('when nothing listens', async () => {
    const made = createTcpServer();
    const port = await listening(made);
    made.close();
    await once(made, 'close');
    assertStops(await check(port), 'unreachable', 'TCP', /^Nothing listens on port \d+ of 127\.0\.0\.1/);
  });

  it('when there is no such name', async () => {
    // RFC 2606: this one is never given out.
    assertStops(
      await check(443, { host: 'apns.invalid' }),
      'unreachable',
      'DNS',
      /apns\.invalid cannot be looked up/,
    );
  });

  it('when the port does not speak TLS', async () => {
    const port = await listening(
      createTcpServer((socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    );
    assertStops(await check(port), 'wrong-protocol', 'TLS', /does not speak TLS/);
  });

  it('when the server hangs up at once', async () => {
    const port = await listening(createTcpServer((socket) => void socket.destroy()));
    const report = await check(port);
    assert.equal(report.verdict, 'wrong-protocol');
    assert.match(report.sentence, /before a client certificate was asked for/);
  });

  it('when the server speaks no HTTP/2', async () => {
    const made = createTlsServer({
      cert: server.certificate,
      key: server.privateKey,
      requestCert: true,
      rejectUnauthorized: false,
    });
    assertStops(await check(await listening(made)), 'wrong-protocol', 'ALPN', /HTTP\/2 \(ALPN h2\)/);
    const refusing = createTlsServer({
      cert: server.certificate,
      key: server.privateKey,
      ALPNProtocols: ['http/1.1'],
    });
    assertStops(await check(await listening(refusing)), 'wrong-protocol', 'TLS', /HTTP\/2 \(ALPN h2\)/);
  });

  it('when a step takes too long', async () => {
    const silent = await listening(createTcpServer());
    assertStops(
      await check(silent, { stepTimeoutMs: 200 }),
      'timeout',
      'TLS',
      /^No answer from 127\.0\.0\.1:\d+ within 0\.2 s \(TLS\)/,
    );
    const mute = createTlsServer({
      cert: server.certificate,
      key: server.privateKey,
      ALPNProtocols: ['h2'],
      requestCert: true,
      rejectUnauthorized: false,
    });
    assertStops(
      await check(await listening(mute), { stepTimeoutMs: 1_000 }),
      'timeout',
      'HTTP/2 settings',
      /--timeout/,
    );
  });
});
