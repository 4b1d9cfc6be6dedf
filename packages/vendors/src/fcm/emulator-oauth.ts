import { type KeyObject, randomBytes, verify } from 'node:crypto';
import type { Answer } from './emulator-errors.ts';
import { type Account, tokenUri } from './emulator-identity.ts';
import type { Call } from './emulator-listener.ts';

/** What the token endpoint may suffer from. */
export type TokenTrouble =
  /** The account was deleted: HTTP 400, `invalid_grant`. */
  | 'account-gone'
  /** The key was deleted: HTTP 400, `invalid_grant`. */
  | 'key-gone'
  /** The account is switched off: HTTP 401, `invalid_client`. Unsure. */
  | 'disabled'
  /** HTTP 503. */
  | 'unavailable'
  /** No answer. */
  | 'silent';

export interface AccessToken {
  account: Account;
  /** Milliseconds. */
  expiresAt: number;
  /** Whether one of its scopes is good for sending. */
  mayMessage: boolean;
}

export interface OauthOptions {
  /** Milliseconds. */
  now: () => number;
  account: Account;
  expiresInSeconds: number;
  /** How far the times of an assertion may be off. */
  skewSeconds: number;
}

const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const scopePrefix = 'https://www.googleapis.com/auth/';
const messagingScopes = new Set([`${scopePrefix}firebase.messaging`, `${scopePrefix}cloud-platform`]);
const maxLifeSeconds = 3_600;

/** What is wrong with a request for a token: OAuth's word and Google's sentence. */
interface Fault {
  status: 400 | 401 | 503;
  error: string;
  description: string;
}

const bad = (error: string, description: string, status: Fault['status'] = 400): Fault => ({
  status,
  error,
  description,
});

const faults = {
  signature: bad('invalid_grant', 'Invalid JWT Signature.'),
  account: bad('invalid_grant', 'Invalid grant: account not found'),
  audience: bad('invalid_grant', 'Invalid JWT: Failed audience check'),
  times: bad(
    'invalid_grant',
    'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.',
  ),
  scope: bad('invalid_scope', 'Invalid OAuth scope or ID token audience provided.'),
  noAssertion: bad('invalid_request', 'Missing required parameter: assertion'),
  noForm: bad('invalid_request', 'Bad Request'),
  form: bad('invalid_grant', 'Invalid JWT'),
  impersonation: bad(
    'unauthorized_client',
    'Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested.',
    401,
  ),
  disabled: bad('invalid_client', 'The OAuth client was disabled.', 401),
  unavailable: bad('internal_failure', 'Backend Error', 503),
};

/**
 * The token endpoint: an assertion in, an access token out.
 * @see Google, "Using OAuth 2.0 for server to server applications"; RFC 7523
 */
export class TokenEndpoint {
  requests = 0;
  trouble: TokenTrouble | undefined;
  readonly #options: OauthOptions;
  readonly #tokens = new Map<string, AccessToken>();

  constructor(options: OauthOptions) {
    this.#options = options;
  }

  /** Undefined where there is no answer. */
  receive(call: Pick<Call, 'headers' | 'body'>): Answer | undefined {
    this.requests += 1;
    const { trouble } = this;
    if (trouble === 'silent') return undefined;
    if (trouble === 'unavailable') return refusal(faults.unavailable);
    const granted = this.#judge(call);
    if ('error' in granted) return refusal(granted);
    if (trouble === 'disabled') return refusal(faults.disabled);
    const { expiresInSeconds, now } = this.#options;
    const text = `ya29.c.${randomBytes(96).toString('base64url')}`;
    const token = { ...granted, expiresAt: now() + expiresInSeconds * 1_000 };
    this.#tokens.set(text, token);
    return {
      status: 200,
      headers,
      body: JSON.stringify({ access_token: text, expires_in: expiresInSeconds, token_type: 'Bearer' }),
    };
  }

  /** What is known of a token that was given out here. */
  find(text: string): AccessToken | undefined {
    return this.#tokens.get(text);
  }

  /** Those given out so far are good for nothing from now on. */
  revoke(): void {
    this.#tokens.clear();
  }

  #judge({ headers, body }: Pick<Call, 'headers' | 'body'>): Omit<AccessToken, 'expiresAt'> | Fault {
    const type = headers['content-type'];
    if (typeof type !== 'string' || !/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type))
      return faults.noForm;
    const form = new URLSearchParams(body?.toString('latin1'));
    const grant = form.get('grant_type');
    if (grant !== grantType) return bad('unsupported_grant_type', `Invalid grant_type: ${grant ?? ''}`);
    const assertion = form.get('assertion');
    return assertion ? this.#judgeAssertion(assertion) : faults.noAssertion;
  }

  #judgeAssertion(assertion: string): Omit<AccessToken, 'expiresAt'> | Fault {
    const { account, now, skewSeconds } = this.#options;
    const parts = assertion.split('.');
    const [head = '', payload = '', tail = ''] = parts;
    const header = readPart(head);
    const claims = readPart(payload);
    if (parts.length !== 3 || header === undefined || claims === undefined) return faults.form;
    if (header.alg !== 'RS256' || (header.typ !== undefined && header.typ !== 'JWT')) return faults.form;
    if (claims.iss !== account.email || this.trouble === 'account-gone') return faults.account;
    const keys = this.trouble === 'key-gone' ? [] : keysFor(account, header.kid);
    const signed = Buffer.from(`${head}.${payload}`, 'latin1');
    const signature = Buffer.from(tail, 'base64url');
    if (!keys.some((key) => verify('sha256', signed, key, signature))) return faults.signature;
    if (claims.aud !== tokenUri) return faults.audience;
    const { iat, exp } = claims;
    const seconds = Math.floor(now() / 1_000);
    if (!Number.isInteger(iat) || !Number.isInteger(exp)) return faults.times;
    const [issued, expires] = [iat as number, exp as number];
    if (expires - issued > maxLifeSeconds || expires <= issued) return faults.times;
    if (issued > seconds + skewSeconds || expires < seconds - skewSeconds) return faults.times;
    if (claims.sub !== undefined && claims.sub !== account.email) return faults.impersonation;
    const scopes = typeof claims.scope === 'string' ? claims.scope.split(' ') : [];
    if (scopes.length === 0 || !scopes.every((scope) => scope.startsWith(scopePrefix))) return faults.scope;
    return { account, mayMessage: scopes.some((scope) => messagingScopes.has(scope)) };
  }
}

/** The id is no must; without it any key of the account will do. */
function keysFor(account: Account, keyId: unknown): KeyObject[] {
  if (keyId === undefined) return [...account.keys.values()];
  const key = account.keys.get(String(keyId));
  return key === undefined ? [] : [key];
}

function readPart(part: string): Record<string, unknown> | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(part)) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const headers = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' };

function refusal({ status, error, description }: Fault): Answer {
  return {
    status,
    headers,
    body: JSON.stringify({ error, error_description: description }, undefined, 2),
    code: error,
  };
}
