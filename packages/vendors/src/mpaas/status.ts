/** What a callback's code says: about the push, and whether the token behind it is gone for good. */
export interface StatusRow {
  meaning: 'pending' | 'acked' | 'clicked' | 'failed';
  tokenDead?: true;
  /** Condemns only where the operator has compared the certificate's environment with the builds'. */
  deadIfEnvironmentChecked?: true;
}

const pending: StatusRow = { meaning: 'pending' };
const failed: StatusRow = { meaning: 'failed' };
const failedDead: StatusRow = { meaning: 'failed', tokenDead: true };

/**
 * Codes that mean the same whatever the phone.
 * @see  help.aliyun.com 398576 "消息状态码"; `Clicked`, `Exception` and `NONE` are of the 2018 enums
 */
const general = new Map<string, StatusRow>([
  ['-1', pending], // WaitingForVerify
  // Offline for now: MPS keeps the message until it expires and a `2` may follow.
  ['0', pending],
  // NoBindInfo is "waiting for a binding", not "no such user": never held against the target.
  ['1', pending],
  ['2', { meaning: 'acked' }],
  ['3', { meaning: 'clicked' }],
  ['1000', failed],
  ['9999999', pending],
  ['99999999', pending],
]);

/** APNs reasons, numbered by MPS from 2001 on in the order of Apple's old list. */
const ios = new Map<string, StatusRow>([
  ...numbers(2001, 2031).map((code): [string, StatusRow] => [code, failed]),
  // BadDeviceToken is also what every good token gets when sandbox and production are mixed up.
  ['2009', { meaning: 'failed', deadIfEnvironmentChecked: true }],
  ['2010', failedDead], // DeviceTokenNotForTopic
  ['2011', failedDead], // Unregistered
]);

/** Huawei's codes pass through as they are; those of the other makers too, but no list of them is published. */
const android = new Map<string, StatusRow>([
  ...['100', '101', '102', '106', '107', '109', '110', '111'].map((code): [string, StatusRow] => [
    code,
    failed,
  ]),
  ['80000003', failed], // offline: keep the token
  ['80000004', failedDead], // app uninstalled
  ['80000005', failed], // time-out
  ['80000006', failedDead], // no route, never connected
]);

/**
 * Codes overlap (100 is Huawei's "unknown parameter" here and SUCCESS in the answer of a call), so the lookup
 * is by system first. The general codes are the vendor's own and come before those that pass through.
 */
export function findStatus(osType: string | undefined, code: string): StatusRow | undefined {
  const ofSystem = osType === 'ios' ? ios : osType === 'android' ? android : undefined;
  return general.get(code) ?? ofSystem?.get(code);
}

function numbers(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => String(first + index));
}
