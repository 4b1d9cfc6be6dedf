import { seededRandom } from '../answer-plan.ts';
import type { Emulator, EmulatorAccount, EmulatorOptions, Faults, PlannedAnswer } from '../emulator.ts';
import { EmulatorTally } from '../emulator-tally.ts';
import {
  type Answer,
  apiDisabled,
  frontEndPage,
  permissionDenied,
  projectNotFound,
  tooFewScopes,
  unauthenticated,
} from './emulator-errors.ts';
import { channelOf, issueIdentities, seededHex } from './emulator-identity.ts';
import { type Call, Listener } from './emulator-listener.ts';
import { TokenEndpoint, type TokenTrouble } from './emulator-oauth.ts';
import { Desk, type TakenMessage } from './emulator-send.ts';
import { type TokenState, Tokens } from './emulator-tokens.ts';
import { iidError, Topics, wordFor } from './emulator-topics.ts';

export type { Answer } from './emulator-errors.ts';
export type { TokenTrouble } from './emulator-oauth.ts';
export type { TakenMessage } from './emulator-send.ts';
export type { TokenState } from './emulator-tokens.ts';

/** What an FCM of one's own can be told besides. */
export interface FcmEmulatorOptions extends EmulatorOptions {
  /** Default `pushmill-demo`. */
  projectId?: string;
  /** Messages of the project. Default 600,000, which is FCM's; see `setQuota`. */
  quotaPerMinute?: number;
  /** Messages to one device. FCM's is 240; default none, because a run may have few devices. */
  devicePerMinute?: number;
  /** Messages to one topic or condition. FCM's is not published; default none. */
  topicPerMinute?: number;
  /** The form of `retry-after` with 429 and 503. Default `seconds`. */
  retryAfter?: 'seconds' | 'date' | 'none';
  /** What a good token gets for another project's path. FCM has been seen to answer either; default `not-found`. */
  otherProject?: 'not-found' | 'permission-denied';
  /** Life of an access token. Default 3,599. */
  expiresInSeconds?: number;
  /** How far the times of an assertion may be off. Undocumented; default 300. */
  skewSeconds?: number;
  /** Streams of a connection. Default 100. */
  streamLimit?: number;
  /** Called with every message that is taken, second copies included. */
  onMessage?: (taken: TakenMessage) => void;
}

/** What tests of FCM itself need to see and do besides. */
export interface FcmEmulatorHandle extends Emulator {
  readonly projectId: string;
  /** Good in a path, in place of the id. */
  readonly projectNumber: string;
  /** Connections opened so far. */
  readonly connectionsOpened: number;
  /** Asked of the token endpoint so far; the account counts its refusals and not its requests. */
  readonly tokenRequests: number;
  /** Of an iPhone: what APNs would refuse is refused. */
  newIosToken(): string;
  /** A Firebase installation id. */
  newFid(): string;
  /** What FCM knows of a token or an installation from now on. */
  setToken(token: string, state: TokenState): void;
  /** What the next sound messages for a target get, as it stands, before anything that is planned. */
  answerNext(target: string, ...answers: Answer[]): void;
  /** From now on every call but those to the token endpoint gets this; undefined ends it. */
  answerAll(answer: Answer | undefined): void;
  /** Whether the account may send, and whether the project has the API switched on. */
  setPermission(permission: 'granted' | 'denied' | 'api-disabled'): void;
  setQuota(perMinute: number): void;
  /** What the token endpoint suffers from; undefined ends it. */
  setTokenTrouble(trouble: TokenTrouble | undefined): void;
  /** Access tokens given out so far are good for nothing from now on. */
  revokeAccessTokens(): void;
  isSubscribed(token: string, topic: string): boolean;
  /** Every connection ends; what is in flight is finished. */
  endConnections(): void;
}

/**
 * An FCM that runs here: the hosts of messages, of access tokens and of topic subscriptions on one port.
 * What is planned for a topic or a condition is planned for its text.
 */
export async function startFcmEmulator(options: FcmEmulatorOptions): Promise<FcmEmulatorHandle> {
  const { authority, host = '127.0.0.1', port, seed, latencyMs = 0, now = Date.now } = options;
  const {
    projectId = 'pushmill-demo',
    streamLimit = 100,
    expiresInSeconds = 3_599,
    skewSeconds = 300,
  } = options;
  const projectNumber = '123456789012';
  const identities = await issueIdentities(authority, { seed, host, projectId });
  const tally = new EmulatorTally();
  const tokens = new Tokens(seed);
  const oauth = new TokenEndpoint({ now, account: identities.account, expiresInSeconds, skewSeconds });
  const desk = new Desk({
    now,
    random: seededRandom(seed),
    tally,
    tokens,
    quotaPerMinute: options.quotaPerMinute ?? 600_000,
    devicePerMinute: options.devicePerMinute ?? Number.POSITIVE_INFINITY,
    topicPerMinute: options.topicPerMinute ?? Number.POSITIVE_INFINITY,
    retryAfter: options.retryAfter ?? 'seconds',
    onMessage: options.onMessage,
  });
  const topics = new Topics({
    stateOf: (token) => tokens.stateOf(token),
    planned: (token) => wordFor(desk.plan.decide([token]).answer),
  });
  let permission: Parameters<FcmEmulatorHandle['setPermission']>[0] = 'granted';
  let toAll: Answer | undefined;
  let fids = 0;

  function receive(call: Call): void {
    if (call.isGone()) return;
    const [path, query = ''] = call.path.split('?', 2) as [string, string?];
    if (path === '/token' && call.method === 'POST') {
      const answer = oauth.receive(call);
      if (answer?.code !== undefined) tally.refuse(answer.code);
      if (answer !== undefined) call.answer(answer);
      return;
    }
    tally.requests += 1;
    if (toAll !== undefined) {
      desk.refuse(call, toAll);
      return;
    }
    const answer = route(call, path, query);
    if (answer?.code !== undefined) desk.refuse(call, answer);
    else if (answer !== undefined) call.answer(answer);
  }

  /** Undefined where the answer is on its way. */
  function route(call: Call, path: string, query: string): Answer | undefined {
    const sent = call.method === 'POST' ? sendPath.exec(path) : null;
    if (sent !== null) {
      const project = sent[1] as string;
      const refusal = authorize(call, project);
      if (refusal === undefined) desk.receive(call, project);
      return refusal;
    }
    const batch = call.method === 'POST' ? batchPath.exec(path) : null;
    if (batch !== null) return authorizeBatch(call) ?? topics.batch(batch[1] === 'Add', call.body ?? empty);
    const registration = registrationPath.exec(path);
    return registration === null ? frontEndPage(404) : manageTopic(call, registration, query);
  }

  function manageTopic(call: Call, found: RegExpExecArray, query: string): Answer {
    const [, project = '', token = '', topicInPath] = found.map((part) => decode(part));
    const parameters = new URLSearchParams(query);
    const adds = call.method === 'POST' && topicInPath === undefined;
    const removes = call.method === 'DELETE' && topicInPath !== undefined;
    if (!adds && !removes) return frontEndPage(404);
    const refusal = authorize(call, project);
    if (refusal !== undefined) return refusal;
    const topic = topicInPath ?? parameters.get('topic_name') ?? '';
    return adds
      ? topics.add(token, topic, `projects/${project}/registrations/${token}/topicSubscriptions/${topic}`)
      : topics.remove(token, topic, parameters.get('allow_missing') === 'true');
  }

  function authorize(call: Call, project: string): Answer | undefined {
    const header = call.headers.authorization as string | undefined;
    if (header === undefined || !/^bearer /i.test(header)) return unauthenticated.missing;
    const token = oauth.find(header.slice('bearer '.length));
    if (token === undefined) return unauthenticated.unknown;
    if (token.expiresAt <= now()) return unauthenticated.expired;
    if (!token.mayMessage) return tooFewScopes;
    if (project !== projectId && project !== projectNumber) {
      return options.otherProject === 'permission-denied' ? permissionDenied(project) : projectNotFound;
    }
    if (permission === 'granted') return undefined;
    return permission === 'denied' ? permissionDenied(project) : apiDisabled(project);
  }

  /** The older host knows nothing of projects and takes OAuth's tokens only from who says that it is one. */
  function authorizeBatch(call: Call): Answer | undefined {
    if (call.headers.access_token_auth !== 'true') return iidError(401, 'Unauthorized');
    const refusal = authorize(call, projectId);
    if (refusal === undefined) return undefined;
    return refusal.status === 401 ? iidError(401, 'Unauthorized') : iidError(403, 'PERMISSION_DENIED');
  }

  const listener = new Listener({
    host,
    port,
    server: identities.server,
    streamLimit,
    latencyMs,
    now,
    receive,
  });
  await listener.listen();

  return {
    vendor: 'fcm',
    origin: listener.origin,
    channels: [channelOf(identities, listener.origin, authority.certificate)],
    projectId,
    projectNumber,
    get connectionsOpened() {
      return listener.opened;
    },
    get tokenRequests() {
      return oauth.requests;
    },
    newToken: () => tokens.make(),
    newIosToken: () => tokens.make('ios'),
    newFid() {
      fids += 1;
      return `f${Buffer.from(seededHex(seed, `fid ${fids}`), 'hex')
        .toString('base64url')
        .slice(0, 21)}`;
    },
    setToken: (token, state) => tokens.setState(token, state),
    answerNext: (target, ...answers) => desk.give(target, answers),
    answerAll(answer) {
      toAll = answer;
    },
    setPermission(wanted) {
      permission = wanted;
    },
    setQuota(perMinute) {
      desk.quota.perMinute = perMinute;
    },
    setTokenTrouble(trouble) {
      oauth.trouble = trouble;
    },
    revokeAccessTokens: () => oauth.revoke(),
    isSubscribed: (token, topic) => topics.has(token, topic),
    endConnections: () => listener.endConnections(),
    plan: (token: string, ...answers: PlannedAnswer[]) => desk.plan.plan(token, answers),
    setFaults: (faults: Faults) => desk.plan.setFaults(faults),
    /** FCM never calls back. */
    setCallback() {},
    account: (): EmulatorAccount => tally.account(),
    hasTaken: (push) => tally.hasTaken(push.id),
    close: () => listener.close(),
  };
}

const sendPath = /^\/v1\/projects\/([^/]+)\/messages:send$/;
const batchPath = /^\/iid\/v1:batch(Add|Remove)$/;
const registrationPath =
  /^\/v1\/projects\/([^/]+)\/registrations\/([^/]+)\/topicSubscriptions(?:\/([^/]+))?$/;
const empty = Buffer.alloc(0);

/** A part of a path. What is no percent-encoding stands for itself. */
function decode(part: string | undefined): string | undefined {
  if (part === undefined) return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
