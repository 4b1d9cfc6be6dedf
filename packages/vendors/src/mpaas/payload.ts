import type { FieldProblem, MessageContent } from '@pushmill/core';
import { Value } from 'typebox/value';
import type { OutgoingMessage, OutgoingPush } from '../vendor.ts';
import type { MpaasOverrides } from './overrides.ts';
import { freeTextOnly, openApiOnly, overridesSchema } from './overrides.ts';
import type { MpaasSettings } from './settings.ts';

/** More make 3029. */
export const maxTargets = 10;
/** More make 3035. */
const maxExtendedParams = 20;

/** What both interfaces say of a message, before names and types part. */
interface Draft {
  overrides: MpaasOverrides;
  deliveryType: number;
  taskName: string;
  title: string;
  body: string;
  uri: string | undefined;
  action: 'web' | 'intent';
  silent: 0 | 1;
  extendedParams: Record<string, string> | undefined;
  imageUrls: Record<string, string> | undefined;
  classification: number;
}

function draft(content: MessageContent, settings: MpaasSettings, taskName: string): Draft {
  const overrides = overridesOf(content);
  const click = content.notification?.click;
  const clickUri = click?.type === 'url' ? click.url : click?.type === 'screen' ? click.name : undefined;
  const extended = { ...content.data, ...overrides.extendedParams };
  const imageUrl = content.notification?.imageUrl ?? undefined;
  return {
    overrides,
    deliveryType: overrides.deliveryType ?? settings.deliveryType,
    taskName: overrides.taskName ?? taskName,
    title: content.notification?.title ?? '',
    body: content.notification?.body ?? '',
    uri: overrides.uri ?? clickUri,
    action:
      overrides.pushAction ?? (click?.type === 'screen' && overrides.uri === undefined ? 'intent' : 'web'),
    silent: overrides.silent ? 1 : 0,
    extendedParams: Object.keys(extended).length > 0 ? extended : undefined,
    imageUrls: overrides.imageUrls ?? (imageUrl === undefined ? undefined : { defaultUrl: imageUrl }),
    classification: overrides.classification ?? (content.class === 'transactional' ? 1 : 0),
  };
}

function overridesOf(content: MessageContent): MpaasOverrides {
  return (content.vendor?.mpaas ?? {}) as MpaasOverrides;
}

/** Drafts by message: the pushes of a batch share theirs, and only targets and time differ between calls. */
const drafts = new WeakMap<OutgoingMessage, { settings: MpaasSettings; draft: Draft }>();

function draftOf(message: OutgoingMessage, settings: MpaasSettings): Draft {
  const known = drafts.get(message);
  if (known?.settings === settings) return known.draft;
  // The task name is what the console lists; the message id makes it findable from either side.
  const made = draft(message, settings, message.id);
  drafts.set(message, { settings, draft: made });
  return made;
}

/**
 * Target -> msgKey. The msgKey is our push id: the callback returns it as `msgId`, and the receiving client
 * drops a second message that carries the same one. `fromEntries` and not assignment, so that a target
 * named `__proto__` is a key like any other.
 */
function targetsOf(pushes: readonly OutgoingPush[]): Record<string, string> {
  return Object.fromEntries(pushes.map((push) => [push.token, push.id]));
}

/** Whole seconds that are left, capped; never 0, which the vendor refuses (3020). */
export function expiredSeconds(expiresAt: number, now: number, settings: MpaasSettings): number {
  const leftSeconds = Math.floor((expiresAt - now) / 1000);
  return Math.max(1, Math.min(settings.maxExpiredSeconds, leftSeconds));
}

/**
 * Parameters of the OpenAPI call; objects are sent as JSON text.
 * @param pushes  of one message, with different tokens
 * @param now     milliseconds since the epoch
 * @see           help.aliyun.com 2871125 (PushSimple), 2871127 (PushTemplate); names of version 2020-10-28
 */
export function openApiCall(
  pushes: readonly OutgoingPush[],
  settings: MpaasSettings,
  now: number,
): { action: 'PushSimple' | 'PushTemplate'; params: Record<string, string> } {
  const { message } = pushes[0] as OutgoingPush;
  const content = draftOf(message, settings);
  const { overrides } = content;
  const byTemplate = overrides.templateName !== undefined;
  const params: Record<string, string> = {
    AppId: settings.appId,
    WorkspaceId: settings.workspaceId,
    TaskName: content.taskName,
    DeliveryType: String(content.deliveryType),
    TargetMsgkey: JSON.stringify(targetsOf(pushes)),
    ExpiredSeconds: String(expiredSeconds(message.expiresAt, now, settings)),
    Silent: String(content.silent),
    Classification: String(content.classification),
  };
  const put = (name: string, value: unknown) => {
    if (value === undefined) return;
    params[name] = typeof value === 'object' ? JSON.stringify(value) : String(value);
  };
  if (byTemplate) {
    put('TemplateName', overrides.templateName);
    put('TemplateKeyValue', overrides.templateKeyValue);
  } else {
    params.Title = content.title;
    params.Content = content.body;
    // The page wants it, the SDK does not: sent always. Style 2 shows the picture.
    put('PushStyle', overrides.pushStyle ?? (content.imageUrls === undefined ? 0 : 2));
    put('Uri', content.uri);
    put('ImageUrls', content.imageUrls);
    put('IconUrls', overrides.iconUrls);
  }
  if (content.uri !== undefined || overrides.pushAction !== undefined) {
    put('PushAction', content.action === 'web' ? 0 : 1);
  }
  put('TenantId', settings.tenantId);
  put('ExtendedParams', content.extendedParams);
  put('NotifyType', overrides.notifyType);
  put('ChannelId', overrides.channelId);
  put('MiChannelId', overrides.miChannelId);
  put('ThirdChannelCategory', stringValues(overrides.thirdChannelCategory));
  put('NotifyLevel', stringValues(overrides.notifyLevel));
  put('ActivityEvent', overrides.activityEvent);
  put('ActivityContentState', overrides.activityContentState);
  put('DismissalDate', overrides.dismissalDate);
  put('TransparentMessagePayload', overrides.transparentMessagePayload);
  put('TransparentMessageUrgency', overrides.transparentMessageUrgency);
  return { action: byTemplate ? 'PushTemplate' : 'PushSimple', params };
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
 * @see  the Alipay sample client of 2018 (facts page, section 4)
 */
export function restCall(
  pushes: readonly OutgoingPush[],
  settings: MpaasSettings,
  now: number,
): { method: 'pushsimple' | 'pushtemplate'; body: Buffer } {
  const { message } = pushes[0] as OutgoingPush;
  const content = draftOf(message, settings);
  const { overrides } = content;
  const byTemplate = overrides.templateName !== undefined;
  const hasAction = content.uri !== undefined || overrides.pushAction !== undefined;
  // JSON.stringify leaves out what is undefined.
  const body = {
    action: hasAction ? settings.actionCodes[content.action] : undefined,
    content: byTemplate ? undefined : content.body,
    deliveryType: content.deliveryType,
    expiredSeconds: expiredSeconds(message.expiresAt, now, settings),
    extended_params: content.extendedParams,
    notifyType: overrides.notifyType,
    silent: content.silent,
    target_msgkey: targetsOf(pushes),
    taskName: content.taskName,
    templateName: overrides.templateName,
    templatekv: byTemplate ? overrides.templateKeyValue : undefined,
    title: byTemplate ? undefined : content.title,
    uri: byTemplate ? undefined : content.uri,
  };
  return {
    method: byTemplate ? 'pushtemplate' : 'pushsimple',
    body: Buffer.from(JSON.stringify(body), 'utf8'),
  };
}

/** Everything that would make MPS refuse the message, or lose a part of it. */
export function checkMessage(content: MessageContent, settings: MpaasSettings): FieldProblem[] {
  const given = content.vendor?.mpaas;
  if (given !== undefined && !Value.Check(overridesSchema, given)) {
    return Value.Errors(overridesSchema, given).map((problem) => ({
      pointer: `/vendor/mpaas${problem.instancePath}`,
      code: 'invalid',
      detail: `${problem.message}.`,
    }));
  }
  const problems: FieldProblem[] = [];
  const refuse = (pointer: string, code: string, detail: string) => problems.push({ pointer, code, detail });
  const message = draft(content, settings, '');
  const { overrides } = message;
  const byTemplate = overrides.templateName !== undefined;

  if (settings.interface === 'rest') {
    for (const field of openApiOnly) {
      if (overrides[field] !== undefined) {
        refuse(
          `/vendor/mpaas/${field}`,
          'unsupported',
          `The rest interface of this channel has no ${field}.`,
        );
      }
    }
  }
  if (byTemplate) {
    for (const field of freeTextOnly) {
      if (overrides[field] !== undefined) {
        refuse(`/vendor/mpaas/${field}`, 'excluded', `A push by template takes ${field} from the template.`);
      }
    }
  } else {
    if (overrides.templateKeyValue !== undefined) {
      refuse('/vendor/mpaas/templateKeyValue', 'excluded', 'Values for a template, but no templateName.');
    }
    checkText(message.title, '/notification/title', settings.maxTitleChars, refuse);
    checkText(message.body, '/notification/body', settings.maxBodyChars, refuse);
  }
  if (Object.keys(message.extendedParams ?? {}).length > maxExtendedParams) {
    const pointer = overrides.extendedParams === undefined ? '/data' : '/vendor/mpaas/extendedParams';
    refuse(
      pointer,
      'too-many',
      `mPaaS takes at most ${maxExtendedParams} parameters; data and extendedParams count together.`,
    );
  }
  checkActivity(message, refuse);
  const bytes = Buffer.byteLength(
    JSON.stringify([
      byTemplate ? overrides.templateKeyValue : [message.title, message.body, message.uri],
      message.extendedParams,
      overrides.activityContentState,
      overrides.transparentMessagePayload,
    ]),
  );
  if (bytes > settings.maxMessageBytes) {
    refuse(
      byTemplate ? '/vendor/mpaas/templateKeyValue' : '/notification/body',
      'too-large',
      `Text and parameters are ${bytes} bytes together, the limit is ${settings.maxMessageBytes}.`,
    );
  }
  return problems;
}

type Refuse = (pointer: string, code: string, detail: string) => unknown;

/** Title and content are required (3024), and phone makers refuse empty ones. */
function checkText(text: string, pointer: string, maxChars: number | undefined, refuse: Refuse): void {
  if (text.trim() === '') refuse(pointer, 'required', 'mPaaS needs a title and a body, or a templateName.');
  else if (maxChars !== undefined && [...text].length > maxChars) {
    refuse(pointer, 'too-long', `Longer than the ${maxChars} characters that this channel allows.`);
  }
}

function checkActivity(message: Draft, refuse: Refuse): void {
  const { overrides } = message;
  const isActivity = message.deliveryType === 5 || message.deliveryType === 6;
  if (isActivity && overrides.activityEvent === undefined) {
    refuse('/vendor/mpaas/activityEvent', 'required', 'A live activity needs an activityEvent.');
  }
  if (isActivity && overrides.activityContentState === undefined) {
    refuse(
      '/vendor/mpaas/activityContentState',
      'required',
      'A live activity needs its activityContentState.',
    );
  }
  if (isActivity) return;
  for (const field of ['activityEvent', 'activityContentState', 'dismissalDate'] as const) {
    if (overrides[field] !== undefined) {
      refuse(`/vendor/mpaas/${field}`, 'excluded', `${field} is for live activities: deliveryType 5 or 6.`);
    }
  }
}
