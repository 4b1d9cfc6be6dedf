import type { MessageContent } from '@pushmill/core';
import type { OutgoingMessage, OutgoingPush } from '../vendor.ts';
import { type BaiduAudience, selectorText, sendTimeOf } from './audience.ts';
import { overridesOf, textOf } from './content.ts';
import { expirySeconds } from './expiry.ts';
import type { BaiduSettings } from './settings.ts';
import type { Params } from './sign.ts';
import { topicOf } from './topic.ts';

/** What every call with this message has in common: computed once a message and channel. */
interface Draft {
  params: Params;
  topicId: string | undefined;
}

function draft(content: MessageContent, settings: BaiduSettings): Draft {
  const overrides = overridesOf(content);
  const { isIos, isNotification, msg } = textOf(content, settings);
  const params: Record<string, string> = {
    device_type: isIos ? '4' : '3',
    msg,
    msg_type: isNotification ? '1' : '0',
  };
  if (isIos) params.deploy_status = settings.deployStatus === 'development' ? '1' : '2';
  const channelType =
    overrides.channelType ?? (settings.privateMessages && content.class === 'transactional' ? 1 : 0);
  if (!isIos && channelType === 1) params.channel_type = '1';
  return { params, topicId: overrides.topicId ?? settings.topicId };
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

/**
 * Path and parameters of a call for devices that Baidu finds itself.
 * @param push  its audience was checked by `checkAudience`
 * @see         push.baidu.com/doc/restapi/restapi, "push/all" and "push/tags"
 */
export function audienceCall(
  push: OutgoingPush,
  audience: BaiduAudience,
  settings: BaiduSettings,
  now: number,
): { path: string; params: Params } {
  const { params, topicId } = draftOf(push.message, settings);
  const sendTime = sendTimeOf(audience, now);
  const common: Record<string, string> = {
    ...params,
    msg_expires: String(
      expirySeconds(push.message.expiresAt, sendTime === undefined ? now : sendTime * 1000),
    ),
    topic_id: topicId ?? topicOf([push]),
  };
  if (sendTime !== undefined) common.send_time = String(sendTime);
  switch (audience.kind) {
    case 'tag':
      return { path: '/rest/3.0/push/tags', params: { ...common, type: '1', tag: audience.tag } };
    case 'selector':
      return {
        path: '/rest/3.0/push/tags',
        params: { ...common, type: '6', selector: selectorText(audience) },
      };
    default:
      return { path: '/rest/3.0/push/all', params: common };
  }
}
