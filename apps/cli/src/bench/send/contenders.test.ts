import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { type ContenderName, contenders } from './contenders.ts';
import { newTarget, planPushes } from './load.ts';

const pem = await readFile(new URL('localhost.pem', import.meta.url));
const requests: { headers: IncomingHttpHeaders; body: string }[] = [];
let status = 200;

const server = createSecureServer({ cert: pem, key: pem });
server.on('stream', async (stream: ServerHttp2Stream, headers) => {
  requests.push({ headers, body: (await stream.toArray()).join('') });
  stream.respond({ ':status': status });
  stream.end(status === 200 ? '' : JSON.stringify({ reason: 'BadDeviceToken' }));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
after(() => server.close());

const ca = new X509Certificate(pem).toString();
const target = newTarget((server.address() as AddressInfo).port, ca);
const pushes = planPushes(3, Date.UTC(2026, 0, 1));

const claims = (token: string | undefined) =>
  (token ?? '')
    .replace('bearer ', '')
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));

describe('contenders', () => {
  for (const name of Object.keys(contenders) as ContenderName[]) {
    it(`${name} sends the same requests as the others, each with its own token and identity`, async () => {
      const client = await contenders[name](target);
      requests.length = 0;
      status = 200;
      for (const push of pushes) assert.equal(await client.send(push), true);
      await client.close();
      assert.equal(requests.length, pushes.length);
      for (const [index, push] of pushes.entries()) {
        const { headers, body } = requests[index] as (typeof requests)[number];
        const own = Object.entries(headers).filter(([key]) => key.startsWith('apns-') || key === ':path');
        assert.deepEqual(Object.fromEntries(own), {
          ':path': `/3/device/${push.token}`,
          ...(name === 'apns2' ? {} : { 'apns-id': push.identity }),
          'apns-push-type': 'alert',
          'apns-topic': target.topic,
          'apns-priority': '5',
          'apns-expiration': String(Date.UTC(2026, 0, 1, 1) / 1_000),
          'apns-collapse-id': push.identity,
        });
        const [header, { iat, ...issuer }] = claims(headers.authorization);
        assert.deepEqual([header.alg, header.kid, issuer], ['ES256', target.keyId, { iss: target.teamId }]);
        assert.ok(Math.abs(iat - Date.now() / 1_000) < 60);
        assert.deepEqual(JSON.parse(body), {
          aps: { alert: push.message.notification },
          ...push.message.data,
        });
      }
      assert.equal(new Set(requests.map(({ headers }) => headers[':path'])).size, pushes.length);
    });

    it(`${name} tells when the answer was another than 200`, async () => {
      const client = await contenders[name](target);
      status = 400;
      const [push] = pushes;
      assert.ok(push);
      assert.equal(await client.send(push), false);
      await client.close();
    });
  }
});
