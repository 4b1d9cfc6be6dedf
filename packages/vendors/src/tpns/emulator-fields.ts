import type { App } from './emulator-checks.ts';
import { type Fault, readToMany, type ToMany } from './emulator-many.ts';
import { isIntegerIn, isMap, parseMap, type Refusal } from './emulator-values.ts';

/** A sound call, as far as the emulator looks into it. */
export interface EmulatedCall {
  audience: Audience;
  /** Tokens or accounts; none where the vendor finds the devices. */
  targets: readonly string[];
  /** Of calls to all, to tags and with packages. */
  toMany?: ToMany;
  accountType: number;
  /** All devices of an account, and not the newest alone. */
  isToEveryDevice: boolean;
  skipsInvalid: boolean;
  messageType: string;
  message: Record<string, unknown>;
  /** Of such calls: what is the same when the same is sent to the same again, whatever else differs. */
  content: string;
  expireTime: number;
  environment: string;
  seq: number;
}

export interface FieldRefusal extends Refusal {
  seq: number;
}

const audiences = [
  'token',
  'token_list',
  'account',
  'account_list',
  'tag',
  'all',
  'package_account_push',
  'package_token_push',
] as const;
type Audience = (typeof audiences)[number];

const maxTargets = 1_000;
const maxMessageBytes = 4_096;
const maxExpireSeconds = 259_200;
const defaultExpireSeconds = 86_400;
const codeOfFault: Readonly<Record<Fault['kind'], number>> = {
  missing: 1008002,
  invalid: 1008007,
  date: 1008016,
  'send-time': 10010012,
};

/**
 * What TPNS finds wrong with a body, in the order that the facts page gives for its codes.
 * @see  cloud.tencent.com 548/39064 "推送 API"
 */
export function readCall(body: Buffer, app: App, nowMs: number): EmulatedCall | FieldRefusal {
  const fields = parseMap(body);
  if (fields === undefined) return { code: 1008001, words: 'params parse error', seq: 0 };
  const seq = Number.isSafeInteger(fields.seq) ? (fields.seq as number) : 0;
  const missing = (name: string): FieldRefusal => ({ code: 1008002, words: `${name} is required`, seq });
  const invalid = (name: string): FieldRefusal => ({ code: 1008007, words: `${name} is invalid`, seq });

  const { audience_type: audienceType, message, message_type: messageType } = fields;
  if (audienceType === undefined) return missing('audience_type');
  if (message === undefined) return missing('message');
  if (messageType === undefined) return missing('message_type');
  const audience = audiences.find((known) => known === audienceType);
  if (audience === undefined) return invalid('audience_type');
  if (messageType !== 'notify' && messageType !== 'message') return invalid('message_type');
  if (app.platform === 'ios') {
    if (fields.environment === undefined) return missing('environment');
    if (fields.environment !== 'product' && fields.environment !== 'dev') return invalid('environment');
  }

  const listName = /^(token|account)/.exec(audience)?.[1];
  let targets: readonly string[] = [];
  if (listName !== undefined) {
    const list = fields[`${listName}_list`];
    if (!Array.isArray(list) || list.length === 0) return missing(`${listName}_list`);
    if (!list.every((item) => typeof item === 'string' && item !== '')) return invalid(`${listName}_list`);
    const isList = audience.endsWith('_list');
    if (isList && list.length > maxTargets) return invalid(`${listName}_list`);
    // What follows the first is ignored without a word.
    targets = isList ? list : list.slice(0, 1);
  }

  if (!isMap(message)) return invalid('message');
  if (Buffer.byteLength(JSON.stringify(message)) > maxMessageBytes) return invalid('message');
  const wrong = checkMessageObject(message, messageType, app);
  if (wrong !== undefined) return wrong.isMissing ? missing(wrong.name) : invalid(wrong.name);

  const { expire_time: expireTime, ignore_invalid_token: ignoreInvalid } = fields;
  const { account_type: accountType, account_push_type: pushType } = fields;
  if (expireTime !== undefined && !isIntegerIn(expireTime, 0, maxExpireSeconds))
    return invalid('expire_time');
  for (const [name, value, most] of [
    ['ignore_invalid_token', ignoreInvalid, 1],
    ['account_push_type', pushType, 1],
    ['account_type', accountType, 2_147_483_647],
  ] as const) {
    if (value !== undefined && !isIntegerIn(value, 0, most)) return invalid(name);
  }
  const toMany = listName === undefined ? readToMany(fields, audience, nowMs) : undefined;
  if (toMany !== undefined && 'kind' in toMany) {
    return { code: codeOfFault[toMany.kind], words: `${toMany.name} is missing or wrong`, seq };
  }
  return {
    audience,
    targets,
    ...(toMany === undefined ? {} : { toMany }),
    accountType: typeof accountType === 'number' ? accountType : 0,
    isToEveryDevice: pushType === 1,
    skipsInvalid: ignoreInvalid === 1,
    messageType,
    message,
    content: toMany
      ? JSON.stringify([audience, fields.tag_rules ?? fields.tag_list, messageType, message])
      : '',
    expireTime: typeof expireTime === 'number' ? expireTime : defaultExpireSeconds,
    environment: app.platform === 'ios' ? String(fields.environment) : '',
    seq,
  };
}

function checkMessageObject(
  message: Record<string, unknown>,
  messageType: 'notify' | 'message',
  app: App,
): { name: string; isMissing: boolean } | undefined {
  const isSilentIos = app.platform === 'ios' && messageType === 'message';
  for (const name of isSilentIos ? [] : ['title', 'content']) {
    if (message[name] === undefined || message[name] === '') return { name, isMissing: true };
    if (typeof message[name] !== 'string') return { name, isMissing: false };
  }
  const part = message[app.platform];
  if (part === undefined) return undefined;
  const wrong = (name: string) => ({ name: `${app.platform}.${name}`, isMissing: false });
  if (!isMap(part)) return { name: app.platform, isMissing: false };
  // The usual mistake is to send the object and not its text.
  if (part.custom_content !== undefined && typeof part.custom_content !== 'string')
    return wrong('custom_content');
  if (app.platform === 'android') {
    const { action } = part;
    if (action !== undefined && !(isMap(action) && [1, 2, 3].includes(action.action_type as number)))
      return wrong('action');
    return undefined;
  }
  const { aps } = part;
  if (aps === undefined) return undefined;
  if (!isMap(aps)) return wrong('aps');
  if (aps['content-available'] === 1) {
    const forbidden = ['alert', 'sound', 'badge_type'].find((name) => aps[name] !== undefined);
    if (forbidden !== undefined) return wrong(`aps.${forbidden}`);
    if (messageType !== 'message') return wrong('aps.content-available');
  }
  return undefined;
}
