import { createHash } from 'node:crypto';
import type { RefusalCode } from './emulator-checks.ts';

/** An app as the emulated vendor knows it. */
export interface EmulatedApp {
  channelName: string;
  apiKey: string;
  secretKey: string;
  /** 3 Android, 4 iOS. */
  deviceType: '3' | '4';
}

/** A push call whose fields are good. */
export interface TakenCall {
  devices: readonly string[];
  /** What tells each push from others, in the order of the devices. */
  identities: readonly string[];
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
): TakenCall | RefusalCode {
  const deviceType = params.get('device_type') ?? app.deviceType;
  if (deviceType !== app.deviceType) return 30602;
  const isBatch = path.endsWith('/batch_device');
  const devices = isBatch
    ? deviceType === '3' && deviceList(params.get('channel_ids'))
    : [params.get('channel_id') ?? ''];
  if (!devices || devices.some((id) => !/^\d{1,20}$/.test(id))) return 30602;

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

  return { devices, identities: named(topic, devices.length) ?? devices.map((id) => digest(id, msg)) };
}

function deviceList(text: string | undefined): string[] | undefined {
  const list = parse(text ?? '');
  if (!Array.isArray(list) || list.length === 0 || list.length > maxBatchDevices) return undefined;
  return list.every((id) => typeof id === 'string') ? list : undefined;
}

function isNotification(msg: string): boolean {
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

function isIosMessage(msg: string): boolean {
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
function digest(device: string, msg: string): string {
  return createHash('sha256').update(`${device}\n${msg}`).digest('base64url');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}

function isCount(text: string, least: number, most: number): boolean {
  return /^\d{1,12}$/.test(text) && isWhole(Number(text), least, most);
}
