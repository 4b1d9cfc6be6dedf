import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import { Seal } from '../seal.ts';
import type { SharedValues } from '../vendor.ts';

export interface SigningKey {
  /** 10 characters, as Apple shows it beside the key. */
  keyId: string;
  /** 10 characters. */
  teamId: string;
  /** PKCS#8 PEM, the .p8 file. */
  privateKey: string;
}

/**
 * A provider token: JWT in compact form, ES256.
 * @param issuedAt  seconds since the epoch; APNs refuses tokens older than one hour
 * @throws CredentialError  when the key is not on P-256
 * @see Apple, "Establishing a token-based connection to APNs"; RFC 7518 §3.4
 */
export function signToken(key: SigningKey, issuedAt: number, privateKey = readKey(key)): string {
  const header = base64url(JSON.stringify({ alg: 'ES256', kid: key.keyId }));
  const claims = base64url(JSON.stringify({ iss: key.teamId, iat: issuedAt }));
  const input = `${header}.${claims}`;
  // Node's default is DER, which is 70 to 72 bytes; a JWS carries the plain r and s, 64 bytes.
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

function readKey(key: SigningKey): KeyObject {
  const privateKey = createPrivateKey(key.privateKey);
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new CredentialError('not-p256', 'APNs signs with a key on the curve P-256; this key is another.');
  }
  return privateKey;
}

/** Renewed at this age: between the 20 minutes that APNs demands and the 60 that it allows. */
const renewAfterMs = 45 * 60_000;
/** APNs counts a new token sooner than this as one too many. */
const shortestLifeMs = 20 * 60_000;
/** Past this age the token is given up whatever else speaks for it. */
const longestLifeMs = 55 * 60_000;
/** A shared token older than this is not switched to: it would have to be switched from again too soon. */
const oldestAdoptedMs = 35 * 60_000;
/** Pause after finding no better token, or no Redis. */
const lookAgainMs = 30_000;
/** Younger than this and refused as expired: the clocks disagree. */
const skewProofMs = 5 * 60_000;

interface ProviderToken {
  token: string;
  /** Milliseconds, by the clock of whoever made it. */
  issuedAt: number;
}

export type Refusal =
  /** Another token is there: send again with it. */
  | { kind: 'renewed' }
  /** It is too young to be replaced; try again on a new connection, then later. */
  | { kind: 'too-young'; retryAfterMs: number }
  /** It was just made: this clock or Apple's is wrong. */
  | { kind: 'clock' };

/**
 * The provider token of one signing key, the same one in every process of the cluster.
 *
 * One token travels through the shared values, sealed under a key that only a holder of the signing key can
 * derive. Every process keeps a copy in memory, so that a push costs no call. A token lives 45 minutes in the
 * shared values; the first process that finds none makes the next. So that no connection ever sees two changes
 * within 20 minutes, a process that comes upon a token already older than 35 minutes (its own was made before
 * Redis lost its memory, say) keeps its own for the few minutes until that one is replaced too.
 */
export class ProviderTokens {
  readonly #key: SigningKey;
  readonly #privateKey: KeyObject;
  readonly #seal: Seal;
  readonly #name: string;
  readonly #shared: SharedValues;
  readonly #now: () => number;
  readonly #warn: (fields: Record<string, unknown>, message: string) => void;
  #current: ProviderToken | undefined;
  /** `bearer …`, made once a token. */
  #header = '';
  #lookAt = 0;
  #renewal: Promise<void> | undefined;
  #forgetting: { token: string; done: Promise<void> } | undefined;

  /** @throws CredentialError  when the key cannot sign for APNs */
  constructor(
    key: SigningKey,
    deps: {
      shared: SharedValues;
      now: () => number;
      warn: (fields: Record<string, unknown>, message: string) => void;
    },
  ) {
    this.#key = key;
    this.#privateKey = readKey(key);
    this.#seal = new Seal(this.#privateKey, key.teamId, 'pushmill apns provider token');
    const publicKey = createPublicKey(this.#privateKey).export({ format: 'der', type: 'spki' });
    const identity = createHash('sha256')
      .update(`${key.teamId}.${key.keyId}.`)
      .update(publicKey)
      .digest('hex');
    this.#name = `apns:provider-token:${identity.slice(0, 32)}`;
    this.#shared = deps.shared;
    this.#now = deps.now;
    this.#warn = deps.warn;
  }

  /** The `authorization` header at once, or undefined when `obtain` must be awaited instead. */
  get header(): string | undefined {
    const current = this.#current;
    if (current === undefined) return undefined;
    const now = this.#now();
    if (now >= this.#lookAt && this.#renewal === undefined) {
      // Renewed in the background while the old one is still good: no push waits for Redis.
      if (now - current.issuedAt >= longestLifeMs) return undefined;
      void this.obtain();
    }
    return this.#header;
  }

  /**
   * The `authorization` header after a look for a better token; makes one where there is none.
   * @throws what the shared values throw, when there is no token in memory either
   */
  async obtain(): Promise<string> {
    this.#renewal ??= this.#look().finally(() => {
      this.#renewal = undefined;
    });
    try {
      await this.#renewal;
    } catch (error) {
      // The one in memory may still be good for a while, and Redis may be back by then.
      if (this.#current === undefined) throw error;
      this.#warn({ error: String(error) }, 'The shared APNs provider token could not be read');
    }
    return this.#header;
  }

  /**
   * What to do about a header that APNs called expired. Called by every push that met the refusal; only the
   * first changes anything.
   */
  async refused(header: string): Promise<Refusal> {
    const token = header.slice('bearer '.length);
    if (this.#forgetting?.token === token) {
      await this.#forgetting.done;
      return { kind: 'renewed' };
    }
    const current = this.#current;
    if (current === undefined || current.token !== token) return { kind: 'renewed' };
    const ageMs = this.#now() - current.issuedAt;
    if (ageMs < skewProofMs) return { kind: 'clock' };
    if (ageMs < shortestLifeMs) return { kind: 'too-young', retryAfterMs: shortestLifeMs - ageMs };
    const done = this.#replace(current);
    this.#forgetting = { token, done };
    try {
      await done;
    } catch (error) {
      this.#forgetting = undefined;
      throw error;
    }
    return { kind: 'renewed' };
  }

  async #replace(refused: ProviderToken): Promise<void> {
    const sealed = await this.#shared.getOrMake(this.#name, renewAfterMs, () => this.#make());
    // Only if it is the refused one: another process may have replaced it already.
    if (this.#open(sealed)?.token === refused.token) await this.#shared.forget(this.#name, sealed);
    if (this.#current?.token === refused.token) this.#current = undefined;
    await this.obtain();
  }

  async #look(): Promise<void> {
    // Before the call, so that a Redis that is away is not asked again by every push.
    this.#lookAt = this.#now() + lookAgainMs;
    const found = await this.#read();
    const now = this.#now();
    const current = this.#current;
    if (current !== undefined && current.token !== found.token) {
      const currentAgeMs = now - current.issuedAt;
      const foundAgeMs = now - found.issuedAt;
      if (foundAgeMs > oldestAdoptedMs && currentAgeMs < longestLifeMs) {
        return;
      }
    }
    const changed = current?.token !== found.token;
    this.#current = found;
    this.#header = `bearer ${found.token}`;
    const due = found.issuedAt + renewAfterMs;
    // After a change, the next one is at least 20 minutes away, as long as the token lives.
    const earliest = changed ? Math.min(now + shortestLifeMs, found.issuedAt + longestLifeMs) : 0;
    this.#lookAt = Math.max(due, earliest, now + (changed ? 0 : lookAgainMs));
  }

  async #read(): Promise<ProviderToken> {
    const sealed = await this.#shared.getOrMake(this.#name, renewAfterMs, () => this.#make());
    const found = this.#open(sealed);
    if (found !== undefined) return found;
    // Damaged or written by something else: whoever wrote it, it cannot be sent.
    this.#warn({}, 'The shared APNs provider token cannot be opened and is made again');
    await this.#shared.forget(this.#name, sealed);
    const again = this.#open(await this.#shared.getOrMake(this.#name, renewAfterMs, () => this.#make()));
    if (again === undefined) throw new Error('The shared APNs provider token cannot be opened');
    return again;
  }

  async #make(): Promise<string> {
    const issuedAt = Math.floor(this.#now() / 1_000);
    const made: ProviderToken = {
      token: signToken(this.#key, issuedAt, this.#privateKey),
      issuedAt: issuedAt * 1_000,
    };
    return this.#seal.close(JSON.stringify(made));
  }

  #open(sealed: string): ProviderToken | undefined {
    const text = this.#seal.open(sealed);
    if (text === undefined) return undefined;
    const { token, issuedAt } = JSON.parse(text) as ProviderToken;
    return { token, issuedAt };
  }
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
