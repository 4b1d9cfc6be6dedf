import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Outcome } from '@pushmill/core';
import { createAuthority } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import { pushesTo } from '../fixtures.ts';
import type { OutgoingPush } from '../vendor.ts';
import {
  fcmError,
  notAToken,
  type Received,
  type Reply,
  refusal,
  type Scene,
  type SceneChoice,
  stage as stageWith,
  unregistered,
} from './fixtures.ts';

let authority: Authority;
before(async () => {
  authority = await createAuthority(new Date());
});
const stage = (choice: SceneChoice, act: (scene: Scene) => Promise<void>) =>
  stageWith(authority, choice, act);

const signal = new AbortController().signal;
const send = async ({ sender }: Scene, pushes: OutgoingPush[]) => {
  const sent = await Promise.all(pushes.map((push) => sender.send([push], signal)));
  return sent.flat();
};
const kindsOf = (outcomes: readonly Outcome[]) => outcomes.map(({ kind }) => kind);

type Message = Record<string, unknown> & { token?: string; topic?: string };
const messageIn = ({ json }: Received) => json.message as Message;
const isTrial = ({ json }: Received) => json.validate_only === true;
/** Answers a send, and leaves the token endpoint alone. */
const sends = (answer: (message: Message, request: Received) => Reply | undefined) => (request: Received) =>
  request.path.endsWith('messages:send') ? answer(messageIn(request), request) : undefined;

describe('a push', () => {
  test('is one call with the token in its message, under the project of the key file', async () => {
    await stage({}, async (scene) => {
      const [push] = scene.pushes(1, { data: { text: 'héllo 👋' } }) as [OutgoingPush];
      const [outcome] = await scene.sender.send([push], signal);
      assert.deepEqual(outcome, { kind: 'accepted', vendorMessageId: '0:1' });
      const [request] = scene.google.of('messages:send') as [Received];
      assert.equal(request.path, '/v1/projects/demo-project/messages:send');
      assert.equal(request.headers.authorization, 'Bearer ya29.1');
      assert.equal(request.headers['content-type'], 'application/json');
      assert.equal(request.headers['x-pushmill-pushes'], `${push.message.id};0`);
      assert.equal(messageIn(request).token, 'token-0');
      assert.deepEqual(messageIn(request).data, { text: 'héllo 👋' });
    });
  });

  test('tells no stranger our ids, and goes to the project of the settings', async () => {
    const settings = { projectId: 'other-project', address: 'fid' } as const;
    await stage({ settings }, async (scene) => {
      const stranger = scene.open({ settings: { ...settings, emulator: false } });
      await stranger.send(scene.pushes(1), signal);
      const [request] = scene.google.of('messages:send') as [Received];
      assert.equal(request.path, '/v1/projects/other-project/messages:send');
      assert.ok(!('x-pushmill-pushes' in request.headers));
      assert.equal(messageIn(request).fid, 'token-0');
    });
  });

  test('among two hundred asks for one access token', async () => {
    await stage({}, async (scene) => {
      const outcomes = await send(scene, scene.pushes(200));
      assert.deepEqual(new Set(kindsOf(outcomes)), new Set(['accepted']));
      assert.equal(scene.google.of('/token').length, 1);
      const tokens = scene.google.of('messages:send').map((request) => messageIn(request).token);
      assert.equal(new Set(tokens).size, 200);
    });
  });

  test('gets its own outcome, in order', async () => {
    const script = sends(({ token }) => (token === 'token-1' ? unregistered() : undefined));
    await stage({ script }, async ({ sender, pushes }) => {
      const outcomes = await sender.send(pushes(3), signal);
      assert.deepEqual(kindsOf(outcomes), ['accepted', 'token-dead', 'accepted']);
    });
  });

  test('says how long it has still to live, second by second', async () => {
    let now = Date.now();
    await stage({ now: () => now }, async ({ sender, pushes, google }) => {
      const [one, two, three] = pushes(3) as [OutgoingPush, OutgoingPush, OutgoingPush];
      for (const push of [one, two, three]) {
        await sender.send([push], signal);
        now += 2_000;
      }
      const lives = google
        .of('messages:send')
        .map((request) => (messageIn(request).android as Record<string, unknown>).ttl);
      assert.deepEqual(lives, ['3600s', '3598s', '3596s']);
    });
  });

  test('to a topic or a condition names it, and forgets no token for what it answers', async () => {
    await stage({}, async ({ sender, pushes, google }) => {
      const [push] = pushes(1) as [OutgoingPush];
      const topic = { ...push, token: '', audience: { kind: 'topic', topic: '/topics/news' } };
      const condition = { ...push, token: '', audience: { kind: 'condition', condition: "'a' in topics" } };
      assert.deepEqual(kindsOf(await sender.send([topic], signal)), ['accepted']);
      google.script = sends(() => unregistered());
      assert.deepEqual(kindsOf(await sender.send([condition], signal)), ['rejected']);
      google.script = sends(() => notAToken());
      assert.deepEqual(kindsOf(await sender.send([topic], signal)), ['rejected']);
      const targets = google.of('messages:send').map((request) => {
        const { topic, condition, token } = messageIn(request);
        return [topic, condition, token];
      });
      assert.deepEqual(targets, [
        ['news', undefined, undefined],
        [undefined, "'a' in topics", undefined],
        ['news', undefined, undefined],
      ]);
    });
  });

  test('that is cut off may have arrived; one that was stopped before has not', async () => {
    await stage({ script: sends(() => ({ status: 0 })) }, async ({ sender, pushes }) => {
      const [push] = pushes(1) as [OutgoingPush];
      const [outcome] = await sender.send([push], signal);
      assert.partialDeepStrictEqual(outcome, { kind: 'unavailable', mayHaveArrived: true });
      const [stopped] = await sender.send([push], AbortSignal.abort());
      assert.partialDeepStrictEqual(stopped, {
        kind: 'unavailable',
        code: 'aborted',
        mayHaveArrived: false,
      });
    });
  });
});

describe('an access token that Google refuses', () => {
  const unauthenticated = () => refusal(401, 'UNAUTHENTICATED', 'Request had invalid credentials.');

  test('is replaced once, and every push is sent again with the next', async () => {
    const revoked = new Set(['Bearer ya29.1']);
    const script = (request: Received) =>
      revoked.has(String(request.headers.authorization)) ? unauthenticated() : undefined;
    await stage({ script }, async (scene) => {
      const other = scene.open();
      const [first, ...pushes] = scene.pushes(61) as [OutgoingPush, ...OutgoingPush[]];
      revoked.clear();
      await scene.sender.send([first], signal);
      await other.send([first], signal);
      revoked.add('Bearer ya29.1');
      const outcomes = await Promise.all(
        pushes.map((push, n) => (n % 2 === 0 ? scene.sender : other).send([push], signal)),
      );
      assert.deepEqual(new Set(kindsOf(outcomes.flat())), new Set(['accepted']));
      assert.equal(scene.google.of('/token').length, 2, 'one for the cluster');
    });
  });

  test('and whose successor it refuses too, is a matter for a person, and no storm', async () => {
    await stage({ script: sends(() => unauthenticated()) }, async (scene) => {
      const outcomes = await send(scene, scene.pushes(20));
      assert.deepEqual(new Set(kindsOf(outcomes)), new Set(['misconfigured']));
      assert.equal(scene.google.of('/token').length, 2);
      await send(scene, scene.pushes(5));
      assert.equal(scene.google.of('/token').length, 2);
    });
  });

  test('is not meant when the APNs key in Firebase is: others are served, and a person is told once', async () => {
    const refused = () =>
      refusal(401, 'UNAUTHENTICATED', 'Expected OAuth 2 access token', fcmError('THIRD_PARTY_AUTH_ERROR'));
    const script = sends(({ token }) => (token === 'token-0' ? refused() : undefined));
    await stage({ script }, async (scene) => {
      for (let n = 0; n < 3; n += 1) {
        assert.deepEqual(kindsOf(await send(scene, scene.pushes(2))), ['rejected', 'accepted']);
      }
      assert.equal(scene.google.of('/token').length, 1);
      assert.deepEqual(
        scene.warnings.map(({ fields }) => fields.code),
        ['THIRD_PARTY_AUTH_ERROR'],
      );
    });
  });
});

describe('no access token', () => {
  const refusals: [what: string, reply: Reply, outcome: Record<string, unknown>][] = [
    [
      'a key that was deleted',
      { status: 400, body: { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' } },
      { kind: 'misconfigured', code: 'invalid_grant' },
    ],
    [
      'an account that is disabled',
      { status: 401, body: { error: 'invalid_client', error_description: 'The OAuth client was disabled.' } },
      { kind: 'misconfigured', code: 'invalid_client' },
    ],
    [
      'an endpoint that is down',
      { status: 503, body: '<html>' },
      { kind: 'unavailable', code: 'token-http-503' },
    ],
    [
      'an error of the endpoint',
      { status: 500, body: { error: 'internal_failure' } },
      { kind: 'unavailable' },
    ],
    [
      'an address that is none',
      { status: 404, body: '<html>' },
      { kind: 'misconfigured', code: 'token-http-404' },
    ],
    ['a proxy', { status: 403, body: 'no' }, { kind: 'unavailable', code: 'token-http-403' }],
    [
      'an answer without a token',
      { status: 200, body: {} },
      { kind: 'unavailable', code: 'token-unreadable' },
    ],
    [
      'a token that no header can carry',
      { status: 200, body: { access_token: 'a b' } },
      { kind: 'unavailable' },
    ],
    [
      'too many questions',
      { status: 429, headers: { 'retry-after': '7' }, body: { error: 'rate_limit_exceeded' } },
      { kind: 'throttled', scope: 'channel', retryAfterMs: 7_000 },
    ],
    ['a connection that is cut', { status: 0 }, { kind: 'unavailable' }],
  ];
  for (const [what, reply, outcome] of refusals) {
    test(`for ${what}: nothing is sent, and nothing can have arrived`, async () => {
      const script = ({ path }: Received) => (path === '/token' ? reply : undefined);
      await stage({ script }, async (scene) => {
        for (const got of await send(scene, scene.pushes(10))) {
          assert.partialDeepStrictEqual(got, outcome);
          if (got.kind === 'unavailable') assert.equal(got.mayHaveArrived, false);
        }
        assert.equal(scene.google.of('messages:send').length, 0);
        assert.equal(scene.google.of('/token').length, 1);
      });
    });
  }

  const untimely = (): Reply => ({
    status: 400,
    body: {
      error: 'invalid_grant',
      error_description:
        'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.',
    },
  });
  const issuedAt = ({ text }: Received) => {
    const [, claims] = String(new URLSearchParams(text).get('assertion')).split('.');
    return JSON.parse(Buffer.from(String(claims), 'base64url').toString()).iat as number;
  };

  test('for a clock that is wrong: signed once more by Google’s, and a person is told', async () => {
    const script = (request: Received) =>
      request.path === '/token' && Math.abs(issuedAt(request) - Date.now() / 1_000) > 300
        ? untimely()
        : undefined;
    await stage({ script, now: () => Date.now() + 7_200_000 }, async (scene) => {
      assert.deepEqual(kindsOf(await send(scene, scene.pushes(3))), Array(3).fill('accepted'));
      assert.equal(scene.google.of('/token').length, 2);
      assert.match(String(scene.warnings[0]?.message), /clock of this machine is wrong/);
      assert.ok(Math.abs(Number(scene.warnings[0]?.fields.offBySeconds) - 7_200) < 60);
    });
  });

  test('for a clock that Google finds wrong both ways: says by how much it differs', async () => {
    const script = ({ path }: Received) => (path === '/token' ? untimely() : undefined);
    await stage({ script, now: () => Date.now() + 7_200_000 }, async (scene) => {
      const [outcome] = await send(scene, scene.pushes(1));
      assert.ok(outcome?.kind === 'misconfigured');
      assert.match(outcome.detail, /check the clock of this machine\. It is (7199|7200|7201) s off Google’s/);
    });
  });
});

describe('what FCM calls no token', () => {
  const bad = (token?: string) => token !== undefined && /-(0|2)$/.test(token);

  test('is dead when the message was taken for another', async () => {
    await stage({ script: sends(({ token }) => (bad(token) ? notAToken() : undefined)) }, async (scene) => {
      const [one, two, three] = scene.pushes(3) as [OutgoingPush, OutgoingPush, OutgoingPush];
      assert.deepEqual(kindsOf(await scene.sender.send([two], signal)), ['accepted']);
      assert.deepEqual(kindsOf(await send(scene, [one, three])), ['token-dead', 'token-dead']);
      assert.equal(scene.google.received.filter(isTrial).length, 0);
    });
  });

  test('is dead when the message is good on trial, which is asked once a message', async () => {
    const script = sends(({ token }) => (bad(token) ? notAToken() : undefined));
    const now = Date.now();
    await stage({ now: () => now, script }, async (scene) => {
      const [one, , three] = scene.pushes(3) as [OutgoingPush, OutgoingPush, OutgoingPush];
      assert.deepEqual(kindsOf(await send(scene, [one, three])), ['token-dead', 'token-dead']);
      const [trial, ...others] = scene.google.received.filter(isTrial);
      assert.equal(others.length, 0);
      const { topic, token, ...message } = messageIn(trial as Received);
      assert.deepEqual([topic, token], ['pushmill-trial', undefined]);
      const { token: sent, ...theirs } = messageIn(scene.google.of('messages:send')[0] as Received);
      assert.deepEqual(message, theirs);
      assert.ok(bad(sent));
    });
  });

  test('is kept when the message is bad for everybody', async () => {
    await stage({ script: sends(() => notAToken()) }, async (scene) => {
      const pushes = scene.pushes(4);
      assert.deepEqual(kindsOf(await send(scene, pushes)), Array(4).fill('rejected'));
      assert.deepEqual(kindsOf(await send(scene, pushes)), Array(4).fill('rejected'));
      assert.equal(scene.google.received.filter(isTrial).length, 1);
    });
  });

  test('is kept while a trial gets no answer, which is no answer for the next', async () => {
    let isDown = true;
    const script = sends((_message, request) => {
      if (!isTrial(request)) return notAToken();
      return isDown ? refusal(503, 'UNAVAILABLE', 'x') : undefined;
    });
    await stage({ script }, async (scene) => {
      const pushes = scene.pushes(1);
      assert.deepEqual(kindsOf(await send(scene, pushes)), ['rejected']);
      isDown = false;
      assert.deepEqual(kindsOf(await send(scene, pushes)), ['token-dead']);
    });
  });
});

describe('a service account of another project', () => {
  const mismatch = () =>
    refusal(403, 'PERMISSION_DENIED', 'SenderId mismatch', fcmError('SENDER_ID_MISMATCH'));

  test('stops the channel after some tokens, and loses none', async () => {
    await stage({ script: sends(() => mismatch()) }, async (scene) => {
      const outcomes = await send(scene, scene.pushes(60));
      const stopped = outcomes.findIndex(({ kind }) => kind === 'misconfigured');
      assert.ok(stopped >= 0);
      assert.ok(outcomes.filter(({ kind }) => kind === 'rejected').length < 20);
      for (const outcome of outcomes) {
        assert.ok(outcome.kind === 'rejected' || outcome.kind === 'misconfigured');
        assert.ok(!('misfiled' in outcome));
      }
      const detail = outcomes[stopped];
      assert.ok(detail?.kind === 'misconfigured');
      assert.match(detail.detail, /wrong project/);
    });
  });

  test('is not suspected once it has served a push: then the token is filed in the wrong place', async () => {
    const script = sends(({ token }) => (token === 'token-0' ? undefined : mismatch()));
    await stage({ script }, async (scene) => {
      const [first, ...others] = scene.pushes(60) as [OutgoingPush, ...OutgoingPush[]];
      await scene.sender.send([first], signal);
      const outcomes = await send(scene, others);
      assert.deepEqual(new Set(kindsOf(outcomes)), new Set(['rejected']));
      for (const outcome of outcomes) assert.ok(outcome.kind === 'rejected' && outcome.misfiled === true);
    });
  });

  test('is not suspected for mismatches that are far apart', async () => {
    let now = Date.now();
    await stage({ now: () => now, script: sends(() => mismatch()) }, async (scene) => {
      const message = scene.pushes(1, { expiresAt: now + 90 * 60_000 })[0]
        ?.message as OutgoingPush['message'];
      for (let n = 0; n < 30; n += 1) {
        const outcomes = await send(scene, pushesTo([`token-${n}`], message, [n]));
        assert.deepEqual(kindsOf(outcomes), ['rejected']);
        now += 61_000;
      }
    });
  });
});

test('what is told of an outcome holds neither token nor access token nor key', async () => {
  const script = sends(({ token }, { headers }) =>
    refusal(400, 'INVALID_ARGUMENT', `${token} with ${headers.authorization} is bad`),
  );
  await stage({ script }, async (scene) => {
    const told = JSON.stringify([await send(scene, scene.pushes(1)), scene.warnings]);
    assert.match(told, /is bad/);
    assert.doesNotMatch(told, /token-0|ya29/);
  });
});
