import { createHash, createPublicKey, type KeyObject, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Outcome } from '@pushmill/core';
import { Seal } from '../seal.ts';
import type { SharedValues } from '../vendor.ts';
import type { Warnings } from '../warnings.ts';
import { scope } from './sign.ts';
import { type AccessToken, NoAccessToken } from './token-endpoint.ts';

/** Headers of a request, made once a token. */
export interface Authorization {
  readonly token: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Google's tokens live an hour; what lives longer is fetched once an hour by processes that start. */
const sharedMs = 3_600_000;
/** Renewed so long before it ends, or at nine tenths of a shorter life. */
const marginMs = 5 * 60_000;
/** Pause after a renewal that failed while the old token is still good, or that somebody else is at. */
const lookAgainMs = 30_000;
/** Without a token: how long every push gets the answer that the first one got. */
const failureMs = 2_000;
/** A token that is refused sooner after it was forced than this is not refused for its age. */
const forcedAgainMs = 60_000;
/** How long one process may take to renew before another thinks it dead. */
const turnMs = 15_000;
const pollMs = 100;

export interface AccessTokensDeps {
  shared: SharedValues;
  /** Milliseconds since the epoch. */
  now: () => number;
  warnings: Warnings;
  /** Chance for the jitter, in [0, 1). */
  random?: () => number;
}

/**
 * The access token of one service account, the same one in every process of the cluster.
 *
 * It travels through the shared values, sealed under a key that only a holder of the account's private key can
 * derive, and every process keeps a copy in memory, so that a push costs no call. Some minutes before it ends, at a
 * moment of its own, a process looks again: finds the next token there, or takes the turn to fetch it, which only
 * one process has at a time. While that goes on, or goes wrong, the old token is used until its end.
 *
 * A token that Google refuses is replaced in the same way, but at once, and once a minute at most: if the new one is
 * refused too, its age was not the reason.
 */
export class AccessTokens {
  readonly #exchange: () => Promise<AccessToken>;
  readonly #seal: Seal;
  readonly #name: string;
  readonly #shared: SharedValues;
  readonly #now: () => number;
  readonly #warnings: Warnings;
  readonly #random: () => number;
  #current: AccessToken | undefined;
  #authorization: Authorization | undefined;
  #lookAt = 0;
  #renewal: Promise<void> | undefined;
  #failure: { outcome: Outcome; until: number } | undefined;
  #refused: string | undefined;
  #forcedUntil = Number.NEGATIVE_INFINITY;

  /** @param issuer  what tells this account's tokens at this endpoint from all others */
  constructor(
    privateKey: KeyObject,
    issuer: readonly string[],
    exchange: () => Promise<AccessToken>,
    deps: AccessTokensDeps,
  ) {
    const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
    const identity = createHash('sha256')
      .update(JSON.stringify([...issuer, scope]))
      .update(publicKey)
      .digest('hex');
    this.#name = `fcm:access-token:${identity.slice(0, 32)}`;
    this.#seal = new Seal(privateKey, identity, 'pushmill fcm access token');
    this.#exchange = exchange;
    this.#shared = deps.shared;
    this.#now = deps.now;
    this.#warnings = deps.warnings;
    this.#random = deps.random ?? Math.random;
  }

  /** At once, or undefined when `obtain` must be awaited instead. */
  get ready(): Authorization | undefined {
    const current = this.#current;
    if (current === undefined) return undefined;
    const now = this.#now();
    if (now >= this.#lookAt && this.#renewal === undefined) void this.#renewInBackground();
    return now < current.expiresAt ? this.#authorization : undefined;
  }

  /**
   * @returns a token, or why there is none
   * @throws  what the shared values throw
   */
  async obtain(): Promise<Authorization | Outcome> {
    const failure = this.#failure;
    if (failure !== undefined && this.#now() < failure.until) return failure.outcome;
    await this.#renew();
    return this.ready ?? this.#failure?.outcome ?? gone;
  }

  /**
   * Says that Google refused a token. Called by every push that met the refusal; only the first changes anything.
   * @returns whether another one may fare better
   */
  async refused(seen: Authorization): Promise<boolean> {
    // A look that began before this knew nothing of it and may bring the same token back.
    while (this.#renewal !== undefined) await this.#renewal.catch(() => {});
    if (this.#authorization !== seen) return true;
    const now = this.#now();
    if (now < this.#forcedUntil) return false;
    this.#forcedUntil = now + forcedAgainMs;
    this.#refused = seen.token;
    this.#current = undefined;
    this.#authorization = undefined;
    return true;
  }

  async #renewInBackground(): Promise<void> {
    try {
      await this.#renew();
    } catch (error) {
      // The one in memory is good for a while, and Redis may be back by then.
      this.#warnings.once('shared', 'the shared FCM access token could not be read', {
        error: String(error),
      });
    }
  }

  #renew(): Promise<void> {
    this.#renewal ??= this.#look().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #look(): Promise<void> {
    // Before the call, so that a Redis that is away is not asked again by every push.
    this.#lookAt = this.#now() + lookAgainMs * (1 + this.#random());
    try {
      const sealed = await this.#shared.getOrMake(this.#name, sharedMs, () => this.#fetchSealed());
      const found = this.#open(sealed);
      if (found !== undefined && this.#now() < this.#renewAt(found)) this.#adopt(found);
      else await this.#replace(sealed, found);
    } catch (error) {
      if (!(error instanceof NoAccessToken)) throw error;
      this.#fail(error.outcome);
    }
  }

  /** @param found  what the shared value holds, where it can be used a little longer */
  async #replace(sealed: string, found: AccessToken | undefined): Promise<void> {
    if (found !== undefined) this.#adopt(found);
    const turn = `${this.#name}:${createHash('sha256').update(sealed).digest('hex').slice(0, 32)}`;
    const mine: string = randomUUID();
    if ((await this.#shared.getOrMake(turn, turnMs, async () => mine)) !== mine) {
      // The old one is good; the next look finds what the other brought.
      if (found !== undefined || (await this.#otherBrought(sealed))) return;
    }
    let next: string;
    try {
      next = await this.#fetchSealed();
    } catch (error) {
      // Only after the next one is here is the old one given up; and whoever tries again needs no patience.
      await this.#shared.forget(turn, mine);
      throw error;
    }
    await this.#shared.forget(this.#name, sealed);
    const first = this.#open(await this.#shared.getOrMake(this.#name, sharedMs, async () => next));
    this.#adopt(first ?? (this.#open(next) as AccessToken));
  }

  /** Waits for the process whose turn it is. */
  async #otherBrought(sealed: string): Promise<boolean> {
    for (let waitedMs = 0; waitedMs < turnMs; waitedMs += pollMs) {
      await delay(pollMs);
      // Between taking the old one away and putting the new one there lies a moment in which this fetches a third,
      // which is then nobody's: rare, and it costs one call.
      const other = await this.#shared.getOrMake(this.#name, sharedMs, () => this.#fetchSealed());
      const found = other === sealed ? undefined : this.#open(other);
      if (found === undefined) continue;
      this.#adopt(found);
      return true;
    }
    return false;
  }

  #adopt(found: AccessToken): void {
    this.#failure = undefined;
    const renewAt = this.#renewAt(found);
    // One that is due already is being renewed, by us or by another; `#look` has said when to look again.
    if (renewAt > this.#now()) this.#lookAt = renewAt;
    if (this.#current?.token === found.token) return;
    this.#current = found;
    this.#authorization = {
      token: found.token,
      headers: Object.freeze({
        authorization: `Bearer ${found.token}`,
        'content-type': 'application/json',
      }),
    };
  }

  /** Spread, so that rarely two processes come at the same moment. */
  #renewAt({ expiresAt, lifeMs }: AccessToken): number {
    const margin = Math.min(marginMs, lifeMs / 10);
    return expiresAt - margin * (1 + this.#random() / 5);
  }

  #fail(outcome: Outcome): void {
    const now = this.#now();
    this.#failure = { outcome, until: now + failureMs };
    if (this.#current === undefined || now >= this.#current.expiresAt) return;
    const code = 'code' in outcome ? outcome.code : outcome.kind;
    this.#warnings.once(
      `token ${code}`,
      'the FCM access token could not be renewed; the old one is used on',
      {
        code,
        detail: outcome.detail,
      },
    );
  }

  async #fetchSealed(): Promise<string> {
    return this.#seal.close(JSON.stringify(await this.#exchange()));
  }

  /** Undefined for what is of no use: damaged, refused, or at its end. */
  #open(sealed: string): AccessToken | undefined {
    const text = this.#seal.open(sealed);
    if (text === undefined) return undefined;
    const { token, expiresAt, lifeMs } = JSON.parse(text) as AccessToken;
    if (token === this.#refused || this.#now() >= expiresAt) return undefined;
    return { token, expiresAt, lifeMs };
  }
}

const gone: Outcome = {
  kind: 'unavailable',
  code: 'token-refused',
  detail: 'The access token was refused while it was fetched.',
  mayHaveArrived: false,
};
