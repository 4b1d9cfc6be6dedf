import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { isSigned } from './emulator-checks.ts';
import { vectors } from './fixtures.ts';
import { basicHeaders, sign, signedHeaders } from './sign.ts';

test('every vector, the published one among them, is signed to the letter', () => {
  assert.equal(vectors.vectors.length, 6);
  for (const vector of vectors.vectors) {
    const { secretKey, accessId, timestamp, body } = vector;
    assert.equal(Buffer.byteLength(body), vector.bodyUtf8Bytes, vector.name);
    const signed = sign(secretKey, accessId, timestamp, body);
    assert.equal(signed, vector.sign, vector.name);
    assert.equal(sign(secretKey, accessId, timestamp, Buffer.from(body)), vector.sign, vector.name);
    assert.equal(Buffer.from(signed, 'base64').toString(), vector.hmacHex, vector.name);
    assert.notEqual(signed, vector.wrongSignIfRawDigestIsEncoded, vector.name);
  }
});

test('the emulator takes the vectors, and none of the usual mistakes', () => {
  for (const vector of vectors.vectors) {
    const body = Buffer.from(vector.body);
    assert.equal(isSigned(vector.sign, vector.timestamp, vector, body), true, vector.name);
    const raw = vector.wrongSignIfRawDigestIsEncoded;
    assert.equal(isSigned(raw, vector.timestamp, vector, body), false, vector.name);
  }
  assert.equal(vectors.mustReject.length, 5);
  for (const vector of vectors.mustReject) {
    const body = Buffer.from(vector.body);
    assert.equal(isSigned(vector.sign, vector.timestamp, vector, body), false, vector.name);
    assert.notEqual(
      sign(vector.secretKey, vector.accessId, vector.timestamp, vector.body),
      vector.sign,
      vector.name,
    );
  }
});

test('what we sign the emulator takes, and nothing else', () => {
  const secret = fc.stringMatching(/^[0-9a-f]{32}$/);
  const body = fc.string({ unit: 'grapheme', maxLength: 200 });
  fc.assert(
    fc.property(secret, body, fc.nat(4_000_000_000), fc.nat(), (secretKey, text, seconds, at) => {
      const app = { accessId: '1500001048', secretKey };
      const signed = sign(secretKey, app.accessId, String(seconds), text);
      const bytes = Buffer.from(text);
      assert.equal(signed.length, 88);
      assert.ok(signed.endsWith('=='));
      assert.equal(isSigned(signed, String(seconds), app, bytes), true);
      assert.equal(isSigned(signed, String(seconds + 1), app, bytes), false);
      assert.equal(isSigned(signed, String(seconds), app, Buffer.concat([bytes, Buffer.from(' ')])), false);
      const place = at % 86;
      const other = signed[place] === 'A' ? 'B' : 'A';
      const forged = signed.slice(0, place) + other + signed.slice(place + 1);
      assert.equal(isSigned(forged, String(seconds), app, bytes), false);
    }),
    { numRuns: 200 },
  );
});

test('the time that is signed is the time that is sent, in whole seconds', () => {
  const [vector] = vectors.vectors as [(typeof vectors.vectors)[number]];
  const headers = signedHeaders(vector.secretKey, vector.accessId, 1_565_314_789_999, vector.body);
  assert.deepEqual(headers, {
    accessid: vector.accessId,
    timestamp: vector.timestamp,
    sign: vector.sign,
  });
});

test('Basic is the pair, and nothing of the body', () => {
  for (const { accessId, secretKey, header } of vectors.basicAuth) {
    assert.equal(`Authorization: ${basicHeaders(secretKey, accessId).authorization}`, header);
  }
});

test('the predecessor’s MD5 is another signature, by which nobody is let in', () => {
  const [legacy] = vectors.legacyXingeV2;
  assert.ok(legacy);
  const { baseString, secretKey, params } = legacy;
  assert.equal(createHash('md5').update(baseString).digest('hex'), legacy.sign);
  const app = { accessId: params.access_id, secretKey };
  assert.equal(isSigned(legacy.sign, params.timestamp, app, Buffer.from(baseString)), false);
  assert.notEqual(sign(secretKey, app.accessId, params.timestamp, baseString), legacy.sign);
});
