import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { createAuthority } from '../authority.ts';
import type { Authority, EmulatorChannel } from '../emulator.ts';
import { messageWith, pushesTo } from '../fixtures.ts';
import type { OutgoingPush, VendorReceipt } from '../vendor.ts';
import { prepareCredential } from './credential.ts';
import { type BaiduEmulatorOptions, startBaiduEmulator } from './emulator.ts';
import { openSender } from './fixtures.ts';
import { readCallback } from './receipt.ts';
import type { BaiduSettings } from './settings.ts';

/* SPP's callbacks, from the emulator to `readCallback` and over a real port. */

let authority: Authority;
let server: http.Server;
let url: string;
/** What the server does with a call; each test has its own. */
let take: (path: string, body: Buffer) => number = () => 200;
const signal = new AbortController().signal;

before(async () => {
  authority = await createAuthority(new Date());
  server = http.createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    response.writeHead(take(request.url ?? '', body)).end('success');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callbacks/baidu/the-secret-key`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  take = () => 200;
});

async function open(options: Partial<BaiduEmulatorOptions> = {}) {
  const emulator = await startBaiduEmulator({ port: 0, authority, seed: 1, ...options });
  const offered = emulator.channels.find(({ name }) => name === 'baidu-spp') as EmulatorChannel;
  assert.equal(offered.receipts, true);
  emulator.setCallback('baidu-spp', url);
  const sender = openSender(offered);
  const settings = offered.settings as BaiduSettings;
  const { credential } = prepareCredential(offered.credential, settings);
  const read = (rawBody: Buffer) =>
    readCallback({ rawQuery: '', headers: {}, rawBody }, { id: 'c', settings, credential });
  const pushes = (count: number): OutgoingPush[] => {
    const tokens = Array.from({ length: count }, () => emulator.newToken('baidu-spp'));
    return pushesTo(tokens, messageWith({ expiresAt: Date.now() + 600_000 }));
  };
  const close = async () => {
    await sender.close(1_000);
    await emulator.close();
  };
  return { emulator, sender, read, pushes, close };
}

/** Takes calls by the secret address until so many receipts came, over all of them. */
function collect(
  read: (body: Buffer) => ReturnType<typeof readCallback>,
  count: number,
): Promise<VendorReceipt[]> {
  const receipts: VendorReceipt[] = [];
  return new Promise((resolve) => {
    take = (path, body) => {
      const verdict = path.endsWith('/the-secret-key') ? read(body) : undefined;
      if (verdict?.kind !== 'receipts') return 401;
      receipts.push(...verdict.receipts);
      if (receipts.length >= count) resolve(receipts);
      return 200;
    };
  });
}

test('each step on a device is told, by the id of its push', async () => {
  const { sender, read, pushes, close } = await open({ receiptTypes: [4, 0, 1, 2, 3] });
  const collected = collect(read, 5);
  const [push] = pushes(1) as [OutgoingPush];
  await sender.send([push], signal);
  assert.deepEqual(
    (await collected).map(({ pushId, state }) => [pushId, state]),
    [undefined, 'accepted', 'delivered', 'displayed', 'clicked'].map((state) => [push.id, state]),
  );
  await close();
});

test('of a dropped push nothing is told but that it was sent', async () => {
  const { emulator, sender, read, pushes, close } = await open();
  const collected = collect(read, 2);
  const [fine, lost] = pushes(2) as [OutgoingPush, OutgoingPush];
  emulator.plan(lost.token, 'dropped');
  await sender.send([fine, lost], signal);
  const states = new Map((await collected).map(({ pushId, state }) => [pushId, state]));
  assert.deepEqual([states.get(fine.id), states.get(lost.id)], ['delivered', 'accepted']);
  await close();
});

test('a repetition is the same again', async () => {
  const { emulator, sender, read, pushes, close } = await open();
  emulator.setFaults({ 'duplicate-receipt': 1 });
  const collected = collect(read, 2);
  await sender.send(pushes(1), signal);
  assert.equal(new Set((await collected).map(({ dedupKey }) => dedupKey)).size, 1);
  assert.equal(emulator.account().receiptsSent, 2);
  await close();
});

test('a late one comes behind the next, and at the latest when the emulator is closed', async () => {
  const options = { lateReceiptMs: 600_000, receiptsAtClose: 'flush' } as const;
  const { emulator, sender, read, pushes, close } = await open(options);
  const [late, next] = pushes(2) as [OutgoingPush, OutgoingPush];
  let collected = collect(read, 1);
  emulator.setFaults({ 'late-receipt': 1 });
  await sender.send([late], signal);
  emulator.setFaults({});
  await sender.send([next], signal);
  assert.equal((await collected)[0]?.pushId, next.id);
  collected = collect(read, 1);
  await close();
  assert.equal((await collected)[0]?.pushId, late.id);
  assert.deepEqual([emulator.account().receiptsSent, emulator.account().receiptsTaken], [2, 2]);
});

test('a late one comes by itself', async () => {
  const { emulator, sender, read, pushes, close } = await open({ lateReceiptMs: 10 });
  const collected = collect(read, 1);
  emulator.setFaults({ 'late-receipt': 1 });
  const [late] = pushes(1) as [OutgoingPush];
  await sender.send([late], signal);
  assert.equal((await collected)[0]?.pushId, late.id);
  await close();
});

test('a forged one knows neither the address nor the app, and is counted apart', async () => {
  const { emulator, sender, read, pushes, close } = await open();
  emulator.setFaults({ 'forged-receipt': 1 });
  const seen = new Promise<[string, Buffer]>((resolve) => {
    take = (path, body) => {
      if (path.endsWith('/the-secret-key')) return 200;
      resolve([path, body]);
      return 401;
    };
  });
  await sender.send(pushes(1), signal);
  const [path, body] = await seen;
  assert.match(path, /^\/callbacks\/baidu\/[^/]+$/);
  // Even one who had guessed the address would be refused.
  const verdict = read(body);
  assert.deepEqual([verdict.kind, 'code' in verdict && verdict.code], ['refused', 'other-app']);
  assert.equal(emulator.account().receiptsSent, 1);
  await close();
});

test('what is not answered 2xx is sent again, and counted once', async () => {
  const { emulator, sender, read, pushes, close } = await open();
  let calls = 0;
  const taken = new Promise<void>((resolve) => {
    take = (_path, body) => {
      calls += 1;
      if (calls === 1) return 503;
      assert.equal(read(body).kind, 'receipts');
      resolve();
      return 200;
    };
  });
  await sender.send(pushes(1), signal);
  await taken;
  assert.equal(emulator.account().receiptsSent, 1);
  await close();
});

test('an audience is reported device by device, and for none as the whole', async () => {
  const { sender, read, pushes, close } = await open();
  const collected = collect(read, 2);
  const [push] = pushes(1) as [OutgoingPush];
  await sender.send([{ ...push, token: '', audience: { kind: 'cuids', cuids: ['a', 'b'] } }], signal);
  const receipts = await collected;
  assert.deepEqual(
    receipts.map(({ pushId, state }) => [pushId, state]),
    [
      [push.id, undefined],
      [push.id, undefined],
    ],
  );
  assert.equal(new Set(receipts.map(({ dedupKey }) => dedupKey)).size, 2);
  await close();
});

test('other generations call nobody, and a channel that there is not is an error', async () => {
  const { emulator, close } = await open();
  emulator.setCallback('baidu', url);
  const sender = openSender(emulator.channels[0] as EmulatorChannel);
  const push = pushesTo([emulator.newToken()], messageWith({ expiresAt: Date.now() + 60_000 }));
  assert.equal((await sender.send(push, signal))[0]?.kind, 'accepted');
  assert.equal(emulator.account().receiptsSent, 0);
  assert.throws(() => emulator.setCallback('elsewhere', url));
  await sender.close(1_000);
  await close();
});
