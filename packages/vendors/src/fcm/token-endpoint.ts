import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { Outcome } from '@pushmill/core';
import { CredentialError } from '@pushmill/core';
import { type Pool, PoolError, type PoolResponse } from '@pushmill/http2';
import { parseObject, serverTime, soften, textOf } from '../answer-reading.ts';
import { unanswered } from '../pool-failure.ts';
import { type Stamped, VendorClock } from '../vendor-clock.ts';
import type { Warnings } from '../warnings.ts';
import { retryDelay } from './answer.ts';
import type { FcmCredential } from './credential.ts';
import { serverErrorDelayMs } from './errors.ts';
import { type AssertionKey, assertionForm, issuedAtOf, signAssertion } from './sign.ts';

export interface AccessToken {
  token: string;
  /** Milliseconds, by the clock of whoever got it. */
  expiresAt: number;
  /** How long it was good for when it was given. */
  lifeMs: number;
}

/** Why there is no access token. Nothing was sent, so nothing can have arrived. */
export class NoAccessToken extends Error {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super('no access token');
    this.outcome = outcome.kind === 'unavailable' ? { ...outcome, mayHaveArrived: false } : outcome;
  }
}

interface Answer extends Stamped {
  token?: AccessToken;
}

/** Exchanges what a service account signs for access tokens. */
export class TokenEndpoint {
  readonly #key: AssertionKey;
  readonly #path: string;
  readonly #pool: Pool;
  readonly #clock: VendorClock;
  readonly #now: () => number;
  readonly #warnings: Warnings;

  constructor(
    credential: FcmCredential,
    privateKey: KeyObject,
    pool: Pool,
    now: () => number,
    warnings: Warnings,
  ) {
    const { clientEmail, privateKeyId: keyId, tokenUri } = credential;
    this.#key = { clientEmail, keyId, audience: tokenUri, privateKey };
    const { pathname, search } = new URL(tokenUri);
    this.#path = pathname + search;
    this.#pool = pool;
    this.#clock = new VendorClock(now);
    this.#now = now;
    this.#warnings = warnings;
  }

  /** @throws NoAccessToken */
  async exchange(): Promise<AccessToken> {
    const { answer, first, offByMs } = await this.#clock.stamp((now) => this.#ask(now));
    if (offByMs !== undefined) this.#warnings.clock('fcm', offByMs);
    if (answer.token !== undefined) return answer.token;
    // By the clock that Google told, or by ours where it told none.
    const isTime = answer.restamp !== undefined && first !== undefined;
    throw new NoAccessToken(isTime ? withClock(answer.outcome, first, this.#now()) : answer.outcome);
  }

  /** @param now  by the clock that Google will ask */
  async #ask(now: number): Promise<Answer> {
    const body = assertionForm(signAssertion(this.#key, issuedAtOf(now)));
    try {
      const response = await this.#pool.request({
        method: 'POST',
        path: this.#path,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body,
      });
      return readAnswer(response, this.#now());
    } catch (error) {
      if (!(error instanceof PoolError)) throw error;
      return { outcome: prefixed(unanswered(error)) };
    }
  }
}

/** @throws CredentialError */
export function privateKeyOf({ privateKey }: FcmCredential): KeyObject {
  try {
    return createPrivateKey(privateKey);
  } catch {
    throw new CredentialError('private-key', 'The private key of the service account cannot be read.');
  }
}

/** @see  RFC 6749 §5; Google Identity, "Using OAuth 2.0 for server to server applications" */
function readAnswer(response: PoolResponse, now: number): Answer {
  const fields = parseObject(response.body.toString('utf8'));
  if (response.status === 200) {
    const token = textOf(fields?.access_token);
    // The header is all that carries it: what HTTP would mangle is no token.
    if (token !== undefined && /^[\x21-\x7e]{1,8192}$/.test(token)) {
      const seconds = Number(fields?.expires_in);
      const lifeMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : 3_600_000;
      return { outcome: { kind: 'accepted' }, token: { token, expiresAt: now + lifeMs, lifeMs } };
    }
    return { outcome: failing('token-unreadable', 'it gave no access token', response, now) };
  }
  const error = textOf(fields?.error);
  const words = soften(textOf(fields?.error_description) ?? '', []);
  if (error === undefined && response.status === 404) return { outcome: noEndpoint };
  if (error === undefined || response.status >= 500) {
    return { outcome: failing(`token-http-${response.status}`, `HTTP ${response.status}`, response, now) };
  }
  if (response.status === 429) {
    const retryAfterMs = retryDelay(response, now) ?? serverErrorDelayMs;
    const detail = `Google gives no access token: ${words || error}`;
    return {
      outcome: { kind: 'throttled', code: 'token-throttled', detail, scope: 'channel', retryAfterMs },
    };
  }
  const code = /^[\w-]{1,64}$/.test(error) ? error : `token-http-${response.status}`;
  const detail = `Google gives the service account no access token (${words || code}): ${adviceOf(error, words)}`;
  const outcome: Outcome = { kind: 'misconfigured', code, detail };
  return aboutTime.test(words) ? { outcome, restamp: { serverTime: serverTime(response) } } : { outcome };
}

const noEndpoint: Outcome = {
  kind: 'misconfigured',
  code: 'token-http-404',
  detail:
    'Nobody gives access tokens at the token_uri of the key file (HTTP 404): hand the file in as it was downloaded.',
};

/** "Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values" */
const aboutTime = /short-lived|reasonable timeframe|iat and exp/i;

function adviceOf(error: string, words: string): string {
  if (aboutTime.test(words)) return 'check the clock of this machine.';
  if (/account not found/i.test(words)) return 'the account was deleted, make a new key.';
  if (error === 'invalid_grant') return 'the key was deleted or belongs to another account, make a new one.';
  return 'check that the account and its key are enabled in the Google Cloud console.';
}

function failing(code: string, what: string, response: PoolResponse, now: number): Outcome {
  const retryAfterMs = Math.max(retryDelay(response, now) ?? 0, serverErrorDelayMs);
  const detail = `No access token could be had: ${what}.`;
  return { kind: 'unavailable', code, detail, mayHaveArrived: false, retryAfterMs };
}

function prefixed(outcome: Outcome): Outcome {
  if (!('detail' in outcome)) return outcome;
  return { ...outcome, detail: `No access token could be had: ${outcome.detail}` };
}

/** Refused for its time twice. */
function withClock(outcome: Outcome, first: Stamped, now: number): Outcome {
  const theirs = first.restamp?.serverTime;
  if (outcome.kind !== 'misconfigured' || theirs === undefined) return outcome;
  const seconds = Math.round((now - theirs) / 1_000);
  const how = seconds === 0 ? 'agrees with Google’s' : `is ${seconds} s off Google’s`;
  return { ...outcome, detail: `${outcome.detail} It ${how}.` };
}
