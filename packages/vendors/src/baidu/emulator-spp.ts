import { type Answer, jsonType, type Reply } from '../emulator-server.ts';
import type { EmulatedApp } from './emulator-apps.ts';
import { decodePairs, digestOfText, type ReceivedCall, sameText } from './emulator-checks.ts';
import type { Desk } from './emulator-desk.ts';
import type { SppReceipts } from './emulator-receipts.ts';
import { readSppPush, type SppPush } from './emulator-spp-fields.ts';

export interface SppLimits {
  /** Calls of `broadcast` and of `tags` that an app may make a day. Default 200. */
  maxBroadcastsPerDay?: number;
  /** A word for which the content is refused with 300001. */
  sensitiveWord?: string;
  /** Types of the receipts that a device gives rise to, in order. Default 1, arrived; a dropped one has 0, sent. */
  receiptTypes?: readonly number[];
}

interface SppDeps {
  apps: readonly EmulatedApp[];
  desk: Desk;
  receipts: SppReceipts;
  now: () => number;
  signedOrigins: () => readonly string[];
  limits: SppLimits;
}

const root = '/push/api/open/v1/';
/** How far a timestamp may be off: "very different" is all that the page says. */
const maxSkewSeconds = 600;
const dayMs = 86_400_000;

/** Codes and statuses that no page prints are made up, but for the range: 3xxxxx for what is wrong with a call. */
const refusals = {
  300001: [200, 'content holds sensitive words'],
  300100: [200, 'invalid params'],
  300200: [200, 'invalid push_id'],
  403: [403, 'sign check failed'],
  404: [404, 'no such method'],
  429: [429, 'too many calls'],
  500: [500, 'internal error'],
} as const;
type SppCode = keyof typeof refusals;

const codes = {
  'token-dead': 300200,
  rejected: 300100,
  misconfigured: 403,
  throttled: 429,
  unavailable: 500,
} as const;

/** SPP: messages, the state of a device, and the question about quotas. */
export function sppService({ apps, desk, receipts, now, signedOrigins, limits }: SppDeps) {
  const appOf = new Map(apps.map((app) => [app.name, app]));
  /** Calls of a method by an app on a day. */
  const calls = new Map<string, number>();
  /** Refused as dead by plan, until they are taken again. */
  const dead = new Set<string>();
  let ids = 0;

  return (call: ReceivedCall): Reply => {
    const method = call.path.slice(root.length);
    const query = new Map<string, string>();
    if (!decodePairs(call.rawQuery, query)) return refuse(300100, 1);
    const app = appOf.get(query.get('appkey') ?? '');
    if (app === undefined || !isSigned(call, query, app)) return refuse(403, 1);
    const body = parse(call.body);
    if (call.method !== 'POST' || body === undefined) return refuse(300100, 1);
    switch (method) {
      case 'app/info/platform/quota':
        return answer(0, '', { platforms: [] });
      case 'device/status': {
        const { push_id: device } = body;
        if (typeof device !== 'string') return refuse(300100, 1);
        return answer(0, '', { status: isDead(device) ? 'invalid' : 'online' });
      }
      case 'message/delete':
        return typeof body.msg_id === 'string' ? answer(0, '', {}) : refuse(300100, 1);
      default: {
        if (!/^message\/(unicast|multicast|broadcast|cuids|tags)$/.test(method)) return refuse(404, 1);
        return push(method.slice('message/'.length), body, app);
      }
    }
  };

  function isSigned(call: ReceivedCall, query: ReadonlyMap<string, string>, app: EmulatedApp): boolean {
    const [timestamp = '', sign = ''] = [query.get('timestamp'), query.get('sign')];
    if (!/^\d{1,12}$/.test(timestamp)) return false;
    if (Math.abs(now() / 1000 - Number(timestamp)) > maxSkewSeconds) return false;
    return signedOrigins().some((origin) => {
      const text = [
        call.method,
        origin,
        call.path,
        call.body.toString('utf8'),
        app.name,
        timestamp,
        app.secret,
      ];
      return sameText(sign, digestOfText(text.join('')));
    });
  }

  function push(method: string, body: Record<string, unknown>, app: EmulatedApp): Reply {
    const call = readSppPush(method, body, now());
    if (call === undefined) return refuse(300100, 1);
    const pushes = call.identities.length;
    if (limits.sensitiveWord !== undefined && JSON.stringify(body).includes(limits.sensitiveWord)) {
      return refuse(300001, pushes);
    }
    if (method === 'broadcast' || method === 'tags') {
      const key = `${app.name} ${method} ${Math.floor(now() / dayMs)}`;
      const count = (calls.get(key) ?? 0) + 1;
      calls.set(key, count);
      if (count > (limits.maxBroadcastsPerDay ?? 200)) return refuse(429, pushes);
    }
    if (call.devices.some((device) => desk.unbound.has(device))) return refuse(300200, pushes);
    return desk.settle(call, {
      taken: (dropped) => take(app, call, dropped),
      refused: (kind) => {
        if (kind === 'token-dead') for (const device of call.devices) dead.add(device);
        const [status, words] = refusals[codes[kind]];
        return { answer: written(status, codes[kind], words, {}), code: String(codes[kind]) };
      },
    });
  }

  /** A message is on its way: each device it means will be reported, as far as the emulator knows the devices. */
  function take(app: EmulatedApp, call: SppPush, dropped: ReadonlySet<string>): Answer {
    const messageId = String(newId());
    for (const device of call.devices) {
      dead.delete(device);
      app.devices.add(device);
    }
    const devices = call.devices.length > 0 ? call.devices : (call.cuids ?? [...app.devices].slice(0, 3));
    for (const device of devices) {
      // Of a failure nothing is told: the message was sent, and that is the last that is heard.
      const types = dropped.has(device) || dropped.has('') ? [0] : (limits.receiptTypes ?? [1]);
      for (const type of types) receipts.add(app, { device, messageId, type, extInfo: call.cbparams });
    }
    return answer(0, '', { msg_id: messageId });
  }

  function isDead(device: string): boolean {
    return dead.has(device) || desk.unbound.has(device);
  }

  function newId(): number {
    ids += 1;
    return 123_456 + ids;
  }

  function answer(code: number, message: string, result: object): Answer {
    return written(200, code, message, result);
  }

  /** `request_id` is an int64. */
  function written(status: number, code: number, message: string, result: object): Answer {
    const requestId = 9_223_372_036_000_000_000n + BigInt(newId());
    const body = `{"request_id":${requestId},"code":${code},"message":${JSON.stringify(message)},"result":${JSON.stringify(result)}}`;
    return { status, type: jsonType, body };
  }

  function refuse(code: SppCode, pushes: number): Answer {
    desk.tally.refuse(code, pushes);
    const [status, words] = refusals[code];
    return written(status, code, words, {});
  }
}

function parse(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
