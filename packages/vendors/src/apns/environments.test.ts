import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { createAuthority, issueClientCertificate, toPkcs12 } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import type { TakenPush } from './emulator.ts';
import type { Scene, SceneOptions } from './fixtures.ts';
import { count, makeKey, many, minute, stage as stageWith } from './fixtures.ts';
import { apns } from './index.ts';
import type { ApnsSettings } from './settings.ts';
import { manageOrigin, otherOrigin, ownOrigin } from './settings.ts';

let authority: Authority;
before(async () => {
  authority = await createAuthority(new Date());
});

const stage = (options: SceneOptions, act: (scene: Scene) => Promise<void>) =>
  stageWith(authority, options, act);

const bundleId = 'com.example.pushmill';

describe('a device', () => {
  for (const channel of ['apns-token', 'apns-cert'] as const) {
    it(`that is filed under the sandbox is sent to there, over ${channel}`, async () => {
      const taken: TakenPush[] = [];
      await stage({ channel, onPush: (each) => taken.push(each) }, async (scene) => {
        const { emulator, push, send } = scene;
        const sandboxed = push({ token: emulator.newSandboxToken(), environment: 'sandbox' });
        assert.equal((await send(push({ environment: 'production' }))).kind, 'accepted');
        assert.equal(emulator.connectionsOpened, 1, 'the other host is not opened before it is needed');
        assert.equal((await send(sandboxed)).kind, 'accepted');
        assert.equal((await send(push())).kind, 'accepted');
        assert.deepEqual(
          taken.map(({ environment }) => environment),
          ['production', 'sandbox', 'production'],
        );
        assert.equal(emulator.connectionsOpened, 2);
        // One provider token for both, made once.
        assert.equal(scene.made(), channel === 'apns-token' ? 1 : 0);
        assert.equal(new Set(taken.map(({ headers }) => headers.authorization)).size, 1);
      });
    });
  }

  it('that is filed under the wrong one is misfiled, and says so; it is never dead', async () => {
    await stage({}, async ({ emulator, push, send }) => {
      const wrong = await send(push({ token: emulator.newSandboxToken() }));
      assert.partialDeepStrictEqual(wrong, { kind: 'rejected', code: 'BadDeviceToken', misfiled: true });
      assert.match((wrong as { detail: string }).detail, /in the production environment/);
      const other = await send(push({ environment: 'sandbox' }));
      assert.partialDeepStrictEqual(other, { kind: 'rejected', code: 'BadDeviceToken', misfiled: true });
      assert.match((other as { detail: string }).detail, /in the sandbox environment/);
      // A token that nobody made is taken in both.
      for (const environment of ['production', 'sandbox'] as const) {
        assert.equal((await send(push({ token: 'ab'.repeat(40), environment }))).kind, 'accepted');
      }
    });
  });

  it('of the sandbox is the channel’s own where the channel is set so', async () => {
    const taken: TakenPush[] = [];
    const onPush = (each: TakenPush) => taken.push(each);
    await stage({ environment: 'sandbox', onPush }, async ({ push, send, emulator }) => {
      const outcome = await send(push());
      assert.equal(outcome.kind, 'accepted');
      assert.equal(taken[0]?.environment, 'sandbox');
      assert.partialDeepStrictEqual(await send(push({ environment: 'production' })), { misfiled: true });
      assert.equal(emulator.connectionsOpened, 2);
    });
  });

  it('of the other environment reaches no emulator that has none, and not Apple either', async () => {
    await stage({}, async ({ emulator, open, push, settings }) => {
      const { otherOrigin: _, ...without } = settings;
      assert.equal(otherOrigin(without), undefined);
      const sender = await open({ settings: { otherOrigin: undefined } as unknown as ApnsSettings });
      const { signal } = new AbortController();
      assert.partialDeepStrictEqual(await sender.send([push({ environment: 'sandbox' })], signal), [
        { kind: 'rejected', code: 'no-other-environment' },
      ]);
      assert.equal(emulator.account().requests, 0);
    });
  });
});

describe('a credential of one environment only', () => {
  const key = makeKey('ONEENVKEY1', 'TEAMTEAM01');
  const { credential } = key;
  const keyOf = (environment: 'production' | 'sandbox') => [{ ...key.known, environment }];

  it('a key: costs the devices of the other one their push, and does not stop the channel', async () => {
    await stage({ credential, keys: keyOf('production') }, async ({ emulator, push, send }) => {
      const sandboxed = () => push({ token: emulator.newSandboxToken(), environment: 'sandbox' });
      const outcomes = await Promise.all([
        ...many(20, () => send(sandboxed())),
        ...many(20, () => send(push())),
      ]);
      assert.deepEqual(count(outcomes), { rejected: 20, accepted: 20 });
      const refused = outcomes[0] as { code: string; detail: string };
      assert.equal(refused.code, 'BadEnvironmentKeyIdInToken');
      assert.match(refused.detail, /sandbox environment.*good for both.*channel of their own/);
      assert.ok(!('misfiled' in refused), 'the device is filed rightly');
    });
  });

  it('a key: of the wrong one stops the channel', async () => {
    await stage({ credential, keys: keyOf('sandbox') }, async ({ push, send }) => {
      assert.partialDeepStrictEqual(await send(push()), {
        kind: 'misconfigured',
        code: 'BadEnvironmentKeyIdInToken',
      });
    });
  });

  it('a certificate: the same, told by the end of the connection', async () => {
    const issued = await issueClientCertificate(authority, {
      commonName: `Apple Production IOS Push Services: ${bundleId}`,
      bundleId,
      topics: [{ topic: bundleId, label: 'app' }],
      environments: ['production'],
      notBefore: new Date(Date.now() - minute),
      notAfter: new Date(Date.now() + 100 * minute),
    });
    const p12 = toPkcs12(issued, 'x', 'n').toString('base64');
    const certificate = { kind: 'certificate', p12, password: 'x' };
    await stage({ channel: 'apns-cert', credential: certificate }, async ({ emulator, push, send }) => {
      const sandboxed = () => push({ token: emulator.newSandboxToken(), environment: 'sandbox' });
      const outcomes = await Promise.all([
        ...many(20, () => send(sandboxed())),
        ...many(20, () => send(push())),
      ]);
      assert.deepEqual(count(outcomes), { rejected: 20, accepted: 20 });
      assert.equal((outcomes[0] as { code: string }).code, 'BadCertificateEnvironment');
      assert.ok(emulator.connectionsOpened <= 4, `${emulator.connectionsOpened} connections`);
    });
  });
});

describe('closing', () => {
  it('finishes what is in flight in both environments, and opens none after', async () => {
    await stage({}, async ({ emulator, push, send, sender }) => {
      const pushes = () => [
        push(),
        push({ token: emulator.newSandboxToken(), environment: 'sandbox' as const }),
      ];
      await Promise.all(pushes().map(send));
      emulator.setFaults({ slow: 1 });
      const inFlight = [...pushes(), ...pushes()].map(send);
      while (emulator.account().requests < 6) await new Promise(setImmediate);
      const closed = sender.close(5_000);
      assert.deepEqual(count(await Promise.all(inFlight)), { accepted: 4 });
      await closed;
    });
    await stage({}, async ({ emulator, push, send, sender }) => {
      await send(push());
      await sender.close(1_000);
      assert.partialDeepStrictEqual(await send(push({ environment: 'sandbox' })), {
        kind: 'unavailable',
        code: 'closing',
        mayHaveArrived: false,
      });
      assert.equal(emulator.connectionsOpened, 1);
    });
  });
});

describe('Apple’s hosts', () => {
  const settings: ApnsSettings = {
    environment: 'production',
    topic: bundleId,
    port: 443,
    requestTimeoutMs: 1_000,
    maxConnections: 8,
    collapse: 'identity',
  };
  const all = (over: Partial<ApnsSettings>) => {
    const one = { ...settings, ...over };
    return [ownOrigin(one), otherOrigin(one), manageOrigin(one)];
  };
  const manage = 'https://api-manage-broadcast';

  it('follow from the environment and the port', () => {
    assert.deepEqual(all({}), [
      'https://api.push.apple.com',
      'https://api.sandbox.push.apple.com',
      `${manage}.push.apple.com:2196`,
    ]);
    assert.deepEqual(all({ environment: 'sandbox', port: 2197 }), [
      'https://api.sandbox.push.apple.com:2197',
      'https://api.push.apple.com:2197',
      `${manage}.sandbox.push.apple.com:2195`,
    ]);
  });

  it('are replaced each by its own setting', () => {
    const origin = 'https://a.example';
    assert.deepEqual(all({ origin }), [
      origin,
      'https://api.sandbox.push.apple.com',
      `${manage}.push.apple.com:2196`,
    ]);
    const others = { otherOrigin: 'https://b.example', manageOrigin: 'https://c.example' };
    assert.deepEqual(all({ origin, ...others }), [origin, others.otherOrigin, others.manageOrigin]);
  });

  it('are two, and every one of them is an environment of the vendor', () => {
    assert.deepEqual(apns.environments, ['production', 'sandbox']);
  });
});
