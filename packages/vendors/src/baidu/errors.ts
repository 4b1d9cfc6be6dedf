import type { OutcomeKind } from '@pushmill/core';

/**
 * What a code means. `restamp` is ours: refused unread for its time, to be signed afresh once.
 */
export interface CodeRow {
  kind: Exclude<OutcomeKind, 'accepted'> | 'restamp';
  /** The vendor's words, spelt as there. */
  name: string;
  /**
   * The fault may lie with one device of the call, which the answer does not name: halves are asked again,
   * so that a bad device does not condemn its neighbours.
   */
  perTarget?: true;
  /** Used up until the vendor's next day. */
  untilNextDay?: true;
  /** A person should look. */
  alert?: string;
}

const rejected = (name: string): CodeRow => ({ kind: 'rejected', name });
const misconfigured = (name: string): CodeRow => ({ kind: 'misconfigured', name });
const dead = (name: string): CodeRow => ({ kind: 'token-dead', name, perTarget: true });

/**
 * `error_code` of REST 3.0 and 2.0. Decide by these and not by the HTTP status, of which the pages print only
 * some.
 * @see  push.baidu.com/doc/restapi/restapi, and the error texts of Baidu's Android library for 30699
 */
export const errorCodes: ReadonlyMap<string, CodeRow> = new Map<string, CodeRow>([
  ['30600', { kind: 'unavailable', name: 'Internal Server Error' }],
  ['30601', rejected('Method Not Allowed')],
  // Also for a channel id of a wrong shape. Not token-dead: the answer does not say that it was the device.
  ['30602', { kind: 'rejected', name: 'Request Params Not Valid', perTarget: true }],
  ['30603', misconfigured('Authentication Failed')],
  [
    '30604',
    {
      kind: 'throttled',
      name: 'Quota Use Up Payment Required',
      untilNextDay: true,
      alert: 'baidu says that the quota of the app is used up',
    },
  ],
  ['30605', rejected('Data Required Not Found')],
  ['30606', { kind: 'restamp', name: 'Request Time Expires Timeout' }],
  ['30607', dead('Channel Token Timeout')],
  ['30608', dead('Bind Relation Not Found')],
  ['30609', rejected('Bind Number Too Many')],
  // Nothing in a push call can be a duplicate: no key of it is kept. If it comes, somebody should know.
  ['30610', { kind: 'rejected', name: 'Duplicate Operation', alert: 'baidu called a push a duplicate' }],
  ['30611', rejected('Group Not Found')],
  ['30612', misconfigured('Application Forbidden, Need Whitelist Authorization')],
  ['30613', misconfigured('App Need Inied First In Push-console')],
  ['30614', rejected('Number Of Tag For User Too Many')],
  ['30615', rejected('Number Of Tag For App Too Many')],
  ['30699', { kind: 'throttled', name: 'Requests Are Too Frequent To Be Temporarily Rejected' }],
]);

/** The row of a code; undefined for one outside the vendor's range, about which nothing is known. */
export function findCode(code: string): CodeRow | undefined {
  const row = errorCodes.get(code);
  if (row !== undefined || !/^306\d\d$/.test(code)) return row;
  return { kind: 'rejected', name: 'UNLISTED', alert: 'baidu answered with a code that has no row' };
}

/**
 * `code` of SPP, where 0 is taken.
 * @see  cloud.baidu.com/doc/SPP/s/mjwvxj9ow
 */
export const sppCodes: ReadonlyMap<string, CodeRow> = new Map<string, CodeRow>([
  ['300001', rejected('The content was found to hold sensitive words')],
  ['300002', rejected('Messages of this app are sent only after a review')],
]);

/** As `findCode`. The codes for a bad signature were never printed: the HTTP status speaks for them. */
export function findSppCode(code: string): CodeRow | undefined {
  const row = sppCodes.get(code);
  if (row !== undefined || !/^3\d{5}$/.test(code)) return row;
  return { kind: 'rejected', name: 'UNLISTED', alert: 'baidu answered with a code that has no row' };
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const beijingMs = 8 * hourMs;

/**
 * How long to leave an app alone whose quota is used up: until midnight in Beijing, but an hour at most. The
 * operator may buy more before, and one refused call an hour costs nothing.
 * @param now  milliseconds since the epoch
 */
export function quotaPauseMs(now: number): number {
  return Math.min(hourMs, dayMs - ((now + beijingMs) % dayMs));
}
