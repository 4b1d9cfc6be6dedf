import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import {
  Notification,
  type Provider,
  type ResponseFailure,
  type ResponseSent,
  type Responses,
} from '@parse/node-apn';
import { certificates } from '@pushmill/vendors';
import { accountChange, oneRefused, oneTaken } from './account-change.ts';
import { startForeignApns, unknownKey } from './apns-setup.ts';
import { openProvider, tokenOf } from './node-apn-provider.ts';

/*
 * @parse/node-apn against the APNs emulator, by provider token and by certificate, through its own options alone.
 */

const apns = await startForeignApns({ seed: 31 });
const { emulator } = apns;
const pem = await certificates.openClientCertificate(
  [apns.certificate.pfx],
  apns.certificate.passphrase,
  new Date(),
);

/** An alert for the app, unless `changes` say otherwise. */
function notification(changes: Record<string, unknown> = {}): Notification {
  const alert = { title: 'Parcel', body: 'It is at the door.' };
  return new Notification({ topic: apns.topic, pushType: 'alert', alert, ...changes });
}

const background = { pushType: 'background', alert: undefined, contentAvailable: true };

for (const [kind, credential] of [
  ['token', tokenOf(apns)],
  ['.p12', apns.certificate],
  ['PEM', { cert: pem.certificate, key: pem.privateKey }],
] as const) {
  const provider = openProvider(apns, credential);

  test(`node-apn, ${kind}: an alert is taken under its own id, and known again`, async () => {
    const id = crypto.randomUUID();
    const token = emulator.newToken();
    const send = () =>
      provider.send(notification({ id, collapseId: 'parcel', expiry: 1_999_999_999, badge: 1 }), token);
    const first = await accountChange(emulator, send);
    assert.deepEqual(first.result, { sent: [{ device: token, 'apns-id': id }], failed: [] });
    assert.deepEqual(first.change, oneTaken);
    assert.ok(emulator.hasTaken({ id: '', identity: id }));
    const second = await accountChange(emulator, send);
    assert.equal(second.result.sent.length, 1);
    assert.deepEqual(second.change, { requests: 1, accepted: 0, duplicates: 1, refused: {} });
  });

  test(`node-apn, ${kind}: an id is given where none is sent`, async () => {
    const { result, change } = await accountChange(emulator, () =>
      provider.send(notification(), emulator.newToken()),
    );
    const [sent] = result.sent as (ResponseSent & { 'apns-id'?: string })[];
    assert.deepEqual(change, oneTaken);
    assert.ok(emulator.hasTaken({ id: '', identity: String(sent?.['apns-id']) }));
  });

  test(`node-apn, ${kind}: a background push is taken, and refused at the priority of an alert`, async () => {
    await taken(provider, notification({ ...background, priority: 5 }));
    // 10 unless told otherwise, whatever the type.
    await refused(provider, notification(background), 400, 'BadPriority');
  });

  test(`node-apn, ${kind}: a call goes to its own topic and may be larger`, async () => {
    const call = { topic: `${apns.topic}.voip`, pushType: 'voip', alert: 'x'.repeat(4_500) };
    await taken(provider, notification(call));
    await refused(provider, notification({ ...call, alert: 'x'.repeat(5_101) }), 413, 'PayloadTooLarge');
    await refused(provider, notification({ ...call, topic: apns.topic }), 400, 'BadTopic');
  });

  test(`node-apn, ${kind}: 4,096 bytes are taken and one more is too large`, async () => {
    const withBytes = (bytes: number) =>
      notification({ alert: 'x'.repeat(bytes - '{"aps":{"alert":""}}'.length) });
    await taken(provider, withBytes(4_096));
    await refused(provider, withBytes(4_097), 413, 'PayloadTooLarge');
  });

  test(`node-apn, ${kind}: of many devices each is answered for`, async () => {
    const [dead, good] = [emulator.newToken(), emulator.newToken()];
    emulator.plan(dead, 'token-dead');
    const earliest = Date.now();
    const { result, change } = await accountChange(emulator, () =>
      provider.send(notification(), [dead, good, 'not-a-token']),
    );
    assert.deepEqual(
      result.sent.map(({ device }) => device),
      [good],
    );
    assert.deepEqual(
      result.failed.map(({ device, status, response }) => [device, status, response?.reason]),
      [
        [dead, 410, 'Unregistered'],
        ['not-a-token', 400, 'BadDeviceToken'],
      ],
    );
    // Declared as text; the number that APNs sends is passed on.
    const timestamp = Number(result.failed[0]?.response?.timestamp);
    assert.ok(timestamp >= earliest && timestamp <= Date.now(), `${timestamp}`);
    assert.deepEqual(change, {
      requests: 3,
      accepted: 1,
      duplicates: 0,
      refused: { Unregistered: 1, BadDeviceToken: 1 },
    });
  });

  test(`node-apn, ${kind}: what passes is tried again, up to three times`, async () => {
    const token = emulator.newToken();
    emulator.plan(token, 'throttled', 'unavailable', 'throttled');
    const passing = await accountChange(emulator, () => provider.send(notification(), token));
    assert.equal(passing.result.sent.length, 1);
    assert.deepEqual(passing.change, {
      requests: 4,
      accepted: 1,
      duplicates: 0,
      refused: { TooManyRequests: 2, ServiceUnavailable: 1 },
    });
    emulator.plan(token, 'unavailable', 'unavailable', 'unavailable', 'unavailable');
    const lasting = await accountChange(emulator, () => provider.send(notification(), token));
    assertFailure(lasting.result, 503, 'ServiceUnavailable');
    assert.deepEqual(lasting.change, {
      requests: 4,
      accepted: 0,
      duplicates: 0,
      refused: { ServiceUnavailable: 4 },
    });
  });

  test(`node-apn, ${kind}: a topic of another app is refused`, async () => {
    await refused(provider, notification({ topic: 'com.example.other' }), 400, 'TopicDisallowed');
    // The certificate names three topics, so it implies none.
    await refused(provider, notification({ topic: undefined }), 400, 'MissingTopic');
  });
}

test('node-apn: a token of one environment is a bad one in the other', async () => {
  const sandbox = openProvider(apns, tokenOf(apns), apns.otherOrigin);
  await refused(sandbox, notification(), 400, 'BadDeviceToken');
  const own = randomBytes(32).toString('hex');
  const { result, change } = await accountChange(emulator, () => sandbox.send(notification(), own));
  const [sent] = result.sent as (ResponseSent & { 'apns-unique-id'?: string })[];
  assert.equal(sent?.device, own);
  // Only the sandbox gives one, to look the push up in Apple's console.
  assert.match(String(sent?.['apns-unique-id']), /^[0-9a-f-]{36}$/i);
  assert.deepEqual(change, oneTaken);
});

test('node-apn: a key that Apple does not know is refused', async () => {
  const stranger = openProvider(apns, tokenOf(apns, unknownKey()));
  await refused(stranger, notification(), 403, 'InvalidProviderToken');
});

test('node-apn: an old provider token is refused, and a new one is made and taken', async () => {
  const ahead = await startForeignApns({ seed: 32, clock: 'ahead' });
  const provider = openProvider(ahead, tokenOf(ahead));
  const { result, change } = await accountChange(ahead.emulator, () =>
    provider.send(notification(), ahead.emulator.newToken()),
  );
  assert.equal(result.sent.length, 1);
  assert.deepEqual(change, {
    requests: 2,
    accepted: 1,
    duplicates: 0,
    refused: { ExpiredProviderToken: 1 },
  });
});

test('node-apn: a certificate of another authority never gets to a request', async () => {
  const foreign = await startForeignApns({ seed: 33 });
  const stranger = openProvider(apns, foreign.certificate);
  const { result, change } = await accountChange(emulator, () =>
    stranger.send(notification(), emulator.newToken()),
  );
  // APNs closes such a connection with BadCertificate in its GOAWAY; node-apn only writes that to its log.
  assert.deepEqual(result.sent, []);
  assert.match(String(result.failed[0]?.error?.message), /^apn write /);
  assert.deepEqual(change, { requests: 0, accepted: 0, duplicates: 0, refused: {} });
});

async function taken(provider: Provider, sent: Notification): Promise<void> {
  const { result, change } = await accountChange(emulator, () => provider.send(sent, emulator.newToken()));
  assert.deepEqual(result.failed, []);
  assert.equal(result.sent.length, 1);
  assert.deepEqual(change, oneTaken);
}

async function refused(
  provider: Provider,
  sent: Notification,
  status: number,
  reason: string,
): Promise<void> {
  const { result, change } = await accountChange(emulator, () => provider.send(sent, emulator.newToken()));
  assertFailure(result, status, reason);
  assert.deepEqual(change, oneRefused(reason));
}

function assertFailure(
  { sent, failed }: Responses<ResponseSent, ResponseFailure>,
  status: number,
  reason: string,
): void {
  assert.deepEqual(sent, []);
  assert.deepEqual(
    failed.map(({ status, response }) => ({ status, response })),
    [{ status, response: { reason } }],
  );
}
