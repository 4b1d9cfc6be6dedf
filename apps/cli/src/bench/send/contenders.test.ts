import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureServer, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import type { Client } from './client.ts';
import { contenders, sendVendors } from './contenders.ts';
import { ACCESS_TOKEN, newTarget, planPushes } from './load.ts';

const pem = await readFile(new URL('localhost.pem', import.meta.url));
const requests: { path: string; httpVersion: string; headers: IncomingHttpHeaders; body: string }[] = [];
let status = 200;

/** What the vendors say of a push that they do not take, in one answer. */
const refusal = JSON.stringify({
  reason: 'BadDeviceToken',
  error: { code: 400, status: 'INVALID_ARGUMENT', message: 'Request contains an invalid argument.' },
});

const server = createSecureServer({ cert: pem, key: pem, allowHTTP1: true }, async (request, response) => {
  const body = (await request.toArray()).join('');
  response.setHeader('content-type', 'application/json');
  if (request.url === '/token') {
    response.end(JSON.stringify({ access_token: ACCESS_TOKEN, expires_in: 3_599, token_type: 'Bearer' }));
    return;
  }
  requests.push({ path: request.url, httpVersion: request.httpVersion, headers: request.headers, body });
  response.writeHead(status).end(status === 200 ? '{"name":"projects/p/messages/1"}' : refusal);
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
after(() => server.close());

const ca = new X509Certificate(pem).toString();
const target = newTarget((server.address() as AddressInfo).port, ca);
const claims = (token: string | undefined) =>
  (token ?? '')
    .replace('bearer ', '')
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));

/** @returns the requests that the pushes of one message made of them */
async function sent(client: Client, pushes: ReturnType<typeof planPushes>) {
  requests.length = 0;
  status = 200;
  for (const push of pushes) assert.equal(await client.send(push), true);
  assert.equal(requests.length, pushes.length);
  return requests.map((request, index) => ({ ...request, push: pushes[index] as (typeof pushes)[number] }));
}

describe('contenders at APNs', () => {
  const pushes = planPushes(3, 'apns', Date.UTC(2026, 0, 1));
  for (const { name, open } of contenders.apns) {
    it(`${name} sends the same requests as the others, each with its own token and identity`, async () => {
      const client = await open(target);
      const { topic, keyId, teamId } = target.apns;
      for (const { headers, body, push } of await sent(client, pushes)) {
        const own = Object.entries(headers).filter(([key]) => key.startsWith('apns-') || key === ':path');
        assert.deepEqual(Object.fromEntries(own), {
          ':path': `/3/device/${push.token}`,
          ...(name === 'apns2' ? {} : { 'apns-id': push.identity }),
          'apns-push-type': 'alert',
          'apns-topic': topic,
          'apns-priority': '5',
          'apns-expiration': String(Date.UTC(2026, 0, 1, 1) / 1_000),
          'apns-collapse-id': push.identity,
        });
        const [header, { iat, ...issuer }] = claims(headers.authorization);
        assert.deepEqual([header.alg, header.kid, issuer], ['ES256', keyId, { iss: teamId }]);
        assert.ok(Math.abs(iat - Date.now() / 1_000) < 60);
        assert.deepEqual(JSON.parse(body), {
          aps: { alert: push.message.notification },
          ...push.message.data,
        });
      }
      assert.equal(new Set(requests.map(({ path }) => path)).size, pushes.length);
      await client.close();
    });
  }
});

describe('contenders at FCM', () => {
  for (const { name, open } of contenders.fcm) {
    it(`${name} sends the same messages as the others, each to its own token`, async () => {
      const client = await open(target);
      const pushes = planPushes(3, 'fcm');
      for (const { path, httpVersion, headers, body, push } of await sent(client, pushes)) {
        assert.equal(path, `/v1/projects/${target.fcm.projectId}/messages:send`);
        assert.equal(httpVersion, name === 'firebase-admin send' ? '1.1' : '2.0');
        assert.equal(headers.authorization, `Bearer ${ACCESS_TOKEN}`);
        assert.match(headers['content-type'] ?? '', /^application\/json/);
        const { message } = JSON.parse(body);
        const life = Number(message.webpush.headers.TTL);
        assert.ok(life > 3_500 && life <= 3_600);
        // The interface has it in capitals; firebase-admin does not.
        message.android.priority = message.android.priority.toUpperCase();
        assert.deepEqual(message, {
          token: push.token,
          notification: push.message.notification,
          data: push.message.data,
          android: { priority: 'NORMAL', ttl: `${life}s` },
          apns: {
            headers: {
              'apns-priority': '5',
              'apns-expiration': String(Math.floor(push.message.expiresAt / 1_000)),
            },
          },
          webpush: { headers: { TTL: String(life), Urgency: 'normal' } },
        });
      }
      await client.close();
    });
  }

  it('firebase-admin sendEach takes many at once', async () => {
    const together = contenders.fcm.find(({ name }) => name === 'firebase-admin sendEach');
    const client = await together?.open(target);
    const pushes = planPushes(150, 'fcm');
    requests.length = 0;
    status = 200;
    assert.equal(await client?.sendTogether?.(pushes), pushes.length);
    const tokens = requests.map(({ body }) => JSON.parse(body).message.token);
    assert.deepEqual(new Set(tokens), new Set(pushes.map(({ token }) => token)));
    assert.equal(requests.length, pushes.length);
    await client?.close();
  });
});

for (const vendor of sendVendors) {
  for (const { name, open } of contenders[vendor]) {
    it(`${name} tells when ${vendor} answered otherwise than with 200`, async () => {
      const client = await open(target);
      status = 400;
      const [push] = planPushes(1, vendor);
      assert.ok(push);
      assert.equal(await client.send(push), false);
      await client.close();
    });
  }
}
