import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import bpush from 'bpush-nodejs';
import { accountChange, oneTaken } from './account-change.ts';
import { ForeignBaidu } from './baidu-setup.ts';

/* bpush-nodejs' pushes to single devices against the Baidu emulator. A batch call it has not. */

const baidu = await ForeignBaidu.start(41);
const { emulator } = baidu;
const { constant } = bpush;
const single = bpush.apis.pushMsgToSingleDevice;
beforeEach(() => baidu.useApp('baidu'));

/** Characters that the form encodings of Java, PHP and JavaScript treat differently. */
const title = "100% ~ *free* (it's new!)";
const notification = JSON.stringify({ title, description: '包裹 a+b=c & d/e ë 🎁' });
const wrongParams = 'Request Params Not Valid';
const wrongKey = 'Authentication Failed';

/** A call's parameters, new each time: the client writes into them. */
function toDevice(channelId: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    channel_id: channelId,
    msg: notification,
    msg_type: constant.MSG_TYPE.NOTIFICATION,
    device_type: constant.DEVICE_TYPE.ANDROID,
    ...changes,
  };
}

test('bpush-nodejs: a notification is taken, every odd character in it', async () => {
  await baidu.taken(single, toDevice(emulator.newToken()));
  await baidu.taken(single, toDevice(emulator.newToken(), { msg_expires: 600, topic_id: 'parcels' }));
});

test('bpush-nodejs: a message is passed through as it is', async () => {
  const message = { msg: '* ~ not JSON', msg_type: constant.MSG_TYPE.MESSAGE };
  await baidu.taken(single, toDevice(emulator.newToken(), message));
});

test('bpush-nodejs: an iPhone is reached by the key of its own app', async () => {
  const toPhone = () =>
    toDevice(emulator.newToken(), {
      msg: JSON.stringify({ aps: { alert: title } }),
      device_type: constant.DEVICE_TYPE.IOS,
      deploy_status: constant.DEPLOY_STATUS.PRODUCTION,
    });
  await baidu.refused(single, toPhone(), 30602, wrongParams);
  baidu.useApp('baidu-ios');
  await baidu.taken(single, toPhone());
});

test('bpush-nodejs: a wrong secret is refused', async () => {
  bpush.config.sk = `${bpush.config.sk}x`;
  await baidu.refused(single, toDevice(emulator.newToken()), 30603, wrongKey);
});

test('bpush-nodejs: a key of no app is refused', async () => {
  bpush.config.ak = 'a'.repeat(24);
  await baidu.refused(single, toDevice(emulator.newToken()), 30603, wrongKey);
});

test('bpush-nodejs: parameters that were sent before are refused', async () => {
  // The client leaves the old `sign` among the parameters and signs it too (lib/bpush.js, sendRequest).
  const params = toDevice(emulator.newToken());
  await baidu.taken(single, params);
  await baidu.refused(single, params, 30603, wrongKey);
});

test('bpush-nodejs: a device that is gone is refused, and taken once it is back', async () => {
  const device = emulator.newToken();
  emulator.plan(device, 'token-dead');
  await baidu.refused(single, toDevice(device), 30608, 'Bind Relation Not Found');
  await baidu.taken(single, toDevice(device));
});

test('bpush-nodejs: what is wrong with a push is told in Baidu’s words', async () => {
  const device = emulator.newToken();
  for (const changes of [
    { channel_id: 'not-a-number' },
    { msg: '{"title":"no description"}' },
    { msg: JSON.stringify({ description: 'x'.repeat(4_096) }) },
    { msg_type: 2 },
    { msg_expires: 604_801 },
    { topic_id: 'no dashes-please' },
  ]) {
    await baidu.refused(single, toDevice(device, changes), 30602, wrongParams);
  }
  emulator.plan(device, 'throttled');
  const tooFast = 'Requests Are Too Frequent To Be Temporarily Rejected';
  await baidu.refused(single, toDevice(device), 30699, tooFast);
});

test('bpush-nodejs: a push by GET is refused', async () => {
  await baidu.refused(single, toDevice(emulator.newToken()), 30601, 'Method Not Allowed', 'GET');
});

test('bpush-nodejs: a push whose connection breaks has arrived, and is known again', async () => {
  const device = emulator.newToken();
  emulator.plan(device, 'reset');
  const broken = await accountChange(emulator, () =>
    assert.rejects(bpush.sendRequest(single, toDevice(device)), { code: 'ECONNRESET' }),
  );
  assert.deepEqual(broken.change, oneTaken);
  const { change } = await accountChange(emulator, () => baidu.ask(single, toDevice(device)));
  assert.deepEqual(change, { requests: 1, accepted: 0, duplicates: 1, refused: {} });
});
