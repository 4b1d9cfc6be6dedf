import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/*
 * What Baidu asks of a call before it looks at the message, written from the vendor's pages without a look at
 * sign.ts: a mistake made in both places would pass. Nothing here may import from the sender's side.
 */

/** A refusal: `error_code`; words and HTTP status follow from it. */
export type RefusalCode = keyof typeof refusals;

export const refusals = {
  30600: [500, 'Internal Server Error'],
  30601: [405, 'Method Not Allowed'],
  30602: [400, 'Request Params Not Valid'],
  30603: [403, 'Authentication Failed'],
  30604: [402, 'Quota Use Up Payment Required'],
  30605: [404, 'Data Required Not Found'],
  30606: [408, 'Request Time Expires Timeout'],
  30607: [400, 'Channel Token Timeout'],
  30608: [404, 'Bind Relation Not Found'],
  30609: [400, 'Bind Number Too Many'],
  30610: [400, 'Duplicate Operation'],
  30611: [404, 'Group Not Found'],
  30615: [400, 'Number Of Tag For App Too Many'],
  30699: [503, 'Requests Are Too Frequent To Be Temporarily Rejected'],
} as const satisfies Record<number, readonly [status: number, words: string]>;

const validSeconds = 600;
const maxEarlySeconds = 600;

export interface ReceivedCall {
  method: string;
  path: string;
  rawQuery: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** What a generation asks besides the signature. */
export interface Rules {
  /** Undefined for a path that there is not. */
  methodsOf: (path: string) => readonly string[] | undefined;
  /** How the User-Agent must begin; empty where it does not matter. */
  agent: string;
}

interface Known {
  /** Milliseconds since the epoch. */
  now: number;
  /** Origins that a client may believe it called: our own, and the official ones behind a redirection. */
  signedOrigins: readonly string[];
  secretOf: (apiKey: string) => string | undefined;
}

/** Checks a call in the vendor's order: path, method, User-Agent, parameters, key, time, signature. */
export function checkCall(call: ReceivedCall, known: Known, rules: Rules): Map<string, string> | RefusalCode {
  const methods = rules.methodsOf(call.path);
  if (methods === undefined) return 30605;
  if (!methods.includes(call.method)) return 30601;
  if (!String(call.headers['user-agent'] ?? '').startsWith(rules.agent)) return 30602;
  const isForm = /^application\/x-www-form-urlencoded\s*(;|$)/i.test(call.headers['content-type'] ?? '');
  if (call.method === 'POST' && !isForm) return 30602;
  const params = new Map<string, string>();
  if (!decodePairs(call.rawQuery, params) || !decodePairs(call.body.toString('latin1'), params)) return 30602;

  const [apiKey, timestamp, sign] = ['apikey', 'timestamp', 'sign'].map((name) => params.get(name));
  if (!apiKey || !timestamp || !sign || !/^\d{1,12}$/.test(timestamp)) return 30602;
  const secret = known.secretOf(apiKey);
  if (secret === undefined) return 30603;

  const nowSeconds = known.now / 1000;
  const expires = params.get('expires');
  if (expires !== undefined && !/^\d{1,12}$/.test(expires)) return 30602;
  const validUntil = expires === undefined ? Number(timestamp) + validSeconds : Number(expires);
  if (nowSeconds > validUntil || Number(timestamp) > nowSeconds + maxEarlySeconds) return 30606;

  const isSigned = known.signedOrigins.some((origin) =>
    sameText(sign, digestOf(call.method, origin + call.path, params, secret)),
  );
  return isSigned ? params : 30603;
}

/** The MD5 that a call should carry, byte by byte as the page describes it. */
function digestOf(method: string, url: string, params: ReadonlyMap<string, string>, secret: string): string {
  const pairs = [...params].filter(([name]) => name !== 'sign');
  pairs.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const text = [method, url, ...pairs.map(([name, value]) => `${name}=${value}`), secret].join('');
  return digestOfText(text);
}

/** SPP hashes a text of other parts in the same way. */
export function digestOfText(text: string): string {
  const encoded: string[] = [];
  for (const byte of Buffer.from(text, 'utf8')) encoded.push(formBytes[byte] as string);
  return createHash('md5').update(encoded.join(''), 'latin1').digest('hex');
}

/** What each byte becomes in Java's URLEncoder, followed by the SDK's replacement of `*`. */
const formBytes: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const isDigit = byte >= 0x30 && byte <= 0x39;
  const isUpper = byte >= 0x41 && byte <= 0x5a;
  const isLower = byte >= 0x61 && byte <= 0x7a;
  const isMark = byte === 0x2d || byte === 0x2e || byte === 0x5f;
  if (isDigit || isUpper || isLower || isMark) return String.fromCharCode(byte);
  if (byte === 0x20) return '+';
  return `%${(byte >> 4).toString(16)}${(byte & 15).toString(16)}`.toUpperCase();
});

/** Adds the pairs of a query or a form. Returns false for what is no form, or no UTF-8 under its escapes. */
export function decodePairs(text: string, params: Map<string, string>): boolean {
  if (text === '') return true;
  try {
    for (const pair of text.split('&')) {
      const cut = pair.indexOf('=');
      if (cut < 1) return false;
      params.set(decode(pair.slice(0, cut)), decode(pair.slice(cut + 1)));
    }
    return true;
  } catch {
    return false;
  }
}

function decode(text: string): string {
  // Unescaped bytes above ASCII would be other encodings, which the server is said to drop.
  if (/[^\x21-\x7e]/.test(text)) throw new URIError('not a form');
  return decodeURIComponent(text.replaceAll('+', ' '));
}

export function sameText(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
