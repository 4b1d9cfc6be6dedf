import { type KeyObject, verify } from 'node:crypto';

/** A signing key as the emulator knows it: what Apple's portal holds. */
export interface KnownKey {
  keyId: string;
  teamId: string;
  publicKey: KeyObject;
  /** Absent for the older kind, which is good for both. */
  environment?: 'production' | 'sandbox';
  /** Absent for a key that may send to every topic of its team. */
  topics?: readonly string[];
  /** The other key of a rotation pair; a connection may change between the two. */
  relatedKeyId?: string;
}

export interface VerifiedToken {
  key: KnownKey;
  /** Seconds. */
  issuedAt: number;
}

/**
 * Verifies provider tokens, with code of its own. Verdicts are kept by the token's text: a signature costs a
 * hundred times what a request costs, and Apple's clients send one token for an hour.
 * @see Apple, "Establishing a token-based connection to APNs"; RFC 7515, RFC 7518 §3.4
 */
export class TokenVerifier {
  readonly #keys: ReadonlyMap<string, KnownKey>;
  readonly #verdicts = new Map<string, VerifiedToken | undefined>();

  constructor(keys: readonly KnownKey[]) {
    this.#keys = new Map(keys.map((key) => [key.keyId, key]));
  }

  /** Undefined for anything that is not a token of a known key; ages are the caller's business. */
  verify(token: string): VerifiedToken | undefined {
    if (this.#verdicts.has(token)) return this.#verdicts.get(token);
    const verdict = this.#judge(token);
    // Nonsense must not fill the memory of a long run.
    if (this.#verdicts.size >= 1_000) this.#verdicts.clear();
    this.#verdicts.set(token, verdict);
    return verdict;
  }

  #judge(token: string): VerifiedToken | undefined {
    const parts = token.split('.');
    const [head, body, tail] = parts;
    if (parts.length !== 3 || head === undefined || body === undefined || tail === undefined)
      return undefined;
    const header = readPart(head);
    const claims = readPart(body);
    if (header?.alg !== 'ES256' || typeof header.kid !== 'string') return undefined;
    const key = this.#keys.get(header.kid);
    if (key === undefined || claims?.iss !== key.teamId) return undefined;
    // A string of seconds is tolerated by APNs; anything else is not a time.
    const issuedAt = Number(claims.iat);
    if (!Number.isInteger(issuedAt) || issuedAt <= 0) return undefined;
    const signature = decode(tail);
    // Exactly r and s: a signature in DER is 70 bytes or more.
    if (signature?.length !== 64) return undefined;
    const good = verify(
      'sha256',
      Buffer.from(`${head}.${body}`, 'latin1'),
      { key: key.publicKey, dsaEncoding: 'ieee-p1363' },
      signature,
    );
    return good ? { key, issuedAt } : undefined;
  }
}

function readPart(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(decode(part)?.toString('utf8') ?? '');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function decode(part: string): Buffer | undefined {
  return /^[A-Za-z0-9_-]+$/.test(part) ? Buffer.from(part, 'base64url') : undefined;
}
