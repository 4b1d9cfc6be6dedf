import type { FieldProblem, MessageContent } from '@pushmill/core';
import { Value } from 'typebox/value';
import type { OutgoingMessage, OutgoingPush } from '../vendor.ts';
import type { BaiduOverrides } from './overrides.ts';
import { androidOnly, iosOnly, notificationOnly, overridesSchema } from './overrides.ts';
import type { BaiduSettings } from './settings.ts';
import type { Params } from './sign.ts';
import { topicOf } from './topic.ts';

const maxAndroidBytes = 4_096;
/** A week: the most that `msg_expires` may be. */
const maxExpirySeconds = 604_800;

type JsonObject = Record<string, unknown>;

/** What every call with this message has in common: computed once a message and channel. */
interface Draft {
  isIos: boolean;
  isNotification: boolean;
  /** The `msg` parameter. */
  msg: string;
  params: Params;
  topicId: string | undefined;
}

function draft(content: MessageContent, settings: BaiduSettings): Draft {
  const overrides = overridesOf(content);
  const isIos = settings.platform === 'ios';
  const isNotification = isIos || typeOf(content, overrides) === 'notification';
  const msg = isIos
    ? JSON.stringify(iosBody(content, overrides))
    : isNotification
      ? JSON.stringify(androidNotification(content, overrides))
      : (overrides.message ?? JSON.stringify(androidMessage(content, overrides)));
  const params: Record<string, string> = {
    device_type: isIos ? '4' : '3',
    msg,
    msg_type: isNotification ? '1' : '0',
  };
  if (isIos) params.deploy_status = settings.deployStatus === 'development' ? '1' : '2';
  const channelType =
    overrides.channelType ?? (settings.privateMessages && content.class === 'transactional' ? 1 : 0);
  if (!isIos && channelType === 1) params.channel_type = '1';
  return { isIos, isNotification, msg, params, topicId: overrides.topicId ?? settings.topicId };
}

function overridesOf(content: MessageContent): BaiduOverrides {
  return (content.vendor?.baidu ?? {}) as BaiduOverrides;
}

/** A message that shows nothing goes to the app as it is. */
function typeOf(content: MessageContent, overrides: BaiduOverrides): 'notification' | 'message' {
  if (overrides.messageType !== undefined) return overrides.messageType;
  const { title, body } = content.notification ?? {};
  return overrides.message !== undefined || (!title && !body) ? 'message' : 'notification';
}

/** Undefined when there is nothing in it, so that JSON.stringify leaves it out. */
function customContent(content: MessageContent, overrides: BaiduOverrides): JsonObject | undefined {
  const custom = { ...content.data, ...overrides.customContent };
  return Object.keys(custom).length > 0 ? custom : undefined;
}

/** @see push.baidu.com/doc/restapi/msg_struct */
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
  const { title, body, badge, sound } = content.notification ?? {};
  return {
    ...customContent(content, overrides),
    aps: {
      alert: title ? { title, body: body ?? undefined } : (body ?? undefined),
      badge: badge ?? undefined,
      sound: sound ?? undefined,
      'mutable-content': overrides.mutableContent ? 1 : undefined,
      'thread-id': overrides.threadId,
    },
  };
}

/** Drafts by message: the pushes of a batch share theirs, and only devices and time differ between calls. */
const drafts = new WeakMap<OutgoingMessage, { settings: BaiduSettings; draft: Draft }>();

function draftOf(message: OutgoingMessage, settings: BaiduSettings): Draft {
  const known = drafts.get(message);
  if (known?.settings === settings) return known.draft;
  const made = draft(message, settings);
  drafts.set(message, { settings, draft: made });
  return made;
}

/** Whether the topic of a call is made of its pushes, and so has a length to watch. */
export function topicNamesPushes(message: OutgoingMessage, settings: BaiduSettings): boolean {
  return draftOf(message, settings).topicId === undefined;
}

/** Whole seconds that are left, capped; never 0, whose meaning no page tells. */
export function expirySeconds(expiresAt: number, now: number): number {
  return Math.max(1, Math.min(maxExpirySeconds, Math.floor((expiresAt - now) / 1000)));
}

/**
 * Path and parameters of a push call, without key, time and signature.
 * @param pushes  of one message, with different tokens, already cut by `cutCalls`; more than one only for Android
 * @param now     milliseconds since the epoch, by our clock, which `expiresAt` was made by
 * @see           push.baidu.com/doc/restapi/restapi, "push/single_device" and "push/batch_device"
 */
export function pushCall(
  pushes: readonly OutgoingPush[],
  settings: BaiduSettings,
  now: number,
): { path: string; params: Params } {
  const { message, token } = pushes[0] as OutgoingPush;
  const { params, topicId } = draftOf(message, settings);
  const common = {
    ...params,
    msg_expires: String(expirySeconds(message.expiresAt, now)),
    // Asked for in batch calls only; in the others it is one more parameter that is signed.
    topic_id: topicId ?? topicOf(pushes),
  };
  if (pushes.length === 1) {
    return { path: '/rest/3.0/push/single_device', params: { ...common, channel_id: token } };
  }
  const ids = JSON.stringify(pushes.map((push) => push.token));
  return { path: '/rest/3.0/push/batch_device', params: { ...common, channel_ids: ids } };
}

/** Everything that would make Baidu refuse the message, or lose a part of it. */
export function checkMessage(content: MessageContent, settings: BaiduSettings): FieldProblem[] {
  const given = content.vendor?.baidu;
  if (given !== undefined && !Value.Check(overridesSchema, given)) {
    return Value.Errors(overridesSchema, given).map((problem) => ({
      pointer: `/vendor/baidu${problem.instancePath}`,
      code: 'invalid',
      detail: `${problem.message}.`,
    }));
  }
  const problems: FieldProblem[] = [];
  const refuse: Refuse = (pointer, code, detail) => problems.push({ pointer, code, detail });
  const overrides = overridesOf(content);
  const { isIos, isNotification, msg } = draft(content, settings);

  for (const field of isIos ? androidOnly : iosOnly) {
    if (overrides[field] === undefined) continue;
    const other = isIos ? 'Android' : 'iOS';
    refuse(`/vendor/baidu/${field}`, 'unsupported', `${field} is for ${other}, this channel is not.`);
  }
  if (isNotification) checkNotification(content, isIos, refuse);
  else checkPassThrough(content, overrides, refuse);
  if (isNotification && !isIos && overrides.message !== undefined) {
    refuse('/vendor/baidu/message', 'excluded', 'A notification is made of its fields, not of a text.');
  }
  if (overrides.url !== undefined && overrides.pkgContent !== undefined) {
    refuse('/vendor/baidu/pkgContent', 'excluded', 'A click opens either url or pkgContent.');
  }
  if (isIos) {
    for (const [pointer, keys] of [
      ['/data', content.data],
      ['/vendor/baidu/customContent', overrides.customContent],
    ] as const) {
      if (keys && Object.hasOwn(keys, 'aps')) {
        refuse(`${pointer}/aps`, 'excluded', 'The key aps is where the notification itself stands.');
      }
    }
  }
  checkCharacters(content, overrides, refuse);
  const bytes = Buffer.byteLength(msg);
  const limit = isIos ? settings.maxIosMessageBytes : maxAndroidBytes;
  if (bytes > limit) {
    refuse(
      overrides.message === undefined ? '/notification/body' : '/vendor/baidu/message',
      'too-large',
      `The message is ${bytes} bytes as Baidu counts, with its data; the limit is ${limit}.`,
    );
  }
  return problems;
}

type Refuse = (pointer: string, code: string, detail: string) => unknown;

function checkNotification(content: MessageContent, isIos: boolean, refuse: Refuse): void {
  const { title, body } = content.notification ?? {};
  // Android requires `description`; an iPhone shows a title alone as well.
  if ((body ?? '').trim() === '' && !(isIos && (title ?? '').trim() !== '')) {
    refuse('/notification/body', 'required', 'A notification of Baidu needs a body.');
  }
}

function checkPassThrough(content: MessageContent, overrides: BaiduOverrides, refuse: Refuse): void {
  for (const field of notificationOnly) {
    if (overrides[field] !== undefined) {
      refuse(
        `/vendor/baidu/${field}`,
        'excluded',
        `A pass-through message shows nothing and has no ${field}.`,
      );
    }
  }
  if (overrides.message === undefined) {
    const { title, body } = content.notification ?? {};
    if (!title && !body && customContent(content, overrides) === undefined) {
      refuse('/notification/body', 'required', 'The message holds neither a notification nor data.');
    }
    return;
  }
  for (const [pointer, value] of [
    ['/data', content.data && Object.keys(content.data).length > 0 ? content.data : undefined],
    ['/vendor/baidu/customContent', overrides.customContent],
  ] as const) {
    if (value) refuse(pointer, 'excluded', 'The text in vendor.baidu.message is all that is sent.');
  }
}

/** Half a character cannot be encoded for the signature, and inside JSON it would arrive as something else. */
function checkCharacters(content: MessageContent, overrides: BaiduOverrides, refuse: Refuse): void {
  const texts: [pointer: string, value: unknown][] = [
    ['/notification', content.notification],
    ['/data', content.data],
    ['/vendor/baidu', overrides],
  ];
  for (const [parent, values] of texts) {
    for (const [name, value] of Object.entries(values ?? {})) {
      // JSON.stringify writes half a character as an escape, and a backslash of the text as two.
      const written = JSON.stringify([name, value]);
      if (/(?<!\\)(?:\\\\)*\\ud[89a-f][0-9a-f]{2}/.test(written)) {
        const pointer = `${parent}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
        refuse(pointer, 'lone-surrogate', 'The text holds half of a surrogate pair.');
      }
    }
  }
}
