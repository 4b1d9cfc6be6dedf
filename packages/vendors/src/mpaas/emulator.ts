import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { CallPlan, seededRandom } from '../answer-plan.ts';
import type { Emulator, EmulatorOptions } from '../emulator.ts';
import type { ReceiptOptions } from '../emulator-receipts.ts';
import { type Reply, slowMs, startServer } from '../emulator-server.ts';
import { EmulatorTally } from '../emulator-tally.ts';
import type { Dialect } from './emulator-answers.ts';
import { gatewayError, openApiDialect, restDialect } from './emulator-answers.ts';
import { type App, broadcastDevices, createConsole } from './emulator-apps.ts';
import { checkGatewayCall, checkRestSignature, NonceMemory } from './emulator-checks.ts';
import type { EmulatedCall } from './emulator-fields.ts';
import { checkFields, fromParams, fromRestBody, isText, kindOfPush, refuse } from './emulator-fields.ts';
import { Memory, operationReply } from './emulator-operations.ts';
import { mpaasReceipts, type ReceiptManner } from './emulator-receipts.ts';

export interface MpaasEmulatorOptions extends EmulatorOptions, ReceiptOptions {}

export interface MpaasEmulator extends Emulator {
  /** What of the callback `setFaults` has no word for. */
  setReceiptManner(manner: ReceiptManner): void;
  /** The console's switch of the rest interface: off answers 3032. */
  setRestSwitch(channelName: string, on: boolean): void;
  /** Forged calls that the receiver did not answer 2xx. */
  refusedForgeries(): number;
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/**
 * MPS's stand-in: the gateway of interface A at `/`, interface B at `/push/...`, and the callback.
 * A target that begins with `ios-` is an iPhone; any other is Android on MPS's own channel.
 */
export async function startMpaasEmulator(options: MpaasEmulatorOptions): Promise<MpaasEmulator> {
  const now = options.now ?? Date.now;
  const random = seededRandom(options.seed);
  const { apps, channelsAt } = await createConsole(options.authority);
  const plan = new CallPlan(random);
  const tally = new EmulatorTally();
  let manner: ReceiptManner = {};
  const ca = options.authority.certificate;
  const receipts = mpaasReceipts({ ...options, ca, plan, random }, () => manner);
  const nonces = new NonceMemory();
  const memory = new Memory();
  let tokens = 0;

  function replyTo(request: IncomingMessage, body: Buffer): Reply {
    const [path, rawQuery = ''] = (request.url ?? '').split('?', 2) as [string, string?];
    if (path === '/') return replyOfGateway(request, rawQuery, body);
    const segments = path.split('/').slice(1);
    const isRest = request.method === 'POST' && segments.length === 5 && segments[0] === 'push';
    return isRest ? replyOfRest(segments, body) : { status: 404, body: { error: 'not found' } };
  }

  function replyOfGateway(request: IncomingMessage, rawQuery: string, body: Buffer): Reply {
    const checked = checkGatewayCall({
      method: request.method ?? '',
      rawQuery,
      headers: request.headers,
      body,
      now: now(),
      nonces,
      secretOf: (id) => apps.find((app) => app.accessKeyId === id)?.accessKeySecret,
    });
    if ('code' in checked) {
      tally.refuse(checked.code);
      return gatewayError(checked.status, checked.code, checked.message);
    }
    const { action, params } = checked;
    const [appId, workspaceId] = [params.get('AppId'), params.get('WorkspaceId')];
    const refusedBy = (refusal: { code: string; name: string }) => {
      tally.refuse(refusal.code);
      return openApiDialect.refused(refusal.code, refusal.name);
    };
    if (!isText(appId) || !isText(workspaceId)) return refusedBy(refuse(3003));
    const app = apps.find((known) => known.appId === appId && known.workspaceId === workspaceId);
    if (app === undefined || app.accessKeyId !== checked.accessKeyId) return refusedBy(refuse(3007));
    const reply = operationReply({ action, params, app, memory, isKnown });
    if (reply !== undefined) return reply;
    const kind = kindOfPush(action.toLowerCase()) as EmulatedCall['kind'];
    return settle(fromParams(kind, params), app, openApiDialect);
  }

  function replyOfRest(segments: readonly string[], body: Buffer): Reply {
    const [, method, appId, workspaceId, signature] = segments as [string, string, string, string, string];
    const refuse = (code: string, name: string) => {
      tally.refuse(code);
      return restDialect.refused(code, name);
    };
    const app = apps.find((known) => known.appId === appId && known.workspaceId === workspaceId);
    if (app === undefined) return refuse('3007', 'APPID_WRONG');
    if (!app.restSwitch || app.uploadedKey === undefined) return refuse('3032', 'REST_API_SWITCH_NOT_OPEN');
    if (!checkRestSignature(signature, body, app.uploadedKey)) return refuse('-1', 'SIGNATURE_MISMATCH');
    let fields: unknown;
    try {
      fields = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    } catch (error) {
      const isText = error instanceof SyntaxError;
      return isText ? refuse('3028', 'INVALID_PARAM') : refuse('3031', 'REQUEST_SHOULD_BE_UTF8');
    }
    const kind = kindOfPush(method);
    if (typeof fields !== 'object' || fields === null || kind === undefined) {
      return refuse('3028', 'INVALID_PARAM');
    }
    const call = fromRestBody(kind, appId, workspaceId, fields as Record<string, unknown>);
    return settle(call, app, restDialect);
  }

  /** The same for both interfaces once the signature is good: the fields, then the planned answer. */
  function settle(call: EmulatedCall, app: App, dialect: Dialect): Reply {
    const refusal = checkFields(call, app.templates);
    if (refusal !== undefined) {
      tally.refuse(refusal.code);
      return dialect.refused(refusal.code, refusal.name);
    }
    const isBroadcast = call.kind === 'broadcast';
    // A broadcast names no token, so what is planned for the empty one is for it.
    const targets = isBroadcast ? [''] : call.targets.map(({ target }) => target as string);
    const fate = plan.decide(targets);
    const delayMs = (options.latencyMs ?? 0) + (fate.slow ? slowMs : 0);
    const refuse = (code: string, name: string) => {
      tally.refuse(code, targets.length);
      return { ...dialect.refused(code, name), delayMs };
    };
    const taskId = randomUUID().replaceAll('-', '');
    switch (fate.answer) {
      case 'accepted':
        take(app, call, taskId, fate.dropped);
        return { ...dialect.taken(taskId), delayMs };
      case 'goaway':
        take(app, call, taskId, fate.dropped);
        return { ...dialect.taken(taskId), delayMs, last: true };
      case 'reset':
        take(app, call, taskId, fate.dropped);
        return 'reset';
      case 'timeout':
        return 'silence';
      case 'rejected':
        return refuse('3028', 'INVALID_PARAM');
      case 'misconfigured':
        return refuse('-1', 'SIGNATURE_MISMATCH');
      case 'token-dead':
        return refuse('8005', 'DEVICE_UNBIND');
      case 'throttled':
        tally.refuse('Throttling', targets.length);
        return { ...dialect.throttled(), delayMs };
      case 'unavailable':
        tally.refuse('unavailable', targets.length);
        return { ...dialect.unavailable(), delayMs };
      default:
        return fate.answer satisfies never;
    }
  }

  function take(app: App, call: EmulatedCall, taskId: string, dropped: ReadonlySet<string>): void {
    const isBroadcast = call.kind === 'broadcast';
    if (isBroadcast || call.kind === 'multiple') memory.made(app, taskId);
    if (isBroadcast) {
      const msgKey = call.msgKey as string;
      // Counted as the push that it begins with.
      tally.take(msgKey.replace(/\.broadcast$/, ''));
      if (isForLater(app, call, taskId)) return;
      for (const device of broadcastDevices) report(app, call, device, msgKey, dropped.has(''));
      return;
    }
    for (const { target, msgKey } of call.targets as readonly { target: string; msgKey: string }[]) {
      tally.take(msgKey);
      if (call.kind !== 'multiple') memory.took(app, msgKey, target);
      report(app, call, target, msgKey, dropped.has(target));
    }
  }

  /** Whether `newToken` made it: its end is a number. */
  function isKnown(token: string): boolean {
    return token.length === 24 && Number.parseInt(token.slice(12), 36) <= tokens;
  }

  /** Keeps a broadcast whose time has not come. */
  function isForLater(app: App, call: EmulatedCall, taskId: string): boolean {
    const strategy = (call.strategy ?? {}) as { fixedTime?: number; startTime?: number };
    const pushTime = strategy.fixedTime ?? strategy.startTime;
    if (!call.strategyType || pushTime === undefined) return false;
    if (call.strategyType === 1 && pushTime <= now()) return false;
    app.schedules.set(taskId, {
      strategyType: call.strategyType as number,
      deliveryType: call.deliveryType as number,
      pushTime,
      title: call.templateName as string,
      madeAt: now(),
    });
    return true;
  }

  function report(app: App, call: EmulatedCall, target: string, msgKey: string, isLost: boolean): void {
    const isIos = target.startsWith('ios-') || call.deliveryType === 2;
    const failure = isIos ? (['2011', 'Unregistered'] as const) : (['80000004', 'AppUninstalled'] as const);
    const [statusCode, statusDesc] = isLost ? failure : (['2', 'Acked'] as const);
    const osType = isIos ? 'ios' : 'android';
    receipts.add(app, { target, msgKey, osType, statusCode, statusDesc, success: !isLost });
  }

  function appNamed(channelName: string): App {
    const app = apps.find((known) => known.channelName === channelName);
    if (app === undefined) throw new Error(`The mpaas emulator has no channel ${channelName}`);
    return app;
  }

  const { host, port, authority } = options;
  const server = await startServer({ host, port, authority, now }, (request, body) => {
    tally.requests += 1;
    return replyTo(request, body);
  });

  return {
    vendor: 'mpaas',
    origin: server.origin,
    channels: channelsAt(server.origin, ca),
    newToken() {
      tokens += 1;
      const noise = Array.from({ length: 12 }, () => alphabet[Math.floor(random() * alphabet.length)]).join(
        '',
      );
      return `${noise}${tokens.toString(36).padStart(12, '0')}`;
    },
    plan: (token, ...answers) => plan.plan(token, answers),
    setFaults: (faults) => plan.setFaults(faults),
    setCallback(channelName, url) {
      appNamed(channelName).callbackUrl = new URL(url);
    },
    setReceiptManner(wanted) {
      manner = { ...wanted };
    },
    setRestSwitch(channelName, on) {
      appNamed(channelName).restSwitch = on;
    },
    refusedForgeries: () => receipts.refusedForgeries,
    account: () => tally.account(receipts),
    // The msgKey of a push is its id.
    hasTaken: (push) => tally.hasTaken(push.id),
    async close() {
      await Promise.all([server.close(), receipts.close()]);
    },
  };
}
