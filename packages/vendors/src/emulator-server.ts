import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { type IssuedCertificate, issueServerCertificate, madeOnce } from './authority.ts';
import type { Authority } from './emulator.ts';

/** What an emulator does with a request in the end. */
export type Reply = Answer | 'silence' | 'reset';

export interface Answer {
  status: number;
  /** A text goes out as it is, anything else as JSON. */
  body: unknown;
  /** Content type; default HTML for a text, else JSON. */
  type?: string;
  delayMs?: number;
  /** HTTP/1.1's way of going away: this answer is the connection's last. */
  last?: boolean;
}

export const jsonType = 'application/json; charset=utf-8';

/** How long an answer that is planned to be slow takes, besides the emulator's latency. */
export const slowMs = 500;

export interface ServerOptions {
  host?: string | undefined;
  port: number;
  authority: Authority;
  /** Milliseconds since the epoch, by the vendor's clock. */
  now: () => number;
  /** Names that the certificate holds besides the host's own. */
  names?: readonly string[];
  /** Default 1 MiB. */
  maxBodyBytes?: number;
}

export interface EmulatorServer {
  /** `https://host:port` */
  origin: string;
  close(): Promise<void>;
}

/** HTTP/1.1 over TLS: whole bodies in, one answer a request out, and the trouble that a reply may ask for. */
export async function startServer(
  options: ServerOptions,
  answer: (request: IncomingMessage, body: Buffer) => Reply,
): Promise<EmulatorServer> {
  const { host = '127.0.0.1', now, maxBodyBytes = 1_048_576 } = options;
  const tls = await serverCertificate(options.authority, [host, ...(options.names ?? [])]);
  const delayed = new Set<NodeJS.Timeout>();

  const server = https.createServer({ cert: tls.certificate, key: tls.privateKey }, (request, response) => {
    readBody(request, maxBodyBytes).then(
      (body) => write(response, answer(request, body)),
      // The client left, or sent more than anything sensible.
      () => response.destroy(),
    );
  });
  server.keepAliveTimeout = 60_000;

  function write(response: ServerResponse, reply: Reply): void {
    if (reply === 'silence') return;
    if (reply === 'reset') {
      response.socket?.destroy();
      return;
    }
    if (!reply.delayMs) {
      send(response, reply);
      return;
    }
    const timer = setTimeout(() => {
      delayed.delete(timer);
      send(response, reply);
    }, reply.delayMs);
    delayed.add(timer);
  }

  function send(response: ServerResponse, { status, body, type, last }: Answer): void {
    const isText = typeof body === 'string';
    const text = isText ? body : JSON.stringify(body);
    if (last) response.setHeader('connection', 'close');
    response.writeHead(status, {
      // The vendor's clock, which a sender may correct its own by.
      date: new Date(now()).toUTCString(),
      'content-type': type ?? (isText ? 'text/html' : jsonType),
      'content-length': Buffer.byteLength(text),
    });
    response.end(text);
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, host, () => resolve());
  });
  return {
    origin: `https://${host}:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const timer of delayed) clearTimeout(timer);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

const dayMs = 86_400_000;

/** A certificate for these names and this machine. */
export function serverCertificate(
  authority: Authority,
  names: readonly string[],
): Promise<IssuedCertificate> {
  const hosts = [...new Set(['localhost', '127.0.0.1', ...names])];
  return madeOnce(authority, `server ${hosts.join()}`, () =>
    issueServerCertificate(authority, {
      hosts,
      // Real time and not the emulator's: the client's TLS asks the real clock.
      notBefore: new Date(Date.now() - dayMs),
      notAfter: new Date(Date.now() + 397 * dayMs),
    }),
  );
}

/** @throws when the client leaves in the middle, or the body is too long */
async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error('body too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
