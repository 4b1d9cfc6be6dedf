import type { IncomingMessage } from 'node:http';
import { seededRandom } from '../answer-plan.ts';
import type { Emulator, EmulatorOptions } from '../emulator.ts';
import { type Answer, type Reply, slowMs, startServer } from '../emulator-server.ts';
import { EmulatorTally } from '../emulator-tally.ts';
import { channelOf, newApp } from './emulator-apps.ts';
import { authenticate } from './emulator-checks.ts';
import { DeviceBook } from './emulator-devices.ts';
import { endpoints } from './emulator-endpoints.ts';
import { type EmulatedCall, readCall } from './emulator-fields.ts';
import { TakenLedger } from './emulator-ledger.ts';
import { TargetPlan } from './emulator-plan.ts';
import { type AppState, type Reach, reach } from './emulator-push.ts';
import { TaskBook } from './emulator-tasks.ts';
import { readPackage } from './emulator-upload.ts';
import { parseMap, type Refusal } from './emulator-values.ts';

export interface TpnsEmulatorOptions extends EmulatorOptions {
  /** How far `TimeStamp` may be from the clock; 0 for no limit. Default 600, that of the predecessor's API. */
  windowSeconds?: number;
  /** HTTP status of an authentication failure: 200 with a return code, or a bare 403 (unsure). Default 200. */
  refusalStatus?: 200 | 403;
  /** What a call to an account without a device gets. Default 10010005. */
  missingAccountCode?: 10010005 | 10110008;
  /** What a call gets that skips invalid tokens and has no other (unsure). Default 0, with all of them listed. */
  allInvalidCode?: 0 | 1008029 | 10010005;
}

export interface TpnsEmulator extends Emulator {
  /** How `unavailable` shows: 1008004, or a gateway's 502 with a page of HTML. Default `api`. */
  setOutage(outage: 'api' | 'gateway'): void;
  /** What people do with a task: an operator in the console, or those who tap. */
  amend(pushId: string, change: { status?: string; clicked?: number }): void;
}

const pushPath = '/v3/push/app';
const uploadPath = '/v3/push/package/upload';
/** A package may have 100 MB, and its form around it. */
const maxBodyBytes = 101 * 1_048_576;

/**
 * TPNS's stand-in: one access point with an Android and an iOS app. A token of 36 hexadecimal digits is a device,
 * whoever made it up, so that tokens of an earlier run live on; any other is invalid. An answer to a call without
 * targets of its own is planned by its `audience_type` in place of a token.
 */
export async function startTpnsEmulator(options: TpnsEmulatorOptions): Promise<TpnsEmulator> {
  const now = options.now ?? Date.now;
  const random = seededRandom(options.seed);
  const states = (['android', 'ios'] as const).map(
    (platform): AppState => ({
      app: newApp(platform, options),
      devices: new DeviceBook(),
      tasks: new TaskBook(platform),
    }),
  );
  const apps = states.map(({ app }) => app);
  const plan = new TargetPlan(random);
  const tally = new EmulatorTally();
  const ledger = new TakenLedger(tally);
  let outage: 'api' | 'gateway' = 'api';
  let tokens = 0;
  // Odd and beyond 2^53: no double holds any of them.
  let pushIds = 9_007_199_427_184_207n;

  const { host, port, authority } = options;
  const server = await startServer({ host, port, authority, now, maxBodyBytes }, (request, body) => {
    tally.requests += 1;
    return replyTo(request, body);
  });

  function replyTo(request: IncomingMessage, body: Buffer): Reply {
    if (request.method !== 'POST') return { status: 405, body: 'method not allowed' };
    const path = request.url?.split('?', 1)[0] ?? '';
    const endpoint = Object.hasOwn(endpoints, path) ? endpoints[path] : undefined;
    if (endpoint === undefined && path !== pushPath && path !== uploadPath) {
      return { status: 404, body: 'not found' };
    }
    const nowMs = now();
    const isCamel = path === uploadPath || endpoint?.isCamel === true;
    const app = authenticate(request.headers, body, apps, nowMs, options.windowSeconds ?? 600);
    const state = states.find((known) => known.app === app);
    if ('code' in app || state === undefined) {
      const refusal = app as Refusal;
      if (options.refusalStatus !== 403) return refuse(refusal, 1, { isCamel });
      tally.refuse(refusal.code);
      return { status: 403, body: 'Forbidden' };
    }
    if (path === uploadPath) {
      const lines = readPackage(request.headers['content-type'], body);
      if (!Array.isArray(lines)) return refuse(lines, 1, { isCamel });
      return taken({ uploadId: state.devices.keepPackage(lines) }, isCamel);
    }
    if (endpoint !== undefined) {
      const fields = parseMap(body);
      const parseError: Refusal = { code: 1008001, words: 'params parse error' };
      const answer = fields === undefined ? parseError : endpoint.answer(fields, state, nowMs);
      return 'code' in answer ? refuse(answer as Refusal, 1, { isCamel }) : taken(answer, isCamel);
    }
    const call = readCall(body, app, nowMs);
    if ('code' in call) return refuse(call, 1, { seq: call.seq });
    const limit = call.toMany && ledger.checkToMany(app.accessId, call, nowMs);
    if (limit !== undefined) return refuse({ code: limit, words: 'too frequent' }, 1, { seq: call.seq });
    const told = request.headers['x-pushmill-pushes'];
    return settle(call, state, typeof told === 'string' ? told : undefined, nowMs);
  }

  /** The planned answer of a sound push. */
  function settle(call: EmulatedCall, state: AppState, told: string | undefined, nowMs: number): Reply {
    const isFound = call.targets.length === 0 || call.audience === 'account_list';
    const fate = plan.decide(isFound ? [call.audience] : call.targets, call.skipsInvalid);
    const delayMs = (options.latencyMs ?? 0) + (fate.slow ? slowMs : 0);
    const pushes = isFound ? 1 : call.targets.length;
    const no = (code: number, words: string): Reply => ({
      ...refuse({ code, words }, pushes, { seq: call.seq }),
      delayMs,
    });
    switch (fate.answer) {
      case 'timeout':
        return 'silence';
      case 'rejected':
        return no(1008019, 'harmful content');
      case 'misconfigured':
        return no(1008031, 'the app is out of date');
      case 'throttled':
        return no(1008028, 'too frequent');
      case 'unavailable':
        if (outage === 'api') return no(1008004, 'inner server error');
        tally.refuse(502, pushes);
        return { status: 502, body: '<html><body><h1>502 Bad Gateway</h1></body></html>', delayMs };
      case 'accepted':
      case 'reset':
      case 'goaway':
        break;
      default:
        return fate.answer satisfies never;
    }
    const reached = reach(call, state, fate.dead, {
      missingAccountCode: options.missingAccountCode ?? 10010005,
      allInvalidCode: options.allInvalidCode ?? 0,
      everybody: tokens,
    });
    if ('code' in reached) return no(reached.code, reached.words);
    ledger.take(call, told, reached.invalid);
    ledger.remember(state.app.accessId, call, nowMs);
    const lost = fate.dropped.has(call.audience) ? reached.planned : fate.dropped.size;
    const ids = Array.from({ length: call.toMany?.tasks ?? 1 }, () =>
      file(call, state, reached, lost, nowMs),
    );
    if (reached.invalid.size > 0) tally.refuse(1008029, reached.invalid.size);
    if (fate.answer === 'reset') return 'reset';
    const body = {
      seq: call.seq,
      push_id: ids.length === 1 ? ids[0] : ids,
      ret_code: 0,
      environment: call.environment,
      err_msg: 'NO_ERROR',
      result: '{}',
      ...(reached.invalid.size === 0 ? {} : { invalid_targe_list: [...reached.invalid] }),
    };
    return { status: 200, body, delayMs, last: fate.answer === 'goaway' };
  }

  /** Keeps what the record and the statistics will tell. @returns the push id */
  function file(call: EmulatedCall, state: AppState, reached: Reach, lost: number, nowMs: number): string {
    pushIds += 2n;
    const pushId = String(pushIds);
    state.tasks.add({
      pushId,
      takenMs: nowMs,
      sendMs: call.toMany?.sendAtMs ?? nowMs,
      audience: call.audience,
      messageType: call.messageType,
      message: call.message,
      environment: call.environment,
      expireTime: call.expireTime,
      collapseId: call.toMany?.collapseId ?? Number(pushIds % 1_000_000_000n),
      uploadId: call.toMany?.uploadId ?? 0,
      targets: call.targets,
      reached: reached.tokens,
      planned: reached.planned,
      arrived: reached.planned - lost,
      clicked: 0,
      status: undefined,
    });
    return pushId;
  }

  /** Whatever the API refuses, HTTP says 200. */
  function refuse(
    { code, words, result = [] }: Refusal,
    pushes: number,
    { isCamel = false, seq = 0 }: { isCamel?: boolean; seq?: number },
  ): Answer {
    tally.refuse(code, pushes);
    const body: Record<string, unknown> = isCamel
      ? { retCode: code, errMsg: words }
      : {
          seq,
          push_id: '',
          ret_code: code,
          environment: '',
          err_msg: words,
          result: result.length > 0 ? result : '',
        };
    return { status: 200, body };
  }

  return {
    vendor: 'tpns',
    origin: server.origin,
    channels: apps.map((app) => channelOf(app, server.origin, options.authority.certificate)),
    newToken() {
      tokens += 1;
      const noise = Array.from({ length: 24 }, () => Math.floor(random() * 16).toString(16)).join('');
      return `${noise}${tokens.toString(16).padStart(12, '0')}`;
    },
    plan: (token, ...answers) => plan.plan(token, answers),
    setFaults: (faults) => plan.setFaults(faults),
    // TPNS calls nobody: what became of a push is asked for (README.md).
    setCallback() {},
    setOutage(kind) {
      outage = kind;
    },
    amend(pushId, change) {
      const task = states.map(({ tasks }) => tasks.get(pushId)).find((found) => found !== undefined);
      if (task === undefined) throw new Error('no such task');
      Object.assign(task, change);
    },
    account: () => tally.account(),
    hasTaken: (push) => tally.hasTaken(push.id),
    close: () => server.close(),
  };
}

function taken(answer: Record<string, unknown>, isCamel: boolean): Reply {
  const said = isCamel ? { retCode: 0, errMsg: 'NO_ERROR' } : { ret_code: 0, err_msg: 'NO_ERROR' };
  return { status: 200, body: { ...said, ...answer } };
}
