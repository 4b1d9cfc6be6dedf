import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { createAuthority } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import { type Answer, channelOf, type HandClient, handClient, signed, sound } from './by-hand.ts';
import { startTpnsEmulator, type TpnsEmulator, type TpnsEmulatorOptions } from './emulator.ts';

let authority: Authority;
let emulator: TpnsEmulator;
let client: HandClient;

before(async () => {
  authority = await createAuthority(new Date());
  client = handClient(authority);
  emulator = await startTpnsEmulator({ port: 0, authority, seed: 1 });
});
after(() => emulator.close());

const post = (
  body: string,
  headers: Record<string, string>,
  at: { path?: string; method?: string; of?: TpnsEmulator } = {},
): Promise<Answer> => client.post(at.of ?? emulator, body, headers, at);
const codeOf = (changes: Record<string, unknown> | string, channelName = 'tpns', of = emulator) =>
  client.codeOf(of, changes, channelName);

async function withEmulator(
  options: Partial<TpnsEmulatorOptions>,
  run: (of: TpnsEmulator) => Promise<void>,
): Promise<void> {
  const of = await startTpnsEmulator({ port: 0, authority, seed: 2, ...options });
  await run(of).finally(() => of.close());
}

describe('authentication', () => {
  test('takes a signed call, and answers as the page shows', async () => {
    const body = sound({ seq: 7 });
    const answer = await post(body, signed(body, channelOf(emulator)));
    const { push_id: pushId, ...rest } = answer.body;
    assert.equal(answer.status, 200);
    assert.match(String(pushId), /^\d+$/);
    assert.deepEqual(rest, { seq: 7, ret_code: 0, environment: '', err_msg: 'NO_ERROR', result: '{}' });
  });

  test('takes Basic, and the signature first where both are given', async () => {
    const { settings, credential } = channelOf(emulator);
    const basic = (secret: unknown) => ({
      authorization: `Basic ${Buffer.from(`${settings.accessId}:${secret}`).toString('base64')}`,
    });
    const good = basic(credential.secretKey);
    assert.equal((await post(sound(), good)).code, 0);
    assert.equal((await post(sound(), basic('another'))).code, 1008003);
    assert.equal(
      (await post(sound(), { ...good, sign: 'x', accessid: String(settings.accessId) })).code,
      1008003,
    );
    assert.equal((await post(sound(), { authorization: 'Basic !' })).code, 1008003);
    assert.equal((await post(sound(), {})).code, 1008003);
  });

  test('refuses every usual mistake with 1008003 and HTTP 200', async () => {
    const channel = channelOf(emulator);
    const body = sound();
    const right = signed(body, channel);
    const mac = createHmac('sha256', String(channel.credential.secretKey)).update(
      `${right.TimeStamp}${right.AccessId}${body}`,
    );
    const raw = mac.digest();
    const mistakes: Record<string, Record<string, string>> = {
      'raw digest': { ...right, Sign: raw.toString('base64') },
      'upper-case hex': { ...right, Sign: Buffer.from(raw.toString('hex').toUpperCase()).toString('base64') },
      'plain hex': { ...right, Sign: raw.toString('hex') },
      'another body': { ...right, Sign: signed(`${body} `, channel).Sign },
      'another time': { ...right, TimeStamp: String(Number(right.TimeStamp) + 1) },
      milliseconds: { ...right, TimeStamp: `${right.TimeStamp}000` },
      'no time': { AccessId: right.AccessId, Sign: right.Sign },
      'another app’s secret': { ...signed(body, channelOf(emulator, 'tpns-ios')), AccessId: right.AccessId },
      'padding lost': { ...right, Sign: right.Sign.slice(0, -2) },
    };
    for (const [name, headers] of Object.entries(mistakes)) {
      const { status, code, body: told } = await post(body, headers);
      assert.deepEqual([status, code, told.seq], [200, 1008003, 0], name);
    }
  });

  test('knows nothing of another access point’s app', async () => {
    const body = sound();
    const { code } = await post(body, { ...signed(body, channelOf(emulator)), AccessId: '1500000001' });
    assert.equal(code, 1008035);
  });

  test('a stamp may be ten minutes off, either way, and as much as it likes where there is no window', async () => {
    const at = Date.UTC(2026, 0, 2);
    const ask = async (of: TpnsEmulator, offset: number) => {
      const body = sound();
      return (await post(body, signed(body, channelOf(of), at / 1000 + offset), { of })).code;
    };
    await withEmulator({ now: () => at }, async (of) => {
      for (const offset of [0, 600, -600]) assert.equal(await ask(of, offset), 0, String(offset));
      for (const offset of [601, -601]) assert.equal(await ask(of, offset), 1008003, String(offset));
    });
    await withEmulator({ now: () => at, windowSeconds: 0 }, async (of) => {
      assert.equal(await ask(of, -1_000_000), 0);
    });
  });

  test('is asked before the body is looked at', async () => {
    assert.equal((await post('{nonsense', {})).code, 1008003);
  });
});

describe('fields', () => {
  test('what is not a call is not found', async () => {
    const { authorization } = { authorization: 'Basic eA==' };
    assert.equal((await post('', { authorization }, { path: '/v2/push/single_device' })).status, 404);
    assert.equal((await post('', { authorization }, { method: 'PUT' })).status, 405);
  });

  test('a body is refused with the code of its fault', async () => {
    const message = { title: 't', content: 'c' };
    const ios = { environment: 'product' };
    const aps = (fields: Record<string, unknown>) => ({ message: { ...message, ios: { aps: fields } } });
    const cases: [number, Record<string, unknown> | string, string?][] = [
      [1008001, '{"audience_type":'],
      [1008001, '[]'],
      [1008002, { audience_type: undefined }],
      [1008002, { message: undefined }],
      [1008002, { message_type: undefined }],
      [1008002, { token_list: [] }],
      [1008002, { audience_type: 'account' }],
      [1008002, { message: { title: 't' } }],
      [1008002, { audience_type: 'tag' }],
      [1008002, { audience_type: 'package_token_push' }],
      [1008002, {}, 'tpns-ios'],
      [1008007, { environment: 'sandbox' }, 'tpns-ios'],
      [1008007, { audience_type: 'tokens' }],
      [1008007, { message_type: 'silent' }],
      [1008007, { token_list: [7] }],
      [1008007, { message: { title: 't', content: 'x'.repeat(4_096) } }],
      [1008007, { message: { ...message, android: { custom_content: { k: 'v' } } } }],
      [1008007, { message: { ...message, android: { action: { action_type: 4 } } } }],
      [1008007, { expire_time: 259_201 }],
      [1008007, { ...ios, ...aps({ 'content-available': 1 }) }, 'tpns-ios'],
      [
        1008007,
        { ...ios, message_type: 'message', ...aps({ 'content-available': 1, sound: 'x' }) },
        'tpns-ios',
      ],
      [
        0,
        { ...ios, message_type: 'message', message: { ios: { aps: { 'content-available': 1 } } } },
        'tpns-ios',
      ],
      [0, { ...ios, ...aps({ sound: 'x' }) }, 'tpns-ios'],
    ];
    for (const [code, changes, channel] of cases) {
      assert.equal(await codeOf(changes, channel), code, JSON.stringify(changes).slice(0, 120));
    }
  });

  test('1,000 tokens are a list and 1,001 are none; of a single push the first counts alone', async () => {
    const tokens = Array.from({ length: 1_001 }, () => emulator.newToken());
    assert.equal(await codeOf({ audience_type: 'token_list', token_list: tokens }), 1008007);
    const before = emulator.account().accepted;
    assert.equal(await codeOf({ audience_type: 'token_list', token_list: tokens.slice(1) }), 0);
    assert.equal(emulator.account().accepted - before, 1_000);
    assert.equal(await codeOf({ token_list: tokens }), 0);
    assert.equal(emulator.account().accepted - before, 1_001);
  });

  test('a bad token fails the call, or is listed where that is asked for', async () => {
    const [good, dead] = [emulator.newToken(), 'not-a-token'];
    const list = { audience_type: 'token_list', token_list: [good, dead] };
    const before = emulator.account().accepted;
    assert.equal(await codeOf(list), 1008029);
    assert.equal(emulator.account().accepted, before);
    for (const changes of [list, { token_list: [dead] }]) {
      const body = sound({ ...changes, ignore_invalid_token: 1 });
      const answer = await post(body, signed(body, channelOf(emulator)));
      assert.deepEqual([answer.code, answer.body.invalid_targe_list], [0, [dead]]);
    }
    assert.equal(emulator.account().accepted - before, 1);
  });

  test('everybody is sent to once a second, and the same not twice within the hour', async () => {
    let at = Date.UTC(2026, 0, 2);
    await withEmulator({ now: () => at, windowSeconds: 0 }, async (of) => {
      const ask = (title: string, more = {}) =>
        codeOf({ audience_type: 'all', message: { title, content: 'c' }, ...more }, 'tpns', of);
      assert.equal(await ask('a'), 0);
      assert.equal(await ask('b'), 1008028);
      at += 1_000;
      assert.equal(await ask('a'), 10010018);
      at += 3_600_000;
      assert.equal(await ask('a'), 0);
      at += 1_000;
      assert.equal(await ask('c', { send_time: '2026-01-02 08:50:00' }), 10010012);
      assert.equal(await ask('c', { send_time: '2026-01-02 10:00:00' }), 0);
    });
  });

  test('an account without a device has the code of the push call, or that of the account calls', async () => {
    const account = { audience_type: 'account', account_list: ['someone'] };
    emulator.plan('someone', 'token-dead');
    assert.equal(await codeOf(account), 10010005);
    assert.equal(await codeOf(account), 0);
    await withEmulator({ missingAccountCode: 10110008 }, async (of) => {
      of.plan('someone', 'token-dead');
      assert.equal(await codeOf(account, 'tpns', of), 10110008);
    });
  });
});

test('a restart with the same authority and seed knows the same secrets', async () => {
  await withEmulator({ seed: 1 }, async (of) => {
    assert.deepEqual(
      of.channels.map((channel) => channel.credential),
      emulator.channels.map((channel) => channel.credential),
    );
  });
  await withEmulator({ seed: 2 }, async (of) => {
    assert.notDeepEqual(of.channels[0]?.credential, emulator.channels[0]?.credential);
  });
});

test('chance is the seed’s', async () => {
  const run = async () => {
    const codes: unknown[] = [];
    await withEmulator({ seed: 5 }, async (of) => {
      of.setFaults({ throttled: 0.3, rejected: 0.3 });
      for (let n = 0; n < 20; n += 1) codes.push(await codeOf({ token_list: [of.newToken()] }, 'tpns', of));
    });
    return codes;
  };
  const first = await run();
  assert.deepEqual(await run(), first);
  assert.deepEqual(new Set(first), new Set([0, 1008028, 1008019]));
});
