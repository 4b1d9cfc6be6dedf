import type { OutgoingPush } from '../vendor.ts';
import type { BaiduAudience } from './audience.ts';
import { textOf } from './content.ts';
import { expirySeconds } from './expiry.ts';
import { type BaiduSettings, readUserToken } from './settings.ts';
import type { Params } from './sign.ts';

/** The literal `channel` stands where other methods have a channel id. */
export const channelPath = '/rest/2.0/channel/channel';

/**
 * Parameters of a `push_msg` of the channel API 2.0, without key, time and signature.
 * @param now  milliseconds since the epoch
 * @see        the official Python SDK for 2.0, and the community's `baidupush`
 */
export function pushMessage(push: OutgoingPush, settings: BaiduSettings, now: number): Params {
  const { message } = push;
  const { isIos, isNotification, msg } = textOf(message, settings);
  const params: Record<string, string> = {
    method: 'push_msg',
    ...targetOf(push),
    device_type: isIos ? '4' : '3',
    message_type: isNotification ? '1' : '0',
    // JSON either way: a pass-through text becomes a JSON string.
    messages: isNotification ? msg : JSON.stringify(msg),
    // A later message with the same key replaces one that still waits. With the push's own id that is a second
    // attempt of the same push, which is the one thing that should be replaced.
    msg_keys: JSON.stringify(message.collapseKey ?? push.id),
    message_expires: String(expirySeconds(message.expiresAt, now)),
  };
  if (isIos) params.deploy_status = settings.deployStatus === 'development' ? '1' : '2';
  return params;
}

/** `push_type` is 1 for a user, 2 for a tag, 3 for everybody. */
function targetOf(push: OutgoingPush): Params {
  const audience = push.audience as BaiduAudience | undefined;
  if (audience?.kind === 'tag') return { push_type: '2', tag: audience.tag };
  if (audience !== undefined) return { push_type: '3' };
  const { userId, channelId } = readUserToken(push.token);
  return { push_type: '1', user_id: userId, ...(channelId === undefined ? {} : { channel_id: channelId }) };
}
