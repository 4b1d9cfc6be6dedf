import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Outcome } from '@pushmill/core';
import { createAuthority } from '../authority.ts';
import type { Authority, EmulatorChannel } from '../emulator.ts';
import {
  messageWith,
  openSender,
  pushesTo,
  type SenderChoice,
  ValuesInMemory,
  type Warning,
} from '../fixtures.ts';
import type { OperationAnswer, OutgoingMessage, OutgoingPush, Sender } from '../vendor.ts';
import { createSender } from './client.ts';
import { prepareCredential } from './credential.ts';
import { type FcmEmulatorHandle, type FcmEmulatorOptions, startFcmEmulator } from './emulator.ts';
import type { FcmSettings } from './settings.ts';

/* The sender at the emulator, where a story takes both sides. */

let authority: Authority;
before(async () => {
  authority = await createAuthority(new Date());
});
const signal = new AbortController().signal;

interface Scene {
  emulator: FcmEmulatorHandle;
  senders: Sender[];
  warnings: Warning[];
  pushes: (count: number, changes?: Partial<OutgoingMessage>) => OutgoingPush[];
}

/** @param choice  of every process of a cluster of `processes` */
async function stage(
  choice: Partial<FcmEmulatorOptions> & { processes?: number; sender?: SenderChoice<FcmSettings> },
  act: (scene: Scene) => Promise<void>,
): Promise<void> {
  const { processes = 1, sender = {}, ...options } = choice;
  const emulator = await startFcmEmulator({ port: 0, authority, seed: 1, ...options });
  const warnings: Warning[] = [];
  const shared = new ValuesInMemory();
  const senders = Array.from({ length: processes }, () =>
    openSender({ prepareCredential, createSender }, emulator.channels[0] as EmulatorChannel, {
      shared,
      warnings,
      ...sender,
    }),
  );
  const pushes: Scene['pushes'] = (count, changes = {}) =>
    pushesTo(
      Array.from({ length: count }, () => emulator.newToken()),
      messageWith({ expiresAt: (sender.now ?? Date.now)() + 3_600_000, ...changes }),
    );
  try {
    await act({ emulator, senders, warnings, pushes });
  } finally {
    await Promise.all(senders.map((each) => each.close(200)));
    await emulator.close();
  }
}

/** One call a push, spread over the processes. */
async function sendAll(senders: readonly Sender[], pushes: readonly OutgoingPush[]): Promise<Outcome[]> {
  const sent = pushes.map((push, n) => (senders[n % senders.length] as Sender).send([push], signal));
  return (await Promise.all(sent)).flat();
}

function count(outcomes: readonly Outcome[]): Record<string, number> {
  const kinds: Record<string, number> = {};
  for (const { kind } of outcomes) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return kinds;
}

const verify = (sender: Sender) => sender.operate?.('verify', {}, signal) as Promise<OperationAnswer>;

describe('access tokens', () => {
  test('revoked in the middle are replaced by one, and every push arrives once', async () => {
    await stage({ processes: 3 }, async ({ emulator, senders, pushes }) => {
      for (const sender of senders) await sender.send(pushes(1), signal);
      assert.equal(emulator.tokenRequests, 1);
      emulator.revokeAccessTokens();
      assert.deepEqual(count(await sendAll(senders, pushes(300))), { accepted: 300 });
      assert.equal(emulator.tokenRequests, 2);
      const { accepted, duplicates } = emulator.account();
      assert.deepEqual({ accepted, duplicates }, { accepted: 303, duplicates: 0 });
    });
  });

  test('are had by a machine whose clock is two hours off, and a person is told', async () => {
    const now = () => Date.now() - 7_200_000;
    await stage({ sender: { now } }, async ({ emulator, senders, pushes, warnings }) => {
      assert.deepEqual(count(await sendAll(senders, pushes(10))), { accepted: 10 });
      assert.equal(emulator.tokenRequests, 2);
      assert.deepEqual(
        warnings.map(({ message }) => /clock/.test(message)),
        [true],
      );
    });
  });

  for (const [trouble, kind] of [
    ['account-gone', 'misconfigured'],
    ['key-gone', 'misconfigured'],
    ['disabled', 'misconfigured'],
    ['unavailable', 'unavailable'],
  ] as const) {
    test(`that cannot be had (${trouble}) cost no push, and verify says so`, async () => {
      await stage({}, async ({ emulator, senders, pushes }) => {
        emulator.setTokenTrouble(trouble);
        assert.deepEqual(count(await sendAll(senders, pushes(20))), { [kind]: 20 });
        assert.equal((await verify(senders[0] as Sender)).outcome.kind, kind);
        assert.equal(emulator.account().requests, 0);
      });
    });
  }
});

describe('FCM', () => {
  test('that ends its connections in the middle gets every push once', async () => {
    await stage({ latencyMs: 2 }, async ({ emulator, senders, pushes }) => {
      const outcomes = sendAll(senders, pushes(400));
      emulator.endConnections();
      await (senders[0] as Sender).send(pushes(1), signal);
      emulator.endConnections();
      assert.deepEqual(count(await outcomes), { accepted: 400 });
      const { accepted, duplicates } = emulator.account();
      assert.deepEqual({ accepted, duplicates }, { accepted: 401, duplicates: 0 });
    });
  });

  test('gets a thousand pushes at once without more streams than it allows', async () => {
    await stage({ latencyMs: 1, streamLimit: 20 }, async ({ emulator, senders, pushes }) => {
      assert.deepEqual(count(await sendAll(senders, pushes(1_000))), { accepted: 1_000 });
      assert.deepEqual(emulator.account().refused, {});
    });
  });

  test('whose quota is spent holds the channel for as long as it says', async () => {
    await stage({ quotaPerMinute: 50 }, async ({ senders, pushes }) => {
      const outcomes = await sendAll(senders, pushes(60));
      assert.deepEqual(count(outcomes), { accepted: 50, throttled: 10 });
      for (const outcome of outcomes) {
        if (outcome.kind !== 'throttled') continue;
        assert.equal(outcome.scope, 'channel');
        assert.ok((outcome.retryAfterMs ?? 0) > 0 && (outcome.retryAfterMs ?? 0) <= 60_000);
      }
    });
  });

  test('whose device has enough holds that device alone', async () => {
    await stage({ devicePerMinute: 3 }, async ({ senders, pushes }) => {
      const [push] = pushes(1) as [OutgoingPush];
      const many = pushesTo(Array(5).fill(push.token), push.message);
      const outcomes = await (senders[0] as Sender).send(many, signal);
      assert.deepEqual(count(outcomes), { accepted: 3, throttled: 2 });
      for (const outcome of outcomes) if (outcome.kind === 'throttled') assert.equal(outcome.scope, 'token');
    });
  });

  test('that does not know the project forgets no token', async () => {
    for (const otherProject of ['not-found', 'permission-denied'] as const) {
      const sender = { settings: { projectId: 'other-project' } };
      await stage({ otherProject, sender }, async ({ senders, pushes }) => {
        assert.deepEqual(count(await sendAll(senders, pushes(30))), { misconfigured: 30 });
        assert.equal((await verify(senders[0] as Sender)).outcome.kind, 'misconfigured');
      });
    }
  });

  test('says what to do when the account may not send or the API is off', async () => {
    await stage({}, async ({ emulator, senders, pushes }) => {
      for (const [permission, words] of [
        ['denied', /role|may not/],
        ['api-disabled', /enable the Firebase Cloud Messaging API/],
      ] as const) {
        emulator.setPermission(permission);
        const [outcome] = await sendAll(senders, pushes(1));
        assert.ok(outcome?.kind === 'misconfigured');
        assert.match(outcome.detail, words);
      }
      emulator.setPermission('granted');
      assert.deepEqual(count(await sendAll(senders, pushes(1))), { accepted: 1 });
    });
  });

  test('knows all tokens to be another project’s: the channel stops and none is forgotten', async () => {
    await stage({}, async ({ emulator, senders, pushes }) => {
      const all = pushes(50);
      for (const { token } of all) emulator.setToken(token, 'mismatched');
      const { misconfigured = 0, rejected = 0, ...others } = count(await sendAll(senders, all));
      assert.deepEqual(others, {});
      assert.deepEqual([rejected, misconfigured], [19, 31]);
    });
  });

  test('judges each token of a message by itself', async () => {
    await stage({}, async ({ emulator, senders, pushes }) => {
      const states = ['live', 'unregistered', 'malformed', 'no-third-party-key', 'live'] as const;
      const all = pushes(states.length);
      all.forEach(({ token }, n) => {
        emulator.setToken(token, states[n] as (typeof states)[number]);
      });
      const outcomes = await sendAll(senders, all);
      assert.deepEqual(
        outcomes.map(({ kind }) => kind),
        ['accepted', 'token-dead', 'token-dead', 'rejected', 'accepted'],
      );
    });
  });
});

test('a message with everything in it is one that FCM takes', async () => {
  await stage({}, async ({ senders, pushes }) => {
    const full = {
      collapseKey: 'chat 17',
      data: { parcel: '4711', collapse_key: 'x' },
      notification: {
        title: 'Parcel',
        body: 'あ 👋',
        imageUrl: 'https://i.example/a.png',
        badge: 3,
        sound: 'ding',
        click: { type: 'url', url: 'https://shop.example' },
      },
      vendor: {
        fcm: {
          fcm_options: { analytics_label: 'a-Z_.~%9' },
          android: {
            priority: 'NORMAL',
            ttl: '3.5s',
            restricted_package_name: 'com.example',
            data: { a: '1' },
            notification: {
              title: 'T',
              body: 'B',
              icon: 'i',
              color: '#00ff7F',
              sound: 'default',
              tag: 't',
              click_action: 'open',
              body_loc_key: 'k',
              body_loc_args: ['1'],
              title_loc_key: 'k',
              title_loc_args: ['1'],
              channel_id: 'orders',
              ticker: 't',
              sticky: true,
              event_time: '2026-11-22T10:00:00Z',
              local_only: true,
              notification_priority: 'PRIORITY_HIGH',
              default_sound: true,
              default_vibrate_timings: false,
              default_light_settings: false,
              vibrate_timings: ['0.5s', '1s'],
              visibility: 'PRIVATE',
              notification_count: 2,
              light_settings: {
                color: { red: 1, green: 0.5, blue: 0, alpha: 1 },
                light_on_duration: '1s',
                light_off_duration: '0.5s',
              },
              image: 'https://i.example/b.png',
              proxy: 'ALLOW',
            },
            fcm_options: { analytics_label: 'b' },
            direct_boot_ok: true,
            bandwidth_constrained_ok: true,
            restricted_satellite_ok: false,
          },
          apns: {
            headers: { 'apns-priority': '5' },
            payload: { aps: { category: 'c' }, own: { deep: [1, null] } },
            fcm_options: { analytics_label: 'c', image: 'https://i.example/c.png' },
          },
          webpush: {
            headers: { Urgency: 'low' },
            data: { w: '1' },
            notification: { title: 'W', actions: [{ action: 'a', title: 'A' }] },
            fcm_options: { link: 'https://shop.example', analytics_label: 'd' },
          },
        },
      },
    } as const;
    for (const content of [
      full,
      { notification: null, data: { sync: '1' } },
      { notification: { badge: 0 } },
    ]) {
      const [outcome] = await sendAll(senders, pushes(1, content));
      assert.equal(outcome?.kind, 'accepted', JSON.stringify(outcome));
    }
  });
});

test('subscriptions are the vendor’s to keep, and a dead token is told by its place', async () => {
  await stage({}, async ({ emulator, senders, pushes }) => {
    const tokens = pushes(3).map(({ token }) => token) as [string, string, string];
    emulator.setToken(tokens[1], 'unregistered');
    const change = (name: string) =>
      senders[0]?.operate?.(name, { topic: '/topics/news', tokens }, signal) as Promise<OperationAnswer>;
    const { outcome, result } = await change('subscribe');
    assert.equal(outcome.kind, 'accepted', JSON.stringify(outcome));
    assert.partialDeepStrictEqual(result, {
      changed: 2,
      refused: [{ index: 1, code: 'NOT_FOUND', isDead: true }],
    });
    assert.deepEqual(
      tokens.map((token) => emulator.isSubscribed(token, 'news')),
      [true, false, true],
    );
    await change('unsubscribe');
    assert.deepEqual(
      tokens.map((token) => emulator.isSubscribed(token, 'news')),
      [false, false, false],
    );
  });
});
