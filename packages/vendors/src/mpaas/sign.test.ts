import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { test } from 'node:test';
import { fixture, gateway, vectors } from './fixtures.ts';
import {
  canonicalForm,
  gatewayTime,
  percentEncode,
  restPath,
  sha256,
  signAcs3,
  signRest,
  signRpcV1,
} from './sign.ts';

const key = createPrivateKey(fixture('test-only-private.pem'));

test('the rest signature of each vector body is the published text', async () => {
  assert.equal(await signRest(Buffer.from(fixture('body.json')), key), fixture('sign.txt'));
  for (const vector of vectors.callbacks) {
    assert.equal(await signRest(Buffer.from(vector.body), key), vector.signUrlSafePadded, vector.name);
  }
});

test('a rest request has the path of the vector', async () => {
  for (const vector of vectors.restRequests) {
    const signature = await signRest(Buffer.from(vector.body), key);
    assert.equal(restPath('push', 'pushsimple', vector.appId, vector.workspaceId, signature), vector.path);
    assert.equal(restPath('', 'm', 'a', 'w', 's'), '/m/a/w/s');
  }
});

test('RPC v1 signs the vectors', () => {
  for (const vector of gateway.rpcV1) {
    assert.equal(canonicalForm(vector.params), vector.canonicalQuery, vector.name);
    const signature = signRpcV1(vector.method, vector.params, vector.accessKeySecret);
    assert.equal(signature, vector.signature, vector.name);
    assert.equal(percentEncode(signature), vector.signatureInQuery, vector.name);
  }
});

test('ACS3 signs the vectors', () => {
  for (const vector of gateway.acs3) {
    assert.equal(sha256(vector.body), vector.headers['x-acs-content-sha256'], vector.name);
    assert.equal(signAcs3(vector), vector.authorization, vector.name);
  }
});

test('what encodeURIComponent leaves alone is escaped, and the tilde is not', () => {
  assert.equal(percentEncode("a !'()*~-_.中"), 'a%20%21%27%28%29%2A~-_.%E4%B8%AD');
});

test('names are sorted as bytes, so that .10. comes before .2.', () => {
  assert.equal(canonicalForm({ 'A.2.B': '2', 'A.10.B': '10', a: '', Z: 'z' }), 'A.10.B=10&A.2.B=2&Z=z&a=');
});

test('gateway time is UTC without milliseconds', () => {
  assert.equal(gatewayTime(new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 678))), '2026-01-02T03:04:05Z');
});
