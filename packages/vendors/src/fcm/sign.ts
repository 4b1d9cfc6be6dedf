import { type KeyObject, sign } from 'node:crypto';

/** What sending and topic management both need, and nothing more. */
export const scope = 'https://www.googleapis.com/auth/firebase.messaging';

/** The longest that Google takes. */
const lifeSeconds = 3_600;
/** A clock that is a little fast would make the assertion one from the future. */
const backdatedSeconds = 10;

export interface AssertionKey {
  /** The service account. */
  clientEmail: string;
  /** `private_key_id`, where the key file has one. */
  keyId: string | undefined;
  /** `token_uri` of the key file, wherever the assertion is really sent. */
  audience: string;
  privateKey: KeyObject;
}

/**
 * The assertion that is exchanged for an access token: JWT in compact form, RS256.
 * @param issuedAt  seconds since the epoch
 * @see   Google Identity, "Using OAuth 2.0 for server to server applications"; RFC 7523 §3
 */
export function signAssertion(key: AssertionKey, issuedAt: number): string {
  const header = { alg: 'RS256', typ: 'JWT', ...(key.keyId === undefined ? {} : { kid: key.keyId }) };
  const claims = {
    iss: key.clientEmail,
    scope,
    aud: key.audience,
    iat: issuedAt,
    exp: issuedAt + lifeSeconds,
  };
  const input = `${base64url(header)}.${base64url(claims)}`;
  return `${input}.${sign('sha256', Buffer.from(input), key.privateKey).toString('base64url')}`;
}

/** @param now  milliseconds since the epoch, by the clock that Google will ask */
export function issuedAtOf(now: number): number {
  return Math.floor(now / 1_000) - backdatedSeconds;
}

/** The body in which an assertion is sent. */
export function assertionForm(assertion: string): string {
  return new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion,
  }).toString();
}

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
