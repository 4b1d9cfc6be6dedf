/** For the tests of this package: a real TLS HTTP/2 server that does what the test tells it to, and a cable to cut. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { SecureServerOptions, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { createSecureServer } from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import type { TestContext } from 'node:test';
import type { Pool, PoolOptions } from './index.ts';
import { createPool, PoolError } from './index.ts';

export function fixture(name: string): string {
  return readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8');
}

export const ca = fixture('ca.cert.pem');
export const serverTls = { cert: fixture('server.cert.pem'), key: fixture('server.key.pem') };

export interface Exchange {
  id: string;
  stream: ServerHttp2Stream;
  session: ServerHttp2Session;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  answer(status?: number, body?: string): void;
}

export interface Peer {
  origin: string;
  port: number;
  /** Every session ever opened, in order. */
  sessions: ServerHttp2Session[];
  /** Header `x-id` of every request answered 2xx. */
  accepted: string[];
  /** Requests received and not yet answered. */
  held: Exchange[];
  /** Most streams ever open at once on one session. */
  mostStreams: number;
}

export interface PeerOptions extends SecureServerOptions {
  streams?: number;
  /** Default: answers 200 at once. */
  onRequest?: (exchange: Exchange, peer: Peer) => void;
  onSession?: (session: ServerHttp2Session, peer: Peer) => void;
}

export async function startPeer(t: TestContext, options: PeerOptions = {}): Promise<Peer> {
  const { onRequest, onSession, streams, ...server } = options;
  const open = new Map<ServerHttp2Session, number>();
  const listener = createSecureServer({
    ...serverTls,
    settings: { maxConcurrentStreams: streams ?? 100 },
    ...server,
  });
  const peer: Peer = { origin: '', port: 0, sessions: [], accepted: [], held: [], mostStreams: 0 };
  listener.on('session', (session) => {
    peer.sessions.push(session);
    session.on('error', () => {});
    onSession?.(session, peer);
  });
  listener.on('stream', (stream: ServerHttp2Stream, headers) => {
    const session = stream.session as ServerHttp2Session;
    const now = (open.get(session) ?? 0) + 1;
    open.set(session, now);
    peer.mostStreams = Math.max(peer.mostStreams, now);
    stream.on('close', () => open.set(session, (open.get(session) ?? 1) - 1));
    stream.on('error', () => {});
    const id = String(headers['x-id'] ?? '');
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const answer = (status = 200, body = '') => {
        peer.held = peer.held.filter((other) => other !== exchange);
        if (stream.destroyed || stream.closed) return;
        if (status < 300) peer.accepted.push(id);
        stream.respond({ ':status': status, 'x-id': id });
        stream.end(body);
      };
      const exchange: Exchange = { id, stream, session, headers, body: Buffer.concat(chunks), answer };
      peer.held.push(exchange);
      if (onRequest === undefined) answer();
      else onRequest(exchange, peer);
    });
  });
  await listen(t, listener);
  peer.port = (listener.address() as AddressInfo).port;
  peer.origin = `https://localhost:${peer.port}`;
  return peer;
}

/** Listens on a free port until the test ends; then cuts what is left. */
export async function listen(t: TestContext, server: Server, port = 0): Promise<void> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    if (!server.listening) return; // the test has stopped it
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
}

/** A pool that trusts the test CA and is closed with the test. */
export function poolFor(t: TestContext, origin: string, options: Partial<PoolOptions> = {}): Pool {
  const pool = createPool({ origin, ...options, tls: { ca, ...options.tls } });
  t.after(() => pool.close(0));
  return pool;
}

export function post(
  pool: Pool,
  id: string | number = 0,
  extra: { signal?: AbortSignal; timeoutMs?: number } = {},
) {
  return pool.request({ path: '/3/device/00', headers: { 'x-id': String(id) }, body: '{}', ...extra });
}

/** The PoolError of a request that must fail. */
export async function failure(promise: Promise<unknown>): Promise<PoolError> {
  const error: unknown = await promise.then(
    (value) => new Error(`answered: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof PoolError) return error;
  throw error;
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export interface Cable {
  origin: string;
  /** From now on nothing passes through the connections that exist; they stay open. */
  freeze(): void;
  /** Every connection breaks, without a goodbye. */
  cut(): void;
}

/** A TCP relay to a peer, to make half-open connections. */
export async function startCable(t: TestContext, port: number, ownPort = 0): Promise<Cable> {
  const ends: Socket[] = [];
  const relay = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      ends.push(from);
      from.on('error', () => {});
      from.on('close', () => to.destroy());
      from.pipe(to);
    }
  });
  await listen(t, relay, ownPort);
  return {
    origin: `https://localhost:${(relay.address() as AddressInfo).port}`,
    freeze: () => {
      for (const end of ends.splice(0)) end.unpipe().pause();
    },
    cut: () => {
      for (const end of ends.splice(0)) end.destroy();
    },
  };
}
