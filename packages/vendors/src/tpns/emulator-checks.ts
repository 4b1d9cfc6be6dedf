import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/*
 * Authentication as the emulated TPNS checks it, written from the vendor's page without a look at sign.ts: a
 * mistake made in both places would pass. Nothing here may import from the sender's side.
 */

/** An app as the console lists it. */
export interface App {
  channelName: string;
  platform: 'android' | 'ios';
  accessId: string;
  secretKey: string;
}

export interface AccessRefusal {
  code: 1008003 | 1008035;
  words: string;
}

/**
 * Finds the app that a call comes from, and whether it may.
 * @param nowMs          the vendor's clock
 * @param windowSeconds  how far `TimeStamp` may be from it, either side; 0 for as far as it likes
 */
export function authenticate(
  headers: IncomingHttpHeaders,
  body: Buffer,
  apps: readonly App[],
  nowMs: number,
  windowSeconds: number,
): App | AccessRefusal {
  const known = (accessId: string) => apps.find((app) => app.accessId === accessId);
  const elsewhere: AccessRefusal = { code: 1008035, words: 'access_id error or wrong access point' };
  const failed: AccessRefusal = { code: 1008003, words: 'authentication failed' };
  // Which of the two wins when both are there is not known; the one that the vendor recommends is asked first.
  if (headers.sign !== undefined) {
    const app = known(headerText(headers, 'accessid'));
    if (app === undefined) return elsewhere;
    const stamp = headerText(headers, 'timestamp');
    if (!/^\d{1,12}$/.test(stamp)) return failed;
    if (windowSeconds > 0 && Math.abs(Number(stamp) - nowMs / 1000) > windowSeconds) return failed;
    return isSigned(headerText(headers, 'sign'), stamp, app, body) ? app : failed;
  }
  const pair = /^Basic ([A-Za-z0-9+/]+={0,2})$/.exec(headers.authorization ?? '')?.[1];
  if (pair === undefined) return failed;
  const [accessId = '', password = ''] = Buffer.from(pair, 'base64').toString('latin1').split(':', 2);
  const app = known(accessId);
  if (app === undefined) return elsewhere;
  return isSameText(password, app.secretKey) ? app : failed;
}

/** Base64 of the hexadecimal digits of the digest over time, id and body. */
export function isSigned(
  given: string,
  stamp: string,
  app: Pick<App, 'accessId' | 'secretKey'>,
  body: Buffer,
): boolean {
  const hmac = createHmac('sha256', Buffer.from(app.secretKey, 'latin1'));
  const digest = hmac
    .update(Buffer.concat([Buffer.from(`${stamp}${app.accessId}`, 'latin1'), body]))
    .digest();
  let digits = '';
  for (const byte of digest) digits += (byte < 16 ? '0' : '') + byte.toString(16);
  return isSameText(given, btoa(digits));
}

function isSameText(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function headerText(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return typeof value === 'string' ? value : '';
}
