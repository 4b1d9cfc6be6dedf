import { Secret } from '@pushmill/core';

/** Fields that may hold a secret or a full device token, wherever a careless line may put them. */
const fields = [
  'password',
  'passphrase',
  'masterKey',
  'apiKey',
  'key',
  'privateKey',
  'secret',
  'credential',
  'token',
  'tokens',
  'authorization',
  'cookie',
  'rawBody',
  'redisUrl',
  'databaseUrl',
];

const bare = (field: string) => [field, `*.${field}`, `*.*.${field}`];

/**
 * Redaction is the second net; `Secret` and the token's hash are the first. In pino `*` is exactly one level
 * and the top level needs its own path, so that each field is listed at three depths.
 */
export const redactionPaths: readonly string[] = [
  ...fields.flatMap(bare),
  '*.headers["set-cookie"]',
  '*.headers["x-pushmill-key"]',
];

/** What stands in a secret's place. `{ configured: true }` is what may be told of a setting, and stays. */
export function censor(value: unknown): unknown {
  return isMark(value) ? value : '[redacted]';
}

function isMark(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return false;
  const fields = Object.entries(value);
  return fields.length === 1 && fields[0]?.[0] === 'configured' && typeof fields[0][1] === 'boolean';
}

/**
 * An error as the log may show it. Only the named fields: drivers hang whole rows (`detail` of a Postgres
 * unique violation quotes the key's value), requests and connection options on their errors.
 */
export function describeError(error: unknown): unknown {
  return describe(error, 0);
}

function describe(error: unknown, depth: number): unknown {
  if (error instanceof Secret) return error.toString();
  if (!(error instanceof Error)) return typeof error === 'object' ? String(error) : error;
  const { code, constraint } = error as { code?: unknown; constraint?: unknown };
  return {
    type: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code: String(code) }),
    ...(constraint === undefined ? {} : { constraint: String(constraint) }),
    stack: error.stack,
    // A chain of causes can be a ring.
    ...(error.cause === undefined || depth >= 3 ? {} : { cause: describe(error.cause, depth + 1) }),
    ...(error instanceof AggregateError && depth < 3
      ? { errors: error.errors.slice(0, 10).map((one) => describe(one, depth + 1)) }
      : {}),
  };
}
