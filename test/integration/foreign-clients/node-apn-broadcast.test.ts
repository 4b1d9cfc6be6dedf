import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BroadcastResponse, type ChannelAction, Notification, type Provider } from '@parse/node-apn';
import { accountChange, oneRefused, oneTaken } from './account-change.ts';
import { startForeignApns, unknownKey } from './apns-setup.ts';
import { openProvider, tokenOf } from './node-apn-provider.ts';

/*
 * @parse/node-apn's broadcasts and the management of their channels against the APNs emulator, which tells the
 * two apart by path; Apple has a host for each.
 */

const apns = await startForeignApns({ seed: 51 });
const { emulator, topic } = apns;

for (const [kind, credential] of [
  ['token', tokenOf(apns)],
  ['certificate', apns.certificate],
] as const) {
  const provider = openProvider(apns, credential);

  test(`node-apn, ${kind}: a channel is made, read, listed and deleted`, async () => {
    const requestId = crypto.randomUUID();
    // Left to itself, node-apn writes the push type in small letters.
    const payload = { 'message-storage-policy': 1 };
    const [made] = await manage(provider, 'create', { requestId, payload });
    const channelId = String(made?.['apns-channel-id']);
    assert.deepEqual(made, { bundleId: topic, 'apns-request-id': requestId, 'apns-channel-id': channelId });

    const [read] = await manage(provider, 'read', { channelId });
    assert.equal(read?.['message-storage-policy'], 1);
    assert.equal(read?.['push-type'], 'LiveActivity');
    const [listed] = await manage(provider, 'readAll', {});
    assert.ok(listed?.channels?.includes(channelId));

    await manage(provider, 'delete', { channelId });
    const [after] = await manage(provider, 'readAll', {});
    assert.ok(!after?.channels?.includes(channelId));
    const { failed } = await provider.manageChannels(new Notification({ channelId }), topic, 'read');
    assert.deepEqual(reasonsOf(failed), [[400, 'ChannelNotRegistered']]);
  });

  test(`node-apn, ${kind}: a broadcast is taken under its own id`, async () => {
    const channelId = await makeChannel(provider, 1);
    const requestId = crypto.randomUUID();
    const { result, change } = await accountChange(emulator, () =>
      provider.broadcast(update({ channelId, requestId }), topic),
    );
    assert.deepEqual(result.failed, []);
    const [sent] = result.sent;
    assert.deepEqual([sent?.bundleId, sent?.['apns-request-id']], [topic, requestId]);
    assert.deepEqual(change, oneTaken);
  });

  test(`node-apn, ${kind}: what is wrong with a broadcast is told in Apple’s words`, async () => {
    const channelId = await makeChannel(provider, 0);
    const unknown = Buffer.alloc(16).toString('base64');
    for (const [changes, status, reason] of [
      [{ channelId: unknown }, 400, 'ChannelNotRegistered'],
      [{ channelId: undefined }, 400, 'MissingChannelId'],
      [{ channelId: 'not base64!' }, 400, 'BadChannelId'],
      // A channel that stores nothing takes no expiry.
      [{ expiry: Math.floor(Date.now() / 1_000) + 600 }, 400, 'BadExpirationDate'],
      [{ expiry: -1 }, 400, 'BadExpirationDate'],
      [{ pushType: 'alert' }, 400, 'InvalidPushType'],
      [{ pushType: undefined }, 400, 'MissingPushType'],
      [{ requestId: 'not-a-uuid' }, 400, 'BadMessageId'],
      [{ contentState: { score: 'x'.repeat(5_120) } }, 413, 'PayloadTooLarge'],
    ] as const) {
      const { result, change } = await accountChange(emulator, () =>
        provider.broadcast(update({ channelId, ...changes }), topic),
      );
      assert.deepEqual(reasonsOf(result.failed), [[status, reason]]);
      assert.deepEqual(change, oneRefused(reason));
    }
    const { failed } = await provider.broadcast(update({ channelId }), `${topic}.other`);
    assert.deepEqual(reasonsOf(failed), [[400, 'TopicDisallowed']]);
  });

  test(`node-apn, ${kind}: a channel of no known policy is not made`, async () => {
    const wanted = new Notification({ payload: { 'message-storage-policy': 2 } });
    const { failed } = await provider.manageChannels(wanted, topic, 'create');
    assert.deepEqual(reasonsOf(failed), [[400, 'MissingChannelQueueSize']]);
  });
}

test('node-apn: a key that Apple does not know neither manages nor broadcasts', async () => {
  const stranger = openProvider(apns, tokenOf(apns, unknownKey()));
  const managed = await stranger.manageChannels(new Notification(), topic, 'readAll');
  assert.deepEqual(reasonsOf(managed.failed), [[403, 'InvalidProviderToken']]);
  const sent = await stranger.broadcast(update({ channelId: Buffer.alloc(16).toString('base64') }), topic);
  assert.deepEqual(reasonsOf(sent.failed), [[403, 'InvalidProviderToken']]);
});

/** An update of a Live Activity, as a channel that stores nothing takes it. */
function update(changes: Record<string, unknown>): Notification {
  return new Notification({
    pushType: 'liveactivity',
    expiry: 0,
    event: 'update',
    timestamp: Math.floor(Date.now() / 1_000),
    contentState: { score: '2:1' },
    ...changes,
  });
}

async function manage(
  provider: Provider,
  action: ChannelAction,
  content: Record<string, unknown>,
): Promise<BroadcastResponse[]> {
  const { sent, failed } = await provider.manageChannels(new Notification(content), topic, action);
  assert.deepEqual(failed, []);
  assert.equal(sent.length, 1);
  return sent;
}

async function makeChannel(provider: Provider, policy: 0 | 1): Promise<string> {
  const [made] = await manage(provider, 'create', { payload: { 'message-storage-policy': policy } });
  return String(made?.['apns-channel-id']);
}

function reasonsOf(failed: readonly { status?: number; response?: { reason: string } }[]) {
  return failed.map(({ status, response }) => [status, response?.reason]);
}
