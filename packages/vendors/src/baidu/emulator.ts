import { seededRandom } from '../answer-plan.ts';
import type { Emulator, EmulatorOptions } from '../emulator.ts';
import type { ReceiptOptions } from '../emulator-receipts.ts';
import { type Reply, startServer } from '../emulator-server.ts';
import { AnswerWriter } from './emulator-answers.ts';
import { channelOf, type EmulatedApp, newApps } from './emulator-apps.ts';
import { channelService } from './emulator-channel.ts';
import type { ReceivedCall } from './emulator-checks.ts';
import { Desk } from './emulator-desk.ts';
import { sppReceipts } from './emulator-receipts.ts';
import { type RestLimits, restService } from './emulator-rest.ts';
import { type SppLimits, sppService } from './emulator-spp.ts';

export interface BaiduEmulatorOptions extends EmulatorOptions, RestLimits, SppLimits, ReceiptOptions {}

export interface BaiduEmulator extends Emulator {
  /** Devices whose binding is gone: any call that names one is refused (with this code in 2.0 and 3.0), for ever. */
  unbind(token: string, code?: 30607 | 30608): void;
}

/** Clients whose host is a constant are brought here by name resolution, and sign what they believe. */
const officialHosts = [
  'api.tuisong.baidu.com',
  'api.push.baidu.com',
  'channel.api.duapp.com',
  'push.safe.baidu.com',
];

/** Baidu's stand-in: REST 3.0 for an Android app and an iOS app, the channel API 2.0, and SPP with its callbacks. */
export async function startBaiduEmulator(options: BaiduEmulatorOptions): Promise<BaiduEmulator> {
  const now = options.now ?? Date.now;
  const random = seededRandom(options.seed);
  const apps = newApps();
  const desk = new Desk(random, options.latencyMs ?? 0);
  const receipts = sppReceipts({ ...options, plan: desk.plan, random, now });
  let tokens = 0;
  let origins: readonly string[] = [];

  const shared = { desk, answers: new AnswerWriter(), now, signedOrigins: () => origins, limits: options };
  const ofApi = (...apis: EmulatedApp['api'][]) => apps.filter(({ api }) => apis.includes(api));
  // An app of the older generations has one pair of keys for both.
  const rest = restService({ ...shared, apps: ofApi('rest-3.0', 'channel-2.0') });
  const channel = channelService({ ...shared, apps: ofApi('rest-3.0', 'channel-2.0') });
  const spp = sppService({ ...shared, apps: ofApi('spp'), receipts });

  function replyTo(call: ReceivedCall): Reply {
    if (call.path.startsWith('/push/api/open/v1/')) return spp(call);
    return call.path.startsWith('/rest/2.0/') ? channel(call) : rest(call);
  }

  const { host, port: wanted, authority } = options;
  const server = await startServer(
    { host, port: wanted, authority, now, names: officialHosts },
    (request, body) => {
      desk.tally.requests += 1;
      const [path, rawQuery = ''] = (request.url ?? '').split('?', 2) as [string, string?];
      const { method = '', headers } = request;
      return replyTo({ method, path, rawQuery, headers, body });
    },
  );
  const { origin } = server;
  const { port } = new URL(origin);
  origins = [
    origin,
    `https://localhost:${port}`,
    ...officialHosts.flatMap((name) => [`https://${name}`, `http://${name}`]),
  ];

  return {
    vendor: 'baidu',
    origin,
    channels: apps.map((app) => channelOf(app, origin, options.authority.certificate)),
    newToken(channelName) {
      tokens += 1;
      // 19 digits as on the vendor's pages, which all generations take: noise first, then the number that makes it new.
      const noise = Math.floor(1e9 + random() * 8e9);
      const id = `${noise}${String(tokens).padStart(9, '0')}`;
      switch (apps.find((app) => app.channelName === channelName)?.api) {
        case 'channel-2.0':
          return `${noise}:${id}`;
        case 'spp':
          return `push_id-${id}`;
        default:
          return id;
      }
    },
    plan: (token, ...planned) => desk.plan.plan(token, planned),
    setFaults: (faults) => desk.plan.setFaults(faults),
    unbind(token, code = 30608) {
      desk.unbound.set(token, code);
    },
    setCallback(channelName, url) {
      const app = apps.find((known) => known.channelName === channelName);
      if (app === undefined) throw new Error(`The baidu emulator has no channel ${channelName}`);
      // 2.0 and 3.0 call nobody back.
      if (app.api === 'spp') app.callbackUrl = new URL(url);
    },
    account: () => desk.tally.account(receipts),
    hasTaken: (push) => desk.tally.hasTaken(push.id),
    async close() {
      await Promise.all([server.close(), receipts.close()]);
    },
  };
}
