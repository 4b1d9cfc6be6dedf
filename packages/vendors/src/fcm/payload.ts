import { createHash } from 'node:crypto';
import type { MessageContent } from '@pushmill/core';
import { isObject, type JsonObject } from '../answer-reading.ts';
import type { OutgoingMessage } from '../vendor.ts';
import { longestKeptMs, readDuration, writeDuration } from './duration.ts';
import type { FcmOverrides } from './overrides.ts';

/** Everything that calls with one message share, as it is written behind the target. */
export interface PreparedMessage {
  /** From the comma behind the target to the end of the body. */
  tail: string;
  /** Milliseconds since the epoch; later than this the message lives a second less than `tail` says. */
  freshUntil: number;
}

/** Key of `data` under which a click travels: FCM has no field for it that every platform reads. */
export const clickKey = 'pushmill';

/**
 * @param now  milliseconds since the epoch; what is left of a message's life is part of it
 * @see  Firebase, REST reference "projects.messages"
 */
export function prepareMessage(message: OutgoingMessage, now: number): PreparedMessage {
  const leftMs = Math.max(0, message.expiresAt - now);
  // Rounded down: nothing may be delivered after the message expired.
  const seconds = Math.floor(Math.min(leftMs, longestKeptMs) / 1_000);
  // What lives longer than FCM keeps it says so until the last four weeks have begun.
  const freshUntil = message.expiresAt - seconds * 1_000;
  const fields = JSON.stringify(messageOf(message, { seconds, expiresAt: message.expiresAt }));
  return { tail: `,${fields.slice(1)}}`, freshUntil: leftMs === 0 ? Number.POSITIVE_INFINITY : freshUntil };
}

export type Target = 'token' | 'fid' | 'topic' | 'condition';

/** The body of a call. A push costs no more than this. */
export function closeBody(target: Target, name: string, tail: string): string {
  return `{"message":{"${target}":${JSON.stringify(name)}${tail}`;
}

/** The same, of a call that FCM checks and does not deliver. */
export function closeTrial(target: Target, name: string, tail: string): string {
  return `{"validate_only":true,${closeBody(target, name, tail).slice(1)}`;
}

export function overridesOf(content: MessageContent): FcmOverrides {
  return (content.vendor?.fcm ?? {}) as FcmOverrides;
}

/** Whether an Apple device would let a person see or hear something. A Live Activity is seen. */
function showsOnApple(content: MessageContent): boolean {
  const { notification } = content;
  const overrides = overridesOf(content);
  const { aps } = payloadOf(overrides);
  return (
    overrides.apns?.live_activity_token !== undefined ||
    hasText(content) ||
    typeof notification?.badge === 'number' ||
    present(notification?.sound) !== undefined ||
    ['alert', 'badge', 'sound'].some((key) => aps[key] !== undefined)
  );
}

interface Life {
  seconds: number;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

/** The message without its target. */
export function messageOf(content: MessageContent, life: Life): JsonObject {
  const { notification } = content;
  const overrides = overridesOf(content);
  return {
    notification: filled({
      title: present(notification?.title),
      body: present(notification?.body),
      image: present(notification?.imageUrl),
    }),
    data: dataOf(content),
    fcm_options: overrides.fcm_options,
    android: androidOf(content, life),
    apns: apnsOf(content, life),
    webpush: webpushOf(content, life),
  };
}

function dataOf(content: MessageContent): Record<string, string> | undefined {
  const click = clickOf(content);
  const own = click === undefined ? undefined : { [clickKey]: JSON.stringify({ click }) };
  return filled({ ...content.data, ...own });
}

/** What a tap is to open, where that is more than the app. */
export function clickOf(content: MessageContent) {
  const click = content.notification?.click;
  return click === undefined || click === null || click.type === 'app' ? undefined : click;
}

function androidOf(content: MessageContent, { seconds }: Life): JsonObject {
  const { android = {} } = overridesOf(content);
  const { notification: own, ttl, ...rest } = android;
  const { notification } = content;
  const click = clickOf(content);
  const collapseKey = present(content.collapseKey);
  // Without a text there would be an empty notification, or none: the app gets the data alone.
  const isShown = hasText(content) || own !== undefined;
  const shown = isShown
    ? {
        sound: present(notification?.sound),
        click_action: click?.type === 'screen' ? click.name : undefined,
        // A launcher counts up by itself at 0.
        notification_count: notification?.badge || undefined,
        tag: collapseKey,
      }
    : {};
  return {
    priority: content.priority === 'high' ? 'HIGH' : 'NORMAL',
    collapse_key: collapseKey,
    ttl: writeDuration(
      ttl === undefined ? seconds * 1_000 : Math.floor(Math.min(seconds * 1_000, readDuration(ttl))),
    ),
    notification: filled({ ...shown, ...own }),
    ...rest,
  };
}

/**
 * @see  Apple, "Sending notification requests to APNs": a push that shows nothing needs priority 5, and FCM asks for
 *       `content-available` besides
 */
function apnsOf(content: MessageContent, { expiresAt }: Life): JsonObject {
  const overrides = overridesOf(content);
  const { headers, ...rest } = overrides.apns ?? {};
  const { aps, custom } = payloadOf(overrides);
  const { notification, collapseKey } = content;
  const isShown = showsOnApple(content);
  return {
    ...rest,
    headers: filled({
      'apns-priority': isShown && content.priority === 'high' ? '10' : '5',
      'apns-expiration': String(Math.floor(expiresAt / 1_000)),
      'apns-collapse-id': collapseKey ? shortened(collapseKey, 64) : undefined,
      ...headers,
    }),
    payload: filled({
      aps: filled({
        badge: notification?.badge ?? undefined,
        sound: present(notification?.sound),
        'content-available': isShown ? undefined : 1,
        // Without it iOS shows the notification and never asks the extension that would fetch the image.
        'mutable-content': present(notification?.imageUrl) === undefined ? undefined : 1,
        ...aps,
      }),
      ...custom,
    }),
  };
}

/** @see  RFC 8030 §5: TTL, Urgency, Topic */
function webpushOf(content: MessageContent, { seconds }: Life): JsonObject {
  const { headers, fcm_options, ...rest } = overridesOf(content).webpush ?? {};
  const click = clickOf(content);
  const link = click?.type === 'url' && click.url.startsWith('https://') ? click.url : undefined;
  return {
    ...rest,
    headers: {
      TTL: String(seconds),
      Urgency: content.priority === 'high' ? 'high' : 'normal',
      ...(content.collapseKey ? { Topic: shortened(content.collapseKey, 32) } : {}),
      ...headers,
    },
    fcm_options: filled({ link, ...fcm_options }),
  };
}

function payloadOf({ apns }: FcmOverrides): { aps: JsonObject; custom: JsonObject } {
  const { aps, ...custom } = apns?.payload ?? {};
  return { aps: isObject(aps) ? aps : {}, custom };
}

/** A key as a header takes it: in characters that no platform refuses. Any other is hashed, so that equals stay equal. */
function shortened(key: string, maxChars: number): string {
  if (key.length <= maxChars && /^[A-Za-z0-9_-]+$/.test(key)) return key;
  return createHash('sha256').update(key).digest('base64url').slice(0, 32);
}

function hasText(content: MessageContent): boolean {
  const { title, body } = content.notification ?? {};
  return present(title) !== undefined || present(body) !== undefined;
}

function present(text: string | null | undefined): string | undefined {
  return text === null || text === '' ? undefined : text;
}

/** Undefined in place of an object that would say nothing. */
function filled<Fields extends object>(fields: Fields): Fields | undefined {
  return Object.values(fields).some((value) => value !== undefined) ? fields : undefined;
}
