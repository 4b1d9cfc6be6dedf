import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolResponse } from '@pushmill/http2';
import { readAnswer, soften } from './answer.ts';
import { findCode } from './errors.ts';

/** The table of the vendor's pages, written down a second time: code, name, kind, and whose fault it may be. */
const page = `
100 SUCCESS accepted
-1 SIGNATURE_MISMATCH misconfigured
3001 NEED_DELIVERYTOKEN rejected target
3002 NEED_FILE rejected
3003 NEED_APPID_WORKSPACEID rejected
3004 TIMEOUT_ARG_ERROR rejected
3005 APISECRET_WRONG misconfigured
3006 NEED_ORDER rejected
3007 APPID_WRONG misconfigured
3008 OS_TYPE_NOT_SUPPORTED rejected
3009 DELIVERY_TYPE_NOT_SUPPORTED rejected
3010 THIRD_MSG_ID_WRONG rejected
3011 PAYLOAD_OVERLENGTH rejected
3012 NEED_USERID rejected target
3013 CONNECTION_STATUS_TYPE_NOT_SUPPORTED rejected
3014 EXTRA_DEVICE_INFO_OVERLENGTH rejected
3015 RULESET_OVERLENGTH rejected
3016 NEED_APPVERSION rejected
3017 NEED_TNTINSTID rejected
3018 PAYLOAD_FORMAT_WRONG rejected
3019 TASKNAME_NULL rejected
3020 EXPIREDSECONDS_WRONG rejected
3021 TOKEN_OR_USERID_NULL rejected target
3022 TEMPLATE_NOT_EXIST rejected
3023 TEMPLATEKV_NOT_ENOUGH rejected values
3024 PAYLOAD_NOT_ENOUGH rejected values
3025 NEED_TEMPLATE rejected
3026 EXPIREDTIME_TOO_LONG rejected
3027 NEED_TENANTID rejected
3028 INVALID_PARAM rejected target
3029 SINGLE_PUSH_TARGET_TOO_MUCH rejected
3030 BROADCAST_ONLY_SUPPORT_BY_DEVICE rejected
3031 REQUEST_SHOULD_BE_UTF8 rejected
3032 REST_API_SWITCH_NOT_OPEN misconfigured
3033 UNKNOWN_REST_SIGN_TYPE misconfigured
3035 EXTEND_PARAM_TO_MUCH rejected
3036 TEMPLATE_ALREADY_EXIST rejected
3037 - rejected
3038 - rejected
3039 - rejected
3040 - rejected
3041 - rejected
3042 - rejected
3043 SINGLE_PUSH_CONTENT_TOO_LONG rejected values
3044 INVALID_EXTEND_PARAM rejected values
3049 MULTIPLE_INNER_EXTEND_PARAM_TO_MUCH rejected values
3050 MSG_PAYLOAD_TOO_LONG rejected values
3051 - rejected
3105 - rejected
8000 NOT_PUSH_DEVICE token-dead target
8001 NOT_PUSH_USER token-dead target
8002 NOT_ONLINE rejected target
8003 SWITCH_OFF rejected target
8004 DEVICE_NOT_ONLINE rejected target
8005 DEVICE_UNBIND token-dead target
8006 MSG_EXPIRED rejected target
8007 DELIVERY_TOKEN_NOT_MATCH token-dead target
8008 - rejected target
8009 - rejected target
8010 - rejected target
8011 FLOW_CONTROL_ERROR throttled
8012 INVALID_INSTANCE_ID misconfigured
8013 INVALID_TENANT_ID misconfigured
8014 ACCOUNT_NO_PERMISSION misconfigured
9000 SYSTEM_ERROR unavailable
`
  .trim()
  .split('\n')
  .map((line) => line.split(' ') as [code: string, name: string, kind: string, fault?: string]);

test('every code of the page has its kind, on either interface and by name too', () => {
  for (const [code, name, kind, fault] of page) {
    const openApi = (words: string) => ({
      ResultCode: 'OK',
      PushResult: { Success: kind === 'accepted', ResultMsg: words },
    });
    const answers: [PoolResponse, boolean][] = [
      [answer(200, openApi(code)), false],
      [answer(200, { success: kind === 'accepted', resultCode: code, resultMsg: name }), true],
      [answer(200, { success: kind === 'accepted', resultCode: Number(code) }), true],
      [answer(200, { Success: kind === 'accepted', Code: code, Msg: name }), false],
    ];
    if (name !== '-') answers.push([answer(200, openApi(name)), false]);
    for (const [response, isRest] of answers) {
      for (const ownValues of [false, true]) {
        const verdict = readAnswer(response, { isRest, hidden: [], ownValues });
        assert.equal(verdict.outcome.kind, kind, `${code} ${response.body}`);
        assert.equal(verdict.perTarget, fault === 'target' || (fault === 'values' && ownValues), code);
        if (verdict.outcome.kind === 'accepted') continue;
        assert.equal(verdict.outcome.code, code);
        assert.match(String(verdict.outcome.detail), name === '-' ? /./ : new RegExp(name));
      }
    }
  }
});

const gatewayPage: Record<string, string> = {
  accepted: 'OK',
  misconfigured:
    'SignatureDoesNotMatch IncompleteSignature InvalidAccessKeyId.NotFound InvalidAccessKeyId.Inactive Forbidden Forbidden.RAM NoPermission AccountNotSupport AccountDisabled InvalidAppKey.NotFound InvalidProduct.NotFound InvalidApi.NotFound InvalidProtocol.NeedSsl InvalidVersion InvalidAction.NotFound',
  rejected:
    'MissingTitle InvalidParameter InvalidParameter.Title InvalidTargetValue.Format InvalidPeriod.ExceedDays',
  throttled: 'Throttling Throttling.User Throttling.Api',
  unavailable: 'ServiceUnavailable InternalError',
  restamp: 'InvalidTimeStamp.Expired InvalidTimeStamp.Format SignatureNonceUsed',
};

test('every code of the gateway has its kind, whatever the status', () => {
  for (const [kind, codes] of Object.entries(gatewayPage)) {
    for (const code of codes.split(' ')) {
      for (const status of [400, 403, 404, 429, 500, 503]) {
        const body = { RequestId: 'R', HostId: 'h', Code: code, Message: 'Words.', Recommend: 'https://x' };
        const verdict = readAnswer(answer(status, body), { isRest: false, hidden: [] });
        assert.equal(
          verdict.restamp === undefined ? verdict.outcome.kind : 'restamp',
          kind,
          `${code} ${status}`,
        );
      }
    }
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
  const verdict = readAnswer(response, { isRest, hidden: ['token-1'] });
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
    vendorMessageId: 'd',
  });
  const { PushResult, ...taskless } = body(true, 'SUCCESS');
  assert.deepEqual(read(answer(200, taskless)).outcome, { kind: 'accepted', vendorMessageId: 'R-1' });
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
    { isRest: false, hidden: [] },
  );
  assert.deepEqual(stamped.restamp, { serverTime: Date.UTC(2026, 0, 2, 3, 4, 5) });
  const outcome = { kind: 'unavailable', code: 'InvalidTimeStamp.Expired', mayHaveArrived: false };
  assert.deepEqual(stamped.outcome, outcome);
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
