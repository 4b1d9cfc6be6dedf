import type { Outcome } from '@pushmill/core';
import type { PoolRequest, PoolResponse } from '@pushmill/http2';
import { PoolError } from '@pushmill/http2';
import type { SenderDeps } from '../vendor.ts';
import type { Reasons } from './answer.ts';
import { accepted, outcomeOf, reasonOf } from './answer.ts';
import type { ApnsCredential } from './credential.ts';
import { outcomeOfFailure } from './failure.ts';
import type { Host } from './host.ts';
import { otherThan } from './settings.ts';
import { ProviderTokens } from './sign.ts';

/** A request whose `authorization` is filled in here. */
export interface ApnsRequest extends PoolRequest {
  headers: Record<string, string>;
}

/** How the answers to one sort of request are read. */
export interface AnswerRules {
  /** The status that means yes. */
  taken: number;
  reasons: Reasons;
}

/** Requests with the credential of one channel, whichever host they go to. */
export class Exchange {
  readonly #deps: SenderDeps;
  /** One provider token for all hosts: APNs counts changes by connection, and perhaps by key. */
  readonly #tokens: ProviderTokens | undefined;
  /** Milliseconds; for ever with a token key. */
  readonly #certificateEnds: number;

  /** @throws CredentialError  when a token key cannot sign */
  constructor(credential: ApnsCredential, deps: SenderDeps) {
    this.#deps = deps;
    this.#tokens = credential.kind === 'token' ? new ProviderTokens(credential, deps) : undefined;
    this.#certificateEnds =
      credential.kind === 'certificate' ? Date.parse(credential.expiresAt) : Number.POSITIVE_INFINITY;
  }

  /**
   * One request to its end, sent a second time where APNs' answer was about the connection or the provider token.
   * @param ownTopic  whether it concerns the channel's own topic, and not one that a message asked for
   * @param read      gets the answer that means yes
   */
  async run(
    host: Host,
    request: ApnsRequest,
    rules: AnswerRules,
    ownTopic: boolean,
    read?: (answer: PoolResponse) => void,
  ): Promise<Outcome> {
    if (this.#deps.now() >= this.#certificateEnds) return this.#expired();
    let resent = false;
    for (;;) {
      // Any await but the request itself would cost every push a turn of the queue.
      const tokens = this.#tokens;
      const authorization = tokens === undefined ? undefined : (tokens.header ?? (await tokens.obtain()));
      if (authorization !== undefined) request.headers.authorization = authorization;
      let response: PoolResponse;
      try {
        response = await host.pool.request(request);
      } catch (error) {
        if (error instanceof PoolError) return confined(outcomeOfFailure(error), host);
        throw error;
      }
      if (response.status === rules.taken) {
        read?.(response);
        return accepted(response);
      }
      // The hot path ends here; everything below is about an answer that is not a plain yes.
      const { environment } = host;
      const { reasons } = rules;
      const outcome = outcomeOf(response, { reasons, environment, ownTopic, warn: this.#deps.warn });
      const advice = await this.#react(host, response, authorization, outcome, resent);
      if (advice !== 'send-again') return confined(advice, host);
      resent = true;
    }
  }

  /** What the reasons ask for that are about the connection or the provider token, not about the push. */
  async #react(
    host: Host,
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
        if (refusal.kind === 'clock') return clockSkew;
        // A connection that has seen an expired token refuses good ones too.
        if (host.retire(reason, response.sessionId) && !resent) return 'send-again';
        return refusal.kind === 'too-young' && outcome.kind === 'unavailable'
          ? { ...outcome, retryAfterMs: refusal.retryAfterMs }
          : outcome;
      }
      case 'TooManyProviderTokenUpdates':
        // The connection may stay deaf for an hour; a new one answers at once. The token is kept.
        host.retire(reason, response.sessionId);
        return outcome;
      // The connection is bound to the key before this one; a new one is not, so only its word counts.
      case 'UnrelatedKeyIdInToken':
      case 'Shutdown':
      case 'IdleTimeout':
        return host.retire(reason, response.sessionId) && !resent ? 'send-again' : outcome;
      default:
        return outcome;
    }
  }

  /** APNs would only close the connection without a word. */
  #expired(): Outcome {
    const day = new Date(this.#certificateEnds).toISOString().slice(0, 10);
    return {
      kind: 'misconfigured',
      code: 'certificate-expired',
      detail: `The certificate expired on ${day}: make a new one in the Apple developer portal and upload it.`,
    };
  }
}

const clockSkew: Outcome = {
  kind: 'misconfigured',
  code: 'ExpiredProviderToken',
  detail:
    'APNs calls a provider token expired that was made less than five minutes ago: check the clock of this machine.',
};

/**
 * Nothing that the other environment says of the credential stops the channel: the credential may well be good for
 * the channel's own only, as Apple's newer keys are. If it is bad for both, the channel's own environment says so.
 */
function confined(outcome: Outcome, host: Host): Outcome {
  if (host.own || outcome.kind !== 'misconfigured') return outcome;
  const { environment } = host;
  return {
    kind: 'rejected',
    code: outcome.code,
    detail: `The ${environment} environment, under which the device is filed, does not take the credential of this channel, which is set to ${otherThan(environment)}: use a key or certificate that is good for both, or give the devices of ${environment} a channel of their own.`,
  };
}
