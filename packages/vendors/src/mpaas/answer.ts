import type { Outcome } from '@pushmill/core';
import type { PoolResponse } from '@pushmill/http2';
import {
  isObject,
  type JsonObject,
  parseObject,
  retryAfter,
  serverTime,
  soften as softenWords,
  textOf,
} from '../answer-reading.ts';
import type { Stamped } from '../vendor-clock.ts';
import type { CodeRow } from './errors.ts';
import { findCode } from './errors.ts';

/** What an answer says about a whole call: there is one answer for all its targets. */
export interface Verdict extends Stamped {
  /** One target may be at fault; the answer does not say which. */
  perTarget: boolean;
  warning: string | undefined;
}

/** What must be known of a call to read its answer. */
export interface Asked {
  isRest: boolean;
  /** Texts that must not come back in a detail: tokens and secrets. */
  hidden: readonly string[];
  /** Each target has template values of its own, so one target's may be at fault. */
  ownValues?: boolean;
}

interface Said {
  code: string | undefined;
  words: string;
  /** Of the call; where MPS made a task of it, that of the task, by which it can be revoked. */
  id: string | undefined;
}

/**
 * Reads an answer of either interface.
 * @see  help.aliyun.com 2871134; shape of the rest answer unsure, so both spellings are read
 */
export function readAnswer(response: PoolResponse, asked: Asked): Verdict {
  const said = readBody(response, asked.isRest);
  const found = said.code === undefined ? undefined : findCode(said.code);
  if (found === undefined) {
    const code = said.code?.slice(0, 64) ?? `http-${response.status}`;
    return { outcome: unlisted(code, response), perTarget: false, warning: warningOf(said, response) };
  }
  const { code, row } = found;
  if (row.kind === 'restamp') {
    return {
      // Refused before it was read, so it cannot have arrived.
      outcome: { kind: 'unavailable', code, mayHaveArrived: false },
      perTarget: false,
      warning: undefined,
      // A nonce that was used says nothing of the time.
      restamp: { serverTime: code.startsWith('InvalidTimeStamp') ? serverTime(response) : undefined },
    };
  }
  return {
    outcome: outcomeOf(code, row, said, response, asked.hidden),
    perTarget: row.perTarget === true || (row.perValues === true && asked.ownValues === true),
    warning: row.alert ? 'mpaas answered with a code above the published list' : undefined,
  };
}

function outcomeOf(
  code: string,
  row: CodeRow & { kind: Outcome['kind'] | 'restamp' },
  said: Said,
  response: PoolResponse,
  hidden: readonly string[],
): Outcome {
  const words = soften(said.words, hidden);
  const detail =
    row.name === code ? words || code : `${row.name}${words && words !== row.name ? `: ${words}` : ''}`;
  switch (row.kind) {
    case 'accepted':
      return said.id === undefined ? { kind: 'accepted' } : { kind: 'accepted', vendorMessageId: said.id };
    case 'token-dead':
    case 'rejected':
    case 'misconfigured':
      return { kind: row.kind, code, detail };
    case 'throttled':
      return { kind: 'throttled', code, detail, scope: 'channel', ...retryAfter(response) };
    default:
      // An error of theirs does not say whether the task was stored before it.
      return { kind: 'unavailable', code, detail, mayHaveArrived: true, ...retryAfter(response) };
  }
}

/** Costs retries, not the push. */
function unlisted(code: string, response: PoolResponse): Outcome {
  if (response.status === 429) return { kind: 'throttled', code, scope: 'channel', ...retryAfter(response) };
  return {
    kind: 'unavailable',
    code,
    detail: `HTTP ${response.status}`,
    mayHaveArrived: true,
    ...retryAfter(response),
  };
}

function warningOf(said: Said, response: PoolResponse): string | undefined {
  if (said.code !== undefined) return 'mpaas answered with a code that has no row';
  return response.status < 500 && response.status !== 429
    ? 'mpaas gave an answer that cannot be read'
    : undefined;
}

function readBody(response: PoolResponse, isRest: boolean): Said {
  const text = response.body.toString('utf8').trim();
  const body = parseObject(text);
  const taken = response.status >= 200 && response.status < 300;
  if (body === undefined) {
    // The old client of the rest interface looks at the status alone. A page of HTML is not from MPS, though.
    const code = isRest && taken && text === '' ? '100' : undefined;
    return { code, words: '', id: undefined };
  }
  const result = objectOf(body.PushResult);
  const id =
    textOf(result?.Data ?? (isRest ? body.data : undefined)) ?? textOf(body.RequestId ?? body.requestId);
  const gatewayCode = textOf(body.Code);
  if (gatewayCode !== undefined)
    return { code: gatewayCode, words: textOf(body.Message ?? body.Msg) ?? '', id };

  const resultCode = textOf(body.ResultCode ?? body.resultCode ?? body.code);
  const words = textOf(body.ResultMessage ?? body.resultMsg ?? body.message) ?? '';
  // ResultCode OK says only that the gateway was content; the business result lies inside.
  if (result?.Success === false) {
    const reason = textOf(result.ResultMsg) ?? '';
    return { code: reason === '' ? 'empty-result' : reason, words: reason, id };
  }
  if (body.success === false && (resultCode === undefined || findCode(resultCode)?.row.kind === 'accepted')) {
    return { code: words === '' ? 'empty-result' : words, words, id };
  }
  if (resultCode !== undefined) return { code: resultCode, words, id };
  return { code: taken && (isRest || result?.Success === true) ? '100' : undefined, words, id };
}

/** An object, or the text of one. */
export function objectOf(value: unknown): JsonObject | undefined {
  if (isObject(value)) return value;
  return typeof value === 'string' ? parseObject(value) : undefined;
}

/**
 * The vendor's words, fit for a log. A signature refusal quotes the whole string that was signed, tokens and
 * key id included, so everything from there on goes.
 */
export function soften(words: string, hidden: readonly string[]): string {
  return softenWords(words.split(/server string to sign/i)[0] as string, hidden);
}
