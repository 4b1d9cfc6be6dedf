import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { AnswerPlan, seededRandom } from '../answer-plan.ts';
import { issueServerCertificate } from '../authority.ts';
import type { Emulator, EmulatorChannel, EmulatorOptions } from '../emulator.ts';
import { AnswerWriter, type Reply } from './emulator-answers.ts';
import { checkCall, type RefusalCode } from './emulator-checks.ts';
import { type EmulatedApp, readCall, type TakenCall } from './emulator-fields.ts';

export interface BaiduEmulatorOptions extends EmulatorOptions {
  /** Calls a second over all apps before 30699. Baidu publishes none; default no limit. */
  maxCallsPerSecond?: number;
  /** Pushes an app may send before 30604, until the emulator is closed. Default no limit. */
  quota?: number;
}

export interface BaiduEmulator extends Emulator {
  /** Devices whose binding is gone: any call that names one is refused with this code, for ever. */
  unbind(token: string, code?: 30607 | 30608): void;
}

const maxBodyBytes = 1_048_576;
const slowMs = 500;
const dayMs = 86_400_000;
/** Clients whose host is a constant are brought here by name resolution, and sign what they believe. */
const officialHosts = ['api.tuisong.baidu.com', 'api.push.baidu.com'];

/** Baidu's stand-in: single and batch pushes of REST 3.0 for an Android app and an iOS app. */
export async function startBaiduEmulator(options: BaiduEmulatorOptions): Promise<BaiduEmulator> {
  const host = options.host ?? '127.0.0.1';
  const now = options.now ?? Date.now;
  const random = seededRandom(options.seed);
  const tls = await issueServerCertificate(options.authority, {
    hosts: [...new Set([host, '127.0.0.1', 'localhost', ...officialHosts])],
    // Real time and not `now`: the client's TLS asks the real clock.
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + 365 * dayMs),
  });
  const apps: readonly EmulatedApp[] = [newApp('baidu', '3'), newApp('baidu-ios', '4')];
  const appOf = new Map(apps.map((app) => [app.apiKey, app]));
  const plan = new AnswerPlan(random);
  const answers = new AnswerWriter();
  const unbound = new Map<string, RefusalCode>();
  const taken = new Set<string>();
  const sentBy = new Map<EmulatedApp, number>();
  const refused: Record<string, number> = {};
  const delayed = new Set<NodeJS.Timeout>();
  let requests = 0;
  let duplicates = 0;
  let tokens = 0;
  let second = 0;
  let callsThisSecond = 0;
  let signedOrigins: string[] = [];

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
    const params = checkCall(
      { method: request.method ?? '', path, rawQuery, headers: request.headers, body },
      { now: now(), signedOrigins, secretOf: (apiKey) => appOf.get(apiKey)?.secretKey },
    );
    if (typeof params === 'number') return refuse(params, 1);
    if (isTooFast()) return refuse(30699, 1);
    const app = appOf.get(params.get('apikey') as string) as EmulatedApp;
    const call = readCall(path, params, app, now());
    if (typeof call === 'number') return refuse(call, 1);
    const sent = (sentBy.get(app) ?? 0) + call.devices.length;
    if (sent > (options.quota ?? Number.POSITIVE_INFINITY)) return refuse(30604, call.devices.length);
    const reply = settle(call);
    if (reply === 'reset' || (reply !== 'silence' && reply.status === 200)) sentBy.set(app, sent);
    return reply;
  }

  function isTooFast(): boolean {
    const current = Math.floor(now() / 1000);
    if (current !== second) callsThisSecond = 0;
    second = current;
    callsThisSecond += 1;
    return callsThisSecond > (options.maxCallsPerSecond ?? Number.POSITIVE_INFINITY);
  }

  /** The fields are good: a device without its binding, then what was planned, then what chance says. */
  function settle(call: TakenCall): Reply {
    const gone = call.devices.find((device) => unbound.has(device));
    if (gone !== undefined) return refuse(unbound.get(gone) as RefusalCode, call.devices.length);
    const fate = plan.decide(call.devices);
    const delayMs = (options.latencyMs ?? 0) + (fate.slow ? slowMs : 0);
    const refuseWith = (code: RefusalCode): Reply => ({ ...refuse(code, call.devices.length), delayMs });
    switch (fate.answer) {
      case 'accepted':
        take(call);
        return { ...answers.taken(now()), delayMs };
      case 'goaway':
        take(call);
        return { ...answers.taken(now()), delayMs, last: true };
      case 'reset':
        take(call);
        return 'reset';
      case 'timeout':
        return 'silence';
      case 'token-dead':
        return refuseWith(30608);
      case 'rejected':
        return refuseWith(30602);
      case 'misconfigured':
        return refuseWith(30603);
      case 'throttled':
        return refuseWith(30699);
      case 'unavailable': {
        // Now the service itself, now what stands before it.
        if (random() < 0.5) return refuseWith(30600);
        count('502', call.devices.length);
        return { ...answers.badGateway(), delayMs };
      }
      default:
        return fate.answer satisfies never;
    }
  }

  function take(call: TakenCall): void {
    for (const identity of call.identities) {
      if (taken.has(identity)) duplicates += 1;
      else taken.add(identity);
    }
  }

  function refuse(code: RefusalCode, pushes: number) {
    count(String(code), pushes);
    return answers.refused(code);
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
      if (reply.last) response.setHeader('connection', 'close');
      response.writeHead(reply.status, {
        // The vendor's clock, which a sender may correct its own by.
        date: new Date(now()).toUTCString(),
        'content-type': reply.type,
        'content-length': Buffer.byteLength(reply.text),
      });
      response.end(reply.text);
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
  const { port } = server.address() as AddressInfo;
  const origin = `https://${host}:${port}`;
  signedOrigins = [
    origin,
    ...officialHosts.flatMap((name) => [`https://${name}`, `http://${name}`]),
    `https://localhost:${port}`,
  ];

  return {
    vendor: 'baidu',
    origin,
    channels: apps.map((app) => channelOf(app, origin, options.authority.certificate)),
    newToken() {
      tokens += 1;
      // 19 digits as on the vendor's pages: noise first, then the number that makes it new.
      const noise = Math.floor(1e9 + random() * 8e9);
      return `${noise}${String(tokens).padStart(9, '0')}`;
    },
    plan: (token, ...planned) => plan.plan(token, planned),
    setFaults: (faults) => plan.setFaults(faults),
    unbind(token, code = 30608) {
      unbound.set(token, code);
    },
    // REST 3.0 calls nobody back.
    setCallback(channelName) {
      if (!apps.some((app) => app.channelName === channelName)) {
        throw new Error(`The baidu emulator has no channel ${channelName}`);
      }
    },
    account: () => ({
      requests,
      accepted: taken.size,
      duplicates,
      refused: { ...refused },
      receiptsSent: 0,
      receiptsTaken: 0,
    }),
    hasTaken: (push) => taken.has(push.id),
    async close() {
      for (const timer of delayed) clearTimeout(timer);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function newApp(channelName: string, deviceType: '3' | '4'): EmulatedApp {
  const key = () => randomBytes(24).toString('base64url').replaceAll(/[-_]/g, '7');
  return { channelName, deviceType, apiKey: key(), secretKey: key() };
}

/** Whole settings, so that whoever skips the schema's defaults still has a working channel. */
function channelOf(app: EmulatedApp, origin: string, ca: string): EmulatorChannel {
  return {
    name: app.channelName,
    settings: {
      platform: app.deviceType === '3' ? 'android' : 'ios',
      deployStatus: 'production',
      host: origin,
      ca,
      signedScheme: 'https',
      maxDevicesPerCall: 10_000,
      privateMessages: false,
      maxIosMessageBytes: 2_048,
      requestTimeoutMs: 10_000,
      maxConnections: 32,
      emulator: true,
    },
    credential: { apiKey: app.apiKey, secretKey: app.secretKey },
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
