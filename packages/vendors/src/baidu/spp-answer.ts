import type { PoolResponse } from '@pushmill/http2';
import { isObject, retryAfter, serverTime, textOf } from '../answer-reading.ts';
import { clockNoiseMs } from '../vendor-clock.ts';
import { accepted, describe, parseObject, unreadable, type Verdict } from './answer.ts';
import { findSppCode } from './errors.ts';

/**
 * Reads an answer of SPP: `{request_id, code, message, result}`. Which codes mean a bad signature or too many
 * calls was never printed, so those two are read from the HTTP status.
 * @param hidden  texts that must not come back in a detail: tokens and secrets
 * @param now     by our clock, milliseconds since the epoch
 * @see           cloud.baidu.com/doc/SPP
 */
export function readSppAnswer(response: PoolResponse, hidden: readonly string[], now: number): Verdict {
  const { status } = response;
  const body = parseObject(response.body.toString('utf8'));
  const code = textOf(body?.code);
  if (status === 200 && code === '0') {
    const result = isObject(body?.result) ? body.result : {};
    return accepted(textOf(result.msg_id), result);
  }
  const row = code === undefined ? undefined : findSppCode(code);
  const word = code !== undefined && /^-?\d{1,12}$/.test(code) ? code : `http-${status}`;
  const detail = describe(row?.name ?? '', body?.message, body?.request_id, hidden);
  const plain = { perTarget: false, warning: undefined };
  if (status === 401 || status === 403) {
    const said = detail === '' ? `HTTP ${status}` : detail;
    const outcome = { kind: 'misconfigured', code: word, detail: said } as const;
    // A time that is far off is refused with the words of a wrong key; only `Date` tells them apart.
    const time = serverTime(response);
    const isOff = time !== undefined && Math.abs(time - now) >= clockNoiseMs;
    return { ...plain, outcome, ...(isOff ? { restamp: { serverTime: time } } : {}) };
  }
  if (status === 429) {
    return {
      ...plain,
      outcome: { kind: 'throttled', code: word, scope: 'channel', detail, ...retryAfter(response) },
    };
  }
  if (row === undefined || status >= 500) return unreadable(word, code !== undefined, response);
  return { outcome: { kind: 'rejected', code: word, detail }, perTarget: false, warning: row.alert };
}
