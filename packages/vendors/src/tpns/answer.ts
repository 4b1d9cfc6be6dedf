import type { Outcome } from '@pushmill/core';
import type { PoolError, PoolResponse } from '@pushmill/http2';
import { type CodeRow, codes, statusRows, targetMissing } from './errors.ts';

/** What an answer says about a whole call. */
export interface Verdict {
  outcome: Outcome;
  /** The fault is one target's, unnamed: ask one by one. */
  perTarget: boolean;
  /** Of an accepted call: the tokens it left out because they are dead, lower case. */
  invalid: ReadonlySet<string>;
  /** Authentication failed: worth one more try, stamped with the vendor's clock where it told it. */
  restamp?: { serverTime: number | undefined };
  warning: string | undefined;
}

interface Said {
  code: string | undefined;
  words: string;
  pushId: string | undefined;
  invalid: readonly string[];
}

/**
 * Reads the answer of `/v3/push/app`.
 * @param hidden   texts that must not come back in a detail: tokens and secrets
 * @param missingIsDead  what 10010005 says of a token (settings)
 * @see  cloud.tencent.com 548/39064; older calls and SDKs spell `retCode` and `errMsg`
 */
export function readAnswer(
  response: PoolResponse,
  hidden: readonly string[],
  missingIsDead: boolean,
): Verdict {
  const said = readBody(response);
  const verdict = { perTarget: false, invalid: none, warning: undefined };
  // The SDKs look into the body at 200 only: a success under another status is somebody else's.
  if (said.code === undefined || (said.code === '0' && response.status !== 200)) {
    const code = `http-${response.status}`;
    const row = statusRows.get(response.status);
    if (row !== undefined) return { ...verdict, ...judge(code, row, said, response, hidden) };
    return { ...verdict, ...unreadable(code, response) };
  }
  const row = codes.get(said.code);
  if (row === undefined) {
    const outcome: Outcome = {
      kind: 'unavailable',
      code: said.code.slice(0, 64),
      detail: soften(said.words, hidden) || `HTTP ${response.status}`,
      // It is their word that the call was not taken; only why is unknown to us.
      mayHaveArrived: false,
      ...retryAfter(response),
    };
    return { ...verdict, outcome, warning: 'tpns answered with a code that has no row' };
  }
  if (row.kind === 'accepted') {
    const outcome: Outcome =
      said.pushId === undefined ? { kind: 'accepted' } : { kind: 'accepted', vendorMessageId: said.pushId };
    return { ...verdict, outcome, invalid: new Set(said.invalid.map((token) => token.toLowerCase())) };
  }
  const isDoubtful = said.code === targetMissing && !missingIsDead;
  const judged = isDoubtful ? { ...row, kind: 'rejected' as const } : row;
  return {
    ...verdict,
    ...judge(said.code, judged, said, response, hidden),
    perTarget: row.perTarget === true,
  };
}

const none: ReadonlySet<string> = new Set();

/** The token of an accepted call that `invalid_targe_list` named. */
export const invalidTarget: Outcome = {
  kind: 'token-dead',
  code: 'invalid_targe_list',
  detail: 'TPNS took the call and left this token out as invalid',
};

function judge(
  code: string,
  row: CodeRow,
  said: Said,
  response: PoolResponse,
  hidden: readonly string[],
): Pick<Verdict, 'outcome' | 'restamp'> {
  const words = soften(said.words, hidden);
  const detail = words === '' ? row.meaning : `${row.meaning}: ${words}`;
  switch (row.kind) {
    case 'restamp':
      return {
        outcome: { kind: 'misconfigured', code, detail },
        restamp: { serverTime: timeOf(response.headers.date) },
      };
    case 'accepted':
      return { outcome: { kind: 'accepted' } };
    case 'token-dead':
    case 'rejected':
    case 'misconfigured':
      return { outcome: { kind: row.kind, code, detail } };
    case 'throttled':
      return { outcome: { kind: 'throttled', code, detail, scope: 'channel', ...retryAfter(response) } };
    case 'unavailable':
      return {
        outcome: { kind: 'unavailable', code, detail, mayHaveArrived: false, ...retryAfter(response) },
      };
    default:
      return row.kind satisfies never;
  }
}

/** No `ret_code`: a gateway spoke, or the answer was cut. There is no key by which TPNS would know a repeat. */
function unreadable(code: string, response: PoolResponse): Pick<Verdict, 'outcome' | 'warning'> {
  const { status } = response;
  const refusedByGateway = status >= 400 && status < 500;
  return {
    outcome: {
      kind: 'unavailable',
      code,
      detail: `HTTP ${status} without a return code`,
      mayHaveArrived: !refusedByGateway,
      ...retryAfter(response),
    },
    warning: status < 500 ? 'tpns gave an answer that cannot be read' : undefined,
  };
}

function readBody(response: PoolResponse): Said {
  const text = response.body.toString('utf8');
  const body = parseObject(text);
  if (body === undefined) return { code: undefined, words: '', pushId: undefined, invalid: [] };
  const words = body.err_msg ?? body.errMsg;
  return {
    code: codeOf(body.ret_code ?? body.retCode),
    words: typeof words === 'string' ? words : '',
    pushId: pushIdOf(body.push_id, text),
    invalid: textsOf(body.invalid_targe_list).concat(textsOf(body.invalid_target_list)),
  };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function codeOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && /^-?\d{1,18}$/.test(value) ? value : undefined;
}

/** A long decimal text. Were it ever a bare number, its digits are in the text of the answer, not in a double. */
function pushIdOf(value: unknown, text: string): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value.slice(0, 128);
  if (Array.isArray(value)) return pushIdOf(value[0], text);
  return typeof value === 'number' ? /"push_id"\s*:\s*(\d{1,128})/.exec(text)?.[1] : undefined;
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** The vendor's words, fit for a log: one line, no token, no secret. */
export function soften(words: string, hidden: readonly string[]): string {
  let text = words;
  for (const secret of hidden) text = text.replaceAll(secret, '[hidden]');
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
