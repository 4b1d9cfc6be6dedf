import type { OutcomeKind } from '@pushmill/core';

/**
 * What a code of the push call means. `restamp` is ours: refused unread for its time or nonce, to be signed
 * afresh once.
 */
export interface CodeRow {
  kind: OutcomeKind | 'restamp';
  name: string;
  /**
   * The fault may lie with one target of the call, which the answer does not name: asked again one by one,
   * so that a bad target does not condemn its neighbours.
   */
  perTarget?: true;
  /** The same, where each target of the call has values of its own. */
  perValues?: true;
  /** Known only from a gap in the list; a person should look. */
  alert?: true;
}

const rejected = (name: string): CodeRow => ({ kind: 'rejected', name });
const rejectedTarget = (name: string): CodeRow => ({ kind: 'rejected', name, perTarget: true });
const rejectedValues = (name: string): CodeRow => ({ kind: 'rejected', name, perValues: true });
const dead = (name: string): CodeRow => ({ kind: 'token-dead', name, perTarget: true });
const misconfigured = (name: string): CodeRow => ({ kind: 'misconfigured', name });

/**
 * Result codes of MPS itself, on either interface.
 * @see  help.aliyun.com 2871134; rows marked "2018" are only in the enums of the old sample client
 */
const resultCodes = new Map<string, CodeRow>([
  ['100', { kind: 'accepted', name: 'SUCCESS' }],
  ['OK', { kind: 'accepted', name: 'SUCCESS' }],
  ['-1', misconfigured('SIGNATURE_MISMATCH')],
  ['3001', rejectedTarget('NEED_DELIVERYTOKEN')],
  ['3002', rejected('NEED_FILE')],
  ['3003', rejected('NEED_APPID_WORKSPACEID')],
  ['3004', rejected('TIMEOUT_ARG_ERROR')], // 2018
  ['3005', misconfigured('APISECRET_WRONG')], // 2018
  ['3006', rejected('NEED_ORDER')], // 2018
  ['3007', misconfigured('APPID_WRONG')],
  ['3008', rejected('OS_TYPE_NOT_SUPPORTED')],
  ['3009', rejected('DELIVERY_TYPE_NOT_SUPPORTED')],
  ['3010', rejected('THIRD_MSG_ID_WRONG')], // 2018
  ['3011', rejected('PAYLOAD_OVERLENGTH')], // 2018
  ['3012', rejectedTarget('NEED_USERID')],
  ['3013', rejected('CONNECTION_STATUS_TYPE_NOT_SUPPORTED')], // 2018
  ['3014', rejected('EXTRA_DEVICE_INFO_OVERLENGTH')], // 2018
  ['3015', rejected('RULESET_OVERLENGTH')], // 2018
  ['3016', rejected('NEED_APPVERSION')], // 2018
  ['3017', rejected('NEED_TNTINSTID')], // 2018
  ['3018', rejected('PAYLOAD_FORMAT_WRONG')], // 2018
  ['3019', rejected('TASKNAME_NULL')],
  ['3020', rejected('EXPIREDSECONDS_WRONG')],
  ['3021', rejectedTarget('TOKEN_OR_USERID_NULL')],
  ['3022', rejected('TEMPLATE_NOT_EXIST')],
  ['3023', rejectedValues('TEMPLATEKV_NOT_ENOUGH')],
  ['3024', rejectedValues('PAYLOAD_NOT_ENOUGH')],
  ['3025', rejected('NEED_TEMPLATE')],
  ['3026', rejected('EXPIREDTIME_TOO_LONG')],
  ['3027', rejected('NEED_TENANTID')],
  ['3028', rejectedTarget('INVALID_PARAM')],
  ['3029', rejected('SINGLE_PUSH_TARGET_TOO_MUCH')],
  ['3030', rejected('BROADCAST_ONLY_SUPPORT_BY_DEVICE')],
  ['3031', rejected('REQUEST_SHOULD_BE_UTF8')],
  ['3032', misconfigured('REST_API_SWITCH_NOT_OPEN')],
  ['3033', misconfigured('UNKNOWN_REST_SIGN_TYPE')],
  ['3035', rejected('EXTEND_PARAM_TO_MUCH')],
  // 3037 to 3042 and 8008 to 8010: what they mean is listed, the exact names are ours.
  ['3036', rejected('TEMPLATE_ALREADY_EXIST')],
  ['3037', rejected('TEMPLATE_NAME_NULL')],
  ['3038', rejected('TEMPLATE_NAME_INVALID')],
  ['3039', rejected('TEMPLATE_CONTENT_INVALID')],
  ['3040', rejected('TEMPLATE_TITLE_INVALID')],
  ['3041', rejected('TEMPLATE_DESCRIPTION_INVALID')],
  ['3042', rejected('TEMPLATE_URI_INVALID')],
  ['3043', rejectedValues('SINGLE_PUSH_CONTENT_TOO_LONG')],
  ['3044', rejectedValues('INVALID_EXTEND_PARAM')],
  ['3049', rejectedValues('MULTIPLE_INNER_EXTEND_PARAM_TO_MUCH')],
  ['3050', rejectedValues('MSG_PAYLOAD_TOO_LONG')],
  // 2018, about one target. "Off" and "offline" are not "dead": those tokens stay.
  ['8000', dead('NOT_PUSH_DEVICE')],
  ['8001', dead('NOT_PUSH_USER')],
  ['8002', rejectedTarget('NOT_ONLINE')],
  ['8003', rejectedTarget('SWITCH_OFF')],
  ['8004', rejectedTarget('DEVICE_NOT_ONLINE')],
  ['8005', dead('DEVICE_UNBIND')],
  ['8006', rejectedTarget('MSG_EXPIRED')],
  ['8007', dead('DELIVERY_TOKEN_NOT_MATCH')],
  ['8008', rejectedTarget('UNPASS_8008')],
  ['8009', rejectedTarget('UNPASS_8009')],
  ['8010', rejectedTarget('UNPASS_8010')],
  // Of the calls about templates and devices (help.aliyun.com 2882067).
  ['8011', { kind: 'throttled', name: 'FLOW_CONTROL_ERROR' }],
  ['8012', misconfigured('INVALID_INSTANCE_ID')],
  ['8013', misconfigured('INVALID_TENANT_ID')],
  ['8014', misconfigured('ACCOUNT_NO_PERMISSION')],
  ['9000', { kind: 'unavailable', name: 'SYSTEM_ERROR' }],
]);

/** The OpenAPI answers some failures by name alone. */
const codesByName = new Map([...resultCodes].map(([code, row]) => [row.name, code]));
codesByName.set('SUCCESS', '100');

/**
 * Codes of the Alibaba Cloud gateway by their beginning, the longer first: `Throttling.User` is `Throttling`.
 * Decide by these and not by the HTTP status, on which the vendor's pages disagree.
 */
const gatewayCodes: readonly (readonly [string, CodeRow['kind']])[] = [
  ['Throttling', 'throttled'],
  ['SignatureNonceUsed', 'restamp'],
  ['InvalidTimeStamp', 'restamp'],
  ['SignatureDoesNotMatch', 'misconfigured'],
  ['IncompleteSignature', 'misconfigured'],
  ['InvalidAccessKeyId', 'misconfigured'],
  ['InvalidSecurityToken', 'misconfigured'],
  ['Forbidden', 'misconfigured'],
  ['NoPermission', 'misconfigured'],
  ['AccountNotSupport', 'misconfigured'],
  ['AccountDisabled', 'misconfigured'],
  ['InvalidAppKey', 'misconfigured'],
  // Not the message's fault: host or version of the channel are wrong, and every push would burn.
  ['InvalidProduct', 'misconfigured'],
  ['InvalidApi', 'misconfigured'],
  ['InvalidAction', 'misconfigured'],
  ['InvalidVersion', 'misconfigured'],
  ['InvalidProtocol', 'misconfigured'],
  ['InternalError', 'unavailable'],
  ['ServiceUnavailable', 'unavailable'],
  ['Missing', 'rejected'],
  ['Invalid', 'rejected'],
];

/**
 * The row of a code: a number, a name, or text that begins with one (`ResultMsg` is not consistent).
 * @returns  undefined for a code that nobody has listed
 */
export function findCode(text: string): { code: string; row: CodeRow } | undefined {
  const word = /^-?[A-Za-z0-9_.]+/.exec(text.trim())?.[0];
  if (word === undefined) return undefined;
  const code = resultCodes.has(word) ? word : codesByName.get(word);
  if (code !== undefined) return { code, row: resultCodes.get(code) as CodeRow };
  // The list goes on above 3050, unseen; the vendor keeps this range for what is wrong with a request.
  if (/^3(?:0[5-9]|[1-9]\d)\d$/.test(word)) {
    return { code: word, row: { kind: 'rejected', name: 'UNLISTED', alert: true } };
  }
  const gateway = gatewayCodes.find(([beginning]) => word.startsWith(beginning));
  return gateway && { code: word, row: { kind: gateway[1], name: word } };
}
