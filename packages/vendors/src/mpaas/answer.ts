import type { Outcome } from '@pushmill/core';
import type { PoolError, PoolResponse } from '@pushmill/http2';
import type { CodeRow } from './errors.ts';
import { findCode } from './errors.ts';

/** What an answer says about a whole call: there is one answer for up to ten targets. */
export type Verdict =
  | { outcome: Outcome; perTarget: boolean; warning: string | undefined }
  /** Refused unread; `serverTime` is the vendor's clock where it told it. */
  | { restamp: string; serverTime: Date | undefined };

interface Said {
  code: string | undefined;
  words: string;
  requestId: string | undefined;
}

/**
 * Reads an answer of either interface.
 * @param hidden  texts that must not come back in a detail: tokens and secrets
 * @see           help.aliyun.com 2871134; shape of the rest answer unsure, so both spellings are read
 */
export function readAnswer(response: PoolResponse, isRest: boolean, hidden: readonly string[]): Verdict {
  const said = readBody(response, isRest);
  const found = said.code === undefined ? undefined : findCode(said.code);
  if (found === undefined) {
    const code = said.code?.slice(0, 64) ?? `http-${response.status}`;
    return { outcome: unlisted(code, response), perTarget: false, warning: warningOf(said, response) };
  }
  const { code, row } = found;
  if (row.kind === 'restamp') return { restamp: code, serverTime: timeOf(response.headers.date) };
  return {
    outcome: outcomeOf(code, row, said, response, hidden),
    perTarget: row.perTarget === true,
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
      return said.requestId === undefined
        ? { kind: 'accepted' }
        : { kind: 'accepted', vendorMessageId: said.requestId };
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
    return { code, words: '', requestId: undefined };
  }
  const requestId = textOf(body.RequestId ?? body.requestId);
  const gatewayCode = textOf(body.Code);
  if (gatewayCode !== undefined) return { code: gatewayCode, words: textOf(body.Message) ?? '', requestId };

  const resultCode = textOf(body.ResultCode ?? body.resultCode ?? body.code);
  const words = textOf(body.ResultMessage ?? body.resultMsg ?? body.message) ?? '';
  const result = parseObject(body.PushResult);
  // ResultCode OK says only that the gateway was content; the business result lies inside.
  if (result?.Success === false) {
    const reason = textOf(result.ResultMsg) ?? '';
    return { code: reason === '' ? 'empty-result' : reason, words: reason, requestId };
  }
  if (body.success === false && (resultCode === undefined || findCode(resultCode)?.row.kind === 'accepted')) {
    return { code: words === '' ? 'empty-result' : words, words, requestId };
  }
  if (resultCode !== undefined) return { code: resultCode, words, requestId };
  return { code: taken && (isRest || result?.Success === true) ? '100' : undefined, words, requestId };
}

function parseObject(value: unknown): Record<string, unknown> | undefined {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  if (typeof value !== 'string' || !value.startsWith('{')) return undefined;
  try {
    return JSON.parse(value) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * The vendor's words, fit for a log. A signature refusal quotes the whole string that was signed, tokens and
 * key id included, so everything from there on goes.
 */
export function soften(words: string, hidden: readonly string[]): string {
  let text = words.split(/server string to sign/i)[0] as string;
  for (const secret of hidden) text = text.replaceAll(secret, '[hidden]');
  return text.replace(/\s+/g, ' ').trim().slice(0, 200);
}

function retryAfter(response: PoolResponse): { retryAfterMs?: number } {
  const header = response.headers['retry-after'];
  return header !== undefined && /^\d{1,6}$/.test(header) ? { retryAfterMs: Number(header) * 1000 } : {};
}

function timeOf(header: string | undefined): Date | undefined {
  const time = header === undefined ? Number.NaN : Date.parse(header);
  return Number.isNaN(time) ? undefined : new Date(time);
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
