import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { IssuedCertificate } from '../authority.ts';
import type { ConnectionRules } from './emulator-connection.ts';
import { Connection } from './emulator-connection.ts';

/** One request, read to its end. */
export interface ReceivedRequest {
  connection: Connection;
  stream: ServerHttp2Stream;
  headers: IncomingHttpHeaders;
  bytes: number;
  /** Empty when it was not asked for. */
  body: Buffer;
}

export interface ListenerOptions {
  host: string;
  /** 0 for any. */
  port: number;
  server: IssuedCertificate;
  rules: ConnectionRules;
  latencyMs: number;
  /** Whether the body of a request to this path is wanted. */
  keepsBody: (path: string) => boolean;
  receive: (request: ReceivedRequest) => void;
}

const firstSettings = { maxConcurrentStreams: 1, maxHeaderListSize: 8_000, headerTableSize: 4_096 };
const empty = Buffer.alloc(0);

/** One host of the emulator: TLS and HTTP/2 on a port. */
export class Listener {
  origin = '';
  opened = 0;
  readonly #options: ListenerOptions;
  readonly #connections = new Set<Connection>();
  #closeServer: () => Promise<void> = async () => {};

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  async listen(): Promise<void> {
    const { server: issued, host, port } = this.#options;
    const server = createSecureServer({
      cert: issued.certificate,
      key: issued.privateKey,
      // APNs asks for a certificate and does not insist.
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      settings: firstSettings,
      maxSessionMemory: 128,
    });
    // A session hides its socket; both events come in the same turn, so the last socket is the session's.
    let socket: TLSSocket | undefined;
    server.prependListener('secureConnection', (opened: TLSSocket) => {
      socket = opened;
    });
    server.on('session', (session) => {
      if (socket !== undefined) this.#attend(session, socket);
    });
    // Clients that give up in the handshake are not the emulator's concern.
    server.on('sessionError', () => {});
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    const { port: actual } = server.address() as AddressInfo;
    this.origin = `https://${host === '0.0.0.0' || host === '::' ? 'localhost' : host}:${actual}`;
    this.#closeServer = () => new Promise((resolve) => server.close(() => resolve()));
  }

  async close(): Promise<void> {
    const closed = this.#closeServer();
    for (const connection of this.#connections) connection.kill();
    await closed;
  }

  #attend(session: ServerHttp2Session, socket: TLSSocket): void {
    const connection = new Connection(session, socket, this.#options.rules);
    this.#connections.add(connection);
    this.opened += 1;
    session.on('error', () => {});
    session.on('close', () => this.#connections.delete(connection));
    session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
      this.#read(connection, stream, headers),
    );
  }

  #read(connection: Connection, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const { keepsBody, latencyMs, receive } = this.#options;
    const chunks = keepsBody(headers[':path'] as string) ? ([] as Buffer[]) : undefined;
    let bytes = 0;
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      chunks?.push(chunk);
    });
    stream.on('end', () => {
      const body = chunks === undefined ? empty : Buffer.concat(chunks);
      const request = { connection, stream, headers, bytes, body };
      if (latencyMs === 0) receive(request);
      else setTimeout(() => receive(request), latencyMs);
    });
  }
}
