import type { OutcomeKind } from '@pushmill/core';

/**
 * What a return code means. `restamp` is ours: authentication failed, which may be the clock, so it is signed
 * afresh once before the credential is blamed.
 */
export interface CodeRow {
  kind: OutcomeKind | 'restamp';
  /** The page's meaning, in our words. */
  meaning: string;
  /**
   * The fault lies with one target of the call, which the answer does not name: asked again one by one, so that
   * a dead token does not condemn its neighbours.
   */
  perTarget?: true;
  /** Of `throttled`: sooner would be too fast for certain. */
  atLeastMs?: number;
}

const rejected = (meaning: string): CodeRow => ({ kind: 'rejected', meaning });
const dead = (meaning: string): CodeRow => ({ kind: 'token-dead', meaning, perTarget: true });
const misconfigured = (meaning: string): CodeRow => ({ kind: 'misconfigured', meaning });

/** Documented as "push target does not exist" and printed as an internal error: see `missingTargetIsDead`. */
export const targetMissing = '10010005';

/** Within the hour, to all or to a tag; see `AudienceSender`. */
export const repeatedContent = '10010018';

/**
 * `ret_code` of every call, those we do not make included: the server shares one list.
 * @see  cloud.tencent.com 548/39080 "服务端错误码" and 548/36669; intl 1024/35286 for 1008028
 */
export const codes: ReadonlyMap<string, CodeRow> = new Map([
  ['0', { kind: 'accepted', meaning: 'success' }],
  ['1008001', rejected('parameters cannot be parsed')],
  ['1008002', rejected('a parameter is missing')],
  ['1008003', { kind: 'restamp', meaning: 'authentication failed' }],
  ['1008004', { kind: 'unavailable', meaning: 'a service behind the API failed' }],
  ['1008006', dead('invalid token')],
  ['1008007', rejected('a parameter is invalid')],
  ['1008011', { kind: 'unavailable', meaning: 'the upload failed' }],
  ['1008012', rejected('the uploaded file is empty')],
  ['1008013', misconfigured('the APNs certificate in the console cannot be parsed')],
  ['1008015', rejected('the push id does not exist')],
  ['1008016', rejected('a date is malformed')],
  ['1008019', rejected('the content was judged harmful')],
  ['1008020', misconfigured('the APNs certificate is for another bundle id')],
  ['1008021', misconfigured('the p12 file in the console is bad')],
  ['1008022', misconfigured('the password of the p12 file is wrong')],
  ['1008023', misconfigured('the APNs certificate of this environment has expired')],
  ['1008025', rejected('an app of that platform exists already')],
  ['1008026', rejected('part of a batch operation failed')],
  ['1008027', rejected('a batch operation failed')],
  // One call a second to all, a tag or a package.
  ['1008028', { kind: 'throttled', meaning: 'calls come too fast', atLeastMs: 1_000 }],
  ['1008029', dead('invalid token')],
  ['1008030', misconfigured('the app is not paid for')],
  ['1008031', misconfigured('the subscription of the app has ended')],
  ['1008035', misconfigured('the Access ID is wrong or belongs to another access point (region)')],
  ['1010001', misconfigured('no resources were bought for the app')],
  ['10110008', dead('neither token nor account found')],
  [targetMissing, dead('the push target does not exist')],
  ['10010012', rejected('send_time is out of range')],
  [repeatedContent, rejected('the same content was sent to all or to this tag within the hour')],
  ['10030002', misconfigured('Access ID and key do not belong together')],
  ['10030006', misconfigured('the resource was destroyed')],
]);

/**
 * For answers without a `ret_code`. Not in the list: 5xx and everything that cannot be read.
 * A page of the Java SDK names 403 as the sign of a wrong pair or access point (likely); 401 is a guess.
 */
export const statusRows: ReadonlyMap<number, CodeRow> = new Map([
  [401, { kind: 'restamp', meaning: 'authentication failed' }],
  [403, { kind: 'restamp', meaning: 'authentication failed, or another access point' }],
  [429, { kind: 'throttled', meaning: 'calls come too fast' }],
]);
