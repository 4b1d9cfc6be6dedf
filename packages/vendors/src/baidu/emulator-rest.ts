import type { Answer, Reply } from '../emulator-server.ts';
import type { AnswerWriter } from './emulator-answers.ts';
import type { EmulatedApp } from './emulator-apps.ts';
import { checkCall, type ReceivedCall, type RefusalCode } from './emulator-checks.ts';
import { type Desk, PerSecond } from './emulator-desk.ts';
import { type RestCall, readCall } from './emulator-fields.ts';
import { recordCalls } from './emulator-records.ts';

export interface RestLimits {
  /** Calls a second over all apps before 30699. Baidu publishes none; default no limit. */
  maxCallsPerSecond?: number;
  /** `push/all` calls a second of an app before 30699. Default 1 (unsure). */
  maxBroadcastsPerSecond?: number;
  /** Pushes an app may send before 30604, until the emulator is closed. Default no limit. */
  quota?: number;
}

interface RestDeps {
  apps: readonly EmulatedApp[];
  desk: Desk;
  answers: AnswerWriter;
  now: () => number;
  signedOrigins: () => readonly string[];
  limits: RestLimits;
}

const root = '/rest/3.0/';
const pushPaths: ReadonlySet<string> = new Set([
  'push/single_device',
  'push/batch_device',
  'push/all',
  'push/tags',
]);
const maxTimers = 10;

const rules = {
  agent: 'BCCS_SDK/3.0',
  methodsOf: (path: string) =>
    pushPaths.has(path.slice(root.length)) ? ['POST'] : recordCalls.get(path.slice(root.length))?.methods,
};

/** REST 3.0, from the path to the answer. */
export function restService({ apps, desk, answers, now, signedOrigins, limits }: RestDeps) {
  const calls = new PerSecond(limits.maxCallsPerSecond);
  const broadcasts = new PerSecond(limits.maxBroadcastsPerSecond ?? 1);
  const sentBy = new Map<EmulatedApp, number>();
  const appOf = new Map(apps.map((app) => [app.name, app]));

  return (call: ReceivedCall): Reply => {
    const known = {
      now: now(),
      signedOrigins: signedOrigins(),
      secretOf: (key: string) => appOf.get(key)?.secret,
    };
    const params = checkCall(call, known, rules);
    if (typeof params === 'number') return refuse(params, 1);
    if (calls.isOver('', now())) return refuse(30699, 1);
    const app = appOf.get(params.get('apikey') as string) as EmulatedApp;
    const record = recordCalls.get(call.path.slice(root.length));
    if (record === undefined) return push(call.path, params, app);
    const told = record.call(app, params, Math.floor(now() / 1000));
    return typeof told === 'number' ? refuse(told, 1) : answers.told(told);
  };

  function push(path: string, params: ReadonlyMap<string, string>, app: EmulatedApp): Reply {
    const call = readCall(path, params, app, now());
    if (typeof call === 'number') return refuse(call, 1);
    const pushes = call.identities.length;
    if (call.to === 'all' && broadcasts.isOver(app.name, now())) return refuse(30699, pushes);
    const waiting = [...app.timers.values()].filter(({ sendTime }) => sendTime * 1000 > now());
    // Which code is not documented.
    if (call.sendTime !== undefined && waiting.length >= maxTimers) return refuse(30602, pushes);
    const sent = (sentBy.get(app) ?? 0) + pushes;
    if (sent > (limits.quota ?? Number.POSITIVE_INFINITY)) return refuse(30604, pushes);
    const gone = call.devices.find((device) => desk.unbound.has(device));
    if (gone !== undefined) return refuse(desk.unbound.get(gone) as RefusalCode, pushes);
    return desk.settle(call, {
      taken: (dropped) => {
        sentBy.set(app, sent);
        return keep(app, call, dropped);
      },
      refused: (kind) => {
        const code = codes[kind];
        return { answer: answers.refused(code), code: String(code) };
      },
    });
  }

  /** Notes a message and its timer, so that the reports know them. */
  function keep(app: EmulatedApp, call: RestCall, dropped: ReadonlySet<string>): Answer {
    const id = answers.newId();
    const sendTime = call.sendTime ?? Math.floor(now() / 1000);
    for (const device of call.devices) app.devices.add(device);
    if (call.to === 'device') return answers.taken(id, sendTime);
    app.messages.set(id, {
      id,
      topic: call.topic,
      sendTime,
      arrived: sizeOf(app, call) - dropped.size,
      failed: dropped.has(''),
    });
    if (call.sendTime === undefined) return answers.taken(id, sendTime);
    const timer = { id: answers.newId(), messageId: id, sendTime };
    app.timers.set(timer.id, timer);
    return answers.taken(id, sendTime, timer.id);
  }

  function refuse(code: RefusalCode, pushes: number): Answer {
    desk.tally.refuse(code, pushes);
    return answers.refused(code);
  }
}

/** Devices that a call means. A selector's form is not known: it means everybody. */
function sizeOf(app: EmulatedApp, call: RestCall): number {
  if (call.to === 'devices') return call.devices.length;
  return call.to === 'tag' ? (app.tags.get(call.tag as string)?.size ?? 0) : app.devices.size;
}

/** What the plan's kinds are here; 2.0 has the same codes. */
export const codes = {
  'token-dead': 30608,
  rejected: 30602,
  misconfigured: 30603,
  throttled: 30699,
  unavailable: 30600,
} as const satisfies Record<string, RefusalCode>;
