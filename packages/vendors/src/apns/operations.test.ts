import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { TObject } from 'typebox';
import { Value } from 'typebox/value';
import { createAuthority, issueClientCertificate, toPkcs12 } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import type { OperationAnswer, Sender } from '../vendor.ts';
import type { Scene, SceneOptions } from './fixtures.ts';
import { makeKey, minute, stage as stageWith } from './fixtures.ts';
import { apns } from './index.ts';
import type { ApnsSettings } from './settings.ts';

let authority: Authority;
before(async () => {
  authority = await createAuthority(new Date());
});

type Operate = (name: string, input?: Record<string, unknown>) => Promise<OperationAnswer>;

const operateOn =
  (sender: Sender): Operate =>
  async (name, input = {}) => {
    const schema = apns.operations?.[name]?.input;
    assert.ok(schema !== undefined && Value.Check(schema, input), `${name} takes this`);
    return (await sender.operate?.(name, input, new AbortController().signal)) as OperationAnswer;
  };

const stage = (options: SceneOptions, act: (scene: Scene, operate: Operate) => Promise<void>) =>
  stageWith(authority, options, (scene) => act(scene, operateOn(scene.sender)));

for (const channel of ['apns-token', 'apns-cert'] as const) {
  describe(`broadcast channels, over ${channel}`, () => {
    it('are made, read, listed and deleted', async () => {
      await stage({ channel, bundleIds: ['com.example.one'] }, async ({ emulator }, operate) => {
        const before = (await operate('list-broadcast-channels')).result?.channelIds as string[];
        assert.equal(before.length, 1, 'the one that is there from the start');
        const ids: string[] = [];
        for (const messageStoragePolicy of [0, 1]) {
          const { outcome, result } = await operate('create-broadcast-channel', { messageStoragePolicy });
          assert.equal(outcome.kind, 'accepted');
          assert.match((outcome as { vendorMessageId: string }).vendorMessageId, /^[0-9a-f-]{36}$/);
          ids.push(result?.channelId as string);
          const read = await operate('read-broadcast-channel', { channelId: ids.at(-1) });
          assert.deepEqual(read.result, {
            channelId: ids.at(-1),
            messageStoragePolicy,
            pushType: 'LiveActivity',
          });
        }
        assert.deepEqual((await operate('list-broadcast-channels')).result, {
          channelIds: [...before, ...ids],
        });
        const [first, second] = ids;
        const deleted = await operate('delete-broadcast-channel', { channelId: first });
        assert.deepEqual([deleted.outcome.kind, deleted.result], ['accepted', { channelId: first }]);
        assert.deepEqual((await operate('list-broadcast-channels')).result, {
          channelIds: [...before, second],
        });
        for (const name of ['read-broadcast-channel', 'delete-broadcast-channel']) {
          const gone = await operate(name, { channelId: first });
          assert.partialDeepStrictEqual(gone.outcome, { kind: 'rejected', code: 'ChannelNotRegistered' });
          assert.equal(gone.result, undefined);
        }
        assert.equal(emulator.connectionsOpened, 1, 'no connection for pushes was needed');
      });
    });

    it('are no more than the app may have', async () => {
      await stage({ channel, broadcastChannelLimit: 3 }, async (_scene, operate) => {
        const make = () => operate('create-broadcast-channel', { messageStoragePolicy: 0 });
        assert.equal((await make()).outcome.kind, 'accepted');
        assert.equal((await make()).outcome.kind, 'accepted');
        const { outcome } = await make();
        assert.partialDeepStrictEqual(outcome, { kind: 'rejected', code: 'CannotCreateChannelConfig' });
        assert.match((outcome as { detail: string }).detail, /delete those not in use/);
        const { result } = await operate('list-broadcast-channels');
        const [channelId] = (result as { channelIds: string[] }).channelIds;
        await operate('delete-broadcast-channel', { channelId });
        assert.equal((await make()).outcome.kind, 'accepted');
      });
    });
  });

  describe(`the credential, over ${channel}`, () => {
    it('is proven without a push', async () => {
      await stage({ channel }, async ({ emulator }, operate) => {
        const { outcome, result } = await operate('verify');
        assert.equal(outcome.kind, 'accepted');
        assert.match(String(outcome.detail), /device token alone/);
        assert.deepEqual(result, {
          environment: 'production',
          topic: 'com.example.pushmill',
          answer: 'BadDeviceToken',
        });
        const { accepted, refused } = emulator.account();
        assert.deepEqual({ accepted, refused }, { accepted: 0, refused: { BadDeviceToken: 1 } });
      });
    });

    it('counts as proven whatever is said of the token, and as nothing else', async () => {
      await stage({ channel }, async ({ emulator }, operate) => {
        for (const [status, reason, kind] of [
          [410, 'Unregistered', 'accepted'],
          [410, 'ExpiredToken', 'accepted'],
          [400, 'DeviceTokenNotForTopic', 'accepted'],
          [403, 'InvalidProviderToken', 'misconfigured'],
          [403, 'BadEnvironmentKeyIdInToken', 'misconfigured'],
          [403, 'Forbidden', 'misconfigured'],
          [400, 'TopicDisallowed', 'misconfigured'],
          [400, 'BadTopic', 'rejected'],
          [429, 'TooManyRequests', 'throttled'],
          [503, 'ServiceUnavailable', 'unavailable'],
        ] as const) {
          emulator.refuseAll({ status, reason });
          const { outcome, result } = await operate('verify');
          assert.equal(outcome.kind, kind, reason);
          assert.equal(result?.answer, kind === 'accepted' ? reason : undefined);
        }
      });
    });
  });
}

describe('a credential that is not good', () => {
  const certificate = async (environment: 'production' | 'sandbox', topics: string[], by = authority) => ({
    kind: 'certificate',
    password: 'x',
    p12: toPkcs12(
      await issueClientCertificate(by, {
        commonName: 'Apple Push Services: com.example.pushmill',
        bundleId: 'com.example.pushmill',
        topics: topics.map((topic) => ({ topic, label: 'app' })),
        ...(environment === 'production' ? { environments: ['production'] } : {}),
        notBefore: new Date(Date.now() - minute),
        notAfter: new Date(Date.now() + 100 * minute),
      }),
      'x',
      'n',
    ).toString('base64'),
  });

  it('is told: the certificate of another authority, or of the other environment', async () => {
    const stranger = await createAuthority(new Date());
    for (const [credential, code] of [
      [await certificate('production', ['com.example.pushmill'], stranger), 'BadCertificate'],
      // The name says "both", and only APNs knows better.
      [await certificate('sandbox', ['com.example.pushmill']), 'BadCertificateEnvironment'],
    ] as const) {
      await stage({ channel: 'apns-cert', credential }, async (_scene, operate) => {
        assert.partialDeepStrictEqual((await operate('verify')).outcome, { kind: 'misconfigured', code });
      });
    }
  });

  it('is not one that holds the topic of calls alone: it is proven by that', async () => {
    const credential = await certificate('production', ['com.example.pushmill.voip']);
    await stage({ channel: 'apns-cert', credential }, async (_scene, operate) => {
      assert.partialDeepStrictEqual(await operate('verify'), {
        outcome: { kind: 'accepted' },
        result: { topic: 'com.example.pushmill.voip', answer: 'BadDeviceToken' },
      });
      // Broadcasts need the app's own.
      assert.partialDeepStrictEqual((await operate('list-broadcast-channels')).outcome, {
        kind: 'rejected',
        code: 'TopicMismatch',
      });
    });
  });

  it('is told: a key that APNs does not know', async () => {
    const { credential } = makeKey('REVOKED001', 'TEAMTEAM01');
    await stage({ credential }, async ({ emulator }, operate) => {
      for (const name of ['verify', 'list-broadcast-channels']) {
        assert.partialDeepStrictEqual(await operate(name), {
          outcome: { kind: 'misconfigured', code: 'InvalidProviderToken' },
        });
      }
      assert.equal(emulator.account().accepted, 0);
    });
  });
});

describe('an operation', () => {
  it('refuses fields that it does not know, and values out of range', () => {
    const takes = (name: string, input: unknown) =>
      Value.Check(apns.operations?.[name]?.input as TObject, input);
    assert.ok(!takes('verify', { token: 'x' }));
    assert.ok(!takes('create-broadcast-channel', {}));
    assert.ok(!takes('create-broadcast-channel', { messageStoragePolicy: 2 }));
    assert.ok(!takes('read-broadcast-channel', { channelId: 'no\nheader' }));
    assert.ok(!takes('delete-broadcast-channel', { channelId: '' }));
  });

  it('that does not exist is a bug', async () => {
    await stage({}, async ({ sender }) => {
      for (const name of ['constructor', 'destroy-everything']) {
        await assert.rejects(async () => sender.operate?.(name, {}, new AbortController().signal), TypeError);
      }
    });
  });

  it('about broadcasts reaches no emulator that has none, and not Apple either', async () => {
    await stage({}, async ({ open, emulator }) => {
      const sender = await open({ settings: { manageOrigin: undefined } as unknown as ApnsSettings });
      assert.partialDeepStrictEqual((await operateOn(sender)('list-broadcast-channels')).outcome, {
        kind: 'rejected',
        code: 'no-management',
      });
      assert.equal(emulator.connectionsOpened, 0);
    });
  });

  it('without the capability costs the operation and not the channel', async () => {
    await stage({}, async ({ emulator, push, send }, operate) => {
      emulator.refuseAll({ status: 400, reason: 'FeatureNotEnabled' });
      const { outcome } = await operate('create-broadcast-channel', { messageStoragePolicy: 0 });
      assert.partialDeepStrictEqual(outcome, { kind: 'rejected', code: 'FeatureNotEnabled' });
      emulator.refuseAll(undefined);
      assert.equal((await send(push())).kind, 'accepted');
    });
  });

  it('is sent again with a new provider token when the old one is called expired', async () => {
    let senderTime = Date.now();
    let apnsTime = senderTime;
    const clocks = { now: () => apnsTime, senderNow: () => senderTime };
    await stage(clocks, async ({ made }, operate) => {
      await operate('list-broadcast-channels');
      senderTime += 30 * minute;
      apnsTime += 61 * minute;
      const { outcome } = await operate('create-broadcast-channel', { messageStoragePolicy: 1 });
      assert.equal(outcome.kind, 'accepted');
      assert.equal(made(), 2);
    });
  });

  it('is an outcome when it cannot be sent', async () => {
    await stage({}, async ({ sender }, operate) => {
      await sender.close(100);
      for (const name of ['verify', 'list-broadcast-channels']) {
        assert.partialDeepStrictEqual(await operate(name), {
          outcome: { kind: 'unavailable', code: 'closing', mayHaveArrived: false },
        });
      }
    });
  });
});
