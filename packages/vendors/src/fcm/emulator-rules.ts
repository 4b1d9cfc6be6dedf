import { isConditionSound } from './emulator-condition.ts';
import type { Violation } from './emulator-errors.ts';
import {
  type Answer,
  apnsError,
  badRequest,
  failure,
  fcmError,
  generalMessage,
  invalid,
  invalidToken,
  tooBig,
  unreadable,
} from './emulator-errors.ts';
import { type Fields, parseObject } from './emulator-json.ts';
import { sendRequest, targets } from './emulator-schema.ts';

/** A message that FCM finds no fault with. */
export interface SoundMessage {
  /** Which of the four it is for. */
  kind: (typeof targets)[number];
  target: string;
  message: Fields;
  validateOnly: boolean;
}

const reservedKeys = new Set(['from', 'gcm', 'message_type']);
const reservedPrefixes = ['google.', 'gcm.notification.'];
const label = /^[a-zA-Z0-9-_.~%]{1,50}$/;
export const topicName = /^[a-zA-Z0-9-_.~%]{1,900}$/;
/** The form is not published; whatever app made the token, it is long and of these. */
const tokenForm = /^(?:[\w-]{8,64}:)?[\w-]{100,4000}$/;
const fidForm = /^[c-f][\w-]{21}$/;
const maxTtlSeconds = 2_419_200;
const maxBytes = 4_096;
const maxTopicBytes = 2_048;

export const isTokenSound = (token: string) => tokenForm.test(token);

/** Everything that is wrong with a body by itself, whatever FCM knows of its target. */
export function readMessage(body: Buffer): SoundMessage | Answer {
  const parsed = parseObject(body);
  if ('fault' in parsed) return failure('INVALID_ARGUMENT', parsed.fault);
  const faults: Violation[] = [];
  const request = sendRequest(parsed.value, root, faults);
  const message = request.message as Fields | undefined;
  const named = message === undefined ? [] : targets.filter((target) => message[target] !== undefined);
  if (named.length > 1) faults.push(twoTargets(named[1] as string));
  if (faults.length > 0) return unreadable(faults);
  if (message === undefined) return refuse('message', 'Message is not set.');
  const [kind] = named;
  if (kind === undefined || message[kind] === '')
    return refuse('message', 'Recipient of the message is not set.');
  const target = message[kind] as string;
  const { validate_only: validateOnly } = request;
  const sound = { kind, target, message, validateOnly: validateOnly === true || validateOnly === 'true' };
  return checkTarget(kind, target) ?? checkContent(message) ?? checkSize(kind, message, body.length) ?? sound;
}

const root = () => '';

function twoTargets(second: string): Violation {
  return {
    field: 'message',
    description: `Invalid value at 'message' (oneof), oneof field 'target' is already set. Cannot set '${second}'`,
  };
}

/** As FCM tells of one field: the sentence at the field, and a general one before it. */
function refuse(field: string, description: string, message = description): Answer {
  return invalid(message, [{ field, description }]);
}

function checkTarget(kind: SoundMessage['kind'], target: string): Answer | undefined {
  switch (kind) {
    case 'token':
      return isTokenSound(target) ? undefined : invalidToken;
    case 'fid':
      return fidForm.test(target)
        ? undefined
        : refuse('message.fid', 'Invalid installation ID.', generalMessage);
    case 'topic':
      return topicName.test(target)
        ? undefined
        : refuse('message.topic', 'Invalid topic name provided.', generalMessage);
    case 'condition':
      return isConditionSound(target)
        ? undefined
        : refuse('message.condition', 'Invalid condition expression provided.', generalMessage);
    default:
      return kind satisfies never;
  }
}

function checkContent(message: Fields): Answer | undefined {
  const android = part(message, 'android');
  const webpush = part(message, 'webpush');
  const ttl = android?.ttl as string | undefined;
  const link = part(webpush, 'fcm_options')?.link as string | undefined;
  const light = part(part(android, 'notification'), 'light_settings');
  const color = part(android, 'notification')?.color as string | undefined;
  const refused =
    checkKeys(message.data) ??
    checkKeys(android?.data) ??
    checkLabel(message, 'message') ??
    checkLabel(android, 'message.android') ??
    checkLabel(part(message, 'apns'), 'message.apns') ??
    checkLabel(webpush, 'message.webpush');
  if (refused !== undefined) return refused;
  if (ttl !== undefined && !isTtl(ttl)) return refuse('message.android.ttl', 'Invalid TTL', generalMessage);
  if (link !== undefined && !/^https:\/\/./i.test(link)) {
    return refuse('message.webpush.fcm_options.link', 'Link must be an HTTPS URL.', generalMessage);
  }
  if (color !== undefined && !/^#[0-9a-fA-F]{6}$/.test(color)) {
    return refuse('message.android.notification.color', 'Color must be in the form #rrggbb.', generalMessage);
  }
  if (light !== undefined && Object.keys(light).length < 3) {
    return refuse(
      'message.android.notification.light_settings',
      'Required field is missing.',
      generalMessage,
    );
  }
  return undefined;
}

function checkKeys(data: unknown): Answer | undefined {
  for (const key in data as Fields | undefined) {
    if (reservedKeys.has(key) || reservedPrefixes.some((prefix) => key.startsWith(prefix))) {
      return refuse('message.data', `Invalid data payload key: ${key}`);
    }
  }
  return undefined;
}

function checkLabel(of: Fields | undefined, path: string): Answer | undefined {
  const given = part(of, 'fcm_options')?.analytics_label as string | undefined;
  if (given === undefined || given === '' || label.test(given)) return undefined;
  return refuse(`${path}.fcm_options.analytics_label`, 'Invalid analytics label.', generalMessage);
}

/** Nanoseconds decide at the upper end. */
function isTtl(ttl: string): boolean {
  const [whole = '', fraction = ''] = ttl.slice(0, -1).split('.', 2);
  const seconds = Number(whole);
  if (whole.startsWith('-')) return seconds === 0 && Number(fraction) === 0;
  return seconds < maxTtlSeconds || (seconds === maxTtlSeconds && Number(fraction) === 0);
}

/**
 * Keys and values of the data and the texts of the notification. How FCM counts is not published; this is the
 * usual estimate.
 */
function checkSize(kind: SoundMessage['kind'], message: Fields, bodyBytes: number): Answer | undefined {
  const limit = kind === 'topic' || kind === 'condition' ? maxTopicBytes : maxBytes;
  // JSON makes nothing shorter, so nearly every message need not be counted.
  if (bodyBytes <= limit) return undefined;
  const android = part(message, 'android');
  const data = (android?.data ?? message.data) as Fields | undefined;
  let bytes = 0;
  for (const key in data) bytes += Buffer.byteLength(key) + Buffer.byteLength(data[key] as string);
  const notification = { ...part(message, 'notification'), ...part(android, 'notification') };
  for (const name in notification) bytes += textBytes(notification[name]);
  return bytes > limit ? tooBig : undefined;
}

function textBytes(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  return Array.isArray(value) ? value.reduce((sum: number, item) => sum + textBytes(item), 0) : 0;
}

/**
 * What APNs would refuse of a message to an iPhone; FCM passes its words on. FCM puts priority 10 where none is
 * given, and that is none for a push that shows nothing.
 */
export function checkForApns(message: Fields): Answer | undefined {
  const apns = part(message, 'apns');
  const payload = apns?.payload as Fields | undefined;
  const aps = (payload?.aps ?? {}) as Fields;
  if (payload !== undefined && Buffer.byteLength(JSON.stringify(payload)) > maxBytes) {
    return apnsRefusal(413, 'PayloadTooLarge');
  }
  const isSilent =
    aps['content-available'] === 1 && ['alert', 'badge', 'sound'].every((name) => aps[name] === undefined);
  const priority = part(apns, 'headers')?.['apns-priority'] ?? '10';
  if (isSilent && message.notification === undefined && priority === '10')
    return apnsRefusal(400, 'BadPriority');
  return undefined;
}

function apnsRefusal(statusCode: number, reason: string): Answer {
  return failure('INVALID_ARGUMENT', generalMessage, [
    badRequest(),
    fcmError('INVALID_ARGUMENT'),
    apnsError(statusCode, reason),
  ]);
}

function part(of: Fields | undefined, name: string): Fields | undefined {
  return of?.[name] as Fields | undefined;
}
