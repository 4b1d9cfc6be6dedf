import assert from 'node:assert/strict';
import { createHash, createPrivateKey, createPublicKey, verify } from 'node:crypto';
import { test } from 'node:test';
import { vector } from './fixtures.ts';
import { assertionForm, issuedAtOf, scope, signAssertion } from './sign.ts';

const { keyFile, issuedAt } = vector;
const key = {
  clientEmail: keyFile.client_email,
  keyId: keyFile.private_key_id,
  audience: 'https://oauth2.googleapis.com/token',
  privateKey: createPrivateKey(keyFile.private_key),
};
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const parsed = (part: string | undefined) => JSON.parse(Buffer.from(part ?? '', 'base64url').toString());

test('an assertion is the published one, byte for byte', () => {
  const assertion = signAssertion(key, issuedAt);
  assert.equal(assertion, vector.jwt);
  const input = assertion.slice(0, assertion.lastIndexOf('.'));
  assert.equal(input.length, vector.signingInput.characters);
  assert.equal(sha256(input), vector.signingInput.sha256);
});

test('the form that carries it is the published one', () => {
  const form = assertionForm(vector.jwt);
  assert.equal(Buffer.byteLength(form), vector.form.bytes);
  assert.equal(sha256(form), vector.form.sha256);
});

test('it is signed for an hour, for messaging, for the address of the key file', () => {
  const [header, claims, signature] = signAssertion({ ...key, audience: 'https://a.example/t' }, 1_000).split(
    '.',
  );
  assert.deepEqual(parsed(header), { alg: 'RS256', typ: 'JWT', kid: keyFile.private_key_id });
  assert.deepEqual(parsed(claims), {
    iss: keyFile.client_email,
    scope,
    aud: 'https://a.example/t',
    iat: 1_000,
    exp: 4_600,
  });
  const proof = Buffer.from(signature ?? '', 'base64url');
  const publicKey = createPublicKey(key.privateKey);
  assert.ok(verify('sha256', Buffer.from(`${header}.${claims}`), publicKey, proof));
  assert.ok(!verify('sha256', Buffer.from(`${header}.${claims}x`), publicKey, proof));
});

test('a key file without a key id gives a header without one', () => {
  const [header] = signAssertion({ ...key, keyId: undefined }, issuedAt).split('.');
  assert.deepEqual(parsed(header), { alg: 'RS256', typ: 'JWT' });
});

test('it is dated back, so that a clock that is a little fast signs nothing from the future', () => {
  assert.equal(issuedAtOf(1_700_000_010_999), 1_700_000_000);
});
