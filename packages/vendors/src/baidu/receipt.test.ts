import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prepareCredential } from './credential.ts';
import { settingsWith } from './fixtures.ts';
import { readCallback } from './receipt.ts';

const settings = settingsWith({ api: 'spp' });
const { credential } = prepareCredential({ appKey: '10001', masterKey: 'the-master' }, settings);
const channel = { id: 'c', settings, credential };
const pushId = '01983a0c-5f2e-7c3d-8a41-b6d2e9f01234.7';

function call(body: unknown) {
  const rawBody = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return { rawQuery: '', headers: {}, rawBody };
}

function row(changes: Record<string, unknown> = {}) {
  return {
    appkey: 10001,
    msgId: '123456',
    type: 1,
    uuid: 'u',
    cuid: 'c',
    extInfo: pushId,
    ts: 1,
    ...changes,
  };
}

function receiptsOf(...rows: unknown[]) {
  const verdict = readCallback(call({ appkey: 10001, result: rows }), channel);
  assert.ok(verdict.kind === 'receipts', JSON.stringify(verdict));
  assert.equal(verdict.proof, 'secret-url');
  return verdict.receipts;
}

test('each type has its state, and none says that a token is dead', () => {
  const states = [0, 1, 2, 3, 4, 9].map((type) => {
    const [receipt] = receiptsOf(row({ type }));
    assert.ok(receipt);
    assert.deepEqual([receipt.pushId, receipt.token, receipt.tokenDead], [pushId, undefined, false]);
    return [receipt.code, receipt.state, receipt.detail];
  });
  assert.deepEqual(states, [
    ['0', 'accepted', 'sent'],
    ['1', 'delivered', 'arrived'],
    ['2', 'displayed', 'shown'],
    ['3', 'clicked', 'clicked'],
    ['4', undefined, 'expected'],
    ['9', undefined, 'a type that has no row'],
  ]);
});

test('a call carries receipts of many, and one odd entry does not cost the others', () => {
  const receipts = receiptsOf(
    row(),
    'odd',
    { ...row({ type: 3 }), extInfo: `${pushId}1` },
    row({ type: null }),
  );
  assert.deepEqual(
    receipts.map(({ pushId, state }) => [pushId, state]),
    [
      [pushId, 'delivered'],
      [`${pushId}1`, 'clicked'],
    ],
  );
  assert.deepEqual(receiptsOf(), []);
});

test('what came from the console belongs to no push', () => {
  for (const extInfo of [undefined, '', 'campaign', `${pushId}x`, 5]) {
    assert.equal(receiptsOf(row({ extInfo }))[0]?.pushId, undefined);
  }
});

test('one device of an audience does not speak for all', () => {
  const [receipt] = receiptsOf(row({ extInfo: `audience:${pushId}` }));
  assert.deepEqual([receipt?.pushId, receipt?.state, receipt?.code], [pushId, undefined, '1']);
});

test('a repetition is known again, by message, device and type', () => {
  const key = (changes = {}) => receiptsOf(row(changes))[0]?.dedupKey;
  assert.equal(key(), key({ ts: 2 }));
  const others = [{ type: 2 }, { uuid: 'v' }, { cuid: 'd' }, { msgId: '123457' }, { extInfo: 'x' }];
  assert.equal(new Set([key(), ...others.map(key)]).size, 6);
  // Beyond what a double holds, and still two messages.
  const text = (id: string) => `{"appkey":10001,"result":[{"type":1,"msgId":${id}}]}`;
  const of = (id: string) => {
    const verdict = readCallback(call(text(id)), channel);
    return verdict.kind === 'receipts' ? verdict.receipts[0]?.dedupKey : undefined;
  };
  assert.notEqual(of('9223372036854775807'), of('9223372036854775806'));
});

test('another app is refused, wherever it is named', () => {
  const bodies = [
    { appkey: 10002, result: [row()] },
    { appkey: 10001, result: [row(), row({ appkey: '10002' })] },
  ];
  for (const body of bodies) {
    const verdict = readCallback(call(body), channel);
    assert.deepEqual([verdict.kind, 'code' in verdict && verdict.code], ['refused', 'other-app']);
  }
});

test('what is not of the form is kept apart', () => {
  const cases: [unknown, string][] = [
    ['not json', 'not-an-object'],
    [[], 'not-an-object'],
    [{ appkey: 10001 }, 'no-result'],
    [{ appkey: 10001, result: {} }, 'no-result'],
    [{ appkey: 10001, result: ['odd', { appkey: 10001 }] }, 'missing-field'],
  ];
  for (const [body, code] of cases) {
    const verdict = readCallback(call(body), channel);
    assert.ok(verdict.kind === 'unreadable', JSON.stringify(body));
    assert.deepEqual([verdict.code, verdict.proof], [code, 'secret-url']);
  }
});

test('a channel of another generation is never called back', () => {
  const keys = { apiKey: 'a', secretKey: 'b' };
  for (const api of ['rest-3.0', 'channel-2.0', 'spp'] as const) {
    const verdict = readCallback(call({ result: [row()] }), {
      id: 'c',
      settings: settingsWith({ api }),
      credential: keys,
    });
    assert.deepEqual([verdict.kind, 'code' in verdict && verdict.code], ['refused', 'no-callbacks']);
  }
});
