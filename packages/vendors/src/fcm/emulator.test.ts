import assert from 'node:assert/strict';
import { once } from 'node:events';
import { before, describe, it } from 'node:test';
import { createAuthority } from '../authority.ts';
import type { Authority, EmulatorChannel } from '../emulator.ts';
import { callHttp1, fcmCodeOf, type HandAnswer, HandClient } from './by-hand.ts';
import { type FcmEmulatorHandle, type FcmEmulatorOptions, startFcmEmulator } from './emulator.ts';

const start = 1_800_000_000_000;
const htmlType = /^text\/html/;

let authority: Authority;
before(async () => {
  authority = await createAuthority(new Date());
});

async function withEmulator(
  options: Partial<FcmEmulatorOptions>,
  act: (emulator: FcmEmulatorHandle, client: HandClient) => Promise<void>,
): Promise<void> {
  const emulator = await startFcmEmulator({ port: 0, authority, seed: 1, ...options });
  const client = new HandClient(emulator, authority, options.now);
  try {
    await client.authorization();
    await act(emulator, client);
  } finally {
    client.close();
    await emulator.close();
  }
}

const told = (answer: HandAnswer) => [answer.status, fcmCodeOf(answer) ?? answer.json.error?.status];
const taken = [200, undefined];
const pushHeader = (n: number) => ({ 'x-pushmill-pushes': `message;${n}` });

describe('what is planned for a token', () => {
  it('comes in order, then yes; second copies are counted', async () => {
    await withEmulator({}, async (emulator, client) => {
      const token = emulator.newToken();
      emulator.plan(token, 'token-dead', 'rejected', 'misconfigured', 'throttled', 'unavailable', 'dropped');
      const send = async () => client.send({ token }, pushHeader(7));
      assert.deepEqual(told(await send()), [404, 'UNREGISTERED']);
      assert.deepEqual(told(await send()), [400, 'INVALID_ARGUMENT']);
      assert.deepEqual(told(await send()), [403, 'PERMISSION_DENIED']);
      const throttled = await send();
      assert.deepEqual(told(throttled), [429, 'QUOTA_EXCEEDED']);
      assert.equal(throttled.headers['retry-after'], '1');
      assert.deepEqual(told(await send()), [503, 'UNAVAILABLE']);
      assert.equal(emulator.hasTaken({ id: 'message.7', identity: '' }), false);
      assert.deepEqual(told(await send()), taken);
      assert.deepEqual(told(await send()), taken);
      assert.ok(emulator.hasTaken({ id: 'message.7', identity: '' }));
      assert.equal(emulator.hasTaken({ id: 'message.8', identity: '' }), false);
      assert.deepEqual(emulator.account(), {
        requests: 7,
        accepted: 1,
        duplicates: 1,
        refused: {
          UNREGISTERED: 1,
          INVALID_ARGUMENT: 1,
          PERMISSION_DENIED: 1,
          QUOTA_EXCEEDED: 1,
          UNAVAILABLE: 1,
        },
        receiptsSent: 0,
        receiptsTaken: 0,
      });
    });
  });

  it('counts messages apart where nobody says which push they are', async () => {
    await withEmulator({}, async (emulator, client) => {
      const token = emulator.newToken();
      const names = [await client.send({ token }), await client.send({ token })].map(({ json }) => json.name);
      assert.equal(new Set(names).size, 2);
      assert.equal(emulator.account().accepted, 2);
    });
  });

  it('may be an answer as it stands', async () => {
    await withEmulator({}, async (emulator, client) => {
      const token = emulator.newToken();
      const html = { status: 502, headers: { 'content-type': 'text/html' }, body: '<b>', code: 'html' };
      emulator.answerNext(token, html, html);
      for (const _ of [1, 2]) assert.equal((await client.send({ token })).text, '<b>');
      assert.deepEqual(told(await client.send({ token })), taken);
      emulator.answerAll(html);
      assert.equal((await client.send({ topic: 'news' })).status, 502);
      emulator.answerAll(undefined);
      assert.deepEqual(told(await client.send({ topic: 'news' })), taken);
      assert.deepEqual(emulator.account().refused, { html: 3 });
    });
  });

  it('is drawn by the seed otherwise', async () => {
    const draw = async () => {
      const statuses: number[] = [];
      await withEmulator({ seed: 7 }, async (emulator, client) => {
        emulator.setFaults({ 'token-dead': 0.3, unavailable: 0.2 });
        for (let n = 0; n < 60; n++) {
          statuses.push((await client.send({ token: emulator.newToken() })).status);
        }
      });
      return statuses;
    };
    const drawn = await draw();
    assert.deepEqual(await draw(), drawn);
    assert.deepEqual(new Set(drawn), new Set([200, 404, 503]));
  });
});

describe('trouble on the wire', () => {
  it('reset takes the message and cuts the line', async () => {
    await withEmulator({}, async (emulator, client) => {
      const token = emulator.newToken();
      emulator.plan(token, 'reset');
      await assert.rejects(client.send({ token }, pushHeader(1)));
      assert.ok(emulator.hasTaken({ id: 'message.1', identity: '' }));
      assert.equal(client.session.destroyed, true);
    });
  });

  it('goaway counts as never read, and what was before it is finished', async () => {
    await withEmulator({}, async (emulator, client) => {
      const [slow, last] = [emulator.newToken(), emulator.newToken()];
      emulator.setFaults({ slow: 1 });
      const first = client.send({ token: slow });
      // In order on one connection.
      await client.send({ token: 'x' });
      emulator.setFaults({});
      emulator.plan(last, 'goaway');
      await assert.rejects(client.send({ token: last }), /REFUSED_STREAM/);
      assert.deepEqual(client.goaways, [0]);
      assert.deepEqual(told(await first), taken);
      assert.equal(emulator.account().accepted, 1);
    });
  });

  it('all connections may end, and new ones are opened', async () => {
    await withEmulator({}, async (emulator, client) => {
      const ended = once(client.session, 'goaway');
      emulator.endConnections();
      await ended;
      const other = new HandClient(emulator, authority);
      assert.deepEqual(told(await other.send({ topic: 'news' })), taken);
      other.close();
      assert.equal(emulator.connectionsOpened, 2);
    });
  });

  it('timeout reads and does not answer', async () => {
    await withEmulator({}, async (emulator, client) => {
      const token = emulator.newToken();
      emulator.plan(token, 'timeout');
      const silent = client.send({ token });
      assert.deepEqual(told(await client.send({ topic: 'news' })), taken);
      assert.deepEqual([emulator.account().requests, emulator.account().accepted], [2, 1]);
      client.close();
      await assert.rejects(silent);
    });
  });

  it('a connection has 100 streams', async () => {
    await withEmulator({}, async (_emulator, client) => {
      assert.equal(client.session.remoteSettings.maxConcurrentStreams, 100);
    });
  });

  it('HTTP/1.1 will do; its last answer takes the message', async () => {
    await withEmulator({}, async (emulator, client) => {
      const token = emulator.newToken();
      emulator.plan(token, 'goaway', 'reset');
      const authorization = await client.authorization();
      const call = () =>
        callHttp1(
          emulator,
          authority,
          { path: '/v1/projects/pushmill-demo/messages:send', headers: { authorization } },
          JSON.stringify({ message: { token } }),
        );
      const answer = await call();
      assert.deepEqual([answer.status, answer.headers.connection], [200, 'close']);
      await assert.rejects(call());
      assert.equal(emulator.account().accepted, 2);
    });
  });
});

describe('what FCM knows', () => {
  it('of tokens', async () => {
    await withEmulator({}, async (emulator, client) => {
      const token = emulator.newToken();
      for (const [state, status, code, text] of [
        ['unregistered', 404, 'UNREGISTERED', /^Requested entity was not found\.$/],
        ['mismatched', 403, 'SENDER_ID_MISMATCH', /^SenderId mismatch$/],
        ['malformed', 400, 'INVALID_ARGUMENT', /is not a valid FCM registration token$/],
        ['no-third-party-key', 401, 'THIRD_PARTY_AUTH_ERROR', /^Auth error from APNS|^Request is missing/],
      ] as const) {
        emulator.setToken(token, state);
        const answer = await client.send({ token });
        assert.deepEqual(told(answer), [status, code]);
        assert.match(answer.json.error?.message as string, text);
      }
      emulator.setToken(token, 'live');
      assert.deepEqual(told(await client.send({ token })), taken);
    });
  });

  it('of projects: no word of a token when it is another', async () => {
    const path = (project: string) => ({ ':path': `/v1/projects/${project}/messages:send` });
    await withEmulator({}, async (emulator, client) => {
      const message = { token: emulator.newToken() };
      const other = await client.send(message, path('other'));
      assert.deepEqual(
        [other.status, other.json.error?.status, fcmCodeOf(other)],
        [404, 'NOT_FOUND', undefined],
      );
      const byNumber = await client.send(message, path(emulator.projectNumber));
      assert.match(byNumber.json.name as string, /^projects\/123456789012\/messages\//);
      for (const wrong of ['/v1/projects/pushmill-demo/messages', '/fcm/send', '/']) {
        const answer = await client.send(message, { ':path': wrong });
        assert.equal(answer.status, 404);
        assert.match(answer.headers['content-type'] as string, htmlType);
      }
      assert.equal((await client.send(message, { ':method': 'PUT' })).status, 404);
    });
    await withEmulator({ otherProject: 'permission-denied' }, async (emulator, client) => {
      const answer = await client.send({ token: emulator.newToken() }, path('other'));
      assert.deepEqual(told(answer), [403, 'PERMISSION_DENIED']);
    });
  });

  it('of permissions', async () => {
    await withEmulator({}, async (emulator, client) => {
      for (const [permission, reason] of [
        ['denied', 'IAM_PERMISSION_DENIED'],
        ['api-disabled', 'SERVICE_DISABLED'],
      ] as const) {
        emulator.setPermission(permission);
        const answer = await client.send({ token: emulator.newToken() });
        assert.deepEqual(told(answer), [403, 'PERMISSION_DENIED']);
        assert.equal(answer.json.error?.details?.[0]?.reason, reason);
      }
      emulator.setPermission('granted');
      assert.deepEqual(told(await client.send({ token: emulator.newToken() })), taken);
    });
  });
});

describe('quotas', () => {
  let now = start;
  const exceeded = [429, 'QUOTA_EXCEEDED'];
  const violationOf = ({ json }: HandAnswer) => JSON.stringify(json.error?.details?.[0]);

  it('the project’s is filled anew a minute after its first use; what is refused counts too', async () => {
    await withEmulator({ now: () => now, quotaPerMinute: 3 }, async (emulator, client) => {
      const send = (message: object = { token: emulator.newToken() }) => client.send(message);
      assert.deepEqual(told(await send()), taken);
      assert.deepEqual(told(await send({ token: 'x' })), [400, 'INVALID_ARGUMENT']);
      now += 20_500;
      assert.deepEqual(told(await send({ topic: 'news' })), taken);
      const refused = await send();
      assert.deepEqual(told(refused), exceeded);
      assert.equal(refused.headers['retry-after'], '40');
      assert.match(violationOf(refused), /"project:pushmill-demo","description":"Message rate exceeded"/);
      now += 39_499;
      assert.deepEqual(told(await send()), exceeded);
      now += 1;
      assert.deepEqual(told(await send()), taken);
      emulator.setQuota(1);
      assert.deepEqual(told(await send()), exceeded);
    });
  });

  it('a device’s and a topic’s', async () => {
    const options = { now: () => now, devicePerMinute: 1, topicPerMinute: 1, retryAfter: 'date' } as const;
    await withEmulator(options, async (emulator, client) => {
      const [one, other] = [{ token: emulator.newToken() }, { token: emulator.newToken() }];
      for (const message of [one, other, { topic: 'news' }]) {
        assert.deepEqual(told(await client.send(message)), taken);
      }
      const device = await client.send(one);
      assert.deepEqual(told(device), exceeded);
      assert.match(violationOf(device), /Device message rate exceeded/);
      assert.ok(!device.text.includes(one.token));
      assert.equal(device.headers['retry-after'], new Date(now + 60_000).toUTCString());
      const topic = await client.send({ topic: 'news' });
      assert.equal(topic.json.error?.message, 'Topic quota exceeded.');
      assert.match(violationOf(topic), /"topic:news","description":"Topic message rate exceeded"/);
    });
    await withEmulator({ quotaPerMinute: 0, retryAfter: 'none' }, async (emulator, client) => {
      const answer = await client.send({ token: emulator.newToken() });
      assert.deepEqual([...told(answer), answer.headers['retry-after']], [...exceeded, undefined]);
    });
  });
});

describe('what it gives out', () => {
  it('one channel, and tokens that no earlier call returned', async () => {
    await withEmulator({ projectId: 'other-project' }, async (emulator) => {
      const [channel] = emulator.channels as [EmulatorChannel];
      const { sendOrigin, tokenOrigin, iidOrigin, projectId, emulator: flag, ca } = channel.settings;
      assert.deepEqual([sendOrigin, tokenOrigin, iidOrigin], Array(3).fill(emulator.origin));
      assert.deepEqual([projectId, flag, ca], ['other-project', true, authority.certificate]);
      assert.deepEqual(Object.keys(channel.credential), ['serviceAccount']);
      const made = Array.from({ length: 500 }, () => [emulator.newToken(), emulator.newIosToken()]).flat();
      assert.equal(new Set(made).size, 1_000);
      for (const token of made) assert.match(token, /^[\w-]{22}:APA91b[\w-]{134}$/);
      assert.match(emulator.newFid(), /^[c-f][\w-]{21}$/);
    });
  });
});
