import assert from 'node:assert/strict';
import https from 'node:https';
import { after, before, describe, test } from 'node:test';
import type { Outcome } from '@pushmill/core';
import { createAuthority } from '../authority.ts';
import type { Authority, EmulatorChannel } from '../emulator.ts';
import { messageWith, pushesTo, type SenderChoice, type Warning } from '../fixtures.ts';
import type { OutgoingPush, Sender } from '../vendor.ts';
import { type BaiduEmulator, type BaiduEmulatorOptions, startBaiduEmulator } from './emulator.ts';
import { checkCall } from './emulator-checks.ts';
import { openSender, recorded, vectors } from './fixtures.ts';
import { userAgent } from './rest.ts';
import type { BaiduSettings } from './settings.ts';
import { formBody, type Params, signCall } from './sign.ts';

let authority: Authority;
let emulator: BaiduEmulator;
let android: EmulatorChannel;
let ios: EmulatorChannel;

before(async () => {
  authority = await createAuthority(new Date());
  emulator = await startBaiduEmulator({ port: 0, authority, seed: 1 });
  [android, ios] = emulator.channels as [EmulatorChannel, EmulatorChannel];
});
after(() => emulator.close());

const signal = new AbortController().signal;
const kindsOf = (outcomes: readonly Outcome[]) => outcomes.map((outcome) => outcome.kind);

interface Raw {
  path?: string;
  method?: string;
  headers?: Record<string, string>;
  body: string;
}

const formType = 'application/x-www-form-urlencoded;charset=utf-8';

/** A call made by hand, for what the sender would never send. */
async function ask(raw: Raw): Promise<{ status: number; text: string; code: unknown }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const request = https.request(`${emulator.origin}${raw.path ?? single}`, {
    method: raw.method ?? 'POST',
    headers: raw.headers ?? { 'user-agent': userAgent, 'content-type': formType },
    ca: authority.certificate,
    agent: false,
  });
  request.on('error', reject);
  request.on('response', async (response) => {
    resolve({
      status: response.statusCode ?? 0,
      text: Buffer.concat(await response.toArray()).toString(),
    });
  });
  request.end(raw.body);
  const { status, text } = await promise;
  return { status, text, code: JSON.parse(text).error_code };
}

const single = '/rest/3.0/push/single_device';
const batch = '/rest/3.0/push/batch_device';
const seconds = () => Math.floor(Date.now() / 1000);

/** Parameters of a good call, as a client of the Android app would make it. */
function goodParams(changes: Record<string, string | undefined> = {}): Params {
  const params = {
    apikey: android.credential.apiKey as string,
    timestamp: String(seconds()),
    device_type: '3',
    channel_id: '4483825412066692748',
    msg_type: '1',
    msg: '{"title":"hello","description":"100% *free* ~ (a+b)"}',
    ...changes,
  };
  return Object.fromEntries(
    Object.entries(params).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** The body of such a call, signed for the path. */
function signed(params: Params, path = single, origin = emulator.origin): string {
  const sign = signCall('POST', origin + path, params, android.credential.secretKey as string);
  return formBody({ ...params, sign });
}

const codeOf = async (raw: Raw) => (await ask(raw)).code;

describe('a call', () => {
  test('is taken when it is signed for the address of the emulator or for an official one', async () => {
    const origins = [
      emulator.origin,
      'http://api.tuisong.baidu.com',
      'https://api.tuisong.baidu.com',
      'https://api.push.baidu.com',
    ];
    for (const origin of origins) {
      const { status, text } = await ask({ body: signed(goodParams(), single, origin) });
      assert.equal(status, 200, origin);
      assert.match(text, /^\{"request_id":\d+,"response_params":\{"msg_id":"?\d+"?,"send_time":\d+\}\}$/);
    }
  });

  test('is refused with any other signature', async () => {
    const params = goodParams();
    const good = signed(params);
    const sign = new URLSearchParams(good).get('sign') as string;
    const bad = [
      signed(params, single, 'https://elsewhere.example'),
      signed(params, single, emulator.origin.replace('https', 'http')),
      signed(params, batch),
      good.replace('free', 'paid'),
      good.replace(sign, sign.toUpperCase()),
      good.replace(sign, sign.slice(1)),
      `${good}&send_time=1`,
      good.replace('device_type=3&', ''),
    ];
    for (const body of bad) assert.equal(await codeOf({ body }), 30603, body);
  });

  test('is refused before its signature is looked at: path, method, agent, form, key', async () => {
    const body = signed(goodParams());
    const agent = { 'user-agent': userAgent };
    assert.equal(await codeOf({ path: '/rest/3.0/push/nobody', body }), 30605);
    assert.equal(await codeOf({ path: `${single}?${body}`, method: 'PUT', body: '' }), 30601);
    assert.equal(await codeOf({ headers: { 'content-type': formType }, body }), 30602);
    assert.equal(
      await codeOf({ headers: { 'user-agent': 'curl/8', 'content-type': formType }, body }),
      30602,
    );
    assert.equal(await codeOf({ headers: { ...agent, 'content-type': 'application/json' }, body }), 30602);
    for (const name of ['apikey', 'timestamp']) {
      assert.equal(await codeOf({ body: signed(goodParams({ [name]: undefined })) }), 30602, name);
    }
    assert.equal(await codeOf({ body: formBody(goodParams()) }), 30602, 'no sign');
    assert.equal(await codeOf({ body: 'msg=%B2%E2' }), 30602, 'not UTF-8');
    assert.equal(await codeOf({ body: signed(goodParams({ apikey: 'stranger' })) }), 30603);
  });

  test('lives ten minutes from its timestamp, or until expires', async () => {
    const at = (offset: number) => String(seconds() + offset);
    const cases: [number | undefined, Record<string, string>][] = [
      [undefined, { timestamp: at(-590) }],
      [30606, { timestamp: at(-602) }],
      [undefined, { timestamp: at(590) }],
      [30606, { timestamp: at(620) }],
      [undefined, { timestamp: at(-5_000), expires: at(60) }],
      [30606, { timestamp: at(0), expires: at(-2) }],
      [30602, { timestamp: 'yesterday' }],
    ];
    for (const [code, changes] of cases) {
      assert.equal(await codeOf({ body: signed(goodParams(changes)) }), code, JSON.stringify(changes));
    }
  });

  test('is refused for its fields', async () => {
    const bad: Record<string, string | undefined>[] = [
      { device_type: '4' },
      { channel_id: undefined },
      { channel_id: 'abc' },
      { msg: undefined },
      { msg: 'text' },
      { msg: '{"title":"no description"}' },
      { msg: '{"description":"x","open_type":1}' },
      { msg: JSON.stringify({ description: '中'.repeat(1_400) }) },
      { msg_type: '2' },
      { msg_expires: '604801' },
      { msg_expires: '-1' },
      { deploy_status: '3' },
      { topic_id: 'a-b' },
      { send_time: String(seconds() + 30) },
    ];
    for (const changes of bad) {
      assert.equal(await codeOf({ body: signed(goodParams(changes)) }), 30602, JSON.stringify(changes));
    }
    const ids = (list: unknown) => ({ channel_id: undefined, channel_ids: JSON.stringify(list) });
    const many = Array.from({ length: 10_001 }, (_, n) => String(n));
    for (const list of ['1', [], [1], ['x'], many]) {
      const body = signed(goodParams(ids(list)), batch);
      assert.equal(await codeOf({ path: batch, body }), 30602, JSON.stringify(list).slice(0, 40));
    }
    const longest = signed(goodParams(ids(many.slice(1))), batch);
    assert.equal(await codeOf({ path: batch, body: longest }), undefined);
    assert.equal(await codeOf({ body: signed(goodParams({ msg: 'text', msg_type: '0' })) }), undefined);
  });
});

describe("the emulator's own check", () => {
  const anyPost = { agent: 'BCCS_SDK/3.0', methodsOf: () => ['GET', 'POST'] };
  const check = (vector: (typeof vectors.rest)[number], sign: string) =>
    checkCall(
      {
        method: vector.method,
        path: new URL(vector.url).pathname,
        rawQuery: vector.method === 'GET' ? vector.formBody.replace(vector.sign, sign) : '',
        headers: { 'user-agent': 'BCCS_SDK/3.0 (x)', 'content-type': formType },
        body: Buffer.from(vector.method === 'GET' ? '' : vector.formBody.replace(vector.sign, sign)),
      },
      {
        now: Number(vector.params.timestamp) * 1000,
        signedOrigins: [new URL(vector.url).origin],
        secretOf: () => vector.secretKey,
      },
      anyPost,
    );
  test('takes the vectors, 2.0 included, and no other sign', () => {
    assert.equal(vectors.rest.length, 8);
    for (const vector of vectors.rest) {
      const params = check(vector, vector.sign);
      if (vector.name === 'official-echo') {
        // The page's own example is over years before it begins.
        assert.equal(params, 30606);
        continue;
      }
      assert.ok(params instanceof Map, vector.name);
      assert.deepEqual(Object.fromEntries(params), { ...vector.params, sign: vector.sign });
      assert.equal(
        check(
          vector,
          vector.sign.replace(/./, (digit) => (digit === '0' ? '1' : '0')),
        ),
        30603,
      );
    }
  });

  test('takes what another client from npm wrote', () => {
    const { secretKey, calls } = recorded;
    assert.equal(calls.length, 2);
    for (const { method, host, path, headers, body } of calls) {
      const known = { now: 1_427_180_905_000, signedOrigins: [`https://${host}`], secretOf: () => secretKey };
      const call = { method, path, rawQuery: '', headers };
      const params = checkCall({ ...call, body: Buffer.from(body) }, known, anyPost);
      assert.ok(params instanceof Map, `${params}`);
      assert.match(String(params.get('msg')), /^\{"title":/);
      const other = body.replace('device_type=3', 'device_type=4');
      assert.equal(checkCall({ ...call, body: Buffer.from(other) }, known, anyPost), 30603);
    }
  });

  test('refuses the mistakes of other clients', () => {
    for (const { name, of, sign } of vectors.mustReject) {
      const vector = vectors.rest.find((known) => known.name === of);
      assert.ok(vector, name);
      assert.equal(check(vector, sign), 30603, name);
    }
  });
});

const warnings: Warning[] = [];

function senderOf(offered: EmulatorChannel, changes: SenderChoice<BaiduSettings> = {}): Sender {
  return openSender(offered, { ...changes, warnings });
}

function pushes(count: number, of: BaiduEmulator = emulator): OutgoingPush[] {
  const tokens = Array.from({ length: count }, () => of.newToken());
  return pushesTo(tokens, messageWith({ expiresAt: Date.now() + 600_000 }));
}

describe('the sender', () => {
  test('signs what the emulator reads, whatever the text', async () => {
    const sender = senderOf(android);
    const body = "50% off *today* ~ (a+b) 'q' ! & = ? / 你好 😀 \\ \n";
    for (const data of [null, { 'k & v': '*~' }]) {
      const message = messageWith({
        notification: { title: body, body },
        data,
        expiresAt: Date.now() + 60_000,
      });
      const sent = pushesTo([emulator.newToken(), emulator.newToken()], message);
      assert.deepEqual(kindsOf(await sender.send(sent, signal)), ['accepted', 'accepted']);
    }
    await sender.close(1_000);
  });

  test('is refused with another secret, and tells neither key', async () => {
    const sender = senderOf(android, { credential: { secretKey: 'another-secret' } });
    const [outcome] = await sender.send(pushes(1), signal);
    assert.ok(outcome?.kind === 'misconfigured');
    assert.equal(outcome.code, '30603');
    assert.match(outcome.detail, /^Authentication Failed \(request \d+\)$/);
    await sender.close(1_000);
  });

  test('sends 500 devices in one call, and each push is known by its id', async () => {
    const sender = senderOf(android);
    const many = pushes(500);
    const before = emulator.account();
    assert.deepEqual(new Set(kindsOf(await sender.send(many, signal))), new Set(['accepted']));
    const after = emulator.account();
    assert.deepEqual([after.requests - before.requests, after.accepted - before.accepted], [1, 500]);
    for (const push of many) assert.ok(emulator.hasTaken(push), push.id);
    assert.ok(!emulator.hasTaken(pushes(1)[0] as OutgoingPush));
    await sender.close(1_000);
  });

  test('finds bad devices in a call by halves, and sends no good one twice', async () => {
    const sender = senderOf(android);
    const many = pushes(500);
    const token = (n: number) => (many[n] as OutgoingPush).token;
    emulator.unbind(token(123));
    emulator.unbind(token(124), 30607);
    emulator.plan(token(400), 'rejected');
    const expected = many.map((_, n) =>
      n === 123 || n === 124 ? 'token-dead' : n === 400 ? 'rejected' : 'accepted',
    );
    const before = emulator.account();
    const outcomes = await sender.send(many, signal);
    assert.deepEqual(kindsOf(outcomes), expected);
    assert.deepEqual(
      [123, 124, 400].map((n) => {
        const outcome = outcomes[n];
        return outcome && 'code' in outcome && outcome.code;
      }),
      ['30608', '30607', '30602'],
    );
    const after = emulator.account();
    assert.deepEqual([after.accepted - before.accepted, after.duplicates - before.duplicates], [497, 0]);
    assert.ok(after.requests - before.requests < 60, `${after.requests - before.requests} calls`);
    await sender.close(1_000);
  });

  test('gives up asking by halves when it is the message that is refused', async () => {
    const sender = senderOf(android);
    const message = messageWith({ notification: { title: 'x', body: '' }, expiresAt: Date.now() + 60_000 });
    const [first, second] = [0, 200].map((start) => {
      const numbers = Array.from({ length: 200 }, (_, n) => start + n);
      return pushesTo(
        numbers.map(() => emulator.newToken()),
        { ...message, vendor: { baidu: { messageType: 'notification' } } },
        numbers,
      );
    }) as [OutgoingPush[], OutgoingPush[]];
    const before = emulator.account().requests;
    assert.deepEqual(new Set(kindsOf(await sender.send(first, signal))), new Set(['rejected']));
    const between = emulator.account().requests;
    assert.ok(between - before < 60, `${between - before} calls`);
    assert.deepEqual(new Set(kindsOf(await sender.send(second, signal))), new Set(['rejected']));
    assert.equal(emulator.account().requests - between, 1);
    await sender.close(1_000);
  });

  test('goes on asking when any device took the message', async () => {
    const sender = senderOf(android);
    const many = pushes(64);
    for (const push of many.slice(1)) emulator.plan(push.token, 'rejected');
    const expected = many.map((_, n) => (n === 0 ? 'accepted' : 'rejected'));
    const before = emulator.account().requests;
    assert.deepEqual(kindsOf(await sender.send(many, signal)), expected);
    assert.equal(emulator.account().requests - before, 127);
    await sender.close(1_000);
  });

  test('tells everybody of a call what is about the channel', async () => {
    const sender = senderOf(android);
    for (const kind of ['throttled', 'misconfigured', 'unavailable'] as const) {
      const ten = pushes(10);
      emulator.plan((ten[9] as OutgoingPush).token, kind);
      const before = emulator.account().requests;
      assert.deepEqual(new Set(kindsOf(await sender.send(ten, signal))), new Set([kind]));
      assert.equal(emulator.account().requests - before, 1);
    }
    await sender.close(1_000);
  });

  test('keeps two pushes to one device apart', async () => {
    const sender = senderOf(android);
    const [token, other] = [emulator.newToken(), emulator.newToken()];
    const before = emulator.account();
    const sent = pushesTo([token, other, token], messageWith({ expiresAt: Date.now() + 600_000 }));
    assert.deepEqual(new Set(kindsOf(await sender.send(sent, signal))), new Set(['accepted']));
    const after = emulator.account();
    assert.deepEqual([after.accepted - before.accepted, after.requests - before.requests], [3, 2]);
    await sender.close(1_000);
  });

  test('asks for iPhones one by one, and for Android within the limit that is set', async () => {
    const cases: [EmulatorChannel, Partial<BaiduSettings>, number][] = [
      [ios, {}, 5],
      [android, { maxDevicesPerCall: 2 }, 3],
      [android, { maxDevicesPerCall: 1 }, 5],
    ];
    for (const [offered, settings, calls] of cases) {
      const sender = senderOf(offered, { settings });
      const before = emulator.account();
      assert.deepEqual(new Set(kindsOf(await sender.send(pushes(5), signal))), new Set(['accepted']));
      const after = emulator.account();
      assert.deepEqual([after.requests - before.requests, after.accepted - before.accepted], [calls, 5]);
      await sender.close(1_000);
    }
  });

  test('a topic of the operator’s own hides the ids, and the text to the device tells pushes apart', async () => {
    const sender = senderOf(android, { settings: { topicId: 'all' } });
    const before = emulator.account();
    const two = pushes(2);
    await sender.send(two, signal);
    await sender.send(two.slice(1), signal);
    const after = emulator.account();
    assert.deepEqual([after.accepted - before.accepted, after.duplicates - before.duplicates], [2, 1]);
    assert.ok(!emulator.hasTaken(two[0] as OutgoingPush));
    await sender.close(1_000);
  });
});

describe('a wrong clock', () => {
  test('is told apart from a wrong secret: one more call, stamped by the vendor, and none after it', async () => {
    for (const hours of [-1, 1]) {
      warnings.length = 0;
      const sender = senderOf(android, { now: () => Date.now() + hours * 3_600_000 });
      const inTime = pushesTo([emulator.newToken()], messageWith({ expiresAt: Date.now() + 9e6 }));
      const before = emulator.account().requests;
      assert.deepEqual(kindsOf(await sender.send(inTime, signal)), ['accepted']);
      assert.equal(emulator.account().requests - before, 2);
      assert.deepEqual(kindsOf(await sender.send(pushes(1), signal)), ['accepted']);
      assert.equal(emulator.account().requests - before, 3, 'what was learnt is kept');
      assert.deepEqual(
        warnings.map(({ fields }) => Math.abs((fields.offBySeconds as number) - hours * 3_600) <= 2),
        [true],
      );
      await sender.close(1_000);
    }
  });

  test('that the vendor does not cure costs an attempt, no push', async () => {
    // The vendor's own clock runs away between its answer and the next call.
    let strayMs = 0;
    const options: BaiduEmulatorOptions = {
      port: 0,
      authority,
      seed: 1,
      now: () => {
        strayMs += 3_600_000;
        return Date.now() + strayMs;
      },
    };
    const stray = await startBaiduEmulator(options);
    warnings.length = 0;
    const sender = senderOf(stray.channels[0] as EmulatorChannel);
    const [outcome] = await sender.send(pushes(1, stray), signal);
    assert.deepEqual(outcome, { kind: 'unavailable', code: '30606', mayHaveArrived: false });
    assert.match(warnings.at(-1)?.message ?? '', /check the clock/);
    assert.deepEqual([stray.account().requests, stray.account().accepted], [2, 0]);
    await sender.close(1_000);
    await stray.close();
  });
});

describe('limits of the emulator', () => {
  test('calls a second and a quota of pushes', async () => {
    const fixed = Date.now();
    let clock = fixed;
    const limited = await startBaiduEmulator({
      port: 0,
      authority,
      seed: 1,
      now: () => clock,
      maxCallsPerSecond: 2,
      quota: 4,
    });
    warnings.length = 0;
    const sender = senderOf(limited.channels[0] as EmulatorChannel, { now: () => clock });
    const next = async (count: number) => (await sender.send(pushes(count, limited), signal))[0] as Outcome;
    assert.equal((await next(1)).kind, 'accepted');
    assert.equal((await next(2)).kind, 'accepted');
    const fast = await next(1);
    assert.ok(fast.kind === 'throttled');
    assert.deepEqual([fast.code, fast.retryAfterMs], ['30699', undefined]);
    clock += 1_000;
    const used = await next(2);
    assert.ok(used.kind === 'throttled');
    assert.equal(used.code, '30604');
    assert.ok((used.retryAfterMs as number) > 0 && (used.retryAfterMs as number) <= 3_600_000);
    assert.equal((await next(1)).kind, 'accepted');
    assert.deepEqual(limited.account().refused, { 30604: 2, 30699: 1 });
    assert.equal(warnings.length, 1);
    await sender.close(1_000);
    await limited.close();
  });
});
