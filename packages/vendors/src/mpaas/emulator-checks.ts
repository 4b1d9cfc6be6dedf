import type { KeyObject } from 'node:crypto';
import { createHash, createHmac, timingSafeEqual, verify } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/*
 * Signature checks of the emulator, written from the vendor's pages without a look at sign.ts: a mistake made
 * in both places would pass. Nothing here may import from the sender's side.
 */

/** A refusal of the gateway: HTTP status, code, words. */
export interface GatewayRefusal {
  status: number;
  code: string;
  message: string;
}

export interface GatewayCall {
  action: string;
  params: Map<string, string>;
  accessKeyId: string;
}

const actions = new Set([
  'PushSimple',
  'PushTemplate',
  'PushMultiple',
  'PushBroadcast',
  'RevokePushMessage',
  'RevokePushTask',
  'PushQueryDeviceState',
  'QueryPushSchedulerList',
  'CancelPushScheduler',
  'CreateTemplate',
]);
const versions = new Set(['2019-08-21', '2020-07-10', '2020-10-28']);
const windowMs = 15 * 60_000;

/** Nonces live as long as a stamp of the same moment would be accepted, either side of now. */
export class NonceMemory {
  readonly #seen = new Map<string, number>();

  /** Whether the nonce is new; remembers it. */
  add(nonce: string, now: number): boolean {
    for (const [old, until] of this.#seen) {
      if (until > now) break;
      this.#seen.delete(old);
    }
    if (this.#seen.has(nonce)) return false;
    this.#seen.set(nonce, now + 2 * windowMs);
    return true;
  }
}

interface GatewayInput {
  method: string;
  rawQuery: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  now: number;
  nonces: NonceMemory;
  secretOf: (accessKeyId: string) => string | undefined;
}

/** Checks one OpenAPI call in the gateway's order: version, action, key, time, nonce, signature. */
export function checkGatewayCall(input: GatewayInput): GatewayCall | GatewayRefusal {
  const query = parsePairs(input.rawQuery);
  const form = parsePairs(input.body.toString('utf8'));
  const everything = new Map([...query, ...form]);
  const isV3 = input.headers.authorization !== undefined;
  const read = (parameter: string, header: string) =>
    isV3 ? String(input.headers[header] ?? '') : (everything.get(parameter) ?? '');

  const version = read('Version', 'x-acs-version');
  const action = read('Action', 'x-acs-action');
  if (!versions.has(version))
    return refusal(400, 'InvalidVersion', 'Specified parameter Version is not valid.');
  if (!actions.has(action)) {
    return refusal(
      404,
      'InvalidAction.NotFound',
      'Specified api is not found, please check your url and method.',
    );
  }
  const v3 = isV3 ? parseAuthorization(input.headers.authorization as string) : undefined;
  if (isV3 && v3 === undefined)
    return refusal(400, 'IncompleteSignature', 'The Authorization header is malformed.');
  const accessKeyId = v3?.credential ?? everything.get('AccessKeyId') ?? '';
  const secret = input.secretOf(accessKeyId);
  if (secret === undefined) {
    return refusal(404, 'InvalidAccessKeyId.NotFound', 'Specified access key is not found.');
  }
  const stamp = read('Timestamp', 'x-acs-date');
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(stamp)) {
    return refusal(
      400,
      'InvalidTimeStamp.Format',
      'Specified time stamp or date value is not well formatted.',
    );
  }
  if (Math.abs(Date.parse(stamp) - input.now) > windowMs) {
    return refusal(400, 'InvalidTimeStamp.Expired', 'Specified time stamp or date value is expired.');
  }
  const nonce = read('SignatureNonce', 'x-acs-signature-nonce');
  if (nonce === '')
    return refusal(400, 'MissingSignatureNonce', 'SignatureNonce is mandatory for this action.');
  const problem = v3 ? checkV3(input, query, v3, secret) : checkV1(input.method, everything, secret);
  // Looked up before and kept only after the signature: strangers must not be able to burn nonces.
  if (problem !== undefined) return problem;
  if (!input.nonces.add(nonce, input.now)) {
    return refusal(400, 'SignatureNonceUsed', 'Specified signature nonce was used already.');
  }
  return { action, params: isV3 ? new Map([...query, ...form]) : everything, accessKeyId };
}

function refusal(status: number, code: string, message: string): GatewayRefusal {
  return { status, code, message };
}

function checkV1(method: string, params: Map<string, string>, secret: string): GatewayRefusal | undefined {
  if (params.get('SignatureMethod') !== 'HMAC-SHA1' || params.get('SignatureVersion') !== '1.0') {
    return refusal(400, 'IncompleteSignature', 'SignatureMethod or SignatureVersion is not supported.');
  }
  const pairs: string[] = [];
  for (const [name, value] of params) {
    if (name !== 'Signature') pairs.push(`${escapeByte(name)}=${escapeByte(value)}`);
  }
  const nameOf = (pair: string) => pair.slice(0, pair.indexOf('='));
  pairs.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  const toSign = [method, escapeByte('/'), escapeByte(pairs.join('&'))].join('&');
  const expected = createHmac('sha1', Buffer.from(`${secret}&`))
    .update(Buffer.from(toSign))
    .digest();
  if (sameBytes(Buffer.from(params.get('Signature') ?? '', 'base64'), expected)) return undefined;
  return refusal(
    400,
    'SignatureDoesNotMatch',
    `Specified signature is not matched with our calculation. server string to sign is:${toSign}`,
  );
}

interface V3Header {
  credential: string;
  signedHeaders: string[];
  signature: string;
}

function parseAuthorization(text: string): V3Header | undefined {
  const [scheme, rest] = text.split(/ +/, 2);
  if (scheme !== 'ACS3-HMAC-SHA256' || rest === undefined) return undefined;
  const parts = new Map(
    rest.split(',').map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]),
  );
  const credential = parts.get('Credential');
  const signedHeaders = parts.get('SignedHeaders')?.split(';');
  const signature = parts.get('Signature');
  if (!credential || !signedHeaders || !signature) return undefined;
  return { credential, signedHeaders, signature };
}

function checkV3(
  input: GatewayInput,
  query: Map<string, string>,
  header: V3Header,
  secret: string,
): GatewayRefusal | undefined {
  const needed = [
    'host',
    'x-acs-action',
    'x-acs-content-sha256',
    'x-acs-date',
    'x-acs-signature-nonce',
    'x-acs-version',
  ];
  if (input.headers['content-type'] !== undefined) needed.push('content-type');
  const missing = needed.filter((name) => !header.signedHeaders.includes(name));
  if (missing.length > 0) return refusal(400, 'IncompleteSignature', `Not signed: ${missing.join(', ')}.`);

  const bodyHash = createHash('sha256').update(input.body).digest('hex');
  const statedHash = String(input.headers['x-acs-content-sha256']);
  let canonical = `${input.method}\n/\n`;
  canonical += [...query]
    .map(([name, value]) => `${escapeByte(name)}=${escapeByte(value)}`)
    .sort()
    .join('&');
  canonical += '\n';
  for (const name of header.signedHeaders)
    canonical += `${name}:${String(input.headers[name] ?? '').trim()}\n`;
  canonical += `\n${header.signedHeaders.join(';')}\n${statedHash}`;
  const toSign = `ACS3-HMAC-SHA256\n${createHash('sha256').update(canonical, 'utf8').digest('hex')}`;
  const expected = createHmac('sha256', secret).update(toSign).digest();
  const sorted = [...header.signedHeaders].sort().join() === header.signedHeaders.join();
  if (sorted && statedHash === bodyHash && sameBytes(Buffer.from(header.signature, 'hex'), expected))
    return undefined;
  return refusal(
    400,
    'SignatureDoesNotMatch',
    `Specified signature is not matched with our calculation. server string to sign is:${canonical}`,
  );
}

function sameBytes(given: Buffer, expected: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** Byte by byte: unreserved characters stay, all else becomes `%XX`. */
function escapeByte(text: string): string {
  let result = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const character = String.fromCharCode(byte);
    result += /[0-9A-Za-z_.~-]/.test(character)
      ? character
      : `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`;
  }
  return result;
}

function parsePairs(text: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) pairs.set(name, value);
  return pairs;
}

/** Whether the last path segment is the signature of the body by the key that the app uploaded. */
export function checkRestSignature(segment: string, body: Buffer, key: KeyObject): boolean {
  let text: string;
  try {
    text = decodeURIComponent(segment);
  } catch {
    return false;
  }
  // Java's receiver maps the two characters back and decodes; padding is optional there too.
  const standard = [...text].map((character) => ({ '-': '+', _: '/' })[character] ?? character).join('');
  const signature = Buffer.from(standard, 'base64');
  return signature.length === 256 && verify('RSA-SHA256', body, key, signature);
}
