import { getCACertificates } from 'node:tls';
import type { Outcome } from '@pushmill/core';
import type { Pool, PoolResponse } from '@pushmill/http2';
import { createPool, PoolError } from '@pushmill/http2';
import type { OpenChannel, OutgoingMessage, OutgoingPush, Sender, SenderDeps } from '../vendor.ts';
import type { ApnsCredential } from './credential.ts';
import { fatalGoawayReasons, outcomeOf, reasonOf, reasons } from './errors.ts';
import type { PreparedMessage } from './payload.ts';
import { prepareMessage } from './payload.ts';
import type { ApnsSettings } from './settings.ts';
import { originOf } from './settings.ts';
import { ProviderTokens } from './sign.ts';

/**
 * Sends for one channel over connections of its own: APNs binds a connection to the first credential it sees,
 * so two channels never share one.
 * @throws CredentialError  when a token key cannot sign
 */
export function createSender(channel: OpenChannel<ApnsSettings, ApnsCredential>, deps: SenderDeps): Sender {
  return new ApnsSender(channel.settings, channel.credential, deps);
}

class ApnsSender implements Sender {
  readonly #settings: ApnsSettings;
  readonly #deps: SenderDeps;
  readonly #pool: Pool;
  readonly #tokens: ProviderTokens | undefined;
  /** Milliseconds; for ever with a token key. */
  readonly #certificateEnds: number;
  readonly #prepared = new WeakMap<OutgoingMessage, PreparedMessage>();

  constructor(settings: ApnsSettings, credential: ApnsCredential, deps: SenderDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#tokens = credential.kind === 'token' ? new ProviderTokens(credential, deps) : undefined;
    this.#certificateEnds =
      credential.kind === 'certificate' ? Date.parse(credential.expiresAt) : Number.POSITIVE_INFINITY;
    const ca = authorities(settings);
    this.#pool = createPool({
      origin: originOf(settings),
      tls: {
        ...(ca === undefined ? {} : { ca }),
        ...(credential.kind === 'certificate'
          ? { cert: credential.certificate, key: credential.privateKey }
          : {}),
      },
      maxSessions: settings.maxConnections,
      // APNs allows one stream until a first request has proven the token; SETTINGS then say more.
      initialMaxStreams: 1,
      requestTimeoutMs: settings.requestTimeoutMs,
      // A certainly unread push costs nothing to send again, and APNs ends connections in bursts.
      maxResends: 5,
      fatalGoawayReasons,
    });
  }

  async send(pushes: readonly OutgoingPush[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const [push] = pushes;
    if (pushes.length === 1 && push !== undefined) return [await this.#send(push, signal)];
    return Promise.all(pushes.map((each) => this.#send(each, signal)));
  }

  close(deadlineMs: number): Promise<void> {
    return this.#pool.close(deadlineMs);
  }

  async #send(push: OutgoingPush, signal: AbortSignal): Promise<Outcome> {
    if (this.#deps.now() >= this.#certificateEnds) {
      // APNs would only close the connection without a word.
      return {
        kind: 'misconfigured',
        code: 'certificate-expired',
        detail: `The certificate expired on ${new Date(this.#certificateEnds).toISOString().slice(0, 10)}: make a new one in the Apple developer portal and upload it.`,
      };
    }
    const message = this.#prepare(push.message);
    let resent = false;
    for (;;) {
      // Any await but the request itself would cost every push a turn of the queue.
      const tokens = this.#tokens;
      const authorization = tokens === undefined ? undefined : (tokens.header ?? (await tokens.obtain()));
      let response: PoolResponse;
      try {
        response = await this.#pool.request({
          method: 'POST',
          path: `/3/device/${push.token}`,
          headers: this.#headers(push, message, authorization),
          body: message.body,
          signal,
        });
      } catch (error) {
        if (error instanceof PoolError) return outcomeOfFailure(error);
        throw error;
      }
      // The hot path ends here; everything below is about an answer that is not a plain yes.
      const outcome = outcomeOf(response, { ownTopic: message.ownTopic, warn: this.#deps.warn });
      if (response.status === 200) return outcome;
      const advice = await this.#react(response, authorization, outcome, resent);
      if (advice !== 'send-again') return advice;
      resent = true;
    }
  }

  #prepare(message: OutgoingMessage): PreparedMessage {
    let prepared = this.#prepared.get(message);
    if (prepared === undefined) {
      prepared = prepareMessage(message, this.#settings);
      this.#prepared.set(message, prepared);
    }
    return prepared;
  }

  #headers(
    push: OutgoingPush,
    message: PreparedMessage,
    authorization: string | undefined,
  ): Record<string, string> {
    const headers: Record<string, string> = {
      'apns-id': push.identity,
      'apns-push-type': message.pushType,
      'apns-topic': message.topic,
      'apns-priority': message.priority,
      'apns-expiration': message.expiration,
    };
    if (message.collapseId !== undefined) headers['apns-collapse-id'] = message.collapseId;
    // APNs does not drop a second copy by its apns-id; the device replaces it by this.
    else if (this.#settings.collapse === 'identity') headers['apns-collapse-id'] = push.identity;
    if (authorization !== undefined) headers.authorization = authorization;
    return headers;
  }

  /** What the reasons ask for that are about the connection or the provider token, not about the push. */
  async #react(
    response: PoolResponse,
    authorization: string | undefined,
    outcome: Outcome,
    resent: boolean,
  ): Promise<Outcome | 'send-again'> {
    const reason = reasonOf(response);
    switch (reason) {
      case 'ExpiredProviderToken': {
        if (this.#tokens === undefined || authorization === undefined) return outcome;
        const refusal = await this.#tokens.refused(authorization);
        // A connection that has seen an expired token refuses good ones too.
        this.#pool.retire(reason, response.sessionId);
        if (refusal.kind === 'clock') return clockSkew;
        if (!resent) return 'send-again';
        return refusal.kind === 'too-young' && outcome.kind === 'unavailable'
          ? { ...outcome, retryAfterMs: refusal.retryAfterMs }
          : outcome;
      }
      case 'UnrelatedKeyIdInToken':
        // The connection is bound to the key before this one; a new one is not, so only its word counts.
        this.#pool.retire(reason, response.sessionId);
        return resent ? outcome : 'send-again';
      case 'TooManyProviderTokenUpdates':
        // The connection may stay deaf for an hour; a new one answers at once. The token is kept.
        this.#pool.retire(reason, response.sessionId);
        return outcome;
      case 'Shutdown':
      case 'IdleTimeout':
        this.#pool.retire(reason, response.sessionId);
        return resent ? outcome : 'send-again';
      default:
        return outcome;
    }
  }
}

const clockSkew: Outcome = {
  kind: 'misconfigured',
  code: 'ExpiredProviderToken',
  detail:
    'APNs calls a provider token expired that was made less than five minutes ago: check the clock of this machine.',
};

/** What a request without an answer concludes. */
function outcomeOfFailure(error: PoolError): Outcome {
  const reason = error.goawayReason;
  if (reason !== undefined && (fatalGoawayReasons as readonly string[]).includes(reason)) {
    const row = reasons.get(reason);
    const detail = row !== undefined && 'detail' in row ? row.detail : 'APNs refused the credential.';
    return { kind: 'misconfigured', code: reason, detail };
  }
  if (error.kind === 'tls' && refusedCertificate.test(error.detail)) {
    return {
      kind: 'misconfigured',
      code: 'certificate-refused',
      detail: `The other side refused the client certificate in the TLS handshake (${error.detail}).`,
    };
  }
  if (error.kind === 'pool-full') {
    // Our own bound, not a failure of the push: it waits and spends nothing.
    return {
      kind: 'throttled',
      code: 'pool-full',
      detail: error.detail,
      scope: 'channel',
      retryAfterMs: 1_000,
    };
  }
  return {
    kind: 'unavailable',
    code: reason ?? failureCodes[error.kind],
    detail: error.detail,
    mayHaveArrived: error.mayHaveArrived,
  };
}

/** Alerts that a peer sends about our certificate; the ones about its own are verification errors here. */
const refusedCertificate = /ALERT_(BAD_CERTIFICATE|CERTIFICATE_|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA)/i;

const failureCodes: Readonly<Record<Exclude<PoolError['kind'], 'pool-full'>, string>> = {
  connect: 'connect-failed',
  tls: 'tls-failed',
  timeout: 'timeout',
  reset: 'connection-lost',
  refused: 'stream-refused',
  goaway: 'connection-ended',
  closed: 'closing',
  aborted: 'aborted',
};

/** PEM. An extra authority is trusted besides the public ones; an emulator's is the only one. */
function authorities(settings: ApnsSettings): string | undefined {
  if (settings.ca === undefined) return undefined;
  if (settings.emulator === true) return settings.ca;
  return [...getCACertificates('default'), settings.ca].join('\n');
}
