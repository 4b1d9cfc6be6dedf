import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createAuthority } from '@pushmill/vendors/emulators';
import { ApnsClient, ApnsError, Notification, PushType, SilentNotification } from 'apns2';
import { accountChange, oneRefused, oneTaken } from './account-change.ts';
import { type ForeignApns, startForeignApns, unknownKey } from './apns-setup.ts';
import { lead, trustOnly } from './way-to-emulator.ts';

/*
 * apns2 against the APNs emulator, by provider token, the only credential that it knows. It takes a host, but its
 * port is the constant 443 and it takes no authority. It sends no `apns-id` and drops the one that is answered, so
 * what was taken is known by the emulator's count alone.
 */

const clients: ApnsClient[] = [];
after(() => Promise.all(clients.map((one) => one.close())));

const authority = await createAuthority(new Date());
const apns = await startForeignApns({ seed: 21, authority });
const ahead = await startForeignApns({ seed: 22, authority, clock: 'ahead' });
trustOnly(authority.certificate);
lead({ 'localhost:443': apns.emulator.origin, '127.0.0.1:443': ahead.emulator.origin });

const { emulator } = apns;
const client = open(apns, 'localhost');
const alert = { title: 'Parcel', body: 'It is at the door.' };

function open({ token, topic }: ForeignApns, host: string, signingKey = token.privateKey): ApnsClient {
  const { teamId: team, keyId } = token;
  const opened = new ApnsClient({ team, keyId, signingKey, host, defaultTopic: topic });
  clients.push(opened);
  return opened;
}

test('apns2: an alert is taken', async () => {
  const notification = new Notification(emulator.newToken(), {
    alert,
    badge: 1,
    sound: 'default',
    collapseId: 'parcel',
    expiration: new Date(Date.now() + 60_000),
    data: { order: 'A-17' },
  });
  await taken(notification);
});

test('apns2: a background push is taken, and refused at the priority of an alert', async () => {
  await taken(new SilentNotification(emulator.newToken()));
  const urgent = { type: PushType.background, contentAvailable: true };
  await refused(new Notification(emulator.newToken(), urgent), 400, 'BadPriority');
});

test('apns2: a dead token is told with its time, once it is dead', async () => {
  const notification = new Notification(emulator.newToken(), { alert });
  await taken(notification);
  emulator.plan(notification.deviceToken, 'token-dead');
  const earliest = Date.now();
  const { timestamp } = await refused(notification, 410, 'Unregistered');
  assert.ok(timestamp >= earliest && timestamp <= Date.now(), `${timestamp}`);
});

test('apns2: what is wrong with a request is told in Apple’s words', async () => {
  const token = emulator.newToken();
  await refused(new Notification('not-a-token', { alert }), 400, 'BadDeviceToken');
  await refused(new Notification(token, { alert, topic: 'com.example.other' }), 400, 'TopicDisallowed');
  await refused(new Notification(token, { alert, collapseId: 'x'.repeat(65) }), 400, 'BadCollapseId');
});

test('apns2: 4,096 bytes are taken and one more is too large', async () => {
  const withBytes = (bytes: number) =>
    new Notification(emulator.newToken(), { alert: 'x'.repeat(bytes - '{"aps":{"alert":""}}'.length) });
  await taken(withBytes(4_096));
  await refused(withBytes(4_097), 413, 'PayloadTooLarge');
});

test('apns2: a key that Apple does not know is refused', async () => {
  const stranger = open(apns, 'localhost', unknownKey());
  await refused(new Notification(emulator.newToken(), { alert }), 403, 'InvalidProviderToken', stranger);
});

test('apns2: an old provider token is refused, and the next one is taken', async () => {
  const late = open(ahead, '127.0.0.1');
  const notification = new Notification(ahead.emulator.newToken(), { alert });
  await assert.rejects(late.send(notification), { statusCode: 403, reason: 'ExpiredProviderToken' });
  assert.equal(await late.send(notification), notification);
  const { requests, accepted, refused } = ahead.emulator.account();
  assert.deepEqual(
    { requests, accepted, refused },
    { requests: 2, accepted: 1, refused: { ExpiredProviderToken: 1 } },
  );
});

test('apns2: 300 at once are each answered for', async () => {
  const notifications = Array.from({ length: 300 }, () => new Notification(emulator.newToken(), { alert }));
  const dead = [0, 150, 299];
  for (const index of dead) emulator.plan(notifications[index]?.deviceToken as string, 'token-dead');
  const { result, change } = await accountChange(emulator, () => client.sendMany(notifications));
  assert.deepEqual(
    result.flatMap((one, index) => ('error' in one ? [[index, one.error.reason]] : [])),
    dead.map((index) => [index, 'Unregistered']),
  );
  assert.deepEqual(change, { requests: 300, accepted: 297, duplicates: 0, refused: { Unregistered: 3 } });
});

async function taken(notification: Notification): Promise<void> {
  const { result, change } = await accountChange(emulator, () => client.send(notification));
  assert.equal(result, notification);
  assert.deepEqual(change, oneTaken);
}

async function refused(
  notification: Notification,
  status: number,
  reason: string,
  by: ApnsClient = client,
): Promise<ApnsError> {
  const { result, change } = await accountChange(emulator, () =>
    by.send(notification).catch((error: unknown) => error),
  );
  assert.ok(result instanceof ApnsError, `${result}`);
  assert.deepEqual([result.statusCode, result.reason], [status, reason]);
  assert.deepEqual(change, oneRefused(reason));
  return result;
}
