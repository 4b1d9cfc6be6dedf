/**
 * CPU of one push request: bare node:http2, http2-wrapper in its two forms, and @pushmill/http2.
 *
 *     node test/bench/http2-pool.ts [requests per round] [rounds]
 *
 * Server and variants run in a process each: `process.cpuUsage()` counts one client alone, and no variant pays for
 * what another taught the compiler or left to the collector. They take turns within each round; the medians of the
 * rounds are printed.
 */
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { ClientHttp2Session, ClientHttp2Stream, ServerHttp2Stream } from 'node:http2';
import { connect, createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createPool } from '@pushmill/http2';
import wrapper from 'http2-wrapper';

const fixtures = new URL('../../packages/http2/src/fixtures/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, fixtures), 'utf8');

const inFlight = 500;
const body = JSON.stringify({
  aps: { alert: { title: 'Your code', body: 'It is 123456 and lasts five minutes.' } },
});
const token = '00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0';
const headers = {
  authorization: `bearer ${'x'.repeat(184)}`,
  'apns-id': 'eabeae54-14a8-11e5-b60b-1697f925ec7b',
  'apns-topic': 'com.example.MyApp',
  'apns-push-type': 'alert',
  'apns-priority': '10',
  'apns-expiration': '0',
};

const variants: Record<string, (origin: string, ca: string) => Promise<Variant> | Variant> = {
  'node:http2, bare': bare,
  'node:http2, flat header list': flat,
  'http2-wrapper Agent.request': agent,
  "an Agent's session, flat list": agentSession,
  '@pushmill/http2': pool,
};

const [role, ...rest] = process.argv.slice(2);
if (role === 'serve') serve();
else if (role === 'send') await send(rest[0] ?? '', Number(rest[1]));
else await measure(Number(role ?? 5_000), Number(rest[0] ?? 21));

function serve(): void {
  const server = createSecureServer({
    cert: read('server.cert.pem'),
    key: read('server.key.pem'),
    settings: { maxConcurrentStreams: 1000 },
  });
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.resume();
    stream.on('end', () =>
      stream.respond({ ':status': 200, 'apns-id': headers['apns-id'] }, { endStream: true }),
    );
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
  process.on('disconnect', () => process.exit());
}

interface Variant {
  send: () => Promise<number>;
  close: () => Promise<void> | void;
}

interface Sample {
  cpuUs: number;
  perSecond: number;
}

async function measure(requests: number, rounds: number): Promise<void> {
  const server = fork(new URL(import.meta.url), ['serve']);
  const port = Number(await message(server));
  const clients = Object.keys(variants).map((name) => ({
    name,
    child: fork(new URL(import.meta.url), ['send', name, String(port)]),
    samples: [] as Sample[],
  }));
  for (let n = -3; n < rounds; n++) {
    for (const client of clients) {
      client.child.send(requests);
      const sample = (await message(client.child)) as Sample;
      if (n >= 0) client.samples.push(sample); // the first three warm the compiler
    }
  }
  const base = clients[0]?.samples ?? [];
  for (const { name, samples } of clients) {
    const cpuUs = median(samples.map((sample) => sample.cpuUs));
    const perSecond = median(samples.map((sample) => sample.perSecond));
    // Of the same round, so that a busy minute of the machine weighs on both.
    const ratio = median(samples.map((sample, n) => sample.cpuUs / (base[n]?.cpuUs ?? Number.NaN)));
    console.log(
      `${name.padEnd(30)} ${cpuUs.toFixed(1).padStart(6)} us CPU/request  x${ratio.toFixed(2)}  ${perSecond.toFixed(0).padStart(6)} requests/s`,
    );
  }
  for (const { child } of clients) child.disconnect();
  server.disconnect();
}

function message(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`a child ended with code ${code}`));
    child.once('exit', onExit);
    child.once('message', (value) => {
      child.off('exit', onExit);
      resolve(value);
    });
  });
}

async function send(name: string, port: number): Promise<void> {
  const variant = await variants[name]?.(`https://localhost:${port}`, read('ca.cert.pem'));
  if (variant === undefined) throw new Error(`no variant ${name}`);
  process.on('message', async (requests: number) => {
    process.send?.(await round(variant, requests));
  });
  process.on('disconnect', () => variant.close());
}

async function round(variant: Variant, requests: number): Promise<Sample> {
  let left = requests;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      const status = await variant.send();
      if (status !== 200) throw new Error(`status ${status}`);
    }
  };
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  await Promise.all(Array.from({ length: inFlight }, worker));
  const used = process.cpuUsage(cpu);
  return {
    cpuUs: (used.user + used.system) / requests,
    perSecond: (requests * 1000) / (performance.now() - startedAt),
  };
}

function answered(stream: ClientHttp2Stream): Promise<number> {
  return new Promise((resolve, reject) => {
    let status = 0;
    stream.on('response', (answer) => {
      status = answer[':status'] ?? 0;
    });
    stream.on('error', reject);
    stream.on('close', () => resolve(status));
    stream.resume();
    stream.end(body);
  });
}

function requestHeaders() {
  return { ':method': 'POST', ':path': `/3/device/${token}`, ...headers };
}

async function bare(origin: string, ca: string): Promise<Variant> {
  const session: ClientHttp2Session = connect(origin, { ca });
  await new Promise((resolve) => session.once('remoteSettings', resolve));
  return {
    send: () => answered(session.request(requestHeaders())),
    close: () => session.close(),
  };
}

/** As the pool does it: a flat list goes to nghttp2 without being copied, checked and folded. */
async function flat(origin: string, ca: string): Promise<Variant> {
  const session: ClientHttp2Session = connect(origin, { ca });
  await new Promise((resolve) => session.once('remoteSettings', resolve));
  return {
    send: () => answered(session.request(Object.entries(requestHeaders()).flat())),
    close: () => session.close(),
  };
}

async function agentSession(origin: string, ca: string): Promise<Variant> {
  const own = new wrapper.Agent();
  const session = await own.getSession(origin, { ca });
  return {
    send: () => answered(session.request(Object.entries(requestHeaders()).flat())),
    close: () => own.destroy(),
  };
}

function agent(origin: string, ca: string): Variant {
  const shared = new wrapper.Agent({ maxSessions: 1 });
  const url = new URL(origin);
  return {
    send: async () => answered(await shared.request(url, { ca }, requestHeaders())),
    close: () => shared.destroy(),
  };
}

function pool(origin: string, ca: string): Variant {
  const connections = createPool({ origin, tls: { ca }, maxSessions: 1 });
  return {
    send: async () => (await connections.request({ path: `/3/device/${token}`, headers, body })).status,
    close: () => connections.close(),
  };
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
