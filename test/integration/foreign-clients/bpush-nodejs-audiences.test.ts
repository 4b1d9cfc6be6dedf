import assert from 'node:assert/strict';
import { test } from 'node:test';
import bpush from 'bpush-nodejs';
import { ForeignBaidu } from './baidu-setup.ts';

/* bpush-nodejs' tags, pushes to tags and to everybody, and the questions about them, against the Baidu emulator. */

/** Stands still but for the tests: how often everybody may be sent to is counted by the second. */
let vendorNow = Date.now();
const baidu = await ForeignBaidu.start(42, () => vendorNow);
const { emulator } = baidu;
const { apis, constant } = bpush;

const noTag = 'Group Not Found';
let messages = 0;

/** A notification that no other call has sent. */
function notification(changes: Record<string, unknown> = {}): Record<string, unknown> {
  messages += 1;
  return {
    msg: JSON.stringify({ description: `message ${messages}` }),
    msg_type: constant.MSG_TYPE.NOTIFICATION,
    device_type: constant.DEVICE_TYPE.ANDROID,
    ...changes,
  };
}

test('bpush-nodejs: a tag is made, filled, counted, sent to and deleted', async () => {
  const tag = 'Zürich ~ 新闻 (*)';
  const channelIds = [emulator.newToken(), emulator.newToken()];
  // As text: the numbers of the client's own examples lose their last digits in JavaScript.
  const devices = JSON.stringify(channelIds);
  assert.deepEqual(await baidu.ask(apis.createTag, { tag }), { tag, result: 0 });
  assert.deepEqual(await baidu.ask(apis.addDevicesToTag, { tag, channel_ids: devices }), {
    result: channelIds.map((channel_id) => ({ channel_id, result: 0 })),
  });
  assert.deepEqual(await baidu.ask(apis.deviceNumInTag, { tag }), { device_num: 2 });

  const { msg_id } = await baidu.taken(apis.pushMsgToTag, notification({ type: 1, tag }));
  const { total_num, result } = await baidu.ask(apis.queryMsgStatus, { msg_id });
  assert.equal(total_num, 1);
  const [told] = result as Record<string, unknown>[];
  assert.deepEqual([told?.status, told?.success, String(told?.msg_id)], [0, 2, String(msg_id)]);

  const one = JSON.stringify(channelIds.slice(0, 1));
  await baidu.ask(apis.removeDevicesFromTag, { tag, channel_ids: one });
  assert.deepEqual(await baidu.ask(apis.deviceNumInTag, { tag }), { device_num: 1 });
  assert.deepEqual(await baidu.ask(apis.deleteTag, { tag }), { tag, result: 0 });
  await baidu.refused(apis.pushMsgToTag, notification({ type: 1, tag }), 30611, noTag);
});

test('bpush-nodejs: tags are listed', async () => {
  await baidu.ask(apis.createTag, { tag: 'sport' });
  const { result } = await baidu.ask(apis.queryTags, { tag: 'sport' });
  assert.deepEqual(
    (result as { tag: string }[]).map(({ tag }) => tag),
    ['sport'],
  );
  const all = await baidu.ask(apis.queryTags, {});
  assert.equal(all.total_num, (all.result as unknown[]).length);
  assert.ok((all.result as { tag: string }[]).some(({ tag }) => tag === 'sport'));
});

test('bpush-nodejs: what is wrong with a tag is told in Baidu’s words', async () => {
  const wrong = 'Request Params Not Valid';
  await baidu.refused(apis.createTag, { tag: 'x'.repeat(129) }, 30602, wrong);
  await baidu.ask(apis.createTag, { tag: 'twice' });
  await baidu.refused(apis.createTag, { tag: 'twice' }, 30610, 'Duplicate Operation');
  await baidu.refused(apis.deleteTag, { tag: 'never made' }, 30611, noTag);
  await baidu.refused(apis.deviceNumInTag, { tag: 'never made' }, 30611, noTag);
  const eleven = JSON.stringify(Array.from({ length: 11 }, () => emulator.newToken()));
  await baidu.refused(apis.addDevicesToTag, { tag: 'twice', channel_ids: eleven }, 30602, wrong);
  await baidu.refused(apis.pushMsgToTag, notification({ type: 2, tag: 'twice' }), 30602, wrong);
});

test('bpush-nodejs: everybody is sent to once a second', async () => {
  await baidu.taken(apis.pushMsgToAll, notification());
  const tooFast = 'Requests Are Too Frequent To Be Temporarily Rejected';
  await baidu.refused(apis.pushMsgToAll, notification(), 30699, tooFast);
  vendorNow += 1_000;
  await baidu.taken(apis.pushMsgToAll, notification());
});

test('bpush-nodejs: a message with a time waits for it', async () => {
  vendorNow += 1_000;
  const send_time = Math.floor(vendorNow / 1_000) + 120;
  const { msg_id, timer_id } = await baidu.ask(apis.pushMsgToAll, notification({ send_time }));
  assert.match(String(timer_id), /^\d+$/);
  const status = async () => {
    const { result } = await baidu.ask(apis.queryMsgStatus, { msg_id });
    return (result as { status: number }[]).map((row) => row.status);
  };
  assert.deepEqual(await status(), [1]);
  vendorNow += 120_000;
  assert.deepEqual(await status(), [0]);
});

test('bpush-nodejs: a message that was never sent is not known', async () => {
  await baidu.refused(apis.queryMsgStatus, { msg_id: '1' }, 30605, 'Data Required Not Found');
});

test('bpush-nodejs: a question by GET is refused', async () => {
  // Baidu takes it, but signs the address without its query; the client signs all of it (common/tool.js, signBpush).
  await baidu.refused(apis.queryTags, { tag: 'sport' }, 30603, 'Authentication Failed', 'GET');
});

test('bpush-nodejs: with a wrong secret nothing is told and nothing is sent', async () => {
  bpush.config.sk = `${bpush.config.sk}x`;
  for (const [api, params] of [
    [apis.pushMsgToAll, notification()],
    [apis.pushMsgToTag, notification({ type: 1, tag: 'sport' })],
    [apis.queryTags, {}],
    [apis.createTag, { tag: 'new' }],
    [apis.deleteTag, { tag: 'sport' }],
  ] as const) {
    await baidu.refused(api, params, 30603, 'Authentication Failed');
  }
  baidu.useApp('baidu');
  const { total_num } = await baidu.ask(apis.queryTags, { tag: 'sport' });
  assert.equal(total_num, 1);
});
