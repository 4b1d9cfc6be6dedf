import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { Outcome } from '@pushmill/core';
import { createAuthority } from '../authority.ts';
import type { Authority, EmulatorChannel } from '../emulator.ts';
import { messageWith, openChannel, pushesTo, type Warning } from '../fixtures.ts';
import type { OutgoingPush, VendorReceipt } from '../vendor.ts';
import { prepareCredential } from './credential.ts';
import { type MpaasEmulator, startMpaasEmulator } from './emulator.ts';
import { openSender } from './fixtures.ts';
import { pushCall } from './payload.ts';
import { readCallback } from './receipt.ts';
import type { MpaasSettings } from './settings.ts';
import { createStamp } from './stamp.ts';

let authority: Authority;
let emulator: MpaasEmulator;
let rest: EmulatorChannel;
let openapi: EmulatorChannel;

before(async () => {
  authority = await createAuthority(new Date());
  emulator = await startMpaasEmulator({ port: 0, authority, seed: 1 });
  [rest, openapi] = emulator.channels as [EmulatorChannel, EmulatorChannel];
});
after(() => emulator.close());

interface Raw {
  path: string;
  headers?: Record<string, string>;
  body: string | Buffer;
}

/** A call made by hand, for what the sender would never send. */
async function post(raw: Raw): Promise<{ status: number; body: Record<string, unknown> }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    body: Record<string, unknown>;
  }>();
  const request = https.request(`${emulator.origin}${raw.path}`, {
    method: 'POST',
    headers: raw.headers,
    ca: authority.certificate,
    agent: false,
  });
  request.on('error', reject);
  request.on('response', async (response) => {
    const text = Buffer.concat(await response.toArray()).toString();
    resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) });
  });
  request.end(raw.body);
  return promise;
}

const channelOf = (offered: EmulatorChannel, settings: Partial<MpaasSettings> = {}) =>
  openChannel(prepareCredential, offered, { settings });

const warnings: Warning[] = [];

const senderOf = (
  offered: EmulatorChannel,
  settings: Partial<MpaasSettings> = {},
  now: () => number = Date.now,
) => openSender(offered, { settings, now, warnings });

function pushes(count: number): OutgoingPush[] {
  const tokens = Array.from({ length: count }, () => emulator.newToken());
  return pushesTo(tokens, messageWith({ expiresAt: Date.now() + 600_000 }));
}

const signal = new AbortController().signal;
const kindsOf = (outcomes: readonly Outcome[]) => outcomes.map((outcome) => outcome.kind);

describe('interface B', () => {
  const path = (segment: string, app = 'ONEXEMULATED0001') => `/push/pushsimple/${app}/test/${segment}`;
  const body = Buffer.from(
    JSON.stringify({
      taskName: 't',
      title: 'x',
      content: 'y',
      deliveryType: 1,
      expiredSeconds: 60,
      target_msgkey: { a: 'm-1' },
    }),
  );
  const signed = (of: Buffer) =>
    sign('sha256', of, createPrivateKey(rest.credential.privateKey as string)).toString('base64url');
  const codeOf = async (raw: Raw) => (await post(raw)).body.resultCode;

  test('takes a body that was signed with the uploaded key', async () => {
    assert.equal(await codeOf({ path: path(signed(body)), body }), '100');
    assert.equal(await codeOf({ path: path(`${signed(body)}%3D%3D`), body }), '100');
  });

  test('refuses every other signature', async () => {
    const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const flipped = Buffer.from(signed(body), 'base64url');
    flipped[9] = (flipped[9] as number) ^ 4;
    const bad = [
      'x',
      '%zz',
      signed(body).slice(4),
      flipped.toString('base64url'),
      sign('sha256', body, stranger).toString('base64url'),
    ];
    for (const segment of bad) assert.equal(await codeOf({ path: path(segment), body }), '-1', segment);
    assert.equal(await codeOf({ path: path(signed(body)), body: `${body}\n` }), '-1');
    assert.equal(
      await codeOf({ path: path(signed(body)), body: JSON.stringify(JSON.parse(`${body}`), null, 1) }),
      '-1',
    );
  });

  test('refuses other apps, the switch, other encodings', async () => {
    assert.equal(await codeOf({ path: path(signed(body), 'OTHER'), body }), '3007');
    assert.equal(await codeOf({ path: path(signed(body), 'ONEXEMULATED0002'), body }), '3032');
    emulator.setRestSwitch('mpaas', false);
    assert.equal(await codeOf({ path: path(signed(body)), body }), '3032');
    emulator.setRestSwitch('mpaas', true);
    const gbk = Buffer.concat([Buffer.from('{"title":"'), Buffer.from([0xb2, 0xe2]), Buffer.from('"}')]);
    assert.equal(await codeOf({ path: path(signed(gbk)), body: gbk }), '3031');
  });

  test('checks the fields in the order of the codes', async () => {
    const good = JSON.parse(body.toString()) as Record<string, unknown>;
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, `v${n}`]));
    const cases: [string, Record<string, unknown>][] = [
      ['3009', { deliveryType: 4, taskName: '' }],
      ['3019', { taskName: undefined, expiredSeconds: 0 }],
      ['3020', { expiredSeconds: 0 }],
      ['3020', { expiredSeconds: '60' }],
      ['3021', { target_msgkey: {} }],
      ['3024', { title: '' }],
      ['3026', { expiredSeconds: 700_000 }],
      ['3028', { target_msgkey: { a: '' } }],
      ['3029', { target_msgkey: many(11) }],
      ['3035', { extended_params: many(21) }],
      ['3044', { extended_params: 'text' }],
      ['3050', { content: 'x'.repeat(5_000) }],
    ];
    for (const [code, changes] of cases) {
      const changed = Buffer.from(JSON.stringify({ ...good, ...changes }));
      assert.equal(
        await codeOf({ path: path(signed(changed)), body: changed }),
        code,
        JSON.stringify(changes).slice(0, 80),
      );
    }
  });
});

describe('interface A', () => {
  test('takes both signatures from our sender', async () => {
    for (const signature of ['acs3', 'rpc-v1'] as const) {
      const sender = senderOf(openapi, {
        openapi: { signature, version: '2020-10-28', regionId: 'cn-hangzhou' },
      });
      assert.deepEqual(kindsOf(await sender.send(pushes(2), signal)), ['accepted', 'accepted'], signature);
      await sender.close(1_000);
    }
  });

  test('refuses a key it does not know, and calls without a signature', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const call = async (body: string, headers = {}) => {
      const answer = await post({ path: '/', headers: { ...form, ...headers }, body });
      return answer.body.Code;
    };
    const known = `Version=2020-10-28&Action=PushSimple&AccessKeyId=${openapi.credential.accessKeyId}`;
    const stamp = `Timestamp=${new Date().toISOString().slice(0, 19)}Z`;
    assert.equal(await call('Version=2000-01-01&Action=PushSimple'), 'InvalidVersion');
    assert.equal(await call('Version=2020-10-28&Action=BatchPush'), 'InvalidAction.NotFound');
    assert.equal(await call('Version=2020-10-28&Action=PushSimple'), 'InvalidAccessKeyId.NotFound');
    assert.equal(await call(known), 'InvalidTimeStamp.Format');
    assert.equal(await call(`${known}&Timestamp=2020-01-01T00:00:00Z`), 'InvalidTimeStamp.Expired');
    assert.equal(await call(`${known}&${stamp}`), 'MissingSignatureNonce');
    assert.equal(await call(`${known}&${stamp}&SignatureNonce=1`), 'IncompleteSignature');
    const v1 = `${known}&${stamp}&SignatureNonce=1&SignatureMethod=HMAC-SHA1&SignatureVersion=1.0`;
    assert.equal(await call(`${v1}&Signature=AAAA`), 'SignatureDoesNotMatch');
    const acs = { 'x-acs-version': '2020-10-28', 'x-acs-action': 'PushSimple' };
    assert.equal(await call('', { ...acs, authorization: 'Basic x' }), 'IncompleteSignature');
    assert.equal(
      await call('', {
        ...acs,
        'x-acs-date': `${new Date().toISOString().slice(0, 19)}Z`,
        'x-acs-signature-nonce': '2',
        authorization: `ACS3-HMAC-SHA256 Credential=${openapi.credential.accessKeyId},SignedHeaders=host,Signature=00`,
      }),
      'IncompleteSignature',
    );
  });

  test('a spoilt secret is refused, and the answer that quotes the signed text tells nothing', async () => {
    const spoilt = { ...openapi, credential: { ...openapi.credential, accessKeySecret: 'another-secret' } };
    const [push] = pushes(1) as [OutgoingPush];
    for (const signature of ['acs3', 'rpc-v1'] as const) {
      const sender = senderOf(spoilt, { openapi: { signature, version: '2020-10-28' } });
      const [outcome] = await sender.send([push], signal);
      assert.equal(outcome?.kind, 'misconfigured');
      const text = JSON.stringify(outcome);
      assert.match(text, /SignatureDoesNotMatch/);
      assert.ok(!text.includes(push.token) && !text.includes('LTAI'), text);
      await sender.close(1_000);
    }
  });

  test('a sender whose clock is wrong signs again by the clock of the vendor', async () => {
    for (const signature of ['acs3', 'rpc-v1'] as const) {
      const hourAgo = () => Date.now() - 3_600_000;
      const sender = senderOf(openapi, { openapi: { signature, version: '2020-10-28' } }, hourAgo);
      const before = emulator.account().requests;
      assert.deepEqual(kindsOf(await sender.send(pushes(1), signal)), ['accepted']);
      assert.equal(emulator.account().requests - before, 2);
      // The difference is kept, and told once.
      assert.deepEqual(kindsOf(await sender.send(pushes(1), signal)), ['accepted']);
      assert.equal(emulator.account().requests - before, 3);
      assert.match(JSON.stringify(warnings), /the clock of this machine is wrong/);
      assert.equal(warnings.length, 1);
      warnings.length = 0;
      await sender.close(1_000);
    }
  });
});

describe('the gateway’s clock and nonces', () => {
  /** A call as our sender stamps it, to be sent as often as the test likes. */
  async function stamped(signature: 'acs3' | 'rpc-v1', now: number): Promise<Raw> {
    const { settings, credential } = channelOf(openapi, { openapi: { signature, version: '2020-10-28' } });
    const request = await createStamp(settings, credential)(pushCall(pushes(1), settings, Date.now()), now);
    return { path: request.path, headers: { ...request.headers }, body: String(request.body) };
  }

  test('refuse a call that was seen before', async () => {
    for (const signature of ['acs3', 'rpc-v1'] as const) {
      const call = await stamped(signature, Date.now());
      assert.equal((await post(call)).body.ResultCode, 'OK');
      assert.equal((await post(call)).body.Code, 'SignatureNonceUsed');
    }
  });

  test('refuse a stamp more than 15 minutes off, either side', async () => {
    for (const signature of ['acs3', 'rpc-v1'] as const) {
      for (const minutes of [-16, -14, 14, 16]) {
        const { body } = await post(await stamped(signature, Date.now() + minutes * 60_000));
        const expected = Math.abs(minutes) > 15 ? 'InvalidTimeStamp.Expired' : undefined;
        assert.equal(body.Code, expected, `${signature} ${minutes}`);
      }
    }
  });

  test('that refuse the vendor’s own time are reported, and the push may be sent again', async () => {
    // Its `Date` is an hour before what the gateway goes by, as behind a cache.
    let isFirst = false;
    const odd = await startMpaasEmulator({
      port: 0,
      authority,
      seed: 2,
      now: () => {
        isFirst = !isFirst;
        return Date.now() + (isFirst ? 3_600_000 : 0);
      },
    });
    const sender = senderOf(odd.channels[1] as EmulatorChannel);
    const [outcome] = await sender.send(pushes(1), signal);
    assert.deepEqual(outcome, {
      kind: 'unavailable',
      code: 'InvalidTimeStamp.Expired',
      mayHaveArrived: false,
    });
    assert.match(JSON.stringify(warnings), /check the clock/);
    assert.equal(warnings.length, 1);
    warnings.length = 0;
    await sender.close(1_000);
    await odd.close();
  });
});

describe('a batch with values of their own', () => {
  const vendor = (templateValuesByTarget: Record<string, Record<string, string>>, code?: string) => ({
    mpaas: {
      templateName: 'pushmill_code',
      templateValuesByTarget,
      ...(code === undefined ? {} : { templateKeyValue: { code } }),
    },
  });
  const expiresAt = Date.now() + 600_000;

  test('goes out a hundred at a time', async () => {
    for (const channel of [rest, openapi]) {
      const sender = senderOf(channel);
      const tokens = Array.from({ length: 130 }, () => emulator.newToken());
      const values = Object.fromEntries(tokens.map((token, n) => [token, { code: String(n) }]));
      const sent = pushesTo(tokens, messageWith({ expiresAt, vendor: vendor(values) }));
      const before = emulator.account();
      assert.deepEqual(new Set(kindsOf(await sender.send(sent, signal))), new Set(['accepted']));
      const after = emulator.account();
      assert.deepEqual([after.accepted - before.accepted, after.requests - before.requests], [130, 2]);
      assert.ok(sent.every((push) => emulator.hasTaken(push)));
      await sender.close(1_000);
    }
  });

  test('a plain message of as many goes out ten at a time', async () => {
    const sender = senderOf(openapi);
    const before = emulator.account().requests;
    assert.deepEqual(new Set(kindsOf(await sender.send(pushes(95), signal))), new Set(['accepted']));
    assert.equal(emulator.account().requests - before, 10);
    await sender.close(1_000);
  });

  test('whose values are not enough fails alone', async () => {
    for (const channel of [rest, openapi]) {
      const sender = senderOf(channel);
      const tokens = Array.from({ length: 40 }, () => emulator.newToken());
      const values = Object.fromEntries(tokens.map((token, n) => [token, n === 25 ? {} : { code: 'x' }]));
      const sent = pushesTo(tokens, messageWith({ expiresAt, vendor: vendor(values as never) }));
      const before = emulator.account();
      const outcomes = await sender.send(sent, signal);
      const expected = tokens.map((_, n) => (n === 25 ? 'rejected' : 'accepted'));
      assert.deepEqual(kindsOf(outcomes), expected);
      assert.equal(outcomes[25]?.kind === 'rejected' && outcomes[25].code, '3023');
      const after = emulator.account();
      assert.deepEqual([after.accepted - before.accepted, after.duplicates - before.duplicates], [39, 0]);
      // The whole, its tens, and the singles of one ten.
      assert.equal(after.requests - before.requests, 15);
      await sender.close(1_000);
    }
  });

  test('may lean on the values of all', async () => {
    const sender = senderOf(openapi);
    const tokens = [emulator.newToken(), emulator.newToken()];
    const values = { [tokens[0] as string]: { code: '1' } };
    const sent = pushesTo(tokens, messageWith({ expiresAt, vendor: vendor(values, '0') }));
    assert.deepEqual(kindsOf(await sender.send(sent, signal)), ['accepted', 'accepted']);
    await sender.close(1_000);
  });

  test('is refused with more targets than the vendor takes, of either kind', async () => {
    const { settings, credential } = channelOf(openapi);
    const own = Object.fromEntries([['t', { code: '1' }]]);
    const cases: [number, OutgoingPush['message'], string][] = [
      [100, messageWith({ expiresAt, vendor: vendor(own, '0') }), 'SUCCESS'],
      [101, messageWith({ expiresAt, vendor: vendor(own, '0') }), 'SINGLE_PUSH_TARGET_TOO_MUCH'],
      [10, messageWith({ expiresAt }), 'SUCCESS'],
      [11, messageWith({ expiresAt }), 'SINGLE_PUSH_TARGET_TOO_MUCH'],
    ];
    for (const [count, message, expected] of cases) {
      const tokens = Array.from({ length: count }, () => emulator.newToken());
      const call = pushCall(pushesTo(tokens, message), settings, Date.now());
      const request = await createStamp(settings, credential)(call, Date.now());
      const { body } = await post({ path: '/', headers: { ...request.headers }, body: String(request.body) });
      assert.equal((body.PushResult as { ResultMsg: string }).ResultMsg, expected, String(count));
    }
  });
});

describe('one answer for a call of many', () => {
  test('is asked again one by one when one target is at fault', async () => {
    for (const channel of [rest, openapi]) {
      const sender = senderOf(channel);
      const ten = pushes(10);
      emulator.plan((ten[3] as OutgoingPush).token, 'token-dead');
      emulator.plan((ten[7] as OutgoingPush).token, 'rejected');
      const expected = ten.map((_, n) => (n === 3 ? 'token-dead' : n === 7 ? 'rejected' : 'accepted'));
      const before = emulator.account();
      assert.deepEqual(kindsOf(await sender.send(ten, signal)), expected);
      const after = emulator.account();
      assert.deepEqual([after.accepted - before.accepted, after.duplicates - before.duplicates], [8, 0]);
      await sender.close(1_000);
    }
  });

  test('is everybody’s when it is about the channel', async () => {
    const sender = senderOf(openapi);
    const ten = pushes(10);
    emulator.plan((ten[9] as OutgoingPush).token, 'throttled');
    assert.deepEqual(new Set(kindsOf(await sender.send(ten, signal))), new Set(['throttled']));
    await sender.close(1_000);
  });

  test('two pushes to one token go in two calls, and both are taken', async () => {
    const sender = senderOf(rest);
    const message = messageWith({ expiresAt: Date.now() + 600_000 });
    const token = emulator.newToken();
    const before = emulator.account();
    const outcomes = await sender.send(pushesTo([token, emulator.newToken(), token], message), signal);
    assert.deepEqual(kindsOf(outcomes), ['accepted', 'accepted', 'accepted']);
    const after = emulator.account();
    assert.deepEqual([after.accepted - before.accepted, after.requests - before.requests], [3, 2]);
    await sender.close(1_000);
  });
});

describe('receipts', () => {
  test('are signed by the app’s own key, come again after a failure, and survive forgeries', async () => {
    const receipts: VendorReceipt[] = [];
    const verdicts: string[] = [];
    let failures = 2;
    const [channel, other] = [channelOf(rest), channelOf(openapi)];
    const done = Promise.withResolvers<void>();
    const server = http.createServer(async (request, response) => {
      const rawBody = Buffer.concat(await request.toArray());
      const call = { rawQuery: request.url?.split('?')[1] ?? '', headers: request.headers, rawBody };
      assert.match(call.rawQuery, /^app=1&sign=/);
      assert.equal(readCallback(call, other).kind, 'refused', 'the key of another app');
      const verdict = readCallback(call, channel);
      verdicts.push(verdict.kind);
      // The store fails for a while: the vendor must ask again.
      const stored = verdict.kind === 'receipts' && failures-- <= 0;
      if (stored) receipts.push(...verdict.receipts);
      response.writeHead(verdict.kind === 'refused' ? 401 : stored ? 200 : 503).end();
      if (receipts.length === 4) done.resolve();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    emulator.setCallback('mpaas', `http://127.0.0.1:${port}/callback?app=1`);
    emulator.setFaults({ 'forged-receipt': 1 });
    emulator.setReceiptManner({ pretty: true, unpadded: true });
    const sender = senderOf(rest);
    const tokens = [
      emulator.newToken(),
      `ios-${emulator.newToken()}`,
      emulator.newToken(),
      `ios-${emulator.newToken()}`,
    ];
    for (const token of tokens.slice(2)) emulator.plan(token, 'dropped');
    const sent = pushesTo(tokens, messageWith({ expiresAt: Date.now() + 600_000 }));
    assert.deepEqual(new Set(kindsOf(await sender.send(sent, signal))), new Set(['accepted']));
    await done.promise;
    const told = sent.map((push) => {
      const receipt = receipts.find(({ pushId }) => pushId === push.id);
      return [receipt?.token === push.token, receipt?.state, receipt?.code, receipt?.tokenDead];
    });
    assert.deepEqual(told, [
      [true, 'delivered', '2', false],
      [true, 'accepted', '2', false],
      [true, 'dropped', '80000004', true],
      [true, 'dropped', '2011', true],
    ]);
    assert.equal(verdicts.filter((verdict) => verdict === 'refused').length, 4);
    assert.equal(verdicts.filter((verdict) => verdict === 'receipts').length, 6);
    const { receiptsSent, receiptsForged } = emulator.account();
    assert.deepEqual([receiptsSent, receiptsForged, emulator.refusedForgeries()], [4, 4, 4]);
    emulator.setFaults({});
    emulator.setReceiptManner({});
    await sender.close(1_000);
    server.closeAllConnections();
    server.close();
  });
});

test('what is late when the emulator is closed is sent at once, or was never sent', async () => {
  for (const receiptsAtClose of ['flush', 'drop'] as const) {
    let came = 0;
    const server = http.createServer((request, response) => {
      came += 1;
      request.resume();
      response.writeHead(200).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const late = { receiptsAtClose, lateReceiptMs: 600_000 };
    const closing = await startMpaasEmulator({ port: 0, authority, seed: 4, ...late });
    closing.setCallback('mpaas', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    closing.setFaults({ 'late-receipt': 1, 'duplicate-receipt': 1 });
    const sender = senderOf(closing.channels[0] as EmulatorChannel);
    await sender.send(pushes(2), signal);
    await sender.close(1_000);
    assert.deepEqual([closing.account().receiptsSent, came], [4, 0]);
    await closing.close();
    const { receiptsSent, receiptsTaken } = closing.account();
    const expected = receiptsAtClose === 'flush' ? 4 : 0;
    assert.deepEqual([receiptsSent, receiptsTaken, came], [expected, expected, expected], receiptsAtClose);
    server.closeAllConnections();
    server.close();
  }
});

test('nothing was worth a warning', () => assert.deepEqual(warnings, []));
