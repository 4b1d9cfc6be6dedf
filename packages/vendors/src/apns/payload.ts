import { createHash } from 'node:crypto';
import type { MessageContent } from '@pushmill/core';
import type { OutgoingMessage } from '../vendor.ts';
import type { ApnsOverrides } from './overrides.ts';
import type { PushType } from './push-type.ts';
import { pushTypes } from './push-type.ts';
import type { ApnsSettings } from './settings.ts';

/** Everything of a request that the pushes of one message share. */
export interface PreparedMessage {
  body: Buffer;
  topic: string;
  ownTopic: boolean;
  pushType: PushType;
  priority: string;
  /** Unix seconds; `0` is one attempt, never stored. */
  expiration: string;
  /** Undefined when each push collapses with its own second copy only. */
  collapseId: string | undefined;
}

/** Keys beside `aps` that the payload uses itself. */
export const reservedKeys = ['aps', 'pushmill'] as const;

/**
 * Body and headers of a message. Pure: the same message gives the same bytes on every attempt.
 * @see Apple, "Generating a remote notification"; "Sending notification requests to APNs"
 */
export function prepareMessage(message: OutgoingMessage, settings: ApnsSettings): PreparedMessage {
  const overrides = overridesOf(message);
  const pushType = pushTypeOf(message);
  const topic = topicOf(message, settings);
  const stored =
    overrides.expiration === undefined ? pushTypes[pushType].stored : overrides.expiration === 'store';
  return {
    body: Buffer.from(JSON.stringify(payloadOf(message, message.createdAt)), 'utf8'),
    topic,
    ownTopic: topic === settings.topic,
    pushType,
    priority: String(priorityOf(message)),
    // Rounded down: nothing may be delivered after the message expired.
    expiration: stored ? String(Math.floor(message.expiresAt / 1_000)) : '0',
    collapseId:
      message.collapseKey === undefined || message.collapseKey === null || message.collapseKey === ''
        ? undefined
        : collapseId(message.collapseKey),
  };
}

export function overridesOf(content: MessageContent): ApnsOverrides {
  return (content.vendor?.apns ?? {}) as ApnsOverrides;
}

export function pushTypeOf(content: MessageContent): PushType {
  const overrides = overridesOf(content);
  if (overrides.pushType !== undefined) return overrides.pushType;
  if (overrides.liveActivity !== undefined) return 'liveactivity';
  if (overrides.pushMagic !== undefined) return 'mdm';
  return showsSomething(content) ? 'alert' : 'background';
}

export function topicOf(content: MessageContent, settings: ApnsSettings): string {
  return overridesOf(content).topic ?? settings.topic + pushTypes[pushTypeOf(content)].topicSuffix;
}

export function priorityOf(content: MessageContent): number {
  const allowed: readonly number[] = pushTypes[pushTypeOf(content)].priorities;
  const wanted = overridesOf(content).priority ?? (content.priority === 'high' ? 10 : 5);
  return allowed.includes(wanted) ? wanted : (allowed[0] as number);
}

/**
 * The payload before it becomes bytes.
 * @param createdAt  milliseconds; the default timestamp of a Live Activity, so that an older push cannot
 *                   overwrite a newer one however late it is sent
 */
export function payloadOf(content: MessageContent, createdAt: number): Record<string, unknown> {
  const overrides = overridesOf(content);
  if (!pushTypes[pushTypeOf(content)].aps) return { mdm: overrides.pushMagic };
  const notification = content.notification ?? {};
  const own: Record<string, unknown> = {};
  const click = notification.click;
  // APNs has no key for either: the app and its notification service extension read them here.
  if (click !== undefined && click !== null && click.type !== 'app') own.click = click;
  if (present(notification.imageUrl)) own.imageUrl = notification.imageUrl;
  return {
    aps: { ...apsOf(content, createdAt), ...overrides.aps },
    ...overrides.custom,
    ...content.data,
    ...(Object.keys(own).length > 0 ? { pushmill: own } : {}),
  };
}

function apsOf(content: MessageContent, createdAt: number): Record<string, unknown> {
  const overrides = overridesOf(content);
  const notification = content.notification ?? {};
  const aps: Record<string, unknown> = {};
  const set = (key: string, value: unknown) => {
    if (value !== undefined && value !== null) aps[key] = value;
  };
  set('alert', alertOf(content));
  set('badge', overrides.badge ?? notification.badge);
  set('sound', soundOf(overrides.sound) ?? (notification.sound === '' ? undefined : notification.sound));
  set('thread-id', overrides.threadId);
  set('category', overrides.category);
  set('interruption-level', overrides.interruptionLevel);
  set('relevance-score', overrides.relevanceScore);
  set('target-content-id', overrides.targetContentId);
  set('filter-criteria', overrides.filterCriteria);
  if (overrides.contentAvailable ?? pushTypeOf(content) === 'background') aps['content-available'] = 1;
  // Without it iOS shows the notification without ever asking the extension that would fetch the image.
  if (overrides.mutableContent ?? present(notification.imageUrl)) aps['mutable-content'] = 1;
  const activity = overrides.liveActivity;
  if (activity !== undefined) {
    aps.timestamp = activity.timestamp ?? Math.floor(createdAt / 1_000);
    aps.event = activity.event;
    set('content-state', activity.contentState);
    set('stale-date', activity.staleDate);
    set('dismissal-date', activity.dismissalDate);
    set('attributes-type', activity.attributesType);
    set('attributes', activity.attributes);
    set('input-push-channel', activity.inputPushChannel);
    if (activity.inputPushToken === true) aps['input-push-token'] = 1;
  }
  return aps;
}

/** A string when there is a body and nothing else, as in Apple's samples: it is the shorter form. */
function alertOf(content: MessageContent): string | Record<string, unknown> | undefined {
  const { title, body } = content.notification ?? {};
  const overrides = overridesOf(content);
  const alert: Record<string, unknown> = {};
  const set = (key: string, value: unknown) => {
    if (value !== undefined && value !== null && value !== '') alert[key] = value;
  };
  set('title', title);
  set('subtitle', overrides.subtitle);
  set('body', body);
  set('launch-image', overrides.launchImage);
  set('title-loc-key', overrides.titleLocKey);
  set('title-loc-args', overrides.titleLocArgs);
  set('subtitle-loc-key', overrides.subtitleLocKey);
  set('subtitle-loc-args', overrides.subtitleLocArgs);
  set('loc-key', overrides.locKey);
  set('loc-args', overrides.locArgs);
  const keys = Object.keys(alert);
  if (keys.length === 0) return undefined;
  return keys.length === 1 && keys[0] === 'body' ? (alert.body as string) : alert;
}

function soundOf(sound: ApnsOverrides['sound']): string | Record<string, unknown> | undefined {
  if (sound === undefined) return undefined;
  // The object form is for critical alerts, which need an entitlement: a plain name stays a string.
  if (sound.critical !== true && sound.volume === undefined) return sound.name;
  return {
    ...(sound.critical === true ? { critical: 1 } : {}),
    name: sound.name,
    ...(sound.volume === undefined ? {} : { volume: sound.volume }),
  };
}

/** Whether a person would see or hear something, which a background push may not do. */
export function showsSomething(content: MessageContent): boolean {
  const overrides = overridesOf(content);
  const notification = content.notification ?? {};
  return (
    alertOf(content) !== undefined ||
    typeof (overrides.badge ?? notification.badge) === 'number' ||
    overrides.sound !== undefined ||
    present(notification.sound)
  );
}

// A space at either end would be trimmed on the way, and two keys would become one.
const plainCollapseId = /^[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?$/;

/**
 * A producer's collapse key as APNs takes it: at most 64 bytes, and in printable ASCII, because Node writes one
 * byte a character into a header and drops the rest. Any other key is hashed, so that equal keys stay equal.
 */
export function collapseId(key: string): string {
  return plainCollapseId.test(key) ? key : createHash('sha256').update(key).digest('base64url');
}

function present(text: string | null | undefined): boolean {
  return text !== undefined && text !== null && text !== '';
}
