import http2, { type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import https from 'node:https';
import tls from 'node:tls';
import { finish, hangUp } from './bare-http2.ts';
import { type Client, type Contender, load } from './client.ts';
import { FCM_STREAMS, type PlannedPush, type Target } from './load.ts';
import { openPushmill } from './pushmill-client.ts';

const admin = 'firebase-admin';

export const fcmContenders: readonly Contender[] = [
  { name: 'node:http2', open: openBare },
  { name: 'pushmill', open: openOurs },
  { name: `${admin} sendEach`, package: admin, open: (target) => openAdmin(target, true) },
  { name: `${admin} send`, package: admin, open: (target) => openAdmin(target, false) },
];

/**
 * The floor: as many sessions as the streams need, and of each push what it takes to write it and to know that it was
 * answered. Headers go as a flat list, which node:http2 neither copies nor folds; the message is ready but for its
 * token.
 */
async function openBare({ port, ca, fcm: { projectId, accessToken } }: Target): Promise<Client> {
  const authority = `localhost:${port}`;
  const fixed = [
    ...[':method', 'POST', ':scheme', 'https', ':authority', authority, ':path', pathOf(projectId)],
    ...['authorization', `Bearer ${accessToken}`, 'content-type', 'application/json'],
  ];
  const lines: { session: ClientHttp2Session; open: number }[] = [];
  const another = () => {
    const line = { session: http2.connect(`https://${authority}`, { ca }), open: 0 };
    lines.push(line);
    return line;
  };
  const tails = new WeakMap<object, string>();
  const makeTail = (push: PlannedPush) => {
    const life = secondsLeft(push);
    const android = { priority: 'NORMAL', ttl: `${life}s` };
    const tail = `",${JSON.stringify({ ...contentOf(push, life), android }).slice(1)}}`;
    tails.set(push.message, tail);
    return tail;
  };
  return {
    async send(push) {
      const tail = tails.get(push.message) ?? makeTail(push);
      const line = lines.find(({ open }) => open < FCM_STREAMS) ?? another();
      line.open += 1;
      const isTaken = await finish(line.session.request(fixed), `{"message":{"token":"${push.token}${tail}`);
      line.open -= 1;
      return isTaken;
    },
    close: async () => void (await Promise.all(lines.map(({ session }) => hangUp(session)))),
  };
}

/** Not said to be an emulator, for which alone the sender writes a header more. */
function openOurs({ port, ca, fcm: { serviceAccount } }: Target): Promise<Client> {
  const origin = `https://localhost:${port}`;
  const settings = {
    sendOrigin: origin,
    tokenOrigin: origin,
    ca,
    emulator: false,
    requestTimeoutMs: 10_000,
    maxConnections: 16,
  };
  return openPushmill('fcm', settings, { serviceAccount });
}

interface AdminApp {
  initializeApp(options: object): object;
  deleteApp(app: object): Promise<void>;
}

interface AdminMessaging {
  getMessaging(app: object): {
    send(message: object): Promise<string>;
    sendEach(messages: readonly object[]): Promise<{ successCount: number }>;
  };
}

/**
 * Message by message over HTTP/1.1, or many in one call over an HTTP/2 connection of the call's own. Its host is a
 * constant: TLS is led to the sink below its code. Its access token is ready.
 */
async function openAdmin({ port, ca, fcm }: Target, isTogether: boolean): Promise<Client> {
  const [{ initializeApp, deleteApp }, { getMessaging }] = await Promise.all([
    load<AdminApp>('firebase-admin/app'),
    load<AdminMessaging>('firebase-admin/messaging'),
  ]);
  const goBack = leadToSink(port, ca);
  const token = { access_token: fcm.accessToken, expires_in: 3_600 };
  const credential = { getAccessToken: async () => token };
  const app = initializeApp({ credential, projectId: fcm.projectId });
  const messaging = getMessaging(app);
  const made = new WeakMap<object, object>();
  const make = (push: PlannedPush) => {
    const life = secondsLeft(push);
    const message = { ...contentOf(push, life), android: { priority: 'normal', ttl: life * 1_000 } };
    made.set(push.message, message);
    return message;
  };
  const messageOf = (push: PlannedPush) => ({
    token: push.token,
    ...(made.get(push.message) ?? make(push)),
  });
  const sendTogether = async (pushes: readonly PlannedPush[]) =>
    (await messaging.sendEach(pushes.map(messageOf))).successCount;
  return {
    ...(isTogether ? { sendTogether } : {}),
    async send(push) {
      if (isTogether) return (await sendTogether([push])) === 1;
      return messaging.send(messageOf(push)).then(() => true, isRefusal);
    },
    async close() {
      await deleteApp(app);
      https.globalAgent.destroy();
      goBack();
    },
  };
}

/**
 * Also mends the `:scheme` that firebase-admin sends over HTTP/2, `https:` with the colon: Google lets it pass, strict
 * servers do not.
 */
function leadToSink(port: number, ca: string): () => void {
  const { connect: dial } = tls;
  const { connect } = http2;
  // Node's HTTP/2 dials with port and host before its options.
  tls.connect = ((first: tls.ConnectionOptions | string, _host?: string, more?: tls.ConnectionOptions) => {
    const options = typeof first === 'object' ? first : more;
    return dial({ ...options, host: 'localhost', servername: 'localhost', port, ca });
  }) as typeof tls.connect;
  http2.connect = ((...about: Parameters<typeof connect>) => {
    const session = connect(...about);
    const { request } = session;
    session.request = (headers, options) => {
      // Made for this request alone.
      (headers as OutgoingHttpHeaders)[':scheme'] = 'https';
      return request.call(session, headers, options);
    };
    return session;
  }) as typeof connect;
  return () => {
    tls.connect = dial;
    http2.connect = connect;
  };
}

/** @throws  what is no answer of the server */
function isRefusal(error: unknown): false {
  if (error instanceof Error && 'httpResponse' in error && error.httpResponse) return false;
  throw error;
}

function pathOf(projectId: string): string {
  return `/v1/projects/${projectId}/messages:send`;
}

/** All but the token, and what is for Android, which firebase-admin has in words of its own. */
function contentOf({ message: { notification, data, expiresAt } }: PlannedPush, life: number) {
  return {
    notification: { title: notification?.title, body: notification?.body },
    data,
    apns: {
      headers: { 'apns-priority': '5', 'apns-expiration': String(Math.floor(expiresAt / 1_000)) },
    },
    webpush: { headers: { TTL: String(life), Urgency: 'normal' } },
  };
}

/** Whole ones, once a message. */
function secondsLeft({ message }: PlannedPush): number {
  return Math.floor((message.expiresAt - Date.now()) / 1_000);
}
