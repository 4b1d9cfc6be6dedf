import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolResponse } from '@pushmill/http2';
import { readAnswer, soften } from './answer.ts';
import { findCode } from './errors.ts';

/** The table of the facts page, section 5, written down a second time. */
const page: Record<string, string> = {
  accepted: '100 OK SUCCESS',
  misconfigured:
    '-1 3005 3007 3032 3033 SIGNATURE_MISMATCH APPID_WRONG SignatureDoesNotMatch InvalidAccessKeyId.NotFound InvalidAccessKeyId.Inactive Forbidden Forbidden.RAM',
  rejected:
    '3001 3002 3003 3004 3006 3008 3009 3010 3011 3012 3013 3014 3015 3016 3017 3018 3019 3020 3021 3022 3023 3024 3025 3026 3027 3028 3029 3030 3031 3035 3036 3037 3038 3039 3040 3041 3042 3043 3044 3049 3050 3051 3105 8002 8003 8004 8006 8008 8009 8010 INVALID_PARAM MissingTitle InvalidParameter',
  'token-dead': '8000 8001 8005 8007 DEVICE_UNBIND',
  throttled: 'Throttling Throttling.User Throttling.Api',
  unavailable: '9000 SYSTEM_ERROR ServiceUnavailable InternalError',
  restamp: 'InvalidTimeStamp.Expired InvalidTimeStamp.Format SignatureNonceUsed',
};

test('every code of the page has its kind', () => {
  for (const [kind, codes] of Object.entries(page)) {
    for (const code of codes.split(' ')) assert.equal(findCode(code)?.row.kind, kind, code);
  }
});

test('a code above the published list is refused and reported', () => {
  assert.equal(findCode('3051')?.row.alert, true);
  assert.equal(findCode('3050')?.row.alert, undefined);
  for (const code of ['3034', '3045', '4000', '7', '', 'Nonsense', '{}'])
    assert.equal(findCode(code), undefined, code);
});

test('a code is found at the beginning of a text', () => {
  assert.equal(findCode('3028 INVALID_PARAM')?.code, '3028');
  assert.equal(findCode('INVALID_PARAM: target')?.code, '3028');
  assert.equal(findCode(' -1')?.code, '-1');
});

function answer(status: number, body: unknown, headers: Record<string, string> = {}): PoolResponse {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status, headers, body: Buffer.from(text), sessionId: 's' };
}

function read(response: PoolResponse, isRest = false) {
  const verdict = readAnswer(response, isRest, ['token-1']);
  assert.ok('outcome' in verdict);
  return verdict;
}

test('the OpenAPI says OK twice before it means it', () => {
  const body = (success: boolean, words: string) => ({
    RequestId: 'R-1',
    ResultCode: 'OK',
    ResultMessage: 'x',
    PushResult: { Success: success, ResultMsg: words, Data: 'd' },
  });
  assert.deepEqual(read(answer(200, body(true, 'SUCCESS'))).outcome, {
    kind: 'accepted',
    vendorMessageId: 'R-1',
  });
  const refused = read(answer(200, body(false, '3028')));
  assert.deepEqual(
    [refused.outcome.kind, 'code' in refused.outcome && refused.outcome.code, refused.perTarget],
    ['rejected', '3028', true],
  );
  const unknown = read(answer(200, body(false, 'parameter went missing')));
  assert.equal(unknown.outcome.kind, 'unavailable');
  assert.match(String(unknown.warning), /no row/);
});

test('the gateway is read by its code and not by its status', () => {
  const error = (Code: string) => ({ RequestId: 'R', HostId: 'h', Code, Message: 'Words.' });
  assert.equal(read(answer(400, error('Throttling.User'))).outcome.kind, 'throttled');
  assert.equal(read(answer(400, error('InternalError'))).outcome.kind, 'unavailable');
  assert.equal(read(answer(403, error('ServiceUnavailable'))).outcome.kind, 'unavailable');
  const stamped = readAnswer(
    answer(400, error('InvalidTimeStamp.Expired'), { date: 'Fri, 02 Jan 2026 03:04:05 GMT' }),
    false,
    [],
  );
  assert.deepEqual(stamped, {
    restamp: 'InvalidTimeStamp.Expired',
    serverTime: new Date('2026-01-02T03:04:05Z'),
  });
});

test('the rest answer, whose shape is unsure, is read by what it has', () => {
  const kind = (response: PoolResponse) => read(response, true).outcome.kind;
  assert.equal(kind(answer(200, { success: true, resultCode: '100', resultMsg: 'SUCCESS' })), 'accepted');
  assert.equal(kind(answer(200, { success: true, code: 100 })), 'accepted');
  assert.equal(kind(answer(200, { success: true })), 'accepted');
  assert.equal(kind(answer(200, '')), 'accepted');
  assert.equal(kind(answer(200, { success: false, resultCode: '100', resultMsg: '9000' })), 'unavailable');
  assert.equal(kind(answer(200, { success: false })), 'unavailable');
  assert.equal(kind(answer(200, { success: false, resultCode: '3032' })), 'misconfigured');
});

test('an answer that nobody can read costs a retry, with a warning unless it is plainly theirs', () => {
  const page = read(answer(200, '<html>please sign in</html>'), true);
  assert.deepEqual([page.outcome.kind, page.warning !== undefined], ['unavailable', true]);
  const down = read(answer(502, '<html>bad gateway</html>', { 'retry-after': '7' }));
  assert.deepEqual(down.outcome, {
    kind: 'unavailable',
    code: 'http-502',
    detail: 'HTTP 502',
    mayHaveArrived: true,
    retryAfterMs: 7_000,
  });
  assert.equal(down.warning, undefined);
  assert.equal(read(answer(429, '')).outcome.kind, 'throttled');
});

test('the words of the vendor lose what was signed, tokens included', () => {
  const words = 'Specified signature is not matched. server string to sign is:POST&%2F&AccessKeyId%3Dtestid';
  assert.equal(soften(words, []), 'Specified signature is not matched.');
  assert.equal(soften('target token-1\nis  unknown', ['token-1']), 'target [hidden] is unknown');
});
