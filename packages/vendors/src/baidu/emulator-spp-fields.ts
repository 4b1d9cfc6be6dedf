import type { TakenCall } from './emulator-desk.ts';
import { digest, isMap, isWhole } from './emulator-fields.ts';

/** A push of SPP whose fields are good. */
export interface SppPush extends TakenCall {
  /** Baidu's own device ids, where the call names them. */
  cuids: readonly string[] | undefined;
  cbparams: string;
}

const maxBytes = 4_096;
const maxDevices = 1_000;
const threeDaysSeconds = 259_200;

/** Undefined when a field is missing, or not as the page has it. */
export function readSppPush(
  method: string,
  body: Record<string, unknown>,
  nowMs: number,
): SppPush | undefined {
  if (!isContent(body)) return undefined;
  const { option, push_time: time, cbparams = '', skip_platform_msg: skips = false } = body;
  if (option !== undefined && !(isMap(option) && isWhole(option.expire ?? 1, 1, 99_999_999)))
    return undefined;
  const ahead = Number(time ?? 0) - nowMs / 1000;
  const isTime =
    time === undefined || time === 0 || (Number.isInteger(time) && ahead > 60 && ahead <= threeDaysSeconds);
  if (!isTime || typeof cbparams !== 'string' || typeof skips !== 'boolean') return undefined;
  if (body.condition !== undefined && !isCondition(body.condition)) return undefined;

  const target = targetOf(method, body);
  if (target === undefined) return undefined;
  const pushId = /(?:^|:)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.\d{1,9})$/.exec(cbparams)?.[1];
  const names = target.devices.length > 0 ? target.devices : [method];
  // One `cbparams` names one push; a call to several devices has none of its own for each.
  const identities =
    pushId !== undefined && names.length === 1
      ? [pushId]
      : names.map((name) => digest(name, JSON.stringify(body)));
  return { ...target, identities, cbparams };
}

function targetOf(
  method: string,
  body: Record<string, unknown>,
): Pick<SppPush, 'devices' | 'cuids'> | undefined {
  switch (method) {
    case 'unicast':
      return isWord(body.push_id) ? { devices: [body.push_id], cuids: undefined } : undefined;
    case 'multicast': {
      // The page and the SDK's own example do not agree on the name.
      const ids = body.push_id ?? body.push_ids;
      return isList(ids) ? { devices: ids, cuids: undefined } : undefined;
    }
    case 'cuids':
      return isList(body.cuids) ? { devices: [], cuids: body.cuids } : undefined;
    case 'tags':
      return body.condition === undefined ? undefined : { devices: [], cuids: undefined };
    default:
      return { devices: [], cuids: undefined };
  }
}

/** The part that belongs to the type must be there, with something in it. */
function isContent(body: Record<string, unknown>): boolean {
  const { message_type: type, notification, transmission, aps } = body;
  const part = type === 0 ? notification : type === 2 ? transmission : type === 4 ? aps : undefined;
  if (!isMap(part) || Buffer.byteLength(JSON.stringify(part)) > maxBytes) return false;
  if (type === 4) return typeof part.alert === 'string' || isMap(part.alert);
  const { action, title } = part;
  return (
    typeof part.content === 'string' &&
    part.content !== '' &&
    (title === undefined || typeof title === 'string') &&
    (action === undefined || (isMap(action) && isWhole(action.action_type, 0, 100)))
  );
}

function isCondition(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(
      (one) =>
        isMap(one) &&
        (one.key === 'tags' || one.key === 'alias') &&
        isList(one.values) &&
        typeof one.operate === 'string',
    )
  );
}

function isWord(value: unknown): value is string {
  return typeof value === 'string' && /^[\w-]{1,128}$/.test(value);
}

function isList(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= maxDevices &&
    value.every((one) => typeof one === 'string' && one !== '')
  );
}
