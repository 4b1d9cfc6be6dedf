import type { ClickAction, MessageContent } from '@pushmill/core';
import type { OutgoingMessage, OutgoingPush } from '../vendor.ts';
import type { TpnsOverrides } from './overrides.ts';
import type { TpnsSettings } from './settings.ts';

export const pushPath = '/v3/push/app';

/** More fail as a whole. A call for one account carries one. */
export const maxTargets = 1_000;

/** A message as TPNS words it, before it is known whom it is for and how long it has to live. */
export interface Draft {
  messageType: 'notify' | 'message';
  /** The `message` object, to which the vendor's limit of bytes applies. */
  message: Record<string, unknown>;
  /** What else of the body is the same in every call. */
  options: Record<string, unknown>;
}

export function overridesOf(content: MessageContent): TpnsOverrides {
  return (content.vendor?.tpns ?? {}) as TpnsOverrides;
}

/** Whether there is anything for a person to see or hear; a message without it is a silent one. */
export function hasNotification({ notification }: MessageContent): boolean {
  const { title, body, badge, sound, imageUrl } = notification ?? {};
  return Boolean(title || body || sound || imageUrl || typeof badge === 'number');
}

/**
 * @see cloud.tencent.com 548/39064 "推送 API", `message`, `android`, `ios` and options
 */
export function draft(content: MessageContent, settings: TpnsSettings): Draft {
  const overrides = overridesOf(content);
  const isIos = settings.platform === 'ios';
  const messageType = overrides.message_type ?? (hasNotification(content) ? 'notify' : 'message');
  const isSilentIos = isIos && messageType === 'message';
  const { notification } = content;
  // JSON.stringify leaves out what is undefined.
  const message = {
    title: isSilentIos ? undefined : (notification?.title ?? ''),
    content: isSilentIos ? undefined : (notification?.body ?? ''),
    accept_time: overrides.accept_time,
    thread_id: overrides.thread_id,
    thread_sumtext: overrides.thread_sumtext,
    xg_media_resources: overrides.xg_media_resources ?? notification?.imageUrl ?? undefined,
    xg_media_audio_resources: overrides.xg_media_audio_resources,
    show_type: isIos ? overrides.show_type : undefined,
    ...(isIos
      ? { ios: iosPart(content, overrides, isSilentIos) }
      : { android: androidPart(content, overrides, messageType) }),
  };
  const options = {
    environment: isIos ? settings.environment : undefined,
    multi_pkg: overrides.multi_pkg,
    plan_id: overrides.plan_id,
    force_collapse: overrides.force_collapse,
    channel_rules: overrides.channel_rules,
    tpns_online_push_type: overrides.tpns_online_push_type,
  };
  return { messageType, message, options };
}

function androidPart(
  content: MessageContent,
  overrides: TpnsOverrides,
  messageType: Draft['messageType'],
): Record<string, unknown> {
  const { notification } = content;
  const own = overrides.android ?? {};
  const customContent = own.custom_content ?? jsonText(content.data ?? {});
  // A pass-through message makes no sound and has no button: the app decides what becomes of it.
  if (messageType === 'message') return { ...own, custom_content: customContent };
  const isService = content.class === 'transactional';
  const badge = notification?.badge ?? undefined;
  const sound = notification?.sound ?? undefined;
  return {
    hw_importance: isService ? 2 : 1,
    vivo_ch_id: isService ? '1' : '0',
    badge_type: badge === undefined ? undefined : Math.min(99, Math.max(0, badge)),
    ring: sound === undefined ? undefined : 1,
    ring_raw: sound,
    action: actionOf(notification?.click ?? undefined),
    ...own,
    custom_content: customContent,
  };
}

/** A screen is an address (`myapp://parcels`), opened as an intent, or the class of an activity. */
function actionOf(click: ClickAction | undefined): Record<string, unknown> | undefined {
  if (click === undefined) return undefined;
  if (click.type === 'url') return { action_type: 2, browser: { url: click.url, confirm: 0 } };
  if (click.type === 'app') return { action_type: 1 };
  return click.name.includes(':')
    ? { action_type: 3, intent: click.name }
    : { action_type: 1, activity: click.name };
}

function iosPart(
  content: MessageContent,
  overrides: TpnsOverrides,
  isSilent: boolean,
): Record<string, unknown> {
  const { notification } = content;
  const own = overrides.ios ?? {};
  const click = notification?.click ?? undefined;
  // TPNS knows no click action on iOS; under the key that pushmill's APNs pushes use, the app finds it.
  const extra = click === undefined || click.type === 'app' ? {} : { pushmill: { click } };
  const customContent = own.custom_content ?? jsonText({ ...content.data, ...extra });
  if (isSilent) return { aps: { 'content-available': 1 }, custom_content: customContent };
  return {
    aps: {
      badge_type: notification?.badge ?? undefined,
      sound: notification?.sound ?? undefined,
      ...own.aps,
    },
    custom_content: customContent,
  };
}

/** Both platforms take a *text* that holds JSON, not an object. */
function jsonText(value: Readonly<Record<string, unknown>>): string | undefined {
  return Object.keys(value).length === 0 ? undefined : JSON.stringify(value);
}

/** Bodies without targets, by message: the pushes of a batch share theirs. */
const shared = new WeakMap<OutgoingMessage, { settings: TpnsSettings; text: string }>();

/** `"message_type":...,"message":{...},...}`: the body from there on. */
function sharedText(message: OutgoingMessage, settings: TpnsSettings): string {
  const known = shared.get(message);
  if (known?.settings === settings) return known.text;
  const made = draft(message, settings);
  const text = JSON.stringify({
    message_type: made.messageType,
    message: made.message,
    ...made.options,
  }).slice(1);
  shared.set(message, { settings, text });
  return text;
}

/**
 * Whole seconds that are left, capped. Never 0, which would mean "only who is online now"; what is below 800
 * TPNS raises to 800 by itself. Always sent, because the pages disagree on the default.
 */
export function expireSeconds(expiresAt: number, now: number, settings: TpnsSettings): number {
  return Math.max(1, Math.min(settings.maxExpireSeconds, Math.floor((expiresAt - now) / 1000)));
}

/**
 * Body of one call, as it is signed and sent.
 * @param pushes  of one message, with different tokens; only one when the channel's tokens are accounts
 * @param now     milliseconds since the epoch
 */
export function pushBody(pushes: readonly OutgoingPush[], settings: TpnsSettings, now: number): string {
  const { message } = pushes[0] as OutgoingPush;
  const targets = pushes.map((push) => push.token);
  const head =
    settings.audience === 'account'
      ? {
          audience_type: 'account',
          account_list: targets,
          account_type: settings.accountType,
          account_push_type: overridesOf(message).account_push_type ?? settings.accountPushType,
        }
      : {
          audience_type: targets.length === 1 ? 'token' : 'token_list',
          token_list: targets,
          // Without it one bad token fails all, and the answer does not say which.
          ignore_invalid_token: 1,
        };
  return closeBody(
    { ...head, expire_time: expireSeconds(message.expiresAt, now, settings) },
    message,
    settings,
  );
}

/** Joins what differs from call to call, never empty, with what does not. */
export function closeBody(
  head: Readonly<Record<string, unknown>>,
  message: OutgoingMessage,
  settings: TpnsSettings,
): string {
  return `${JSON.stringify(head).slice(0, -1)},${sharedText(message, settings)}`;
}

/**
 * A push carries nothing by which TPNS could know it again, so an emulator could not count copies. To an
 * emulator, and to nobody else, the pushes are told in a header of our own: message id, then their numbers.
 */
export function emulatorHeaders(
  pushes: readonly OutgoingPush[],
  settings: TpnsSettings,
): Record<string, string> {
  if (!settings.emulator) return {};
  const { message } = pushes[0] as OutgoingPush;
  const numbers = pushes.map((push) => push.id.slice(push.id.lastIndexOf('.') + 1));
  return { 'x-pushmill-pushes': `${message.id};${numbers.join()}` };
}
