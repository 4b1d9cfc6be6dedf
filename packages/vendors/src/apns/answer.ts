import type { Outcome } from '@pushmill/core';
import type { Environment } from './settings.ts';

/** What APNs answered to one request. */
export interface ApnsAnswer {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Buffer;
}

/** What must be known of the request to judge some reasons. */
export interface AnswerContext {
  reasons: Reasons;
  /** The environment that answered. */
  environment: Environment;
  /** Whether the push went to the channel's own topic, and not to one that the message asked for. */
  ownTopic: boolean;
  /** For a reason without a row. Gets no token and no payload. */
  warn: (fields: Record<string, unknown>, message: string) => void;
}

/** What one reason says about the request that met it. */
export type Row =
  | { kind: 'token-dead' }
  | { kind: 'rejected'; detail: string | ((environment: Environment) => string); misfiled?: true }
  | { kind: 'misconfigured'; detail: string }
  | { kind: 'throttled'; scope: 'token' | 'channel'; retryAfterMs?: number; detail: string }
  | { kind: 'unavailable'; mayHaveArrived: boolean; detail: string };

export type Reasons = ReadonlyMap<string, Row>;

export const rejected = (detail: string): Row => ({ kind: 'rejected', detail });
export const misconfigured = (detail: string): Row => ({ kind: 'misconfigured', detail });
/** Apple says no, so nothing was delivered; a second send makes no second copy. */
export const unavailable = (detail: string, mayHaveArrived = false): Row => ({
  kind: 'unavailable',
  detail,
  mayHaveArrived,
});

/** What a yes concludes, with the id by which APNs knows the request. */
export function accepted(answer: Pick<ApnsAnswer, 'headers'>): Outcome {
  const id = answer.headers['apns-id'] ?? answer.headers['apns-request-id'];
  return typeof id === 'string' ? { kind: 'accepted', vendorMessageId: id } : { kind: 'accepted' };
}

/** The `reason` of an answer, or undefined when the body is not APNs' JSON: then something else answered. */
export function reasonOf(answer: ApnsAnswer): string | undefined {
  return readBody(answer)?.reason;
}

/**
 * What an answer that is no yes concludes. The body is judged by the status, never by a content type: APNs sends
 * none.
 */
export function outcomeOf(
  answer: ApnsAnswer,
  context: AnswerContext,
): Exclude<Outcome, { kind: 'accepted' }> {
  const retryAfterMs = retryAfter(answer);
  const body = readBody(answer);
  if (body === undefined) {
    // A proxy spoke, not APNs: nothing it says is about the credential or the token. A 4xx of a proxy means
    // that it passed nothing on; a 502 or 504 can come after the push went through.
    return {
      kind: 'unavailable',
      code: `http-${answer.status}`,
      detail: `Something that is not APNs answered with status ${answer.status}.`,
      mayHaveArrived: answer.status < 400 || answer.status >= 500,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  }
  const code = body.reason;
  const listed = context.reasons.get(code);
  const row = listed ?? rowOfStatus(answer.status);
  if (listed === undefined) {
    context.warn({ status: answer.status, reason: code }, 'APNs gave a reason that the table does not list');
  }
  switch (row.kind) {
    case 'token-dead':
      return body.since === undefined
        ? { kind: 'token-dead', code }
        : { kind: 'token-dead', code, since: body.since };
    case 'misconfigured':
      // A topic that one message asked for must not stop the channel for all others.
      return code === 'TopicDisallowed' && !context.ownTopic
        ? { kind: 'rejected', code, detail: row.detail }
        : { kind: 'misconfigured', code, detail: row.detail };
    case 'rejected': {
      const detail = typeof row.detail === 'string' ? row.detail : row.detail(context.environment);
      return { kind: 'rejected', code, detail, ...(row.misfiled === true ? { misfiled: true } : {}) };
    }
    case 'throttled': {
      const delayMs = retryAfterMs ?? row.retryAfterMs;
      return {
        kind: 'throttled',
        code,
        detail: row.detail,
        scope: row.scope,
        ...(delayMs === undefined ? {} : { retryAfterMs: delayMs }),
      };
    }
    case 'unavailable':
      return {
        kind: 'unavailable',
        code,
        detail: row.detail,
        mayHaveArrived: row.mayHaveArrived,
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      };
    default:
      return row satisfies never;
  }
}

/** What a reason that is not listed most likely means. Never that a token is dead. */
function rowOfStatus(status: number): Row {
  if (status === 401 || status === 403) {
    // Burning every push of a channel on a word that we do not know would be worse than stopping it.
    return misconfigured('APNs refused the credential for a reason that pushmill does not know.');
  }
  if (status === 429) {
    return { kind: 'throttled', scope: 'channel', detail: 'APNs asks to slow down for an unlisted reason.' };
  }
  if (status >= 400 && status < 500) {
    return rejected('APNs refused the push for a reason that pushmill does not know.');
  }
  return unavailable('APNs failed for a reason that pushmill does not know.', true);
}

function readBody(answer: ApnsAnswer): { reason: string; since?: Date } | undefined {
  if (answer.body.length === 0) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(answer.body.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { reason, timestamp } = value as { reason?: unknown; timestamp?: unknown };
  if (typeof reason !== 'string' || !/^[\w .-]{1,100}$/.test(reason)) return undefined;
  // Milliseconds, and only with 410.
  const since = typeof timestamp === 'number' ? new Date(timestamp) : undefined;
  return since === undefined || Number.isNaN(since.getTime()) ? { reason } : { reason, since };
}

/** APNs documents no Retry-After; a value that a proxy or a later APNs sends is honoured, seconds or a date. */
function retryAfter(answer: ApnsAnswer): number | undefined {
  const value = answer.headers['retry-after'];
  if (typeof value !== 'string') return undefined;
  const delayMs = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isFinite(delayMs) && delayMs >= 0 ? Math.min(delayMs, 3_600_000) : undefined;
}
