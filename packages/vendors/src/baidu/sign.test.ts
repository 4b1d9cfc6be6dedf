import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { vectors } from './fixtures.ts';
import { formBody, formEncode, signCall, signSpp } from './sign.ts';

test('every vector has its encoding, its signature and its body', () => {
  assert.equal(vectors.rest.length, 8);
  for (const {
    name,
    method,
    url,
    params,
    secretKey,
    baseString,
    encoded,
    sign,
    formBody: body,
  } of vectors.rest) {
    assert.equal(formEncode(baseString), encoded, name);
    assert.equal(signCall(method, url, params, secretKey), sign, name);
    assert.equal(formBody({ ...params, sign }), body, name);
  }
});

test('the mistakes of other clients are not ours', () => {
  assert.equal(vectors.mustReject.length, 4);
  for (const { name, of, sign } of vectors.mustReject) {
    const vector = vectors.rest.find((known) => known.name === of);
    assert.ok(vector);
    assert.notEqual(signCall(vector.method, vector.url, vector.params, vector.secretKey), sign, name);
  }
});

test('every vector of SPP has its signature, and one byte changes it', () => {
  const { vectors: spp } = vectors.movedProductSpp;
  assert.equal(spp.length, 2);
  for (const { name, method, url, body, appkey, timestamp, masterKey, baseString, sign } of spp) {
    const keys = { name: appkey, secret: masterKey };
    assert.equal(baseString, method + url + body + appkey + timestamp + masterKey, name);
    assert.equal(signSpp(method, url, body, timestamp, keys), sign, name);
    assert.notEqual(signSpp(method, url, `${body} `, timestamp, keys), sign, name);
    assert.notEqual(signSpp(method, url.replace('https', 'http'), body, timestamp, keys), sign, name);
  }
});

test('the characters that encoders disagree about', () => {
  assert.equal(formEncode(" *~!'()-_.%+中😀"), '+%2A%7E%21%27%28%29-_.%25%2B%E4%B8%AD%F0%9F%98%80');
});

test('any text is encoded as the URL standard has it, but for the asterisk', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const standard = new URLSearchParams({ '': text }).toString().slice(1);
      assert.equal(formEncode(text), standard.replaceAll('*', '%2A'));
    }),
  );
});

test('the order in which parameters are given does not matter, nor does a sign among them', () => {
  const word = fc.stringMatching(/^[a-z_]{1,8}$/);
  fc.assert(
    fc.property(fc.dictionary(word, fc.string(), { noNullPrototype: true }), (params) => {
      const turned = Object.fromEntries(Object.entries(params).reverse());
      const sign = signCall('POST', 'https://x/y', params, 's');
      assert.match(sign, /^[0-9a-f]{32}$/);
      assert.equal(
        signCall('POST', 'https://x/y', { ...turned, sign }, 's'),
        signCall('POST', 'https://x/y', { ...params, sign: 'other' }, 's'),
      );
    }),
  );
});
