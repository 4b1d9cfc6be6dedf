import type { KeyObject } from 'node:crypto';
import { createHash, createHmac, sign } from 'node:crypto';
import { promisify } from 'node:util';

const signInBackground = promisify(sign);

/**
 * Signature of the rest interface: SHA256withRSA over the body bytes.
 * Made on the thread pool, because one RSA signature would hold the event loop for most of a millisecond.
 * @returns  base64 with `-` and `_`, padding kept; it travels as the last path segment
 * @see      help.aliyun.com 134470; the Chinese prose there lost an underscore, the Java sample has it
 */
export async function signRest(body: Buffer, key: KeyObject): Promise<string> {
  const signature: Buffer = await signInBackground('sha256', body, key);
  return signature.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** Path of a rest call. All parts but the signature come from checked settings. */
export function restPath(
  prefix: string,
  method: string,
  appId: string,
  workspaceId: string,
  signature: string,
): string {
  return `${prefix === '' ? '' : `/${prefix}`}/${method}/${appId}/${workspaceId}/${signature}`;
}

/** RFC 3986: everything but letters, digits and `-_.~` is escaped. encodeURIComponent leaves five more alone. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** `name=value` joined by `&`, sorted by name in byte order: the canonical query, and our form bodies too. */
export function canonicalForm(params: Readonly<Record<string, string>>): string {
  // Parameter names are ASCII, where the order of UTF-16 units is the order of bytes.
  return Object.keys(params)
    .sort()
    .map((name) => `${percentEncode(name)}=${percentEncode(params[name] as string)}`)
    .join('&');
}

/** UTC to the second, as both gateway signatures want it. */
export function gatewayTime(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

/**
 * RPC signature v1, HMAC-SHA1.
 * @param params  everything that is sent, query and form together, without `Signature`
 * @returns       base64; still to be percent-encoded where it is placed
 * @see           Alibaba Cloud, "RPC signature mechanism"
 */
export function signRpcV1(
  method: string,
  params: Readonly<Record<string, string>>,
  accessKeySecret: string,
): string {
  const text = `${method}&%2F&${percentEncode(canonicalForm(params))}`;
  return createHmac('sha1', `${accessKeySecret}&`).update(text).digest('base64');
}

export interface Acs3Request {
  method: string;
  /** As sent: lower-case names; host, content-type (if there is a body) and every x-acs-*. */
  headers: Readonly<Record<string, string>>;
  query?: Readonly<Record<string, string>>;
  accessKeyId: string;
  accessKeySecret: string;
}

/**
 * `Authorization` of ACS3-HMAC-SHA256. The payload hash is taken from `x-acs-content-sha256`.
 * @see  Alibaba Cloud, "V3 request structure and signature"
 */
export function signAcs3(request: Acs3Request): string {
  const names = Object.keys(request.headers).sort();
  const lines = names.map((name) => `${name}:${(request.headers[name] as string).trim()}\n`).join('');
  const signed = names.join(';');
  const canonical = [
    request.method,
    '/',
    canonicalForm(request.query ?? {}),
    lines,
    signed,
    request.headers['x-acs-content-sha256'],
  ].join('\n');
  const text = `ACS3-HMAC-SHA256\n${sha256(canonical)}`;
  const signature = createHmac('sha256', request.accessKeySecret).update(text).digest('hex');
  return `ACS3-HMAC-SHA256 Credential=${request.accessKeyId},SignedHeaders=${signed},Signature=${signature}`;
}

/** Lower-case hex. */
export function sha256(data: string): string {
  return createHash('sha256').update(data).digest('hex');
}
