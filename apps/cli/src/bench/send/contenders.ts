import { sign } from 'node:crypto';
import { connect } from 'node:http2';
import { findPackageJSON } from 'node:module';
import tls from 'node:tls';
import { formatPushId, pushIdentity } from '@pushmill/core';
import type { PlannedPush, Target } from './load.ts';

/** A client of APNs, connected or about to be. */
export interface Client {
  /** @returns whether the answer was 200 */
  send(push: PlannedPush): Promise<boolean>;
  close(): Promise<void>;
}

/** In the order of the report: the floor, ours, the others. */
export const contenders = {
  'node:http2': openBare,
  pushmill: openPushmill,
  '@parse/node-apn': openNodeApn,
  apns2: openApns2,
} satisfies Record<string, (target: Target) => Promise<Client>>;

export type ContenderName = keyof typeof contenders;

/** Where the package of a contender lies; undefined when it is not installed. */
export function packageFile(name: '@parse/node-apn' | 'apns2'): string | undefined {
  try {
    return findPackageJSON(name, import.meta.url);
  } catch {
    return undefined;
  }
}

/**
 * The floor: one session, and of each push what it takes to write it and to know that it was answered. Headers go as
 * a flat list, which node:http2 neither copies nor folds; payload, provider token and identities are ready.
 */
async function openBare({ port, ca, topic, ...key }: Target): Promise<Client> {
  const session = connect(`https://localhost:${port}`, { ca });
  await new Promise((resolve, reject) => session.once('remoteSettings', resolve).once('error', reject));
  const authorization = `bearer ${providerToken(key)}`;
  let body: Buffer | undefined;
  return {
    send(push) {
      body ??= Buffer.from(JSON.stringify(payloadOf(push)));
      const stream = session.request([
        ...[':method', 'POST', ':scheme', 'https', ':authority', `localhost:${port}`],
        ...[':path', `/3/device/${push.token}`],
        ...['apns-id', push.identity, 'apns-push-type', 'alert', 'apns-topic', topic],
        ...['apns-priority', '5', 'apns-expiration', String(expirationOf(push))],
        ...['apns-collapse-id', push.identity, 'authorization', authorization],
      ]);
      return new Promise((resolve, reject) => {
        let status: number | undefined;
        stream.on('response', (headers) => {
          status = headers[':status'];
        });
        stream.on('error', reject);
        stream.on('close', () => resolve(status === 200));
        stream.resume();
        stream.end(body);
      });
    },
    close: () => new Promise((resolve) => session.close(resolve)),
  };
}

/** The vendor's sender as a worker opens it (channel-registry.ts) and calls it (batch-run.ts). */
async function openPushmill({ port, ca, topic, keyId, teamId, privateKey }: Target): Promise<Client> {
  // Here, so that the others' processes do not carry it.
  const { vendors } = await import('@pushmill/vendors');
  const settings = {
    environment: 'production',
    topic,
    port: 443,
    origin: `https://localhost:${port}`,
    ca,
    emulator: true,
    requestTimeoutMs: 10_000,
    maxConnections: 8,
    collapse: 'identity',
  };
  const input = { kind: 'token', keyId, teamId, privateKey };
  const { credential } = await vendors.apns.prepareCredential(input, settings, new Date());
  const kept = new Map<string, string>();
  const sender = vendors.apns.createSender(
    { id: 'bench', settings, credential },
    {
      now: Date.now,
      warn: (fields, message) => console.error(message, fields),
      shared: {
        async getOrMake(name, _ttlMs, make) {
          const value = kept.get(name) ?? (await make());
          kept.set(name, value);
          return value;
        },
        forget: async (name) => void kept.delete(name),
      },
    },
  );
  const cutOff = new AbortController();
  return {
    async send(push) {
      const outgoing = {
        id: formatPushId(push),
        identity: pushIdentity(push),
        token: push.token,
        environment: undefined,
        audience: undefined,
        message: push.message,
      };
      const [outcome] = await sender.send([outgoing], cutOff.signal);
      return outcome?.kind === 'accepted';
    },
    close: () => sender.close(1_000),
  };
}

interface NodeApn {
  Provider: new (
    options: object,
  ) => {
    send(notification: object, token: string): Promise<{ sent: unknown[] }>;
    shutdown(done: () => void): void;
  };
  Notification: new () => Record<string, unknown>;
}

/** One notification for all pushes of a message, so that its payload is made once; only the identity changes. */
async function openNodeApn({ port, ca, topic, keyId, teamId, privateKey }: Target): Promise<Client> {
  const { Provider, Notification } = await load<NodeApn>('@parse/node-apn');
  const token = { key: privateKey, keyId, teamId };
  const provider = new Provider({ token, address: 'localhost', port, ca: [ca] });
  const made = new WeakMap<object, Record<string, unknown>>();
  const make = (push: PlannedPush) => {
    const { aps, ...payload } = payloadOf(push);
    const pushType = 'alert';
    const note = Object.assign(new Notification(), { topic, pushType, payload, priority: 5 });
    Object.assign(note, { alert: aps.alert, expiry: expirationOf(push) });
    made.set(push.message, note);
    return note;
  };
  return {
    async send(push) {
      const note = made.get(push.message) ?? make(push);
      // Read before `send` returns its promise, so the next push may write over them.
      note.id = push.identity;
      note.collapseId = push.identity;
      return (await provider.send(note, push.token)).sent.length === 1;
    },
    close: () => new Promise((resolve) => provider.shutdown(resolve)),
  };
}

interface Apns2 {
  ApnsClient: new (
    options: object,
  ) => { send(notification: object): Promise<unknown>; close(): Promise<void> };
  Notification: new (token: string, options: object) => object;
}

/** It has no option for an authority, and its port is a constant: TLS is led to the sink below its code. */
async function openApns2({ port, ca, topic, keyId, teamId, privateKey }: Target): Promise<Client> {
  const { ApnsClient, Notification } = await load<Apns2>('apns2');
  const dial = tls.connect;
  tls.connect = ((options: tls.ConnectionOptions) => dial({ ...options, port, ca })) as typeof tls.connect;
  const account = { team: teamId, keyId, signingKey: privateKey, defaultTopic: topic };
  const client = new ApnsClient({ ...account, host: 'localhost' });
  return {
    async send(push) {
      const {
        aps: { alert },
        ...data
      } = payloadOf(push);
      const expiration = expirationOf(push);
      const collapseId = push.identity;
      const note = new Notification(push.token, { alert, data, priority: 5, expiration, collapseId });
      return client.send(note).then(() => true, isRefusal);
    },
    async close() {
      await client.close();
      tls.connect = dial;
    },
  };
}

/** @throws  what is no answer of the server */
function isRefusal(error: unknown): false {
  if (error instanceof Error && 'statusCode' in error) return false;
  throw error;
}

/** By a name that the compiler does not follow: these are for development and not installed with the command. */
async function load<Module>(name: string): Promise<Module> {
  return (await import(name)) as Module;
}

function payloadOf({ message: { notification, data } }: PlannedPush) {
  return { aps: { alert: { title: notification?.title, body: notification?.body } }, ...data };
}

/** Seconds since the epoch. */
function expirationOf({ message }: PlannedPush): number {
  return Math.floor(message.expiresAt / 1_000);
}

function providerToken({ keyId, teamId, privateKey }: Pick<Target, 'keyId' | 'teamId' | 'privateKey'>) {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${part({ alg: 'ES256', kid: keyId })}.${part({ iss: teamId, iat: Math.floor(Date.now() / 1_000) })}`;
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}
