import type { FieldProblem, MessageContent } from '@pushmill/core';
import { isObject } from '../answer-reading.ts';
import { overridesProblems } from '../schema-problems.ts';
import { longestKeptMs, readDuration } from './duration.ts';
import { overridesSchema } from './overrides.ts';
import { clickKey, clickOf, messageOf, overridesOf } from './payload.ts';

const own = '/vendor/fcm';
const maxPayloadBytes = 4_096;
export const maxTopicPayloadBytes = 2_048;

/**
 * Everything that would make FCM refuse the message.
 * @returns  problems with pointers into the message; none when it can be sent
 * @see      Firebase, REST reference "projects.messages"
 */
export function checkMessage(content: MessageContent): FieldProblem[] {
  const misshapen = overridesProblems(overridesSchema, content, 'fcm');
  if (misshapen.length > 0) return misshapen;
  const problems: FieldProblem[] = [];
  const { android, apns, webpush } = overridesOf(content);
  problems.push(
    ...dataProblems(content.data ?? {}, '/data'),
    ...dataProblems(android?.data ?? {}, `${own}/android/data`),
    ...dataProblems(webpush?.data ?? {}, `${own}/webpush/data`),
  );
  if (clickOf(content) !== undefined && Object.hasOwn(content.data ?? {}, clickKey)) {
    const detail = 'notification.click travels under this key.';
    problems.push({ pointer: `/data/${clickKey}`, code: 'reserved', detail });
  }
  if (android?.ttl !== undefined && readDuration(android.ttl) > longestKeptMs) {
    const detail = 'FCM keeps a message for at most four weeks, 2419200s.';
    problems.push({ pointer: `${own}/android/ttl`, code: 'range', detail });
  }
  if (apns?.payload?.aps !== undefined && !isObject(apns.payload.aps)) {
    const detail = 'aps is an object.';
    problems.push({ pointer: `${own}/apns/payload/aps`, code: 'invalid', detail });
  }
  const badge = content.notification?.badge;
  if (badge !== undefined && badge !== null && !(Number.isInteger(badge) && badge >= 0)) {
    const detail = 'The badge is a whole number, 0 or more; 0 removes it.';
    problems.push({ pointer: '/notification/badge', code: 'badge', detail });
  }
  return [...problems, ...sizeProblems(content, maxPayloadBytes)];
}

/**
 * Sizes that are too large by any way of counting. Google says what a payload may have and not how it is counted;
 * names and values of `data` and the texts of the notification are counted in all accounts.
 */
export function sizeProblems(content: MessageContent, maxBytes: number): FieldProblem[] {
  const { data, notification, apns } = messageOf(content, { seconds: 0, expiresAt: 0 });
  const bytes = Math.max(bytesOf(data) + bytesOf(notification), jsonBytes(apns));
  if (bytes <= maxBytes) return [];
  const pointer =
    jsonBytes(apns) > maxBytes
      ? `${own}/apns/payload`
      : bytesOf(data) > bytesOf(notification)
        ? '/data'
        : '/notification/body';
  const detail = `The payload has at least ${bytes} bytes; FCM takes ${maxBytes}.`;
  return [{ pointer, code: 'too-large', detail }];
}

/** Names and values, not what JSON puts around them. */
function bytesOf(fields: unknown): number {
  if (!isObject(fields)) return 0;
  return Object.entries(fields).reduce(
    (sum, [name, value]) =>
      typeof value === 'string' ? sum + Buffer.byteLength(name) + Buffer.byteLength(value) : sum,
    0,
  );
}

function jsonBytes(apns: unknown): number {
  return isObject(apns) && apns.payload !== undefined ? Buffer.byteLength(JSON.stringify(apns.payload)) : 0;
}

function dataProblems(data: Readonly<Record<string, string>>, pointer: string): FieldProblem[] {
  return Object.keys(data)
    .filter((key) => reserved.test(key))
    .map((key) => ({
      pointer: `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`,
      code: 'reserved',
      detail: 'FCM keeps this key of data for itself.',
    }));
}

const reserved = /^(?:from$|message_type$|google\.|gcm\.notification\.)/;
