import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { seededRandom } from '../answer-plan.ts';
import { issueServerCertificate } from '../authority.ts';
import type { Emulator, EmulatorChannel, EmulatorOptions } from '../emulator.ts';
import type { App } from './emulator-checks.ts';
import { authenticate } from './emulator-checks.ts';
import { type EmulatedCall, readCall } from './emulator-fields.ts';
import { TakenLedger } from './emulator-ledger.ts';
import { AnswerPlan } from './emulator-plan.ts';

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
}

/** What the server does with a call in the end. */
type Reply =
  | {
      status: number;
      /** Objects are sent as JSON. */
      body: Record<string, unknown> | string;
      delayMs?: number;
      /** HTTP/1.1's way of going away: this answer is the connection's last. */
      last?: boolean;
    }
  | 'silence'
  | 'reset';

const maxBodyBytes = 1_048_576;
const slowMs = 500;
const dayMs = 86_400_000;
const tokenForm = /^[0-9a-f]{36}$/;

/**
 * TPNS's stand-in: one access point with an Android and an iOS app, and `/v3/push/app`. A token of 36 hexadecimal
 * digits is a device, whoever made it up, so that tokens of an earlier run live on; any other is invalid.
 */
export async function startTpnsEmulator(options: TpnsEmulatorOptions): Promise<TpnsEmulator> {
  const host = options.host ?? '127.0.0.1';
  const now = options.now ?? Date.now;
  const random = seededRandom(options.seed);
  const tls = await issueServerCertificate(options.authority, {
    hosts: [...new Set([host, '127.0.0.1', 'localhost'])],
    // Real time and not `now`: the client's TLS asks the real clock.
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + 365 * dayMs),
  });
  const apps = ['android', 'ios'].map((platform) => newApp(platform as App['platform'], options));
  const plan = new AnswerPlan(random);
  const ledger = new TakenLedger();
  const refused: Record<string, number> = {};
  const delayed = new Set<NodeJS.Timeout>();
  let outage: 'api' | 'gateway' = 'api';
  let requests = 0;
  let tokens = 0;
  let pushIds = 427_184_208;

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
    if (request.method !== 'POST') return { status: 405, body: 'method not allowed' };
    if (request.url?.split('?', 1)[0] !== '/v3/push/app') return { status: 404, body: 'not found' };
    const nowMs = now();
    const app = authenticate(request.headers, body, apps, nowMs, options.windowSeconds ?? 600);
    if ('code' in app) {
      if (options.refusalStatus !== 403) return refuse(app.code, app.words, 1);
      count(app.code, 1);
      return { status: 403, body: 'Forbidden' };
    }
    const call = readCall(body, app, nowMs);
    if ('code' in call) return refuse(call.code, call.words, 1, call.seq);
    if (call.targets.length === 0) {
      const limit = ledger.checkToMany(app.accessId, call.audience, body, nowMs);
      if (limit !== undefined) return refuse(limit, 'too frequent', 1, call.seq);
    }
    const told = request.headers['x-pushmill-pushes'];
    return settle(call, typeof told === 'string' ? told : undefined);
  }

  /** The planned answer of a sound call. */
  function settle(call: EmulatedCall, told: string | undefined): Reply {
    const { targets } = call;
    const isToken = call.audience.startsWith('token');
    const fate = plan.decide(targets, call.skipsInvalid);
    const delayMs = (options.latencyMs ?? 0) + (fate.slow ? slowMs : 0);
    const no = (code: number, words: string): Reply => ({
      ...refuse(code, words, Math.max(1, targets.length), call.seq),
      delayMs,
    });
    const invalid = new Set(
      targets.filter((target) => fate.dead.has(target) || (isToken && !tokenForm.test(target))),
    );
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
        count(502, Math.max(1, targets.length));
        return { status: 502, body: '<html><body><h1>502 Bad Gateway</h1></body></html>', delayMs };
      case 'accepted':
      case 'reset':
      case 'goaway':
        break;
      default:
        return fate.answer satisfies never;
    }
    if (invalid.size > 0 && call.audience === 'account') {
      return no(options.missingAccountCode ?? 10010005, 'inner server error');
    }
    if (invalid.size > 0 && isToken && !call.skipsInvalid) return no(1008029, 'invalid token');
    if (options.allInvalidCode && isToken && invalid.size === targets.length) {
      return no(options.allInvalidCode, 'invalid token');
    }
    ledger.take(call, told, invalid);
    if (invalid.size > 0) count(1008029, invalid.size);
    if (fate.answer === 'reset') return 'reset';
    pushIds += 1;
    const body = {
      seq: call.seq,
      push_id: String(pushIds),
      ret_code: 0,
      environment: call.environment,
      err_msg: 'NO_ERROR',
      result: '{}',
      ...(invalid.size === 0 ? {} : { invalid_targe_list: [...invalid] }),
    };
    return { status: 200, body, delayMs, last: fate.answer === 'goaway' };
  }

  /** Whatever the API refuses, HTTP says 200. */
  function refuse(code: number, words: string, pushes: number, seq = 0) {
    count(code, pushes);
    return {
      status: 200,
      body: { seq, push_id: '', ret_code: code, environment: '', err_msg: words, result: '' },
    };
  }

  function count(code: number, pushes: number): void {
    refused[code] = (refused[code] ?? 0) + pushes;
  }

  function write(response: ServerResponse, reply: Reply): void {
    if (reply === 'silence') return;
    if (reply === 'reset') {
      response.socket?.destroy();
      return;
    }
    const send = () => {
      const isText = typeof reply.body === 'string';
      const text = isText ? (reply.body as string) : JSON.stringify(reply.body);
      if (reply.last) response.setHeader('connection', 'close');
      response.writeHead(reply.status, {
        // The vendor's clock, which a sender may correct its own by.
        date: new Date(now()).toUTCString(),
        'content-type': isText ? 'text/html' : 'application/json; charset=utf-8',
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

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, host, () => resolve());
  });
  const origin = `https://${host}:${(server.address() as AddressInfo).port}`;

  return {
    vendor: 'tpns',
    origin,
    channels: apps.map((app) => channelOf(app, origin, options.authority.certificate)),
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
    account: () => ({
      requests,
      accepted: ledger.accepted,
      duplicates: ledger.duplicates,
      refused: { ...refused },
      receiptsSent: 0,
      receiptsTaken: 0,
    }),
    hasTaken: (push) => ledger.has(push.id),
    async close() {
      for (const timer of delayed) clearTimeout(timer);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The secret follows from authority and seed, so that channels stored in an earlier run are still let in. */
function newApp(platform: App['platform'], options: TpnsEmulatorOptions): App {
  const seeded = createHash('sha256').update(`tpns ${platform} ${options.seed} ${options.authority.key}`);
  return {
    channelName: platform === 'android' ? 'tpns' : 'tpns-ios',
    platform,
    accessId: platform === 'android' ? '1500009001' : '1600009001',
    secretKey: seeded.digest('hex').slice(0, 32),
  };
}

/** Whole settings, so that whoever skips the schema's defaults still has a working channel. */
function channelOf(app: App, origin: string, ca: string): EmulatorChannel {
  const settings = {
    accessId: app.accessId,
    platform: app.platform,
    region: 'guangzhou',
    host: origin,
    ca,
    environment: 'product',
    audience: 'token',
    accountType: 0,
    accountPushType: 0,
    authentication: 'sign',
    missingTargetIsDead: true,
    maxMessageBytes: 4_096,
    maxExpireSeconds: 259_200,
    requestTimeoutMs: 10_000,
    maxConnections: 32,
    emulator: true,
  };
  return { name: app.channelName, settings, credential: { secretKey: app.secretKey } };
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
