import type { Answer, Reply } from '../emulator-server.ts';
import type { AnswerWriter } from './emulator-answers.ts';
import type { EmulatedApp } from './emulator-apps.ts';
import { checkCall, type ReceivedCall, type RefusalCode } from './emulator-checks.ts';
import type { Desk, TakenCall } from './emulator-desk.ts';
import { digest, isCount, isIosMessage, isMap, isNotification, isTag, parse } from './emulator-fields.ts';
import { codes } from './emulator-rest.ts';

interface ChannelDeps {
  apps: readonly EmulatedApp[];
  desk: Desk;
  answers: AnswerWriter;
  now: () => number;
  signedOrigins: () => readonly string[];
}

const rules = {
  // The SDK sends one; nobody wrote that the server asks for it.
  agent: '',
  methodsOf: (path: string) => (path === '/rest/2.0/channel/channel' ? ['POST'] : undefined),
};

/** `push_msg` and `fetch_tag` of the channel API 2.0. */
export function channelService({ apps, desk, answers, now, signedOrigins }: ChannelDeps) {
  const appOf = new Map(apps.map((app) => [app.name, app]));

  return (received: ReceivedCall): Reply => {
    const known = {
      now: now(),
      signedOrigins: signedOrigins(),
      secretOf: (key: string) => appOf.get(key)?.secret,
    };
    const params = checkCall(received, known, rules);
    if (typeof params === 'number') return refuse(params, 1);
    const app = appOf.get(params.get('apikey') as string) as EmulatedApp;
    switch (params.get('method')) {
      case 'push_msg':
        return push(params, app);
      case 'fetch_tag': {
        const tags = [...app.tags.keys()].map((name, index) => ({ tid: index + 1, name }));
        return answers.told(JSON.stringify({ total_num: tags.length, amount: tags.length, tags }));
      }
      default:
        return refuse(30601, 1);
    }
  };

  function push(params: ReadonlyMap<string, string>, app: EmulatedApp): Reply {
    const call = readPush(params, app);
    if (typeof call === 'number') return refuse(call, 1);
    const gone = call.devices.find((device) => desk.unbound.has(device));
    if (gone !== undefined) return refuse(desk.unbound.get(gone) as RefusalCode, 1);
    return desk.settle(call, {
      taken: () => {
        for (const device of call.devices) app.devices.add(device);
        const amount = call.devices.length === 0 ? app.devices.size : 1;
        return answers.told(`{"success_amount":${amount},"msgids":[${answers.newId()}]}`);
      },
      refused: (kind) => ({ answer: answers.refused(codes[kind]), code: String(codes[kind]) }),
    });
  }

  function refuse(code: RefusalCode, pushes: number): Answer {
    desk.tally.refuse(code, pushes);
    return answers.refused(code);
  }
}

const weekSeconds = 604_800;
const maxBytes = 4_096;

/** The push of a call, or what is wrong with its parameters. */
function readPush(params: ReadonlyMap<string, string>, app: EmulatedApp): TakenCall | RefusalCode {
  const target = readTarget(params, app);
  if (typeof target === 'number') return target;
  const [messages, keys] = [params.get('messages') ?? '', params.get('msg_keys') ?? ''];
  const type = params.get('message_type') ?? '0';
  if (Buffer.byteLength(messages) > 2 * maxBytes || parse(messages) === undefined) return 30602;
  const key = parse(keys);
  if (typeof key !== 'string' || key === '') return 30602;
  if (type !== '0' && type !== '1') return 30602;
  if (type === '1' && !(app.deviceType === '4' ? isIosMessage(messages) : isNotification(messages)))
    return 30602;
  if (type === '0' && !(typeof parse(messages) === 'string' || isMap(parse(messages)))) return 30602;
  if (!isCount(params.get('device_type') ?? app.deviceType, 1, 5)) return 30602;
  if (!isCount(params.get('message_expires') ?? '86400', 0, weekSeconds)) return 30602;
  if (!isCount(params.get('deploy_status') ?? '2', 1, 2)) return 30602;
  // A push id where the client has no word of its own for it.
  const isPushId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.\d{1,9}$/.test(key);
  return { devices: target.devices, identities: [isPushId ? key : digest(target.name, messages)] };
}

function readTarget(
  params: ReadonlyMap<string, string>,
  app: EmulatedApp,
): { devices: string[]; name: string } | RefusalCode {
  switch (params.get('push_type')) {
    case '1': {
      const [user = '', device] = [params.get('user_id'), params.get('channel_id')];
      if (!/^\d{1,20}$/.test(user) || (device !== undefined && !/^\d{1,20}$/.test(device))) return 30602;
      const name = device === undefined ? user : `${user}:${device}`;
      return { devices: [name], name };
    }
    case '2': {
      const tag = params.get('tag');
      if (!isTag(tag)) return 30602;
      return app.tags.has(tag) ? { devices: [], name: `tag ${tag}` } : 30611;
    }
    case '3':
      return { devices: [], name: 'all' };
    default:
      return 30602;
  }
}
