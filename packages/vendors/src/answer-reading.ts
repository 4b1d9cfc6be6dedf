import type { PoolResponse } from '@pushmill/http2';

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads a JSON object; undefined for anything else.
 * @param isText  numbers that come out as the digits that stood there; default those that no double holds, as ids are
 */
export function parseObject(
  text: string,
  isText: (key: string, value: number) => boolean = (_key, value) => isTooLong(value),
): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text, (key, part, context?: { source?: string }) =>
      typeof part === 'number' && context?.source !== undefined && isText(key, part) ? context.source : part,
    );
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isTooLong(value: number): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value);
}

/** Texts, and numbers as texts: a code is documented as the one and easily sent as the other. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The vendor's words, fit for a log: one line, and none of `hidden`, our tokens and secrets. */
export function soften(words: string, hidden: readonly string[]): string {
  let text = words;
  for (const secret of hidden) if (secret !== '') text = text.replaceAll(secret, '[hidden]');
  return text.replace(/\s+/g, ' ').trim().slice(0, 200);
}

/** Of a `Retry-After` in seconds. FCM alone sends dates, too, and reads them in `fcm/answer.ts`. */
export function retryAfter(response: PoolResponse, atLeastMs = 0): { retryAfterMs?: number } {
  const header = response.headers['retry-after'];
  const toldMs = header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : 0;
  const retryAfterMs = Math.max(toldMs, atLeastMs);
  return retryAfterMs > 0 ? { retryAfterMs } : {};
}

/** The vendor's clock, in milliseconds since the epoch. */
export function serverTime(response: PoolResponse): number | undefined {
  const time = Date.parse(response.headers.date ?? '');
  return Number.isNaN(time) ? undefined : time;
}
