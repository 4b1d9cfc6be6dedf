import { sign } from 'node:crypto';
import { connect } from 'node:http2';
import tls from 'node:tls';
import { finish, hangUp } from './bare-http2.ts';
import { type Client, type Contender, load } from './client.ts';
import type { PlannedPush, Target } from './load.ts';
import { openPushmill } from './pushmill-client.ts';

export const apnsContenders: readonly Contender[] = [
  { name: 'node:http2', open: openBare },
  { name: 'pushmill', open: openOurs },
  { name: '@parse/node-apn', package: '@parse/node-apn', open: openNodeApn },
  { name: 'apns2', package: 'apns2', open: openApns2 },
];

/**
 * The floor: one session, and of each push what it takes to write it and to know that it was answered. Headers go as
 * a flat list, which node:http2 neither copies nor folds; payload, provider token and identities are ready.
 */
async function openBare({ port, ca, apns: { topic, ...key } }: Target): Promise<Client> {
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
      return finish(stream, body);
    },
    close: () => hangUp(session),
  };
}

function openOurs({ port, ca, apns: { topic, keyId, teamId, privateKey } }: Target): Promise<Client> {
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
  return openPushmill('apns', settings, { kind: 'token', keyId, teamId, privateKey });
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
async function openNodeApn({
  port,
  ca,
  apns: { topic, keyId, teamId, privateKey },
}: Target): Promise<Client> {
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
async function openApns2({ port, ca, apns: { topic, keyId, teamId, privateKey } }: Target): Promise<Client> {
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

function payloadOf({ message: { notification, data } }: PlannedPush) {
  return { aps: { alert: { title: notification?.title, body: notification?.body } }, ...data };
}

/** Seconds since the epoch. */
function expirationOf({ message }: PlannedPush): number {
  return Math.floor(message.expiresAt / 1_000);
}

function providerToken({ keyId, teamId, privateKey }: Omit<Target['apns'], 'topic'>) {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${part({ alg: 'ES256', kid: keyId })}.${part({ iss: teamId, iat: Math.floor(Date.now() / 1_000) })}`;
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}
