import type { OutgoingPush } from '../vendor.ts';
import type { Broadcast } from './audience.ts';
import { type Draft, draftOf, valuesOf } from './draft.ts';
import { msgKeyOf } from './msg-key.ts';
import type { MpaasSettings } from './settings.ts';

/** What goes to an interface, before it is signed. */
export interface OpenApiCall {
  action: string;
  params: Record<string, string>;
}
export interface RestCall {
  method: string;
  body: Buffer;
}
export type Call = OpenApiCall | RestCall;

/** Most targets of a call (more: 3029): one text for all, or a batch with values of their own. */
const maxAlike = 10;
export const maxOwnValues = 100;

/** How the pushes of one call are sent; they share their message, or are one audience. */
type Kind = 'simple' | 'template' | 'multiple' | 'broadcast';

function kindOf(push: OutgoingPush, { overrides }: Draft): Kind {
  if (push.audience !== undefined) return 'broadcast';
  if (overrides.templateName === undefined) return 'simple';
  return overrides.templateValuesByTarget === undefined ? 'template' : 'multiple';
}

/** Whether each target of the call has values of its own, and how many targets the call may have. */
export function planOf(
  push: OutgoingPush,
  settings: MpaasSettings,
): { ownValues: boolean; maxTargets: number } {
  const ownValues = kindOf(push, draftOf(push.message, settings)) === 'multiple';
  return { ownValues, maxTargets: ownValues ? maxOwnValues : maxAlike };
}

/** Target -> msgKey. `fromEntries`, so that a target named `__proto__` is a key like any other. */
function targetsOf(pushes: readonly OutgoingPush[]): Record<string, string> {
  return Object.fromEntries(pushes.map((push) => [push.token, msgKeyOf(push.id, false)]));
}

/** One call for all of `pushes`, which share their message. */
export function pushCall(pushes: readonly OutgoingPush[], settings: MpaasSettings, now: number): Call {
  return settings.interface === 'rest' ? restCall(pushes, settings, now) : openApiCall(pushes, settings, now);
}

/** Whole seconds that are left, capped; never 0, which the vendor refuses (3020). */
export function expiredSeconds(expiresAt: number, now: number, settings: MpaasSettings): number {
  const leftSeconds = Math.floor((expiresAt - now) / 1000);
  return Math.max(1, Math.min(settings.maxExpiredSeconds, leftSeconds));
}

const actions = {
  simple: 'PushSimple',
  template: 'PushTemplate',
  multiple: 'PushMultiple',
  broadcast: 'PushBroadcast',
} as const;

/** Names an OpenAPI parameter; objects are sent as JSON text, and what is undefined is left out. */
type Put = (name: string, value: unknown) => void;

/** @returns  the parameters so far, and what adds to them */
export function openApiParams(settings: MpaasSettings): { params: Record<string, string>; put: Put } {
  const params: Record<string, string> = { AppId: settings.appId, WorkspaceId: settings.workspaceId };
  const put: Put = (name, value) => {
    if (value === undefined) return;
    params[name] = typeof value === 'object' ? JSON.stringify(value) : String(value);
  };
  put('TenantId', settings.tenantId);
  return { params, put };
}

/**
 * A push by the OpenAPI.
 * @param pushes  of one message, with different tokens; or one audience
 * @param now     milliseconds since the epoch
 * @see           help.aliyun.com 2871125 to 2871129 (PushSimple, Template, Multiple, Broadcast); names of 2020-10-28
 */
export function openApiCall(
  pushes: readonly OutgoingPush[],
  settings: MpaasSettings,
  now: number,
): OpenApiCall {
  const [push] = pushes as [OutgoingPush];
  const content = draftOf(push.message, settings);
  const { overrides } = content;
  const kind = kindOf(push, content);
  const { params, put } = openApiParams(settings);
  put('TaskName', content.taskName);
  put('DeliveryType', content.deliveryType);
  put('ExpiredSeconds', expiredSeconds(push.message.expiresAt, now, settings));
  put('Silent', content.silent);
  put('Classification', content.classification);
  if (kind === 'simple') putText(content, put);
  else {
    put('TemplateName', overrides.templateName);
    if (kind !== 'multiple') put('TemplateKeyValue', overrides.templateKeyValue);
  }
  if (kind === 'multiple') putOwnValues(pushes, content, put);
  else if (kind === 'broadcast') putAudience(push, push.audience as Broadcast, put);
  else put('TargetMsgkey', targetsOf(pushes));
  if (content.uri !== undefined || overrides.pushAction !== undefined) {
    put('PushAction', content.action === 'web' ? 0 : 1);
  }
  put('ExtendedParams', content.extendedParams);
  put('NotifyType', overrides.notifyType);
  put('ChannelId', overrides.channelId);
  put('MiChannelId', overrides.miChannelId);
  put('ThirdChannelCategory', stringValues(overrides.thirdChannelCategory));
  put('NotifyLevel', stringValues(overrides.notifyLevel));
  put('TransparentMessagePayload', overrides.transparentMessagePayload);
  put('TransparentMessageUrgency', overrides.transparentMessageUrgency);
  if (kind === 'simple' || kind === 'template') {
    put('ActivityEvent', overrides.activityEvent);
    put('ActivityContentState', overrides.activityContentState);
    put('DismissalDate', overrides.dismissalDate);
  }
  return { action: actions[kind], params };
}

/** What a template brings itself. */
function putText(content: Draft, put: Put): void {
  put('Title', content.title);
  put('Content', content.body);
  // The page wants it, the SDK does not: sent always. Style 2 shows the picture.
  put('PushStyle', content.overrides.pushStyle ?? (content.imageUrls === undefined ? 0 : 2));
  put('Uri', content.uri);
  put('ImageUrls', content.imageUrls);
  put('IconUrls', content.overrides.iconUrls);
}

/** The list of a batch, flattened as the gateway's lists are, from 1 on. */
function putOwnValues(pushes: readonly OutgoingPush[], { overrides }: Draft, put: Put): void {
  pushes.forEach((push, index) => {
    const item = `TargetMsg.${index + 1}`;
    put(`${item}.Target`, push.token);
    put(`${item}.MsgKey`, msgKeyOf(push.id, false));
    put(`${item}.TemplateKeyValue`, valuesOf(overrides, push.token));
  });
}

function putAudience(push: OutgoingPush, audience: Broadcast, put: Put): void {
  const status = audience.pushStatus ?? 0;
  put('Msgkey', msgKeyOf(push.id, true));
  put('DeliveryType', audience.deliveryType);
  put('PushStatus', status);
  // The page wants the period that belongs to the status; 4 is "ever".
  put('BindPeriod', audience.bindPeriod ?? (status === 0 ? 4 : undefined));
  put('UnBindPeriod', audience.unbindPeriod ?? (status === 0 ? undefined : 4));
  put('AndroidChannel', audience.androidChannel);
  if (audience.strategy === undefined) return;
  const { type, ...content } = audience.strategy;
  put('StrategyType', type);
  put('StrategyContent', content);
}

/** The vendor's samples put the numbers of these maps in quotes. */
function stringValues(map: Readonly<Record<string, number | undefined>> | undefined) {
  if (map === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(map).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}

/**
 * Body of the rest call: UTF-8 JSON with its odd mixture of key styles, kept exactly.
 * @see  the Alipay sample client of 2018 (README.md, "Pages")
 */
export function restCall(pushes: readonly OutgoingPush[], settings: MpaasSettings, now: number): RestCall {
  const [push] = pushes as [OutgoingPush];
  const content = draftOf(push.message, settings);
  const { overrides } = content;
  const kind = kindOf(push, content);
  const isSimple = kind === 'simple';
  const audience = push.audience as Broadcast | undefined;
  const hasAction = content.uri !== undefined || overrides.pushAction !== undefined;
  // JSON.stringify leaves out what is undefined.
  const body = {
    action: hasAction ? settings.actionCodes[content.action] : undefined,
    content: isSimple ? content.body : undefined,
    deliveryType: audience?.deliveryType ?? content.deliveryType,
    expiredSeconds: expiredSeconds(push.message.expiresAt, now, settings),
    extended_params: content.extendedParams,
    msgkey: kind === 'broadcast' ? msgKeyOf(push.id, true) : undefined,
    notifyType: overrides.notifyType,
    silent: content.silent,
    target_msginfo: kind === 'multiple' ? ownValuesOf(pushes, content) : undefined,
    target_msgkey: isSimple || kind === 'template' ? targetsOf(pushes) : undefined,
    taskName: content.taskName,
    templateName: overrides.templateName,
    templatekv: isSimple || kind === 'multiple' ? undefined : overrides.templateKeyValue,
    title: isSimple ? content.title : undefined,
    uri: isSimple ? content.uri : undefined,
  };
  return { method: actions[kind].toLowerCase(), body: Buffer.from(JSON.stringify(body), 'utf8') };
}

function ownValuesOf(pushes: readonly OutgoingPush[], { overrides }: Draft) {
  return Object.fromEntries(
    pushes.map((push) => [
      push.token,
      { msgkey: msgKeyOf(push.id, false), templatekv: valuesOf(overrides, push.token) },
    ]),
  );
}

/** A live activity would need its fields; to ask who we are, any other will do. */
function plainDelivery({ deliveryType }: MpaasSettings): number {
  return deliveryType === 5 || deliveryType === 6 ? 2 : deliveryType;
}

/** A simple push to nobody: what MPS says of it shows whether it knows who asks, and nothing is sent. */
export function proofCall(settings: MpaasSettings): Call {
  const [title, content, taskName, expiredSeconds] = ['verify', 'verify', 'pushmill verify', 60];
  const deliveryType = plainDelivery(settings);
  if (settings.interface === 'rest') {
    const body = { content, deliveryType, expiredSeconds, target_msgkey: {}, taskName, title };
    return { method: 'pushsimple', body: Buffer.from(JSON.stringify(body), 'utf8') };
  }
  const { params, put } = openApiParams(settings);
  put('TaskName', taskName);
  put('Title', title);
  put('Content', content);
  put('DeliveryType', deliveryType);
  put('TargetMsgkey', {});
  put('ExpiredSeconds', expiredSeconds);
  put('PushStyle', 0);
  return { action: actions.simple, params };
}
