import type { MessageContent } from '@pushmill/core';
import type { BaiduOverrides } from './overrides.ts';
import type { BaiduSettings } from './settings.ts';

/* The text of a message, as REST 3.0 and the older 2.0 have it. */

type JsonObject = Record<string, unknown>;

export interface MessageText {
  isIos: boolean;
  isNotification: boolean;
  /** JSON, but for a pass-through text of the producer's own. */
  msg: string;
}

/** @see push.baidu.com/doc/restapi/msg_struct */
export function textOf(content: MessageContent, settings: Pick<BaiduSettings, 'platform'>): MessageText {
  const overrides = overridesOf(content);
  const isIos = settings.platform === 'ios';
  const isNotification = isIos || typeOf(content, overrides) === 'notification';
  const msg = isIos
    ? JSON.stringify(iosBody(content, overrides))
    : isNotification
      ? JSON.stringify(androidNotification(content, overrides))
      : (overrides.message ?? JSON.stringify(androidMessage(content, overrides)));
  return { isIos, isNotification, msg };
}

export function overridesOf(content: MessageContent): BaiduOverrides {
  return (content.vendor?.baidu ?? {}) as BaiduOverrides;
}

/** A message that shows nothing goes to the app as it is. */
export function typeOf(content: MessageContent, overrides: BaiduOverrides): 'notification' | 'message' {
  if (overrides.messageType !== undefined) return overrides.messageType;
  const { title, body } = content.notification ?? {};
  return overrides.message !== undefined || (!title && !body) ? 'message' : 'notification';
}

/** Undefined when there is nothing in it, so that JSON.stringify leaves it out. */
export function customContent(content: MessageContent, overrides: BaiduOverrides): JsonObject | undefined {
  const custom = { ...content.data, ...overrides.customContent };
  return Object.keys(custom).length > 0 ? custom : undefined;
}

function androidNotification(content: MessageContent, overrides: BaiduOverrides): JsonObject {
  const { title, body, click } = content.notification ?? {};
  const pkgContent = overrides.pkgContent ?? (click?.type === 'screen' ? click.name : undefined);
  const url = overrides.url ?? (click?.type === 'url' ? click.url : undefined);
  // An override decides against the neutral click of the other type.
  const opensIntent = overrides.pkgContent !== undefined || (pkgContent !== undefined && !overrides.url);
  return {
    title: title ?? undefined,
    description: body ?? '',
    notification_builder_id: overrides.notificationBuilderId,
    notification_basic_style: overrides.notificationBasicStyle,
    ...(opensIntent
      ? { open_type: 2, pkg_content: pkgContent }
      : url !== undefined
        ? { open_type: 1, url }
        : {}),
    target_channel_id: overrides.targetChannelId,
    custom_content: customContent(content, overrides),
  };
}

/** The app reads what it likes: these are the names that it knows from notifications. */
function androidMessage(content: MessageContent, overrides: BaiduOverrides): JsonObject {
  return {
    title: content.notification?.title ?? undefined,
    description: content.notification?.body ?? undefined,
    custom_content: customContent(content, overrides),
  };
}

function iosBody(content: MessageContent, overrides: BaiduOverrides): JsonObject {
  return { ...customContent(content, overrides), aps: apsOf(content, overrides) };
}

/** What an iPhone shows; SPP has it too. */
export function apsOf(content: MessageContent, overrides: BaiduOverrides): JsonObject {
  const { title, body, badge, sound } = content.notification ?? {};
  return {
    alert: title ? { title, body: body ?? undefined } : (body ?? undefined),
    badge: badge ?? undefined,
    sound: sound ?? undefined,
    'mutable-content': overrides.mutableContent ? 1 : undefined,
    'thread-id': overrides.threadId,
  };
}

/**
 * Whether some text in a value ends or begins in the middle of a character: it cannot be encoded for the
 * signature, and inside JSON it would arrive as something else.
 */
export function holdsHalfCharacter(value: unknown): boolean {
  // JSON.stringify writes half a character as an escape, and a backslash of the text as two.
  return /(?<!\\)(?:\\\\)*\\ud[89a-f][0-9a-f]{2}/.test(JSON.stringify(value) ?? '');
}
