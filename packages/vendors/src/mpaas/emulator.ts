import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { AnswerPlan, seededRandom } from '../answer-plan.ts';
import { issueServerCertificate } from '../authority.ts';
import type { Emulator, EmulatorOptions } from '../emulator.ts';
import type { Dialect, Reply } from './emulator-answers.ts';
import { gatewayError, openApiDialect, restDialect } from './emulator-answers.ts';
import type { App } from './emulator-apps.ts';
import { createConsole } from './emulator-apps.ts';
import { checkGatewayCall, checkRestSignature, NonceMemory } from './emulator-checks.ts';
import type { EmulatedCall } from './emulator-fields.ts';
import { checkFields, fromParams, fromRestBody } from './emulator-fields.ts';
import type { ReceiptFaults } from './emulator-receipts.ts';
import { ReceiptSender } from './emulator-receipts.ts';

export interface MpaasEmulatorOptions extends EmulatorOptions {
  /** What `close` does with receipts that are due and not sent. Default `drop`. */
  receiptsAtClose?: 'flush' | 'drop';
}

export interface MpaasEmulator extends Emulator {
  /** Faults of the callback that `setFaults` has no word for. */
  setReceiptFaults(faults: ReceiptFaults): void;
  /** The console's switch of the rest interface: off answers 3032. */
  setRestSwitch(channelName: string, on: boolean): void;
  /** Forged calls that the receiver did not answer 2xx. */
  refusedForgeries(): number;
}

const maxBodyBytes = 1_048_576;
const slowMs = 500;
const dayMs = 86_400_000;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/**
 * MPS's stand-in: the gateway of interface A at `/`, interface B at `/push/...`, and the callback.
 * A target that begins with `ios-` is an iPhone; any other is Android on MPS's own channel.
 */
export async function startMpaasEmulator(options: MpaasEmulatorOptions): Promise<MpaasEmulator> {
  const host = options.host ?? '127.0.0.1';
  const now = options.now ?? Date.now;
  const random = seededRandom(options.seed);
  const [tls, { apps, channelsAt }] = await Promise.all([
    issueServerCertificate(options.authority, {
      hosts: [...new Set([host, '127.0.0.1', 'localhost'])],
      // Real time and not `now`: the client's TLS asks the real clock.
      notBefore: new Date(Date.now() - dayMs),
      notAfter: new Date(Date.now() + 365 * dayMs),
    }),
    createConsole(),
  ]);
  const plan = new AnswerPlan(random);
  const receipts = new ReceiptSender(random, options.authority.certificate);
  const nonces = new NonceMemory();
  const takenKeys = new Set<string>();
  const refused: Record<string, number> = {};
  const delayed = new Set<NodeJS.Timeout>();
  let requests = 0;
  let duplicates = 0;
  let tokens = 0;

  const server = https.createServer({ cert: tls.certificate, key: tls.privateKey }, (request, response) => {
    readBody(request).then(
      (body) => {
        requests += 1;
        write(response, replyTo(request, body));
      },
      // The client left, or sent more than anything sensible.
      () => response.destroy(),
    );
  });
  server.keepAliveTimeout = 60_000;

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
      count(checked.code, 1);
      return gatewayError(checked.status, checked.code, checked.message);
    }
    const owned = apps.filter((app) => app.accessKeyId === checked.accessKeyId);
    return settle(fromParams(checked.action, checked.params), owned, openApiDialect);
  }

  function replyOfRest(segments: readonly string[], body: Buffer): Reply {
    const [, method, appId, workspaceId, signature] = segments as [string, string, string, string, string];
    const refuse = (code: string, name: string) => {
      count(code, 1);
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
    if (typeof fields !== 'object' || fields === null || !/^push(simple|template)$/.test(method)) {
      return refuse('3028', 'INVALID_PARAM');
    }
    const call = fromRestBody(method, appId, workspaceId, fields as Record<string, unknown>);
    return settle(call, [app], restDialect);
  }

  /** The same for both interfaces once the signature is good: the fields, then the planned answer. */
  function settle(call: EmulatedCall, owned: readonly App[], dialect: Dialect): Reply {
    const refusal = checkFields(call);
    if (refusal !== undefined) {
      count(refusal.code, 1);
      return dialect.refused(refusal.code, refusal.name);
    }
    const app = owned.find((known) => known.appId === call.appId && known.workspaceId === call.workspaceId);
    if (app === undefined) {
      count('3007', 1);
      return dialect.refused('3007', 'APPID_WRONG');
    }
    const targets = Object.entries(call.targets as Record<string, string>);
    const fate = plan.decide(targets.map(([target]) => target));
    const delayMs = (options.latencyMs ?? 0) + (fate.slow ? slowMs : 0);
    const refuse = (code: string, name: string) => {
      count(code, targets.length);
      return { ...dialect.refused(code, name), delayMs };
    };
    switch (fate.answer) {
      case 'accepted':
        take(app, call, targets, fate.dropped);
        return { ...dialect.taken(), delayMs };
      case 'goaway':
        take(app, call, targets, fate.dropped);
        return { ...dialect.taken(), delayMs, last: true };
      case 'reset':
        take(app, call, targets, fate.dropped);
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
        count('Throttling', targets.length);
        return { ...dialect.throttled(), delayMs };
      case 'unavailable':
        count('unavailable', targets.length);
        return { ...dialect.unavailable(), delayMs };
      default:
        return fate.answer satisfies never;
    }
  }

  function take(
    app: App,
    call: EmulatedCall,
    targets: readonly (readonly [string, string])[],
    dropped: ReadonlySet<string>,
  ): void {
    for (const [target, msgKey] of targets) {
      if (takenKeys.has(msgKey)) duplicates += 1;
      takenKeys.add(msgKey);
      if (app.callbackUrl === undefined) continue;
      const isIos = target.startsWith('ios-') || call.deliveryType === 2;
      const failure = isIos ? (['2011', 'Unregistered'] as const) : (['80000004', 'AppUninstalled'] as const);
      const [statusCode, statusDesc] = dropped.has(target) ? failure : (['2', 'Acked'] as const);
      receipts.add(
        app.callbackUrl,
        app.callbackKey,
        {
          target,
          msgKey,
          osType: isIos ? 'ios' : 'android',
          statusCode,
          statusDesc,
          success: !dropped.has(target),
        },
        plan.chance('duplicate-receipt'),
      );
    }
  }

  function count(code: string, pushes: number): void {
    refused[code] = (refused[code] ?? 0) + pushes;
  }

  function write(response: ServerResponse, reply: Reply): void {
    if (reply === 'silence') return;
    if (reply === 'reset') {
      response.socket?.destroy();
      return;
    }
    const send = () => {
      const text = JSON.stringify(reply.body);
      if (reply.last) response.setHeader('connection', 'close');
      response.writeHead(reply.status, {
        // The vendor's clock, which a sender may correct its own by.
        date: new Date(now()).toUTCString(),
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(text),
      });
      response.end(text);
    };
    if (!reply.delayMs) {
      send();
      return;
    }
    const timer = setTimeout(() => {
      delayed.delete(timer);
      send();
    }, reply.delayMs);
    delayed.add(timer);
  }

  function appNamed(channelName: string): App {
    const app = apps.find((known) => known.channelName === channelName);
    if (app === undefined) throw new Error(`The mpaas emulator has no channel ${channelName}`);
    return app;
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, host, () => resolve());
  });
  const origin = `https://${host}:${(server.address() as AddressInfo).port}`;

  return {
    vendor: 'mpaas',
    origin,
    channels: channelsAt(origin, options.authority.certificate),
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
    setReceiptFaults(faults) {
      receipts.faults = { ...faults };
    },
    setRestSwitch(channelName, on) {
      appNamed(channelName).restSwitch = on;
    },
    refusedForgeries: () => receipts.refusedForgeries,
    account: () => ({
      requests,
      accepted: takenKeys.size,
      duplicates,
      refused: { ...refused },
      receiptsSent: receipts.sent,
      receiptsTaken: receipts.taken,
    }),
    // The msgKey of a push is its id.
    hasTaken: (push) => takenKeys.has(push.id),
    async close() {
      for (const timer of delayed) clearTimeout(timer);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await Promise.all([closed, receipts.close(options.receiptsAtClose === 'flush')]);
    },
  };
}

/** @throws when the client leaves in the middle, or the body is too long */
async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) throw new Error('body too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
