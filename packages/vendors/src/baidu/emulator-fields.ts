import { createHash } from 'node:crypto';
import type { EmulatedApp } from './emulator-apps.ts';
import type { RefusalCode } from './emulator-checks.ts';
import type { TakenCall } from './emulator-desk.ts';

/** A push call of 3.0 whose fields are good. */
export interface RestCall extends TakenCall {
  to: 'device' | 'devices' | 'all' | 'tag' | 'selector';
  tag: string | undefined;
  topic: string | undefined;
  /** Unix seconds, when it is to wait. */
  sendTime: number | undefined;
}

const maxBatchDevices = 10_000;
/** For iOS as well, as newer pages have it. */
const maxBytes = 4_096;
const weekSeconds = 604_800;
const yearSeconds = 31_536_000;

/** What Baidu finds wrong with the parameters of a push call; every fault has the same code there. */
export function readCall(
  path: string,
  params: ReadonlyMap<string, string>,
  app: EmulatedApp,
  nowMs: number,
): RestCall | RefusalCode {
  const deviceType = params.get('device_type') ?? app.deviceType;
  if (deviceType !== app.deviceType) return 30602;
  const to = targetOf(path, params);
  if (to === undefined || (to === 'devices' && deviceType !== '3')) return 30602;
  const devices = devicesOf(to, params);
  if (!devices || devices.some((id) => !/^\d{1,20}$/.test(id))) return 30602;
  const tag = params.get('tag');
  if (to === 'tag' && !isTag(tag)) return 30602;
  if (to === 'tag' && !app.tags.has(tag as string)) return 30611;

  const msg = params.get('msg') ?? '';
  const msgType = params.get('msg_type') ?? '0';
  if (msg === '' || Buffer.byteLength(msg) > maxBytes) return 30602;
  if (msgType !== '0' && msgType !== '1') return 30602;
  if (deviceType === '4' ? !isIosMessage(msg) : msgType === '1' && !isNotification(msg)) return 30602;

  if (!isCount(params.get('msg_expires') ?? '18000', 0, weekSeconds)) return 30602;
  if (!isCount(params.get('deploy_status') ?? '2', 1, 2)) return 30602;
  if (!isCount(params.get('channel_type') ?? '0', 0, 1)) return 30602;
  const topic = params.get('topic_id');
  if (topic !== undefined && !/^\w{1,128}$/.test(topic)) return 30602;
  const sendTime = params.get('send_time');
  const nowSeconds = Math.floor(nowMs / 1000);
  if (sendTime !== undefined && !isCount(sendTime, nowSeconds + 61, nowSeconds + yearSeconds)) return 30602;

  // An audience is one push, whoever is in it.
  const pushes = devices.length === 0 ? [`${to} ${tag ?? params.get('selector') ?? ''}`] : devices;
  return {
    to,
    tag,
    topic,
    sendTime: sendTime === undefined ? undefined : Number(sendTime),
    devices,
    identities: named(topic, pushes.length) ?? pushes.map((id) => digest(id, msg)),
  };
}

function targetOf(path: string, params: ReadonlyMap<string, string>): RestCall['to'] | undefined {
  if (path.endsWith('/single_device')) return 'device';
  if (path.endsWith('/batch_device')) return 'devices';
  if (path.endsWith('/all')) return 'all';
  if (params.get('type') === '1') return 'tag';
  return params.get('type') === '6' && params.get('selector') ? 'selector' : undefined;
}

function devicesOf(to: RestCall['to'], params: ReadonlyMap<string, string>): string[] | undefined {
  if (to === 'device') return [params.get('channel_id') ?? ''];
  return to === 'devices' ? deviceList(params.get('channel_ids'), maxBatchDevices) : [];
}

export function isTag(tag: string | undefined): tag is string {
  return tag !== undefined && tag.length >= 1 && tag.length <= 128;
}

export function deviceList(text: string | undefined, most: number): string[] | undefined {
  const list = parse(text ?? '');
  if (!Array.isArray(list) || list.length === 0 || list.length > most) return undefined;
  return list.every((id) => typeof id === 'string') ? list : undefined;
}

export function isNotification(msg: string): boolean {
  const body = parse(msg);
  if (!isMap(body) || typeof body.description !== 'string' || body.description === '') return false;
  const style = body.notification_basic_style ?? 7;
  const openType = body.open_type ?? 0;
  return (
    isWhole(style, 0, 7) &&
    isWhole(openType, 0, 2) &&
    (openType !== 1 || typeof body.url === 'string') &&
    (body.custom_content === undefined || isMap(body.custom_content))
  );
}

export function isIosMessage(msg: string): boolean {
  const body = parse(msg);
  return isMap(body) && isMap(body.aps) && (typeof body.aps.alert === 'string' || isMap(body.aps.alert));
}

/**
 * Push ids out of a topic of the sender's: `<message id>_<n or first t last>_...`. Baidu has no place for
 * the id of a push; this one is free to name.
 * @returns undefined for any other topic, or one that does not name as many pushes as there are devices
 */
export function named(topic: string | undefined, devices: number): string[] | undefined {
  const match =
    /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})((?:_\d{1,9}(?:t\d{1,9})?)+)$/.exec(
      topic ?? '',
    );
  if (match === null) return undefined;
  const id = match.slice(1, 6).join('-');
  const ids: string[] = [];
  for (const run of (match[6] as string).slice(1).split('_')) {
    const [first = 0, last = first] = run.split('t').map(Number);
    if (last - first >= devices) return undefined;
    for (let n = first; n <= last; n += 1) ids.push(`${id}.${n}`);
  }
  return ids.length === devices ? ids : undefined;
}

/** For calls of others, whose topic names no push: the same text to the same device counts as a repetition. */
export function digest(device: string, msg: string): string {
  return createHash('sha256').update(`${device}\n${msg}`).digest('base64url');
}

export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isWhole(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}

export function isCount(text: string, least: number, most: number): boolean {
  return /^\d{1,12}$/.test(text) && isWhole(Number(text), least, most);
}
