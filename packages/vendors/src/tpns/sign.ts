import { createHmac } from 'node:crypto';

/**
 * The `Sign` header: HMAC-SHA256 over time, Access ID and body, one behind the other without a separator.
 *
 * What is base64-encoded is the lower-case hexadecimal *text* of the digest, 64 characters, and not its 32 bytes
 * as the page's formula reads; the page's own example and the vendor's SDKs do it this way.
 *
 * @param timestamp  unix seconds, decimal, exactly as in the `TimeStamp` header
 * @param body       exactly what is sent; a text is signed as its UTF-8 bytes
 * @returns          88 characters, the last two `==`
 * @see              cloud.tencent.com 548/41046 "签名认证"
 */
export function sign(
  secretKey: string,
  accessId: string,
  timestamp: string,
  body: string | Uint8Array,
): string {
  const digest = createHmac('sha256', secretKey)
    .update(timestamp)
    .update(accessId)
    .update(body)
    .digest('hex');
  return Buffer.from(digest, 'ascii').toString('base64');
}

/** Headers of a signed call. @param now  milliseconds since the epoch, by the clock that the vendor will ask */
export function signedHeaders(
  secretKey: string,
  accessId: string,
  now: number,
  body: string | Uint8Array,
): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000));
  return { accessid: accessId, timestamp, sign: sign(secretKey, accessId, timestamp, body) };
}

/** The other way in, which protects the body by TLS alone. @see  the official Java and Go SDKs */
export function basicHeaders(secretKey: string, accessId: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${accessId}:${secretKey}`).toString('base64')}` };
}
