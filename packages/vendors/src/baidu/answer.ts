import type { Outcome } from '@pushmill/core';
import type { PoolResponse } from '@pushmill/http2';
import {
  isObject,
  type JsonObject,
  parseObject as parseAny,
  retryAfter,
  serverTime,
  soften,
  textOf,
} from '../answer-reading.ts';
import type { Stamped } from '../vendor-clock.ts';
import type { CodeRow } from './errors.ts';
import { findCode, quotaPauseMs } from './errors.ts';

/** What an answer says about a whole call: there is one answer for all its devices. */
export interface Verdict extends Stamped {
  /** One bad device may be why; see `CodeRow.perTarget`. */
  perTarget: boolean;
  warning: string | undefined;
  /** What came with an acceptance. Numbers are the texts that stood there. */
  result?: JsonObject;
}

/**
 * Reads an answer of REST 3.0 or 2.0.
 * @param hidden  texts that must not come back in a detail: tokens and secrets
 * @param now     milliseconds since the epoch
 * @see           push.baidu.com/doc/restapi/restapi
 */
export function readAnswer(response: PoolResponse, hidden: readonly string[], now: number): Verdict {
  const body = parseObject(response.body.toString('utf8'));
  const code = textOf(body?.error_code);
  if (code === undefined && response.status === 200) {
    const result = resultOf(body);
    // Only "queued", for one device as for thousands.
    if (result !== undefined) return accepted(textOf(result.msg_id) ?? firstOf(result.msgids), result);
  }
  const row = code === undefined ? undefined : findCode(code);
  if (code === undefined || row === undefined) {
    const word = soften(code ?? '', hidden).slice(0, 64);
    return unreadable(word === '' ? `http-${response.status}` : word, code !== undefined, response);
  }
  if (row.kind === 'restamp') {
    return {
      // Refused before it was read, so it cannot have arrived.
      outcome: { kind: 'unavailable', code, mayHaveArrived: false },
      perTarget: false,
      warning: undefined,
      restamp: { serverTime: serverTime(response) },
    };
  }
  const detail = describe(row.name, body?.error_msg, body?.request_id, hidden);
  return {
    outcome: refusal(code, row, row.kind, detail, response, now),
    perTarget: row.perTarget === true,
    warning: row.alert,
  };
}

/** Calls that have nothing to tell may leave `response_params` out, or empty in PHP's way, as a list. */
function resultOf(body: JsonObject | undefined): JsonObject | undefined {
  const result = body?.response_params;
  if (isObject(result)) return result;
  const isEmpty = result === undefined || result === null || (Array.isArray(result) && result.length === 0);
  return isEmpty && textOf(body?.request_id) !== undefined ? {} : undefined;
}

/** 2.0 names a list, of one message. */
function firstOf(list: unknown): string | undefined {
  return Array.isArray(list) ? textOf(list[0]) : undefined;
}

export function accepted(messageId: string | undefined, result: JsonObject): Verdict {
  const outcome: Outcome =
    messageId === undefined ? { kind: 'accepted' } : { kind: 'accepted', vendorMessageId: messageId };
  return { outcome, perTarget: false, warning: undefined, result };
}

/** Our words, the vendor's where they say more, and the number by which its support finds the call. */
export function describe(name: string, said: unknown, requestId: unknown, hidden: readonly string[]): string {
  const words = soften(textOf(said) ?? '', hidden);
  const both = words === '' || words === name ? name : name === '' ? words : `${name}: ${words}`;
  const id = textOf(requestId);
  return id === undefined ? both : `${both} (request ${soften(id, hidden)})`;
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
export function unreadable(code: string, spoke: boolean, response: PoolResponse): Verdict {
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

/** Numbers come out as the text that stood there: `request_id` goes beyond what a double can hold. */
export function parseObject(text: string): JsonObject | undefined {
  return parseAny(text, () => true);
}
