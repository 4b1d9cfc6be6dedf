import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { CredentialError } from '@pushmill/core';
import { prepareCredential } from './credential.ts';
import { fixture, settingsWith, vectors } from './fixtures.ts';

const rest = settingsWith({ interface: 'rest' });
const openapi = settingsWith();
const privatePem = fixture('test-only-private.pem');
const own = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ownPem = own.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const accessKey = { accessKeyId: 'LTAIexample', accessKeySecret: 'not-a-real-secret' };

test('a key comes out as PEM whatever it came as', () => {
  const der = own.privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64');
  const pkcs1 = own.privateKey.export({ type: 'pkcs1', format: 'pem' }) as string;
  const wrapped = (der.match(/.{1,64}/g) as string[]).join('\r\n');
  const pkcs1Der = own.privateKey.export({ type: 'pkcs1', format: 'der' }).toString('base64');
  const urlSafe = der.replaceAll('+', '-').replaceAll('/', '_');
  for (const privateKey of [ownPem, der, pkcs1, pkcs1Der, urlSafe, wrapped, `\n${ownPem}\n`]) {
    const { credential } = prepareCredential(
      { privateKey, callbackPublicKey: vectors.publicKeyDerBase64 },
      rest,
    );
    assert.equal(credential.privateKey, ownPem);
    assert.ok(
      createPublicKey(credential.callbackPublicKey as string).equals(createPublicKey(fixture('public.pem'))),
    );
  }
});

test('a callback key comes out as PEM whatever it came as', () => {
  const key = createPublicKey(fixture('public.pem'));
  const pkcs1 = key.export({ type: 'pkcs1', format: 'der' }).toString('base64');
  const forms = [
    fixture('public.pem'),
    vectors.publicKeyDerBase64,
    (vectors.publicKeyDerBase64.match(/.{1,76}/g) as string[]).join('\n'),
    key.export({ type: 'pkcs1', format: 'pem' }) as string,
    pkcs1,
  ];
  for (const callbackPublicKey of forms) {
    const { credential } = prepareCredential({ ...accessKey, callbackPublicKey }, openapi);
    assert.equal(credential.callbackPublicKey, key.export({ type: 'spki', format: 'pem' }));
  }
});

test('only what the interface uses is kept', () => {
  const everything = { privateKey: ownPem, ...accessKey, callbackPublicKey: fixture('public.pem') };
  assert.deepEqual(Object.keys(prepareCredential(everything, rest).credential), [
    'privateKey',
    'callbackPublicKey',
  ]);
  assert.deepEqual(Object.keys(prepareCredential(everything, openapi).credential), [
    'accessKeyId',
    'accessKeySecret',
    'callbackPublicKey',
  ]);
});

test('what is shown is kinds and fingerprints', () => {
  const { shown } = prepareCredential({ privateKey: ownPem, callbackPublicKey: fixture('public.pem') }, rest);
  assert.equal(shown.kind, 'rsa');
  assert.match(String(shown.keyFingerprint), /^[0-9a-f]{16}$/);
  assert.match(String(shown.callbackKeyFingerprint), /^[0-9a-f]{16}$/);
  const text = JSON.stringify(prepareCredential(accessKey, openapi).shown);
  assert.deepEqual(Object.keys(JSON.parse(text)), ['kind', 'keyFingerprint']);
  assert.ok(!text.includes('LTAI'));
});

test('a mistake is named in one sentence that holds no key', () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const curve = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const pem = (key: typeof own.privateKey) => key.export({ type: 'pkcs8', format: 'pem' });
  const publicPem = (key: typeof own.publicKey) => key.export({ type: 'spki', format: 'pem' });
  const locked = own.privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'x',
  });
  const lockedOld = own.privateKey.export({
    type: 'pkcs1',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'x',
  });
  const lockedDer = own.privateKey
    .export({ type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase: 'x' })
    .toString('base64');
  const ownPublic = publicPem(own.publicKey) as string;
  const ownPublicPkcs1 = own.publicKey.export({ type: 'pkcs1', format: 'der' }).toString('base64');
  const ownDer = own.privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64');
  const wrap = (label: string) => `-----BEGIN ${label}-----\nAAAAAAAA\n-----END ${label}-----\n`;
  const [certificate, openSsh] = [wrap('CERTIFICATE'), wrap('OPENSSH PRIVATE KEY')];
  const cases: [string, unknown, typeof rest][] = [
    ['credential-shape', null, rest],
    ['credential-shape', { privateKey: 1 }, rest],
    ['credential-shape', { privateKey: ownPem, more: 'x' }, rest],
    ['private-key-missing', {}, rest],
    ['private-key-form', { privateKey: 'nonsense!' }, rest],
    ['private-key-form', { privateKey: ' ' }, rest],
    ['private-key-form', { privateKey: openSsh }, rest],
    ['private-key-cut-off', { privateKey: ownPem.slice(0, -40) }, rest],
    ['private-key-cut-off', { privateKey: ownPem.slice(20) }, rest],
    ['private-key-unreadable', { privateKey: ownPem.replace(/\n.{64}/, '') }, rest],
    ['private-key-unreadable', { privateKey: ownDer.slice(64) }, rest],
    ['private-key-is-certificate', { privateKey: certificate }, rest],
    ['private-key-encrypted', { privateKey: lockedDer }, rest],
    ['private-key-encrypted', { privateKey: lockedOld }, rest],
    ['private-key-is-public', { privateKey: ownPublicPkcs1 }, rest],
    ['callback-key-form', { privateKey: ownPem, callbackPublicKey: 'see the console!' }, rest],
    ['callback-key-cut-off', { privateKey: ownPem, callbackPublicKey: ownPublic.slice(0, -30) }, rest],
    ['callback-key-is-certificate', { privateKey: ownPem, callbackPublicKey: certificate }, rest],
    ['callback-key-is-private', { privateKey: ownPem, callbackPublicKey: lockedDer }, rest],
    ['callback-key-kind', { privateKey: ownPem, callbackPublicKey: publicPem(curve.publicKey) }, rest],
    ['private-key-unreadable', { privateKey: 'bm9uc2Vuc2U=' }, rest],
    ['private-key-encrypted', { privateKey: locked }, rest],
    ['private-key-is-public', { privateKey: fixture('public.pem') }, rest],
    ['private-key-is-public', { privateKey: vectors.publicKeyDerBase64 }, rest],
    ['private-key-kind', { privateKey: pem(small.privateKey) }, rest],
    ['private-key-kind', { privateKey: pem(curve.privateKey) }, rest],
    ['callback-key-is-private', { privateKey: ownPem, callbackPublicKey: privatePem }, rest],
    [
      'callback-key-is-private',
      {
        privateKey: ownPem,
        callbackPublicKey: createPrivateKey(privatePem)
          .export({ type: 'pkcs8', format: 'der' })
          .toString('base64'),
      },
      rest,
    ],
    ['callback-key-unreadable', { privateKey: ownPem, callbackPublicKey: 'AAAA' }, rest],
    ['callback-key-kind', { privateKey: ownPem, callbackPublicKey: publicPem(small.publicKey) }, rest],
    ['callback-key-is-own', { privateKey: ownPem, callbackPublicKey: ownPublic }, rest],
    ['accessKeyId-missing', { accessKeySecret: 'x' }, openapi],
    ['accessKeySecret-missing', { accessKeyId: 'x' }, openapi],
    ['accessKeySecret-form', { accessKeyId: 'x', accessKeySecret: 'two words' }, openapi],
  ];
  for (const [code, input, settings] of cases) {
    assert.throws(
      () => prepareCredential(input, settings),
      (error) => {
        assert.ok(error instanceof CredentialError);
        assert.equal(error.code, code);
        assert.match(error.message, /^[^\n]+\.$/);
        assert.ok(!error.message.includes('MII'));
        assert.ok(error.pointer.startsWith('/credential'));
        return true;
      },
      code,
    );
  }
});
