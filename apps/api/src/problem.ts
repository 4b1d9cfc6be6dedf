import { type FieldProblem, OverloadedError } from '@pushmill/core';
import { isLedgerAway } from '@pushmill/store';

/**
 * Every problem that the api answers with, by its stable code.
 *
 * 400 is for what has the wrong form (not JSON, an unknown field, a wrong type: the same request can never be
 * right), 422 for what has the right form but cannot be done as things are.
 */
const kinds = {
  'malformed-json': { status: 400, title: 'The body is not JSON' },
  'invalid-request': { status: 400, title: 'The request does not have the right form' },
  unauthenticated: { status: 401, title: 'No valid key' },
  forbidden: { status: 403, title: 'Not allowed with this key' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'name-taken': { status: 409, title: 'The name is taken' },
  'idempotency-conflict': { status: 409, title: 'The idempotency key was used with another body' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'The content type is not application/json' },
  'nothing-sendable': { status: 422, title: 'Nothing of the message can be sent' },
  'invalid-message': { status: 422, title: 'The message cannot be sent' },
  'invalid-device': { status: 422, title: 'The device cannot be registered' },
  'invalid-channel': { status: 422, title: 'The channel cannot work' },
  'invalid-credential': { status: 422, title: 'The credential cannot be used' },
  'too-much-waiting': { status: 429, title: 'Too much waits to be sent' },
  internal: { status: 500, title: 'Something went wrong here' },
  overloaded: { status: 503, title: 'Too much is waiting' },
  'no-worker': { status: 504, title: 'No worker is there to do it' },
  'no-answer': { status: 504, title: 'No answer came in time' },
  'ledger-away': { status: 503, title: 'The ledger is away' },
} as const;

export type ProblemCode = keyof typeof kinds;

export const problemContentType = 'application/problem+json';

/** An RFC 9457 problem document. */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  instance?: string;
  errors?: FieldProblem[];
  /** As in the header `Retry-After`, which an item of a batch does not have. */
  retryAfterSeconds?: number;
}

/** Thrown by whatever cannot answer as asked; the error handler makes the document of it. */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  /** Not a getter: Fastify writes it on errors of validators. */
  statusCode: number;
  readonly errors: readonly FieldProblem[];
  readonly headers: Readonly<Record<string, string>>;

  /** @param detail  one sentence for people; never a secret, never a whole token */
  constructor(
    code: ProblemCode,
    detail: string,
    extra: { errors?: readonly FieldProblem[]; headers?: Record<string, string> } = {},
  ) {
    super(detail);
    this.name = 'ProblemError';
    this.code = code;
    this.statusCode = kinds[code].status;
    this.errors = extra.errors ?? [];
    this.headers = extra.headers ?? {};
  }

  document(instance?: string): ProblemDocument {
    const { status, title } = kinds[this.code];
    const retryAfter = this.headers['retry-after'];
    return {
      type: `urn:pushmill:problem:${this.code}`,
      title,
      status,
      detail: this.message,
      code: this.code,
      ...(instance === undefined ? {} : { instance }),
      ...(this.errors.length === 0 ? {} : { errors: [...this.errors] }),
      ...(retryAfter === undefined ? {} : { retryAfterSeconds: Number(retryAfter) }),
    };
  }
}

/** A problem made of field problems: its sentence is the first one's, with how many there are. */
export function fieldsProblem(code: ProblemCode, errors: readonly FieldProblem[]): ProblemError {
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more, see errors)` : '';
  return new ProblemError(code, `${errors[0]?.detail ?? 'The request cannot be used.'}${more}`, { errors });
}

export function notFound(what: string): ProblemError {
  return new ProblemError('not-found', `There is no ${what}.`);
}

const FASTIFY_CODES: Readonly<Record<string, (limit: number) => ProblemError>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    new ProblemError('unsupported-media-type', 'The header Content-Type must be application/json.', {
      errors: [{ pointer: '/headers/content-type', code: 'not-allowed', detail: 'Send application/json.' }],
    }),
  FST_ERR_CTP_BODY_TOO_LARGE: (limit) => {
    const detail = `The body is larger than ${limit} bytes; send several requests.`;
    return new ProblemError('body-too-large', detail, {
      errors: [{ pointer: '', code: 'too-large', detail }],
    });
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new ProblemError('invalid-request', 'The header Content-Length does not match the body.'),
};

/** The problem that an error of any origin is answered with. Unknown errors tell nothing of themselves. */
export function problemOf(error: unknown, bodyLimitBytes: number): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof OverloadedError) {
    const seconds = Math.ceil(error.retryAfterMs / 1_000);
    return new ProblemError(
      'overloaded',
      `More is waiting to be stored than allowed; try again in ${seconds} s.`,
      {
        headers: { 'retry-after': String(seconds) },
      },
    );
  }
  if (isLedgerAway(error)) {
    return new ProblemError(
      'ledger-away',
      'The database does not answer, so nothing was taken; try again in 2 s.',
      {
        headers: { 'retry-after': '2' },
      },
    );
  }
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  const known = typeof code === 'string' ? FASTIFY_CODES[code] : undefined;
  if (known) return known(bodyLimitBytes);
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new ProblemError('invalid-request', 'The request cannot be read.');
  }
  return new ProblemError('internal', 'The request failed here; it is logged.');
}
