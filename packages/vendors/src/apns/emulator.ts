import { X509Certificate } from 'node:crypto';
import type { Emulator, EmulatorAccount, EmulatorOptions, Faults, PlannedAnswer } from '../emulator.ts';
import type { TakenPush } from './emulator-answers.ts';
import { Answers, requestIdOf } from './emulator-answers.ts';
import { BroadcastChannels, isBroadcast, isBroadcastPath } from './emulator-broadcast.ts';
import type { AllowedTopics, Refusal } from './emulator-checks.ts';
import { checkHeaders, checkSize, refusals, tokenOf } from './emulator-checks.ts';
import type { Identities } from './emulator-identity.ts';
import { issueIdentities, seededHex } from './emulator-identity.ts';
import type { KnownKey } from './emulator-jwt.ts';
import { TokenVerifier } from './emulator-jwt.ts';
import type { ReceivedRequest } from './emulator-listener.ts';
import { Listener } from './emulator-listener.ts';
import { DeviceTokens } from './emulator-tokens.ts';
import type { ApnsSettings } from './settings.ts';

export type { TakenPush } from './emulator-answers.ts';
export type { KnownKey } from './emulator-jwt.ts';

/** What an APNs of one's own can be told besides. */
export interface ApnsEmulatorOptions extends EmulatorOptions {
  /** Of the channels, and of `origin`. Default `production`. */
  environment?: 'production' | 'sandbox';
  /** Where the other environment listens. Default: any. */
  otherPort?: number;
  /** The first is the app of the channels. Default `com.example.pushmill`. */
  bundleIds?: readonly string[];
  /** Keys known besides the one of the channel `apns-token`. */
  keys?: readonly KnownKey[];
  /** Streams of a connection that has proven itself. Default 1000. */
  streamLimit?: number;
  /** After a refused push a connection gets one stream, until one is taken, as has been seen of APNs. */
  limitDropsOnRefusal?: boolean;
  /** Refused device tokens that a connection survives. Default: all. */
  refusalsPerConnection?: number;
  /**
   * Every connection announces its end at so many requests; those in flight behind count as unread. `reason`
   * goes into APNs' JSON, `debug` goes out as it is.
   */
  goaway?: { afterRequests: number; reason?: string; debug?: string };
  /** APNs answers without; its pages print it. Clients must manage both. Default false. */
  errorContentType?: boolean;
  /** Default `authentication-first`, as APNs does for token connections. */
  order?: 'authentication-first' | 'authentication-last';
  /** Broadcast channels that one app may have in one environment. Default 10,000. */
  broadcastChannelLimit?: number;
  /** Called with every push that is taken, second copies included. */
  onPush?: (push: TakenPush) => void;
}

/** What tests of the connection itself need to see besides. */
export interface ApnsEmulatorHandle extends Emulator {
  /** Of the environment that the channels are not set to. */
  readonly otherOrigin: string;
  /** Connections opened so far to either environment, refused ones included. */
  readonly connectionsOpened: number;
  /** Known in the sandbox only; those of `newToken` are of the channels' environment. */
  newSandboxToken(): string;
  /** From now on every request gets this, whatever it is; undefined ends it. */
  refuseAll(refusal: Refusal | undefined): void;
}

/** An APNs that runs here: TLS, HTTP/2, both kinds of credential, both environments, each on a port of its own. */
export async function startApnsEmulator(options: ApnsEmulatorOptions): Promise<ApnsEmulatorHandle> {
  const emulator = new ApnsEmulator(options);
  await emulator.listen();
  return emulator;
}

class ApnsEmulator implements ApnsEmulatorHandle {
  readonly vendor = 'apns';
  origin = '';
  otherOrigin = '';
  channels: Emulator['channels'] = [];
  readonly #options: ApnsEmulatorOptions;
  readonly #now: () => number;
  readonly #environment: 'production' | 'sandbox';
  readonly #bundleIds: readonly string[];
  readonly #answers: Answers;
  readonly #tokens: DeviceTokens;
  readonly #broadcasts: Readonly<Record<'production' | 'sandbox', BroadcastChannels>>;
  #refusal: Refusal | undefined;
  #listeners: Listener[] = [];

  constructor(options: ApnsEmulatorOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#answers = new Answers({
      seed: options.seed,
      now: this.#now,
      limitDropsOnRefusal: options.limitDropsOnRefusal ?? false,
      refusalsPerConnection: options.refusalsPerConnection ?? Number.POSITIVE_INFINITY,
      errorContentType: options.errorContentType ?? false,
      onPush: options.onPush,
    });
    this.#tokens = new DeviceTokens(options.seed);
    this.#environment = options.environment ?? 'production';
    this.#bundleIds = options.bundleIds ?? ['com.example.pushmill'];
    const limit = options.broadcastChannelLimit ?? 10_000;
    this.#broadcasts = { production: new BroadcastChannels(limit), sandbox: new BroadcastChannels(limit) };
  }

  async listen(): Promise<void> {
    const { authority, host = '127.0.0.1', seed, port, otherPort = 0 } = this.#options;
    const bundleId = this.#bundleIds[0] ?? 'com.example.pushmill';
    const identities = await issueIdentities(authority, { seed, host, bundleId, now: this.#now() });
    const other = this.#environment === 'production' ? 'sandbox' : 'production';
    const listeners = [
      this.#listener(identities, this.#environment, port),
      this.#listener(identities, other, otherPort),
    ];
    for (const listener of listeners) {
      await listener.listen();
      this.#listeners.push(listener);
    }
    this.origin = listeners[0]?.origin ?? '';
    this.otherOrigin = listeners[1]?.origin ?? '';
    const settings: ApnsSettings = {
      environment: this.#environment,
      topic: bundleId,
      port: 443,
      origin: this.origin,
      otherOrigin: this.otherOrigin,
      manageOrigin: this.origin,
      ca: authority.certificate,
      emulator: true,
      requestTimeoutMs: 10_000,
      maxConnections: 8,
      collapse: 'identity',
    };
    const channelId = Buffer.from(seededHex(seed, 'broadcast channel'), 'hex').toString('base64');
    this.#broadcasts[this.#environment].add(bundleId, channelId, 1);
    this.channels = identities.credentials.map(({ name, credential }) => ({
      name,
      settings,
      credential,
      // Live Activities need a token key.
      ...(name === 'apns-token' ? { audiences: [{ kind: 'broadcast', channelId }], audienceMessage } : {}),
    }));
  }

  #listener(identities: Identities, environment: 'production' | 'sandbox', port: number): Listener {
    const { authority, host = '127.0.0.1', keys = [], latencyMs = 0, streamLimit = 1_000 } = this.#options;
    const listening = this.#options.onPush !== undefined;
    return new Listener({
      host,
      port,
      server: identities.server,
      rules: {
        environment,
        bundleIds: this.#bundleIds,
        authority: new X509Certificate(authority.certificate),
        verifier: new TokenVerifier([identities.key, ...keys]),
        streamLimit,
        now: this.#now,
      },
      latencyMs,
      keepsBody: (path) => listening || isBroadcastPath(path),
      receive: (request) => this.#receive(request),
    });
  }

  #receive(request: ReceivedRequest): void {
    const { connection, stream, headers } = request;
    if (stream.destroyed || (stream.id ?? 0) > connection.lastStreamId) return;
    this.#answers.tally.requests += 1;
    connection.requests += 1;
    const script = this.#options.goaway;
    if (script !== undefined && connection.requests === script.afterRequests) {
      connection.end(stream.id ?? 1, script.reason, script.debug);
    }
    const path = headers[':path'] as string;
    if (this.#refusal !== undefined) this.#answers.refuse(request, this.#refusal);
    else if (!isBroadcastPath(path)) this.#receivePush(request);
    else if (isBroadcast(path)) this.#receiveBroadcast(request);
    else this.#manage(request);
  }

  #receivePush(request: ReceivedRequest): void {
    const refusal = this.#check(request);
    if (refusal !== undefined) this.#answers.refuse(request, refusal);
    else this.#answers.answer(request, tokenOf(request.headers));
  }

  #receiveBroadcast(request: ReceivedRequest): void {
    const { connection, headers } = request;
    const refusal =
      connection.authenticate(headers.authorization) ??
      this.#broadcasts[connection.environment].judgeBroadcast(request, connection.topics);
    if (refusal !== undefined) this.#answers.refuse(request, refusal);
    else this.#answers.answer(request, headers['apns-channel-id'] as string);
  }

  #manage(request: ReceivedRequest): void {
    const { connection, stream, headers } = request;
    const refusal = connection.authenticate(headers.authorization);
    const answer = refusal ?? this.#broadcasts[connection.environment].manage(request, connection.topics);
    if ('reason' in answer) {
      this.#answers.refuse(request, answer);
      return;
    }
    stream.respond({
      ':status': answer.status,
      'apns-request-id': requestIdOf(headers) ?? crypto.randomUUID(),
      ...answer.headers,
    });
    stream.end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
    connection.succeeded();
  }

  #check({ connection, headers, bytes }: ReceivedRequest): Refusal | undefined {
    const authorization = headers.authorization;
    if (this.#options.order === 'authentication-last') {
      // The topics of a token are only known once it is.
      const anyTopic: AllowedTopics = { bundleIds: this.#bundleIds };
      const early = checkHeaders(
        headers,
        connection.certificate === undefined ? anyTopic : connection.topics,
      );
      if (early !== undefined) return early;
    }
    const refusal = connection.authenticate(authorization) ?? checkHeaders(headers, connection.topics);
    if (refusal !== undefined) return refusal;
    const known = this.#tokens.environmentOf(tokenOf(headers));
    if (known !== undefined && known !== connection.environment) return refusals.token;
    return checkSize(headers, bytes);
  }

  get connectionsOpened(): number {
    return this.#listeners.reduce((sum, listener) => sum + listener.opened, 0);
  }

  newToken(): string {
    return this.#tokens.make(this.#environment);
  }

  newSandboxToken(): string {
    return this.#tokens.make('sandbox');
  }

  refuseAll(refusal: Refusal | undefined): void {
    this.#refusal = refusal;
  }

  plan(token: string, ...answers: PlannedAnswer[]): void {
    this.#answers.plan.plan(token, answers);
  }

  setFaults(faults: Faults): void {
    this.#answers.plan.setFaults(faults);
  }

  /** APNs never calls back. */
  setCallback(): void {}

  account(): EmulatorAccount {
    return this.#answers.tally.account();
  }

  hasTaken(push: { identity: string }): boolean {
    return this.#answers.tally.hasTaken(push.identity);
  }

  async close(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }
}

/** A broadcast updates or ends a Live Activity, and nothing else. */
const audienceMessage = {
  vendor: { apns: { liveActivity: { event: 'update', contentState: { stops: 3 } } } },
};
