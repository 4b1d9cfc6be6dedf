import type { Outcome } from '@pushmill/core';
import type { PoolResponse } from '@pushmill/http2';
import {
  isTooLong,
  type JsonObject,
  parseObject,
  retryAfter,
  serverTime,
  soften,
} from '../answer-reading.ts';
import type { Stamped } from '../vendor-clock.ts';
import { type CodeRow, codes, statusRows, targetMissing } from './errors.ts';

/** What an answer says about a whole call. */
export interface Verdict extends Stamped {
  /** The fault is one target's, unnamed: ask one by one. */
  perTarget: boolean;
  /** Of an accepted call: the tokens it left out because they are dead, lower case. */
  invalid: ReadonlySet<string>;
  warning: string | undefined;
  /** The answer itself, for calls that ask something; ids of pushes are texts, however they came. */
  fields: Fields;
}

export type Fields = Readonly<JsonObject>;

interface Said {
  code: string | undefined;
  words: string;
  pushIds: readonly string[];
  invalid: readonly string[];
  fields: Fields;
}

/**
 * Reads the answer of any call.
 * @param hidden   texts that must not come back in a detail: tokens and secrets
 * @param missingIsDead  what 10010005 says of a token (settings)
 * @see  cloud.tencent.com 548/39064; uploads, queries and statistics spell `retCode` and `errMsg`
 */
export function readAnswer(
  response: PoolResponse,
  hidden: readonly string[],
  missingIsDead: boolean,
): Verdict {
  const said = readBody(response);
  const verdict = { perTarget: false, invalid: none, warning: undefined, fields: said.fields };
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
    const [vendorMessageId] = said.pushIds;
    const outcome: Outcome =
      vendorMessageId === undefined ? { kind: 'accepted' } : { kind: 'accepted', vendorMessageId };
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

export const none: ReadonlySet<string> = new Set();

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
        restamp: { serverTime: serverTime(response) },
      };
    case 'accepted':
      return { outcome: { kind: 'accepted' } };
    case 'token-dead':
    case 'rejected':
    case 'misconfigured':
      return { outcome: { kind: row.kind, code, detail } };
    case 'throttled':
      return {
        outcome: {
          kind: 'throttled',
          code,
          detail,
          scope: 'channel',
          ...retryAfter(response, row.atLeastMs),
        },
      };
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
  const fields = parseObject(response.body.toString('utf8'), isKeptAsText) ?? {};
  const words = fields.err_msg ?? fields.errMsg;
  const pushIds = Array.isArray(fields.push_id) ? fields.push_id : [fields.push_id];
  return {
    code: codeOf(fields.ret_code ?? fields.retCode),
    words: typeof words === 'string' ? words : '',
    pushIds: textsOf(pushIds)
      .filter((id) => id !== '')
      .map((id) => id.slice(0, 128)),
    invalid: textsOf(fields.invalid_targe_list).concat(textsOf(fields.invalid_target_list)),
    fields,
  };
}

/**
 * The pages say of a push id that it is a text, or a number. It is a long decimal that no double holds, so its
 * digits are taken from the answer; likewise those of any other number too long to be counted with.
 */
function isKeptAsText(key: string, value: number): boolean {
  return key === 'push_id' || key === 'pushId' || isTooLong(value);
}

function codeOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && /^-?\d{1,18}$/.test(value) ? value : undefined;
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
