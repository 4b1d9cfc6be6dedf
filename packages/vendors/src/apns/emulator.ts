import { X509Certificate } from 'node:crypto';
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { IssuedCertificate } from '../authority.ts';
import type { Emulator, EmulatorAccount, EmulatorOptions, Faults, PlannedAnswer } from '../emulator.ts';
import type { AllowedTopics, Refusal } from './emulator-checks.ts';
import { checkHeaders, checkSize, tokenOf } from './emulator-checks.ts';
import type { ConnectionRules } from './emulator-connection.ts';
import { Connection } from './emulator-connection.ts';
import { issueIdentities, seededHex } from './emulator-identity.ts';
import type { KnownKey } from './emulator-jwt.ts';
import { TokenVerifier } from './emulator-jwt.ts';
import { AnswerPlan } from './emulator-plan.ts';
import type { ApnsSettings } from './settings.ts';

export type { KnownKey } from './emulator-jwt.ts';

/** A push as the emulator took it. */
export interface TakenPush {
  token: string;
  identity: string;
  /** Milliseconds, by the emulator's clock. */
  at: number;
  headers: IncomingHttpHeaders;
  /** Kept only when someone listens. */
  body: Buffer;
}

/** What an APNs of one's own can be told besides. */
export interface ApnsEmulatorOptions extends EmulatorOptions {
  /** Default `production`. */
  environment?: 'production' | 'sandbox';
  /** The first is the app of the channels. Default `com.example.pushmill`. */
  bundleIds?: readonly string[];
  /** Keys known besides the one of the channel `apns-token`. */
  keys?: readonly KnownKey[];
  /** Streams of a connection that has proven itself. Default 1000. */
  streamLimit?: number;
  /** After a refused push a connection gets one stream, until one is taken, as has been seen of APNs. */
  limitDropsOnRefusal?: boolean;
  /** Refused device tokens that a connection survives. Default: all. */
  refusalsPerConnection?: number;
  /**
   * Every connection announces its end at so many requests; those in flight behind count as unread. `reason`
   * goes into APNs' JSON, `debug` goes out as it is.
   */
  goaway?: { afterRequests: number; reason?: string; debug?: string };
  /** APNs answers without; its pages print it. Clients must manage both. Default false. */
  errorContentType?: boolean;
  /** Default `authentication-first`, as APNs does for token connections. */
  order?: 'authentication-first' | 'authentication-last';
  /** Called with every push that is taken, second copies included. */
  onPush?: (push: TakenPush) => void;
}

const firstSettings = { maxConcurrentStreams: 1, maxHeaderListSize: 8_000, headerTableSize: 4_096 };

/** What tests of the connection itself need to see besides. */
export interface ApnsEmulatorHandle extends Emulator {
  /** Connections opened so far, refused ones included. */
  readonly connectionsOpened: number;
}

/** An APNs that runs here: TLS, HTTP/2, both kinds of credential. */
export async function startApnsEmulator(options: ApnsEmulatorOptions): Promise<ApnsEmulatorHandle> {
  const emulator = new ApnsEmulator(options);
  await emulator.listen();
  return emulator;
}

class ApnsEmulator implements ApnsEmulatorHandle {
  readonly vendor = 'apns';
  origin = '';
  channels: Emulator['channels'] = [];
  connectionsOpened = 0;
  readonly #options: ApnsEmulatorOptions;
  readonly #now: () => number;
  readonly #environment: 'production' | 'sandbox';
  readonly #bundleIds: readonly string[];
  readonly #connections = new Set<Connection>();
  readonly #plan: AnswerPlan;
  readonly #taken = new Set<string>();
  readonly #account = { requests: 0, duplicates: 0, refused: {} as Record<string, number> };
  #tokens = 0;
  #closeServer: () => Promise<void> = async () => {};

  constructor(options: ApnsEmulatorOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#plan = new AnswerPlan(options.seed);
    this.#environment = options.environment ?? 'production';
    this.#bundleIds = options.bundleIds ?? ['com.example.pushmill'];
  }

  async listen(): Promise<void> {
    const { authority, host = '127.0.0.1', seed, keys = [] } = this.#options;
    const bundleId = this.#bundleIds[0] ?? 'com.example.pushmill';
    const identities = await issueIdentities(authority, { seed, host, bundleId, now: this.#now() });
    await this.#open(
      identities.server,
      {
        environment: this.#environment,
        bundleIds: this.#bundleIds,
        authority: new X509Certificate(authority.certificate),
        verifier: new TokenVerifier([identities.key, ...keys]),
        streamLimit: this.#options.streamLimit ?? 1_000,
        now: this.#now,
      },
      host,
    );
    const settings: ApnsSettings = {
      environment: this.#environment,
      topic: bundleId,
      port: 443,
      origin: this.origin,
      ca: authority.certificate,
      emulator: true,
      requestTimeoutMs: 10_000,
      maxConnections: 8,
      collapse: 'identity',
    };
    this.channels = identities.credentials.map(({ name, credential }) => ({ name, settings, credential }));
  }

  async #open(issued: IssuedCertificate, rules: ConnectionRules, host: string): Promise<void> {
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
      if (socket !== undefined) this.#attend(session, socket, rules);
    });
    // Clients that give up in the handshake are not the emulator's concern.
    server.on('sessionError', () => {});
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#options.port, host, resolve);
    });
    const { port } = server.address() as AddressInfo;
    this.origin = `https://${host === '0.0.0.0' || host === '::' ? 'localhost' : host}:${port}`;
    this.#closeServer = () => new Promise((resolve) => server.close(() => resolve()));
  }

  #attend(session: ServerHttp2Session, socket: TLSSocket, rules: ConnectionRules): void {
    const connection = new Connection(session, socket, rules);
    this.#connections.add(connection);
    this.connectionsOpened += 1;
    session.on('error', () => {});
    session.on('close', () => this.#connections.delete(connection));
    session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
      this.#receive(connection, stream, headers),
    );
  }

  #receive(connection: Connection, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const listening = this.#options.onPush !== undefined;
    const chunks: Buffer[] = [];
    let bytes = 0;
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (listening) chunks.push(chunk);
    });
    stream.on('end', () => {
      const latencyMs = this.#options.latencyMs ?? 0;
      const body = listening ? Buffer.concat(chunks) : empty;
      if (latencyMs === 0) this.#judge(connection, stream, headers, bytes, body);
      else setTimeout(() => this.#judge(connection, stream, headers, bytes, body), latencyMs);
    });
  }

  #judge(
    connection: Connection,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    bytes: number,
    body: Buffer,
  ): void {
    if (stream.destroyed || (stream.id ?? 0) > connection.lastStreamId) return;
    this.#account.requests += 1;
    connection.requests += 1;
    const script = this.#options.goaway;
    if (script !== undefined && connection.requests === script.afterRequests) {
      connection.end(stream.id ?? 1, script.reason, script.debug);
    }
    const refusal = this.#check(connection, headers, bytes);
    if (refusal !== undefined) this.#refuse(connection, stream, headers, refusal);
    else this.#answer(connection, stream, headers, body);
  }

  #check(connection: Connection, headers: IncomingHttpHeaders, bytes: number): Refusal | undefined {
    const authorization = headers.authorization;
    if (this.#options.order === 'authentication-last') {
      // The topics of a token are only known once it is.
      const anyTopic: AllowedTopics = { bundleIds: this.#bundleIds };
      const early = checkHeaders(
        headers,
        connection.certificate === undefined ? anyTopic : connection.topics,
      );
      if (early !== undefined) return early;
    }
    return (
      connection.authenticate(authorization) ??
      checkHeaders(headers, connection.topics) ??
      checkSize(headers, bytes)
    );
  }

  /** A sound request: what was planned for its token, else what chance says, else yes. */
  #answer(
    connection: Connection,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    body: Buffer,
  ): void {
    const answer = this.#plan.next(headers);
    switch (answer) {
      case 'accepted':
      // APNs sends no receipts, so nothing can be told later.
      case 'dropped':
      case 'duplicate-receipt':
        this.#accept(connection, stream, headers, body);
        return;
      case 'slow':
        setTimeout(() => this.#accept(connection, stream, headers, body), this.#plan.slowMs());
        return;
      case 'timeout':
        return;
      case 'reset':
        this.#take(headers, body);
        connection.kill();
        return;
      case 'goaway':
        connection.endBefore(stream, 'Shutdown');
        return;
      case 'misconfigured':
        if (connection.certificate === undefined) {
          this.#refuse(connection, stream, headers, { status: 403, reason: 'InvalidProviderToken' });
        } else {
          this.#count('BadCertificateEnvironment');
          connection.endBefore(stream, 'BadCertificateEnvironment');
        }
        return;
      default:
        this.#refuse(connection, stream, headers, plannedRefusals[answer]);
    }
  }

  #accept(
    connection: Connection,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    body: Buffer,
  ): void {
    if (stream.destroyed || (stream.id ?? 0) > connection.lastStreamId) return;
    const id = this.#take(headers, body);
    const answer: Record<string, string | number> = { ':status': 200, 'apns-id': id };
    if (this.#environment === 'sandbox') answer['apns-unique-id'] = crypto.randomUUID();
    stream.respond(answer, { endStream: true });
    connection.succeeded();
  }

  /** The push is APNs' now. An id that the sender left out is made here, in capitals as APNs makes its own. */
  #take(headers: IncomingHttpHeaders, body: Buffer): string {
    const given = headers['apns-id'] as string | undefined;
    const id = given ?? crypto.randomUUID().toUpperCase();
    if (given !== undefined) {
      if (this.#taken.has(given)) this.#account.duplicates += 1;
      else this.#taken.add(given);
    } else this.#taken.add(id);
    this.#options.onPush?.({ token: tokenOf(headers), identity: id, at: this.#now(), headers, body });
    return id;
  }

  #refuse(
    connection: Connection,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    refusal: Refusal,
  ): void {
    this.#count(refusal.reason);
    const { status, reason } = refusal;
    const answer: Record<string, string | number> = {
      ':status': status,
      'apns-id': (headers['apns-id'] as string | undefined) ?? crypto.randomUUID().toUpperCase(),
    };
    if (this.#options.errorContentType === true) answer['content-type'] = 'application/json';
    if (stream.destroyed) return;
    stream.respond(answer);
    stream.end(JSON.stringify(status === 410 ? { reason, timestamp: this.#now() } : { reason }));
    // A dead token is no fault of the connection; a bad one is.
    if (status === 410) return;
    if (this.#options.limitDropsOnRefusal === true) connection.setLimit(1);
    connection.errors += 1;
    const bound = this.#options.refusalsPerConnection;
    if (bound !== undefined && connection.errors >= bound) connection.end(stream.id ?? 1);
  }

  #count(reason: string): void {
    this.#account.refused[reason] = (this.#account.refused[reason] ?? 0) + 1;
  }

  newToken(): string {
    this.#tokens += 1;
    return seededHex(this.#options.seed, `token ${this.#tokens}`);
  }

  plan(token: string, ...answers: PlannedAnswer[]): void {
    this.#plan.add(token, answers);
  }

  setFaults(faults: Faults): void {
    this.#plan.setFaults(faults);
  }

  /** APNs never calls back. */
  setCallback(): void {}

  account(): EmulatorAccount {
    const { requests, duplicates, refused } = this.#account;
    return {
      requests,
      accepted: this.#taken.size,
      duplicates,
      refused: { ...refused },
      receiptsSent: 0,
      receiptsTaken: 0,
    };
  }

  hasTaken(push: { identity: string }): boolean {
    return this.#taken.has(push.identity);
  }

  async close(): Promise<void> {
    const closed = this.#closeServer();
    for (const connection of this.#connections) connection.kill();
    await closed;
  }
}

const empty = Buffer.alloc(0);

const plannedRefusals: Readonly<Record<'token-dead' | 'rejected' | 'throttled' | 'unavailable', Refusal>> = {
  'token-dead': { status: 410, reason: 'Unregistered' },
  rejected: { status: 400, reason: 'BadDeviceToken' },
  throttled: { status: 429, reason: 'TooManyRequests' },
  unavailable: { status: 503, reason: 'ServiceUnavailable' },
};
