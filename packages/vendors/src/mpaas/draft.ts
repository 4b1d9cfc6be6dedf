import type { MessageContent } from '@pushmill/core';
import type { OutgoingMessage } from '../vendor.ts';
import type { MpaasOverrides } from './overrides.ts';
import type { MpaasSettings } from './settings.ts';

/** What both interfaces say of a message, before names and types part. */
export interface Draft {
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

/** @param taskName  where the message gives none */
export function draft(content: MessageContent, settings: MpaasSettings, taskName: string): Draft {
  const overrides = (content.vendor?.mpaas ?? {}) as MpaasOverrides;
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

/** Drafts by message: the pushes of a batch share theirs, and only targets and time differ between calls. */
const drafts = new WeakMap<OutgoingMessage, { settings: MpaasSettings; draft: Draft }>();

export function draftOf(message: OutgoingMessage, settings: MpaasSettings): Draft {
  const known = drafts.get(message);
  if (known?.settings === settings) return known.draft;
  // The task name is what the console lists; the message id makes it findable from either side.
  const made = draft(message, settings, message.id);
  drafts.set(message, { settings, draft: made });
  return made;
}

/** The values that one target's placeholders get: its own over the common ones. */
export function valuesOf(overrides: MpaasOverrides, target: string): Record<string, string> | undefined {
  const { templateKeyValue, templateValuesByTarget = {} } = overrides;
  // Not by plain look-up: a target may be named like a part of every object.
  if (!Object.hasOwn(templateValuesByTarget, target)) return templateKeyValue;
  return { ...templateKeyValue, ...templateValuesByTarget[target] };
}
