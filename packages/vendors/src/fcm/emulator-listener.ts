import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { IssuedCertificate } from '../authority.ts';
import type { Answer } from './emulator-errors.ts';

export interface ListenerOptions {
  host: string;
  /** 0 for any. */
  port: number;
  server: IssuedCertificate;
  /** Streams of a connection. */
  streamLimit: number;
  latencyMs: number;
  /** Milliseconds, by the emulator's clock. */
  now: () => number;
  receive: (call: Call) => void;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** One request, read to its end, over whichever HTTP it came. */
export interface Call {
  method: string;
  /** With its query. */
  path: string;
  headers: Headers;
  /** Undefined when it is longer than a front end reads. */
  body: Buffer | undefined;
  /** Whether nobody waits for the answer any more. */
  isGone(): boolean;
  /** @param last  HTTP/1.1's way of going away: this answer is the connection's last */
  answer(answer: Answer, last?: boolean): void;
  /**
   * Announces the connection's end so that this request counts as never read.
   * @returns  false over HTTP/1.1, which has no such thing
   */
  endBefore(): boolean;
  /** As when a cable is pulled: no GOAWAY, no RST_STREAM. */
  kill(): void;
}

const maxBodyBytes = 1_048_576;

/** A Google front end: TLS on a port, HTTP/2 for who asks for it, HTTP/1.1 for everybody else. */
export class Listener {
  origin = '';
  opened = 0;
  readonly #options: ListenerOptions;
  readonly #sockets = new Set<TLSSocket>();
  readonly #sessions = new Set<Session>();
  #date = '';
  #dateOf = Number.NaN;
  #closeServer: () => Promise<void> = async () => {};

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  async listen(): Promise<void> {
    const { server: issued, host, port } = this.#options;
    const http1 = createServer((request, response) => this.#readHttp1(request, response));
    http1.keepAliveTimeout = 60_000;
    const server = createTlsServer(
      {
        cert: issued.certificate,
        key: issued.privateKey,
        ALPNProtocols: ['h2', 'http/1.1'],
        minVersion: 'TLSv1.2',
      },
      (socket) => {
        this.opened += 1;
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => this.#sockets.delete(socket));
        if (socket.alpnProtocol === 'h2') this.#attend(socket);
        else http1.emit('connection', socket);
      },
    );
    // Clients that give up in the handshake are not the emulator's concern.
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    const { port: actual } = server.address() as AddressInfo;
    this.origin = `https://${host === '0.0.0.0' || host === '::' ? 'localhost' : host}:${actual}`;
    this.#closeServer = () => new Promise((resolve) => server.close(() => resolve()));
  }

  /** As front ends do from time to time: every connection ends, and what is in flight is finished. */
  endConnections(): void {
    for (const session of this.#sessions) session.end(session.newestStreamId);
  }

  async close(): Promise<void> {
    const closed = this.#closeServer();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #attend(socket: TLSSocket): void {
    // A client beyond the limit gets GOAWAY with code 1: nghttp2 sees to it by itself.
    const settings = { maxConcurrentStreams: this.#options.streamLimit };
    const http2 = performServerHandshake(socket, { settings, maxSessionMemory: 128 });
    const session = new Session(http2, socket);
    this.#sessions.add(session);
    http2.on('error', () => {});
    http2.on('close', () => this.#sessions.delete(session));
    http2.on('stream', (stream, headers) => this.#readHttp2(session, stream as ServerHttp2Stream, headers));
  }

  #readHttp2(session: Session, stream: ServerHttp2Stream, headers: Headers): void {
    const id = stream.id ?? 0;
    session.newestStreamId = Math.max(session.newestStreamId, id);
    const isGone = () => stream.destroyed || id > session.lastStreamId;
    const chunks: Buffer[] = [];
    let bytes = 0;
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBodyBytes) chunks.push(chunk);
    });
    stream.on('end', () => {
      this.#receive({
        method: headers[':method'] as string,
        path: headers[':path'] as string,
        headers,
        body: join(chunks, bytes),
        isGone,
        answer: ({ status, headers, body }) => {
          if (isGone()) return;
          session.newestAnswered = Math.max(session.newestAnswered, id);
          stream.respond({ ':status': status, date: this.#dateHeader(), ...headers });
          stream.end(body);
        },
        endBefore: () => {
          session.endBefore(stream);
          return true;
        },
        kill: () => session.socket.destroy(),
      });
    });
  }

  #readHttp1(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('error', () => {});
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBodyBytes) chunks.push(chunk);
    });
    request.on('end', () => {
      this.#receive({
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: join(chunks, bytes),
        isGone: () => response.destroyed,
        answer: ({ status, headers, body }, last) => {
          if (response.destroyed) return;
          if (last) response.setHeader('connection', 'close');
          response.writeHead(status, {
            date: this.#dateHeader(),
            'content-length': Buffer.byteLength(body),
            ...headers,
          });
          response.end(body);
        },
        endBefore: () => false,
        kill: () => request.socket.destroy(),
      });
    });
  }

  #receive(call: Call): void {
    const { latencyMs, receive } = this.#options;
    if (latencyMs === 0) receive(call);
    else setTimeout(() => receive(call), latencyMs);
  }

  /** The vendor's clock, which a sender may correct its own by. */
  #dateHeader(): string {
    const second = Math.floor(this.#options.now() / 1_000);
    if (second !== this.#dateOf) {
      this.#dateOf = second;
      this.#date = new Date(second * 1_000).toUTCString();
    }
    return this.#date;
  }
}

/** An HTTP/2 connection and how far it is read. */
class Session {
  readonly socket: TLSSocket;
  readonly #session: ServerHttp2Session;
  newestStreamId = 0;
  newestAnswered = 0;
  /** Streams above it are ignored, as GOAWAY promised. */
  lastStreamId = Number.POSITIVE_INFINITY;

  constructor(session: ServerHttp2Session, socket: TLSSocket) {
    this.#session = session;
    this.socket = socket;
  }

  end(lastStreamId: number): void {
    if (this.#session.destroyed || lastStreamId >= this.lastStreamId) return;
    this.lastStreamId = lastStreamId;
    this.#session.goaway(0, lastStreamId);
    // A client goes by itself. Closing at once would drop answers that are written and not yet flushed.
    setTimeout(() => this.#session.close(), 1_000).unref();
  }

  endBefore(stream: ServerHttp2Stream): void {
    // One that was answered must not be announced as unread: the client would send it again.
    this.end(Math.max((stream.id ?? 1) - 2, this.newestAnswered, 0));
    // Not left to GOAWAY: the stream may be below an answered one, and Node puts the newest in place of 0.
    if (!stream.destroyed) stream.close(7);
  }
}

function join(chunks: readonly Buffer[], bytes: number): Buffer | undefined {
  if (bytes > maxBodyBytes) return undefined;
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
}
