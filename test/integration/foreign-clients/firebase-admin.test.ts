import assert from 'node:assert/strict';
import http2, { type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import { after, test } from 'node:test';
import { createAuthority } from '@pushmill/vendors/emulators';
import { type App, cert, deleteApp, initializeApp, type ServiceAccount } from 'firebase-admin/app';
import { type FirebaseMessagingError, getMessaging, type Message } from 'firebase-admin/messaging';
// Not from the list of emulators, which shows no more of each than what all have.
import { startFcmEmulator, type TakenMessage } from '../../../packages/vendors/src/fcm/emulator.ts';
import { type AccountChange, accountChange, oneRefused, oneTaken } from './account-change.ts';
import { lead, trustOnly } from './way-to-emulator.ts';

/*
 * firebase-admin against the FCM emulator: access tokens and single messages over HTTP/1.1, many messages and topics
 * over HTTP/2. Its hosts are constants.
 */

const authority = await createAuthority(new Date());
const taken: TakenMessage[] = [];
const emulator = await startFcmEmulator({
  port: 0,
  authority,
  seed: 61,
  retryAfter: 'none',
  onMessage: (message) => taken.push(message),
});
after(() => emulator.close());
trustOnly(authority.certificate);
const hosts = ['fcm.googleapis.com', 'oauth2.googleapis.com', 'iid.googleapis.com'];
lead(Object.fromEntries(hosts.map((host) => [`${host}:443`, emulator.origin])));
writeSchemeRight();

/**
 * firebase-admin sends `:scheme` as `https:`, with the colon. Google's front ends let that pass; Node's server, which
 * the emulator is, resets the stream, and nothing in it can be told otherwise.
 */
function writeSchemeRight(): void {
  const { connect } = http2;
  http2.connect = ((...about: Parameters<typeof connect>): ClientHttp2Session => {
    const session = connect(...about);
    const { request } = session;
    session.request = (headers, options) => {
      assert.equal((headers as OutgoingHttpHeaders)[':scheme'], 'https:');
      return request.call(session, { ...headers, ':scheme': 'https' }, options);
    };
    return session;
  }) as typeof connect;
  after(() => {
    http2.connect = connect;
  });
}

const keyFile = JSON.parse(emulator.channels[0]?.credential.serviceAccount as string) as ServiceAccount;
let apps = 0;

function open(changes: Record<string, string> = {}, projectId?: string): App {
  apps += 1;
  const credential = cert({ ...keyFile, ...changes } as ServiceAccount);
  const app = initializeApp({ credential, ...(projectId === undefined ? {} : { projectId }) }, `app-${apps}`);
  after(() => deleteApp(app));
  return app;
}

const messaging = getMessaging(open());
const notification = { title: 'Parcel', body: 'It is at the door.' };
const ofData = (bytes: number) => ({ data: { key: 'x'.repeat(bytes - 'key'.length) } });

async function isTaken(message: Message): Promise<TakenMessage> {
  const { result, change } = await accountChange(emulator, () => messaging.send(message));
  assert.deepEqual(change, oneTaken);
  const last = taken.at(-1) as TakenMessage;
  assert.equal(result, last.name);
  return last;
}

async function isRefused(message: Message, code: string, text: RegExp, change: AccountChange): Promise<void> {
  const told = await accountChange(emulator, () =>
    messaging.send(message).then(assert.fail, (error) => error),
  );
  const { code: toldCode, message: toldText } = told.result as FirebaseMessagingError;
  assert.equal(toldCode, `messaging/${code}`);
  assert.match(toldText, text);
  assert.deepEqual(told.change, change);
}

test('firebase-admin: a message with everything that it knows is taken as it was meant', async () => {
  const token = emulator.newToken();
  const { message } = await isTaken({
    token,
    notification: { ...notification, imageUrl: 'https://example.com/i.png' },
    data: { parcel: '4711' },
    fcmOptions: { analyticsLabel: 'parcels' },
    android: {
      collapseKey: 'parcel',
      priority: 'high',
      ttl: 3_500,
      directBootOk: true,
      notification: {
        channelId: 'parcels',
        color: '#00ff7f',
        titleLocKey: 'title',
        titleLocArgs: ['4711'],
        eventTimestamp: new Date(1_800_000_000_000),
        priority: 'max',
        visibility: 'public',
        vibrateTimingsMillis: [500, 1_000],
        lightSettings: { color: '#aabbccdd', lightOnDurationMillis: 200, lightOffDurationMillis: 300 },
        notificationCount: 3,
        proxy: 'if_priority_lowered',
      },
    },
    apns: {
      headers: { 'apns-priority': '5' },
      payload: { aps: { contentAvailable: true, badge: 3 }, own: { a: 1 } },
      fcmOptions: { imageUrl: 'https://example.com/i.png' },
    },
    webpush: {
      headers: { TTL: '60' },
      notification: { title: 'Parcel', actions: [{ action: 'open', title: 'Open' }] },
      fcmOptions: { link: 'https://example.com/' },
    },
  });
  const android = message.android as { ttl: string; notification: Record<string, unknown> };
  assert.deepEqual(
    [android.ttl, android.notification.notification_priority, android.notification.vibrate_timings],
    ['3.500000000s', 'PRIORITY_MAX', ['0.500000000s', '1s']],
  );
});

test('firebase-admin: one access token does for all', async () => {
  const before = emulator.tokenRequests;
  await isTaken({ token: emulator.newToken(), notification });
  await isTaken({ token: emulator.newToken(), notification });
  assert.equal(emulator.tokenRequests, before);
});

test('firebase-admin: topics and conditions are taken', async () => {
  assert.equal((await isTaken({ topic: '/topics/news', notification })).target, 'news');
  const condition = "'news' in topics && ('a' in topics || !('b' in topics))";
  assert.deepEqual((await isTaken({ condition, notification })).kind, 'condition');
  await isRefused(
    { condition: 'news in topics' },
    'invalid-argument',
    /^Request contains an invalid argument\.$/,
    oneRefused('INVALID_ARGUMENT'),
  );
});

test('firebase-admin: a dry run is checked and not taken', async () => {
  const { result, change } = await accountChange(emulator, () => messaging.send({ topic: 'news' }, true));
  assert.equal(result, 'projects/pushmill-demo/messages/fake_message_id');
  assert.deepEqual(change, { ...oneTaken, accepted: 0 });
});

test('firebase-admin: 4,096 bytes are taken, 2,048 for a topic, and one more is too big', async () => {
  const token = emulator.newToken();
  await isTaken({ token, ...ofData(4_096) });
  await isTaken({ topic: 'news', ...ofData(2_048) });
  for (const message of [
    { token, ...ofData(4_097) },
    { topic: 'news', ...ofData(2_049) },
  ]) {
    const refused = oneRefused('INVALID_ARGUMENT');
    await isRefused(message, 'invalid-argument', /^Android message is too big$/, refused);
  }
});

test('firebase-admin: what FCM knows of a token is told', async () => {
  const token = emulator.newToken();
  const gone = /^Requested entity was not found\.$/;
  for (const [state, code, text, counted] of [
    ['unregistered', 'registration-token-not-registered', gone, 'UNREGISTERED'],
    ['mismatched', 'mismatched-credential', /^SenderId mismatch$/, 'SENDER_ID_MISMATCH'],
    ['malformed', 'invalid-argument', /not a valid FCM registration token$/, 'INVALID_ARGUMENT'],
    ['no-third-party-key', 'third-party-auth-error', /./, 'THIRD_PARTY_AUTH_ERROR'],
  ] as const) {
    emulator.setToken(token, state);
    await isRefused({ token, notification }, code, text, oneRefused(counted));
  }
  const fid = emulator.newFid();
  await isTaken({ fid, notification });
  emulator.setToken(fid, 'unregistered');
  const refused = oneRefused('UNREGISTERED');
  await isRefused({ fid, notification }, 'installation-id-not-registered', gone, refused);
  await isRefused(
    { token: 'not-a-token', notification },
    'invalid-argument',
    /^The registration token is not a valid FCM registration token$/,
    oneRefused('INVALID_ARGUMENT'),
  );
});

test('firebase-admin: what passes is tried again; a broken line makes a second message', async () => {
  const token = emulator.newToken();
  emulator.plan(token, 'unavailable');
  const passing = await accountChange(emulator, () => messaging.send({ token, notification }));
  assert.deepEqual(passing.change, { requests: 2, accepted: 1, duplicates: 0, refused: { UNAVAILABLE: 1 } });
  emulator.plan(token, 'reset');
  const broken = await accountChange(emulator, () => messaging.send({ token, notification }));
  // FCM has nothing by which it would know the second as a copy.
  assert.deepEqual(broken.change, { requests: 2, accepted: 2, duplicates: 0, refused: {} });
  emulator.plan(token, 'throttled');
  const refused = oneRefused('QUOTA_EXCEEDED');
  await isRefused({ token, notification }, 'message-rate-exceeded', /^Quota exceeded\.$/, refused);
});

test('firebase-admin: of 150 messages each is answered for, on one connection', async () => {
  const tokens = Array.from({ length: 150 }, () => emulator.newToken());
  const dead = tokens[100] as string;
  emulator.plan(dead, 'token-dead');
  const connections = emulator.connectionsOpened;
  const { result, change } = await accountChange(emulator, () =>
    messaging.sendEach(tokens.map((token) => ({ token, notification }))),
  );
  assert.deepEqual([result.successCount, result.failureCount], [149, 1]);
  const failed = result.responses[100]?.error;
  assert.equal(failed?.code, 'messaging/registration-token-not-registered');
  assert.deepEqual(change, { requests: 150, accepted: 149, duplicates: 0, refused: { UNREGISTERED: 1 } });
  assert.equal(emulator.connectionsOpened - connections, 1);
});

test('firebase-admin: tokens are put into a topic and taken out, both ways', async () => {
  const [good, gone] = [emulator.newToken(), emulator.newToken()];
  emulator.setToken(gone, 'unregistered');
  for (const [add, remove] of [
    [messaging.subscribeToTopic, messaging.unsubscribeFromTopic],
    [messaging.subscribeToTopicLegacy, messaging.unsubscribeFromTopicLegacy],
  ] as const) {
    const added = await add.call(messaging, [good, gone, 'x'], 'news');
    assert.deepEqual([added.successCount, added.failureCount], [1, 2]);
    assert.deepEqual(
      added.errors.map(({ index, error }) => [index, error.code]),
      [
        [1, 'messaging/registration-token-not-registered'],
        [2, 'messaging/invalid-registration-token'],
      ],
    );
    assert.equal(emulator.isSubscribed(good, 'news'), true);
    assert.equal((await remove.call(messaging, good, 'news')).successCount, 1);
    assert.equal(emulator.isSubscribed(good, 'news'), false);
  }
});

test('firebase-admin: a key that Google does not know gets no access token', async () => {
  const stranger = getMessaging(open({ client_email: 'nobody@pushmill-demo.iam.gserviceaccount.com' }));
  const { result, change } = await accountChange(emulator, () =>
    stranger.send({ topic: 'news' }).then(assert.fail, (error) => error),
  );
  assert.match(String(result), /account not found/);
  assert.equal(change.requests, 0);
});

test('firebase-admin: of another project it says that the token is dead', async () => {
  // Why our own sender believes a 404 only with FCM's own word in it.
  const lost = getMessaging(open({}, 'another-project'));
  const { result, change } = await accountChange(emulator, () =>
    lost.send({ token: emulator.newToken() }).then(assert.fail, (error) => error),
  );
  assert.equal(result.code, 'messaging/registration-token-not-registered');
  assert.deepEqual(change, oneRefused('NOT_FOUND'));
});
