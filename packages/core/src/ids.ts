import { createHash, randomUUIDv7 } from 'node:crypto';

/** A new UUIDv7: ordered by time, so that ids of one day lie together and partitions can be cut by id. */
export function newId(): string {
  return randomUUIDv7();
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const PUSH_ID = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.(0|[1-9][0-9]{0,8})$/;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** A push is the n-th of its message; `<messageId>.<n>` names it everywhere outside the ledger. */
export interface PushRef {
  messageId: string;
  n: number;
}

export function formatPushId(ref: PushRef): string {
  return `${ref.messageId}.${ref.n}`;
}

/** The push that an id names, or undefined when the text is not a push id. */
export function parsePushId(text: string): PushRef | undefined {
  const match = PUSH_ID.exec(text);
  return match ? { messageId: match[1] as string, n: Number(match[2]) } : undefined;
}

/**
 * The identity that every attempt of a push carries to its vendor, so that a second copy can be told from
 * a second push: a canonical lower-case UUID. Derived and not stored: the message's id with the
 * push's number folded into its random last eight digits.
 */
export function pushIdentity(ref: PushRef): string {
  const tail = Number.parseInt(ref.messageId.slice(28), 16);
  return ref.messageId.slice(0, 28) + ((tail ^ ref.n) >>> 0).toString(16).padStart(8, '0');
}

/** Milliseconds are the first 48 bits of a UUIDv7. */
const LAST_TIME_MS = 2 ** 48 - 1;

/** The smallest UUIDv7 of a moment; the bounds of a day's partition. Moments that no id can have give the nearest. */
export function firstIdAt(time: Date): string {
  const ms = Math.min(Math.max(0, time.getTime()), LAST_TIME_MS);
  const hex = ms.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** When a UUIDv7 was made. */
export function timeOfId(id: string): Date {
  return new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
}

/** A device token as logs and screens for many eyes may show it: the first 12 hex digits of its SHA-256. */
export function tokenHash(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 12);
}
