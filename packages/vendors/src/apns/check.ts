import type { FieldProblem, MessageContent } from '@pushmill/core';
import type { PublicCredential } from '../vendor.ts';
import { overridesCheck } from './overrides.ts';
import { overridesOf, payloadOf, pushTypeOf, reservedKeys, showsSomething, topicOf } from './payload.ts';
import { pushTypes } from './push-type.ts';
import type { ApnsSettings } from './settings.ts';

const own = '/vendor/apns';

/** `aps` keys that have a field of their own; the same thing said twice would let one silently win. */
const fieldOfApsKey: Readonly<Record<string, string>> = {
  alert: '/notification',
  badge: `${own}/badge`,
  sound: `${own}/sound`,
  'thread-id': `${own}/threadId`,
  category: `${own}/category`,
  'content-available': `${own}/contentAvailable`,
  'mutable-content': `${own}/mutableContent`,
  'interruption-level': `${own}/interruptionLevel`,
  'relevance-score': `${own}/relevanceScore`,
  'target-content-id': `${own}/targetContentId`,
  'filter-criteria': `${own}/filterCriteria`,
  timestamp: `${own}/liveActivity/timestamp`,
  event: `${own}/liveActivity/event`,
  'content-state': `${own}/liveActivity/contentState`,
  'stale-date': `${own}/liveActivity/staleDate`,
  'dismissal-date': `${own}/liveActivity/dismissalDate`,
  'attributes-type': `${own}/liveActivity/attributesType`,
  attributes: `${own}/liveActivity/attributes`,
  'input-push-channel': `${own}/liveActivity/inputPushChannel`,
  'input-push-token': `${own}/liveActivity/inputPushToken`,
};

// Any time with ten digits: the size of the payload does not depend on which.
const someTime = 1_700_000_000_000;

/** Everything that would make APNs refuse the message; pointers are relative to the message. */
export function checkMessage(
  content: MessageContent,
  settings: ApnsSettings,
  credential: PublicCredential,
): FieldProblem[] {
  const overrides = overridesOf(content);
  if (!overridesCheck.Check(overrides)) {
    // Nothing below could trust the types.
    return overridesCheck.Errors(overrides).map((error) => ({
      pointer: own + error.instancePath,
      code: 'schema',
      detail: `${error.message}.`,
    }));
  }
  const problems: FieldProblem[] = [];
  const add = (pointer: string, code: string, detail: string) => problems.push({ pointer, code, detail });
  const type = pushTypeOf(content);
  const rule = pushTypes[type];

  if (rule.credential !== undefined && rule.credential !== credential.kind) {
    add(
      `${own}/pushType`,
      'push-type-credential',
      rule.credential === 'token'
        ? `Pushes of type ${type} need a channel that signs with a token key; this one uses a certificate.`
        : `Pushes of type ${type} need a channel with a certificate; this one signs with a token key.`,
    );
  }
  const topic = topicOf(content, settings);
  const topics = credential.kind === 'certificate' ? credential.topics : undefined;
  if (Array.isArray(topics) && topics.length > 0 && !topics.includes(topic)) {
    add(
      overrides.topic === undefined ? `${own}/pushType` : `${own}/topic`,
      'topic-not-in-certificate',
      `The certificate of the channel does not hold the topic ${topic}.`,
    );
  }
  if (
    overrides.priority !== undefined &&
    !(rule.priorities as readonly number[]).includes(overrides.priority)
  ) {
    add(
      `${own}/priority`,
      'priority',
      `Pushes of type ${type} take the priority ${rule.priorities.join(' or ')}, not ${overrides.priority}.`,
    );
  }
  if (type === 'background' && showsSomething(content)) {
    add(
      '/notification',
      'background-visible',
      'A background push may hold no alert, badge or sound: use the type alert, or leave them out.',
    );
  }
  if (type === 'background' && overrides.contentAvailable === false) {
    add(`${own}/contentAvailable`, 'background', 'A background push is content-available by definition.');
  }
  if (type === 'mdm' && overrides.pushMagic === undefined) {
    add(`${own}/pushMagic`, 'required', 'A push of type mdm needs the PushMagic of the device.');
  }
  if (type !== 'mdm' && overrides.pushMagic !== undefined) {
    add(`${own}/pushMagic`, 'push-type', 'PushMagic belongs to pushes of type mdm.');
  }
  const badge = content.notification?.badge;
  if (badge !== undefined && badge !== null && !(Number.isInteger(badge) && badge >= 0)) {
    add('/notification/badge', 'badge', 'The badge is a whole number, 0 or more; 0 removes it.');
  }
  const score = overrides.relevanceScore;
  if (score !== undefined && type !== 'liveactivity' && (score < 0 || score > 1)) {
    add(
      `${own}/relevanceScore`,
      'range',
      'Outside Live Activities the relevance score lies between 0 and 1.',
    );
  }
  checkActivity(content, add);
  checkKeys(content, add);

  const bytes = Buffer.byteLength(JSON.stringify(payloadOf(content, someTime)), 'utf8');
  if (bytes > rule.maxPayloadBytes) {
    add(
      largestPart(content),
      'payload-too-large',
      `The payload has ${bytes} bytes; APNs takes ${rule.maxPayloadBytes} for the type ${type}.`,
    );
  }
  return problems;
}

/** Where shortening helps most: the part that takes the most bytes. */
function largestPart(content: MessageContent): string {
  const parts: [string, unknown][] = [
    ...Object.entries(content.notification ?? {}).map(([key, value]): [string, unknown] => [
      `/notification/${key}`,
      value,
    ]),
    ['/data', content.data ?? {}],
    [own, content.vendor?.apns ?? {}],
  ];
  const sizeOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value) ?? '', 'utf8');
  const [largest] = parts.sort(([, a], [, b]) => sizeOf(b) - sizeOf(a));
  return largest?.[0] ?? '';
}

type Add = (pointer: string, code: string, detail: string) => void;

/** @see Apple, "Starting and updating Live Activities with ActivityKit push notifications" */
function checkActivity(content: MessageContent, add: Add): void {
  const activity = overridesOf(content).liveActivity;
  const type = pushTypeOf(content);
  const at = `${own}/liveActivity`;
  if (activity === undefined) {
    if (type === 'liveactivity')
      add(at, 'required', 'A push of type liveactivity needs its liveActivity fields.');
    return;
  }
  if (type !== 'liveactivity') {
    add(at, 'push-type', 'Live Activity fields belong to pushes of type liveactivity.');
    return;
  }
  const needs = (field: 'contentState' | 'attributesType' | 'attributes') => {
    if (activity[field] === undefined) {
      add(`${at}/${field}`, 'required', `The event ${activity.event} of a Live Activity needs ${field}.`);
    }
  };
  const startOnly = (field: 'attributesType' | 'attributes' | 'inputPushChannel' | 'inputPushToken') => {
    if (activity[field] !== undefined) {
      add(`${at}/${field}`, 'event', `${field} belongs to the event start of a Live Activity.`);
    }
  };
  if (activity.event !== 'end') needs('contentState');
  if (activity.event === 'start') {
    needs('attributesType');
    needs('attributes');
    if (!showsSomething(content)) {
      add(
        '/notification',
        'required',
        'The event start of a Live Activity needs an alert with title and body.',
      );
    }
    if (activity.inputPushChannel !== undefined && activity.inputPushToken === true) {
      add(
        `${at}/inputPushToken`,
        'exclusive',
        'A Live Activity subscribes to a channel or gets a token, not both.',
      );
    }
  } else {
    for (const field of ['attributesType', 'attributes', 'inputPushChannel', 'inputPushToken'] as const) {
      startOnly(field);
    }
  }
  if (activity.dismissalDate !== undefined && activity.event !== 'end') {
    add(`${at}/dismissalDate`, 'event', 'A dismissal date belongs to the event end of a Live Activity.');
  }
}

function checkKeys(content: MessageContent, add: Add): void {
  const overrides = overridesOf(content);
  const reserved: readonly string[] = reservedKeys;
  for (const key of Object.keys(content.data ?? {})) {
    if (reserved.includes(key)) {
      add(`/data/${escapePointer(key)}`, 'reserved-key', `The key ${key} of the payload is reserved.`);
    }
  }
  for (const key of Object.keys(overrides.custom ?? {})) {
    const pointer = `${own}/custom/${escapePointer(key)}`;
    if (reserved.includes(key)) add(pointer, 'reserved-key', `The key ${key} of the payload is reserved.`);
    else if (Object.hasOwn(content.data ?? {}, key)) {
      add(pointer, 'exclusive', 'The same key is given in data and in custom.');
    }
  }
  for (const key of Object.keys(overrides.aps ?? {})) {
    const field = Object.hasOwn(fieldOfApsKey, key) ? fieldOfApsKey[key] : undefined;
    if (field !== undefined)
      add(`${own}/aps/${escapePointer(key)}`, 'use-field', `Use ${field} for this key.`);
  }
}

/** RFC 6901. */
function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
