import type { Outcome } from '@pushmill/core';
import type { PoolError, PoolResponse } from '@pushmill/http2';
import type { CodeRow } from './errors.ts';
import { findCode, quotaPauseMs } from './errors.ts';

/** What an answer says about a whole call: there is one answer for all its devices. */
export type Verdict =
  | { outcome: Outcome; perTarget: boolean; warning: string | undefined }
  /** Refused unread; `serverTime` is the vendor's clock where it told it, in milliseconds since the epoch. */
  | { restamp: string; serverTime: number | undefined };

/**
 * Reads an answer.
 * @param hidden  texts that must not come back in a detail: tokens and secrets
 * @param now     milliseconds since the epoch
 * @see           push.baidu.com/doc/restapi/restapi
 */
export function readAnswer(response: PoolResponse, hidden: readonly string[], now: number): Verdict {
  const body = parseObject(response.body.toString('utf8'));
  const code = textOf(body?.error_code);
  const result = body?.response_params;
  if (code === undefined && response.status === 200 && isObject(result)) {
    // Only "queued", for one device as for thousands.
    const messageId = textOf(result.msg_id);
    const outcome: Outcome =
      messageId === undefined ? { kind: 'accepted' } : { kind: 'accepted', vendorMessageId: messageId };
    return { outcome, perTarget: false, warning: undefined };
  }
  const row = code === undefined ? undefined : findCode(code);
  if (code === undefined || row === undefined) {
    const word = soften(code ?? '', hidden).slice(0, 64);
    return unreadable(word === '' ? `http-${response.status}` : word, code !== undefined, response);
  }
  if (row.kind === 'restamp') return { restamp: code, serverTime: timeOf(response.headers.date) };
  const words = soften(textOf(body?.error_msg) ?? '', hidden);
  const requestId = textOf(body?.request_id);
  const said = words === '' || words === row.name ? row.name : `${row.name}: ${words}`;
  // The number by which Baidu's support finds the call.
  const detail = requestId === undefined ? said : `${said} (request ${soften(requestId, hidden)})`;
  return {
    outcome: refusal(code, row, row.kind, detail, response, now),
    perTarget: row.perTarget === true,
    warning: row.alert,
  };
}

function refusal(
  code: string,
  row: CodeRow,
  kind: Exclude<CodeRow['kind'], 'restamp'>,
  detail: string,
  response: PoolResponse,
  now: number,
): Outcome {
  switch (kind) {
    case 'token-dead':
    case 'rejected':
    case 'misconfigured':
      return { kind, code, detail };
    case 'throttled': {
      const pause = row.untilNextDay ? { retryAfterMs: quotaPauseMs(now) } : retryAfter(response);
      return { kind, code, detail, scope: 'channel', ...pause };
    }
    case 'unavailable':
      // An error of theirs does not say whether the message was stored before it.
      return { kind, code, detail, mayHaveArrived: true, ...retryAfter(response) };
    default:
      return kind satisfies never;
  }
}

/** Costs retries, not the push. */
function unreadable(code: string, spoke: boolean, response: PoolResponse): Verdict {
  const { status } = response;
  const outcome: Outcome =
    status === 429
      ? { kind: 'throttled', code, scope: 'channel', ...retryAfter(response) }
      : {
          kind: 'unavailable',
          code,
          detail: `HTTP ${status}`,
          mayHaveArrived: true,
          ...retryAfter(response),
        };
  const theirs = status >= 500 || status === 429;
  const warning = spoke
    ? 'baidu answered with a code that has no row'
    : theirs
      ? undefined
      : 'baidu gave an answer that cannot be read';
  return { outcome, perTarget: false, warning };
}

type NumbersKept = (
  text: string,
  reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
) => unknown;

/** Numbers come out as the text that stood there: `request_id` goes beyond what a double can hold. */
function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value = (JSON.parse as NumbersKept)(text, (_key, part, { source }) =>
      typeof part === 'number' ? (source ?? String(part)) : part,
    );
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The vendor's words, fit for a log: one line, and nothing of what we sent that is ours to keep. */
function soften(words: string, hidden: readonly string[]): string {
  let text = words;
  for (const secret of hidden) if (text.includes(secret)) text = text.replaceAll(secret, '[hidden]');
  return text.replace(/\s+/g, ' ').trim().slice(0, 200);
}

function retryAfter(response: PoolResponse): { retryAfterMs?: number } {
  const header = response.headers['retry-after'];
  return header !== undefined && /^\d{1,6}$/.test(header) ? { retryAfterMs: Number(header) * 1000 } : {};
}

function timeOf(header: string | undefined): number | undefined {
  const time = header === undefined ? Number.NaN : Date.parse(header);
  return Number.isNaN(time) ? undefined : time;
}

/** A call that got no answer. */
export function fromPoolError(error: PoolError): Outcome {
  return {
    kind: 'unavailable',
    code: error.kind,
    detail: error.detail.slice(0, 200),
    mayHaveArrived: error.mayHaveArrived,
  };
}
