import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CredentialError } from '@pushmill/core';
import { prepareCredential } from './credential.ts';
import { settingsWith } from './fixtures.ts';
import { checkToken, originOf, signedOriginOf } from './settings.ts';

const apiKey = 'Ljc710pzAa99GULCo8y48NvB';
const secretKey = '87772555E1C16715EBA5C85341684C58';

test('keys are kept without the white space that copying adds, and only a fingerprint is shown', () => {
  const { credential, shown } = prepareCredential({ apiKey: ` ${apiKey}\n`, secretKey: `${secretKey}\t` });
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
      () => prepareCredential(input),
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

test('a channel id is one word', () => {
  assert.equal(checkToken('4483825412066692748'), undefined);
  for (const token of ['', '44 83', '44"83', 'x'.repeat(65)])
    assert.equal(typeof checkToken(token), 'string', token);
});
