import type { MessageContent } from '@pushmill/core';
import type { OutgoingPush } from '../vendor.ts';
import { type BaiduAudience, sendTimeOf } from './audience.ts';
import { apsOf, customContent, overridesOf, textOf, typeOf } from './content.ts';
import { expirySeconds } from './expiry.ts';
import type { BaiduSettings } from './settings.ts';

type JsonObject = Record<string, unknown>;

export const sppPath = '/push/api/open/v1';

/** `action_type` of a click that opens the app; the numbers of other actions were not seen. */
const opensApp = 6;

/** Marks the `cbparams` of a push whose receipts come from many devices. */
export const audienceMark = 'audience:';

/**
 * Kind and content of a message, for the body of any call.
 * @see cloud.baidu.com/doc/SPP/s/mjwvxj9ow, and the official Python SDK `sppush`
 */
export function sppContent(content: MessageContent, settings: BaiduSettings): JsonObject {
  const overrides = overridesOf(content);
  const custom = customContent(content, overrides);
  // JSON.stringify leaves out what is undefined.
  const data = { [settings.sppDataField ?? 'extras']: custom };
  if (settings.platform === 'ios') return { message_type: 4, aps: { ...apsOf(content, overrides), ...data } };
  const { title, body, click } = content.notification ?? {};
  if (typeOf(content, overrides) === 'message') {
    // The app gets the same text from every generation.
    const { msg } = textOf(content, settings);
    return { message_type: 2, transmission: { title: title ?? '', content: msg } };
  }
  const { style, action, notify } = overrides.spp ?? {};
  return {
    message_type: 0,
    notification: {
      title: title ?? undefined,
      content: body ?? '',
      style,
      action: action ?? (click?.type === 'app' ? { action_type: opensApp } : undefined),
      notify,
      ...data,
    },
  };
}

/**
 * Path and body of a push. One device a call: `cbparams` is one text for all devices of a call, and it is what
 * brings a receipt back to its push. A multicast could not tell them apart.
 * @param now  milliseconds since the epoch
 */
export function sppCall(
  push: OutgoingPush,
  settings: BaiduSettings,
  now: number,
): { path: string; body: JsonObject } {
  const audience = push.audience as BaiduAudience | undefined;
  const { skipPlatformMessages, speed } = overridesOf(push.message).spp ?? {};
  const pushTime = audience === undefined ? undefined : sendTimeOf(audience, now);
  const expire = expirySeconds(push.message.expiresAt, pushTime === undefined ? now : pushTime * 1000);
  const { path, target } = targetOf(push, audience);
  return {
    path: `${sppPath}/message/${path}`,
    body: {
      ...target,
      ...sppContent(push.message, settings),
      option: { expire, speed },
      push_time: pushTime,
      skip_platform_msg: skipPlatformMessages,
      cbparams: audience === undefined ? push.id : audienceMark + push.id,
    },
  };
}

function targetOf(
  push: OutgoingPush,
  audience: BaiduAudience | undefined,
): { path: string; target: JsonObject } {
  switch (audience?.kind) {
    case undefined:
      return { path: 'unicast', target: { push_id: push.token } };
    case 'all':
      return { path: 'broadcast', target: {} };
    case 'cuids':
      return { path: 'cuids', target: { cuids: audience.cuids } };
    case 'tag': {
      const condition = [{ key: 'tags', values: [audience.tag], operate: 'or' }];
      return { path: 'tags', target: { condition } };
    }
    case 'selector':
      return { path: 'tags', target: { condition: audience.selector } };
  }
}
