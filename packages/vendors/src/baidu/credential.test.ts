import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CredentialError } from '@pushmill/core';
import { keysOf, prepareCredential } from './credential.ts';
import { settingsWith } from './fixtures.ts';
import { apiOf, checkToken, originOf, signedOriginOf } from './settings.ts';

const apiKey = 'Ljc710pzAa99GULCo8y48NvB';
const rest = settingsWith();
const spp = settingsWith({ api: 'spp' });
const secretKey = '87772555E1C16715EBA5C85341684C58';

test('keys are kept without the white space that copying adds, and only a fingerprint is shown', () => {
  const { credential, shown } = prepareCredential(
    { apiKey: ` ${apiKey}\n`, secretKey: `${secretKey}\t` },
    rest,
  );
  assert.deepEqual(credential, { apiKey, secretKey });
  assert.deepEqual(Object.keys(shown), ['kind', 'keyFingerprint']);
  assert.match(String(shown.keyFingerprint), /^[0-9a-f]{16}$/);
});

test('a mistake is named in one sentence that holds no key', () => {
  const cases: [string, string, unknown][] = [
    ['credential-shape', '/credential', null],
    ['credential-shape', '/credential', { apiKey }],
    ['credential-shape', '/credential/secretKey', { apiKey, secretKey: 1 }],
    ['credential-shape', '/credential/masterKey', { apiKey, secretKey, masterKey: 'x' }],
    ['apiKey-form', '/credential/apiKey', { apiKey: 'two words', secretKey }],
    ['secretKey-form', '/credential/secretKey', { apiKey, secretKey: '密钥' }],
    ['secret-is-api-key', '/credential/secretKey', { apiKey, secretKey: apiKey }],
  ];
  for (const [code, pointer, input] of cases) {
    assert.throws(
      () => prepareCredential(input, rest),
      (error) => {
        assert.ok(error instanceof CredentialError);
        assert.deepEqual([error.code, error.pointer], [code, pointer]);
        assert.match(error.message, /^[^\n]+\.$/);
        assert.ok(!error.message.includes(apiKey) && !error.message.includes(secretKey));
        return true;
      },
    );
  }
});

test('what is signed is the address that the vendor sees', () => {
  assert.equal(originOf(settingsWith()), 'https://api.tuisong.baidu.com');
  assert.equal(signedOriginOf(settingsWith()), 'https://api.tuisong.baidu.com');
  assert.equal(
    signedOriginOf(settingsWith({ host: 'https://api.push.baidu.com:443' })),
    'https://api.push.baidu.com',
  );
  assert.equal(signedOriginOf(settingsWith({ host: 'https://127.0.0.1:8443' })), 'https://127.0.0.1:8443');
  const proxied = settingsWith({
    host: 'https://proxy.example',
    signedHost: 'api.tuisong.baidu.com',
    signedScheme: 'http',
  });
  assert.equal(signedOriginOf(proxied), 'http://api.tuisong.baidu.com');
});

test('each generation has its own pair of keys', () => {
  const pair = { appKey: '10001', masterKey: '79b7cdcd14db14e9cb498f1793817d69' };
  assert.deepEqual(prepareCredential(pair, spp).credential, pair);
  for (const [input, settings, pointer] of [
    [{ apiKey, secretKey }, spp, '/credential/apiKey'],
    [pair, rest, '/credential/appKey'],
    [pair, settingsWith({ api: 'channel-2.0' }), '/credential/appKey'],
    [{ appKey: '10001' }, spp, '/credential'],
  ] as const) {
    assert.throws(
      () => prepareCredential(input, settings),
      (error) => error instanceof CredentialError && error.pointer === pointer,
    );
  }
});

test('keys of another generation are no keys', () => {
  assert.deepEqual(keysOf({ apiKey, secretKey }, rest), { name: apiKey, secret: secretKey });
  assert.equal(keysOf({ apiKey, secretKey }, spp), undefined);
});

test('a channel that was stored before there was a choice is of 3.0', () => {
  const { api: _, ...old } = rest;
  assert.equal(apiOf(old as typeof rest), 'rest-3.0');
  assert.equal(originOf(old as typeof rest), 'https://api.tuisong.baidu.com');
});

test('each generation has its host', () => {
  assert.equal(originOf(settingsWith({ api: 'channel-2.0' })), 'https://channel.api.duapp.com');
  assert.equal(originOf(spp), 'https://push.safe.baidu.com');
});

test('a token has the form of its generation', () => {
  const v2 = settingsWith({ api: 'channel-2.0' });
  assert.equal(checkToken('4483825412066692748', rest), undefined);
  assert.equal(checkToken('1105115563847474869', v2), undefined);
  assert.equal(checkToken('1105115563847474869:3944730196422489622', v2), undefined);
  assert.equal(checkToken('push_id1', spp), undefined);
  for (const settings of [rest, v2, spp]) {
    for (const token of ['', '44 83', '44"83', ':', '1:', ':1', '1:2:3', 'x'.repeat(129)]) {
      assert.equal(typeof checkToken(token, settings), 'string', token);
    }
  }
  assert.match(String(checkToken('1:2:3', v2)), /userId:channelId/);
  assert.match(String(checkToken('1:2', rest)), /channel id/);
});
