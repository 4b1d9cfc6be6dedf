import type { X509Certificate } from 'node:crypto';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { CertificateVerdict } from './emulator-certificate.ts';
import { judgeCertificate } from './emulator-certificate.ts';
import type { AllowedTopics, Refusal } from './emulator-checks.ts';
import type { TokenVerifier, VerifiedToken } from './emulator-jwt.ts';

/** What all connections of an emulator share. */
export interface ConnectionRules {
  environment: 'production' | 'sandbox';
  bundleIds: readonly string[];
  authority: X509Certificate;
  verifier: TokenVerifier;
  /** Streams that a connection may have once it has proven itself. */
  streamLimit: number;
  /** Milliseconds. */
  now: () => number;
}

const forbidden = (reason: string): Refusal => ({ status: 403, reason });
const missing = forbidden('MissingProviderToken');
const invalid = forbidden('InvalidProviderToken');
const expired = forbidden('ExpiredProviderToken');
const unrelated = forbidden('UnrelatedKeyIdInToken');
const wrongEnvironment = forbidden('BadEnvironmentKeyIdInToken');
const tooMany: Refusal = { status: 429, reason: 'TooManyProviderTokenUpdates' };

const tokenLifeMs = 3_600_000;
const tokenChangeMs = 1_200_000;

/**
 * One connection as APNs sees it.
 *
 * With a client certificate it is judged once, when it opens; a wrong one gets a GOAWAY with the reason, and the
 * `authorization` header means nothing. Without one, the first valid provider token binds team and key to the
 * connection, and until a request has succeeded there is one stream. Another token may follow, but not twice
 * within 20 minutes; another key only if it is the first one's rotation pair.
 */
export class Connection {
  readonly certificate: CertificateVerdict | undefined;
  readonly session: ServerHttp2Session;
  readonly environment: 'production' | 'sandbox';
  readonly #socket: TLSSocket;
  readonly #rules: ConnectionRules;
  topics: AllowedTopics;
  requests = 0;
  errors = 0;
  /** Streams above it are ignored, as GOAWAY promised. */
  lastStreamId = Number.POSITIVE_INFINITY;
  #bound: VerifiedToken | undefined;
  #token = '';
  #tokenGoodUntil = 0;
  #tokenChangedAt: number | undefined;
  #limit = 1;
  #announcing = false;

  constructor(session: ServerHttp2Session, socket: TLSSocket, rules: ConnectionRules) {
    this.session = session;
    this.#socket = socket;
    this.#rules = rules;
    this.environment = rules.environment;
    this.topics = { bundleIds: rules.bundleIds };
    const peer = socket.getPeerX509Certificate();
    if (peer === undefined) return;
    this.certificate = judgeCertificate(peer.raw, rules.authority, rules.environment, rules.now());
    if (this.certificate.kind === 'bad') {
      this.end(0, this.certificate.reason);
      return;
    }
    const { topics } = this.certificate;
    const [implied] = topics;
    this.topics = {
      bundleIds: rules.bundleIds,
      only: topics,
      ...(topics.length === 1 && implied !== undefined ? { implied } : {}),
    };
    this.setLimit(rules.streamLimit);
  }

  /** Judges the `authorization` of a request; undefined when it may pass. */
  authenticate(header: string | undefined): Refusal | undefined {
    if (this.certificate?.kind === 'good') return undefined;
    const now = this.#rules.now();
    // The whole of it for all requests but the first of a token.
    if (header !== undefined && header === this.#token && now < this.#tokenGoodUntil) return undefined;
    if (header === undefined || header === '') return missing;
    if (!/^bearer /i.test(header)) return invalid;
    const verified = this.#rules.verifier.verify(header.slice('bearer '.length));
    if (verified === undefined) return invalid;
    const issuedMs = verified.issuedAt * 1_000;
    if (now - issuedMs > tokenLifeMs) return expired;
    // Undocumented; Apple only says that the time must be within an hour.
    if (issuedMs - now > tokenLifeMs) return invalid;
    const { key } = verified;
    if (key.environment !== undefined && key.environment !== this.#rules.environment) return wrongEnvironment;
    const bound = this.#bound?.key;
    if (bound !== undefined && bound.teamId !== key.teamId) return invalid;
    if (bound !== undefined && bound.keyId !== key.keyId && bound.relatedKeyId !== key.keyId)
      return unrelated;
    if (this.#bound !== undefined && header !== this.#token) {
      if (this.#tokenChangedAt !== undefined && now - this.#tokenChangedAt < tokenChangeMs) return tooMany;
      this.#tokenChangedAt = now;
    }
    this.#bound = verified;
    this.#token = header;
    this.#tokenGoodUntil = issuedMs + tokenLifeMs;
    this.topics = {
      bundleIds: this.#rules.bundleIds,
      ...(key.topics === undefined ? {} : { only: key.topics }),
    };
    return undefined;
  }

  /** The first success opens a token connection up. */
  succeeded(): void {
    if (this.#limit !== this.#rules.streamLimit) this.setLimit(this.#rules.streamLimit);
  }

  setLimit(limit: number): void {
    if (this.#limit === limit) return;
    this.#limit = limit;
    this.#announceLimit();
  }

  /** One SETTINGS at a time: Node ends a session whose peer has ten of them to acknowledge. */
  #announceLimit(): void {
    if (this.#announcing || this.session.destroyed || this.session.closed) return;
    this.#announcing = true;
    const announced = this.#limit;
    this.session.settings({ maxConcurrentStreams: announced }, () => {
      this.#announcing = false;
      if (this.#limit !== announced) this.#announceLimit();
    });
  }

  /**
   * Announces the end: streams above `lastStreamId` are not processed, those below are finished first. The second
   * GOAWAY without words is APNs' habit too.
   */
  end(lastStreamId: number, reason?: string, debug?: string): void {
    if (this.session.destroyed || lastStreamId >= this.lastStreamId) return;
    this.lastStreamId = lastStreamId;
    const text = debug ?? (reason === undefined ? undefined : JSON.stringify({ reason }));
    this.session.goaway(0, lastStreamId, text === undefined ? undefined : Buffer.from(text));
    this.session.goaway(0, lastStreamId);
    // A client goes by itself. Closing at once would drop answers that are written and not yet flushed.
    setTimeout(() => this.session.close(), 1_000).unref();
  }

  /** Ends the connection so that this stream counts as never read. */
  endBefore(stream: ServerHttp2Stream, reason?: string): void {
    const id = stream.id ?? 1;
    this.end(Math.max(0, id - 2), reason);
    // Node puts the newest stream in place of 0, so the first one must be refused by itself.
    if (!stream.destroyed) stream.close(7);
  }

  /** As when a cable is pulled: no GOAWAY, no RST_STREAM. */
  kill(): void {
    this.#socket.destroy();
  }
}
