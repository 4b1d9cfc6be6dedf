import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CredentialError } from '@pushmill/core';
import { Value } from 'typebox/value';
import { prepareCredential } from './credential.ts';
import { settingsWith } from './fixtures.ts';
import { checkToken, originOf, settingsSchema } from './settings.ts';

const secretKey = '1452fcebae9f3115ba794fb0fff2fd73';

test('a secret is kept without the blanks that copying adds, and shown as a fingerprint', () => {
  const { credential, shown } = prepareCredential({ secretKey: ` ${secretKey}\n` }, settingsWith());
  assert.deepEqual(credential, { secretKey });
  assert.equal(shown.kind, 'secret-key');
  assert.match(String(shown.keyFingerprint), /^[0-9a-f]{16}$/);
  assert.ok(!JSON.stringify(shown).includes(secretKey.slice(4, 20)));
});

test('a mistake is named in one sentence that holds no secret', () => {
  const ios = settingsWith({ platform: 'ios' });
  const cases: [string, string, unknown, ReturnType<typeof settingsWith>?][] = [
    ['credential-shape', '/credential', null],
    ['credential-shape', '/credential', {}],
    ['credential-shape', '/credential/secretKey', { secretKey: 7 }],
    ['credential-shape', '/credential', { secretKey, accessKey: 'A' }],
    ['secret-key-form', '/credential/secretKey', { secretKey: 'A5B7C9D1E3F5' }],
    ['secret-key-form', '/credential/secretKey', { secretKey: secretKey.toUpperCase() }],
    ['access-id-platform', '/settings/platform', { secretKey }, ios],
    ['access-id-platform', '/settings/platform', { secretKey }, settingsWith({ accessId: '1680001048' })],
  ];
  for (const [code, pointer, input, settings] of cases) {
    assert.throws(
      () => prepareCredential(input, settings ?? settingsWith()),
      (error) => {
        assert.ok(error instanceof CredentialError);
        assert.equal(error.code, code);
        assert.ok(error.pointer.startsWith(pointer), error.pointer);
        assert.match(error.message, /^[^\n]+\.$/);
        assert.ok(!error.message.includes(secretKey));
        return true;
      },
      code,
    );
  }
  assert.doesNotThrow(() =>
    prepareCredential({ secretKey }, settingsWith({ ...ios, accessId: '1600001048' })),
  );
  // A range that no page names is not ours to forbid.
  assert.doesNotThrow(() =>
    prepareCredential({ secretKey }, settingsWith({ ...ios, accessId: '1700001048' })),
  );
});

test('the schema fills in what is sure, and asks for what cannot be guessed', () => {
  const given = { accessId: '1500001048', platform: 'android', region: 'singapore' } as const;
  const filled = Value.Default(settingsSchema, { ...given });
  assert.ok(Value.Check(settingsSchema, filled));
  assert.equal(originOf(filled), 'https://api.tpns.sgp.tencent.com');
  assert.equal(originOf({ ...filled, host: 'https://127.0.0.1:1' }), 'https://127.0.0.1:1');
  for (const field of ['accessId', 'platform', 'region'] as const) {
    const { [field]: _, ...rest } = given;
    assert.equal(Value.Check(settingsSchema, Value.Default(settingsSchema, rest)), false, field);
  }
});

test('each access point has its own host', () => {
  const hosts = (['guangzhou', 'shanghai', 'hongkong'] as const).map((region) =>
    originOf(settingsWith({ region })),
  );
  assert.deepEqual(hosts, [
    'https://api.tpns.tencent.com',
    'https://api.tpns.sh.tencent.com',
    'https://api.tpns.hk.tencent.com',
  ]);
});

test('a token has 36 characters at most, and an APNs token is told from it by name', () => {
  const settings = settingsWith();
  assert.equal(checkToken('05da87c0ae5973bd2dfa9e08d884aada5bb2', settings), undefined);
  assert.match(String(checkToken('a'.repeat(37), settings)), /longer than 36/);
  assert.match(String(checkToken('a'.repeat(64), settings)), /APNs/);
  assert.match(String(checkToken('', settings)), /empty/);
  assert.match(String(checkToken('a b', settings)), /white space/);
  const accounts = settingsWith({ audience: 'account' });
  assert.equal(checkToken('someone@example.com', accounts), undefined);
  assert.equal(checkToken('a'.repeat(64), accounts), undefined);
  assert.match(String(checkToken('a'.repeat(257), accounts)), /account is longer/);
});
