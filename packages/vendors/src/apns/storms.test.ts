import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { createAuthority } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import type { Scene, SceneOptions } from './fixtures.ts';
import { count, many, minute, stage as stageWith } from './fixtures.ts';

let authority: Authority;
before(async () => {
  authority = await createAuthority(new Date());
});

const stage = (options: SceneOptions, act: (scene: Scene) => Promise<void>) =>
  stageWith(authority, options, act);

/**
 * Answers about the provider token or the connection come to hundreds of pushes at once, and each of them could
 * make a token or open a connection. APNs counts both, and blocks who makes too many.
 */
describe('a storm of refusals opens few connections and makes few tokens', () => {
  const most = 8;
  /** As many as may stand, and as many again as may be given up in a minute. */
  const mostOpened = 2 * most;

  for (const [reason, status] of [
    ['TooManyProviderTokenUpdates', 429],
    ['ExpiredProviderToken', 403],
    ['UnrelatedKeyIdInToken', 403],
    ['Shutdown', 503],
    ['IdleTimeout', 400],
  ] as const) {
    for (const warm of [true, false]) {
      it(`${reason}, ${warm ? 'on a connection that worked' : 'from the first request on'}`, async () => {
        let now = Date.now();
        const options = { settings: { maxConnections: most }, senderNow: () => now, now: () => now };
        await stage(options, async ({ emulator, push, send, made }) => {
          // One stream, until a first push is taken: those that wait meet connection after connection.
          if (warm) await Promise.all(many(100, () => send(push())));
          // Old enough to be replaced.
          now += 30 * minute;
          const opened = emulator.connectionsOpened;
          emulator.refuseAll({ status, reason });
          const outcomes = await Promise.all(many(300, () => send(push())));
          assert.equal(count(outcomes).accepted, undefined);
          assert.ok(
            emulator.connectionsOpened - opened <= mostOpened,
            `${emulator.connectionsOpened} opened`,
          );
          assert.ok(made() <= 2, `${made()} tokens made`);
          // Every push was answered once, or twice where it was sent again.
          assert.ok(emulator.account().requests <= 100 + 2 * 300, `${emulator.account().requests} requests`);
          emulator.refuseAll(undefined);
          assert.deepEqual(count(await Promise.all(many(50, () => send(push())))), { accepted: 50 });
          assert.ok(made() <= 2);
        });
      });
    }
  }

  it('ExpiredProviderToken, over and over: one token in 20 minutes', async () => {
    let now = Date.now();
    await stage({ senderNow: () => now, now: () => now }, async ({ emulator, push, send, made }) => {
      await send(push());
      emulator.refuseAll({ status: 403, reason: 'ExpiredProviderToken' });
      for (let elapsed = 0; elapsed < 120; elapsed += 2) {
        now += 2 * minute;
        await Promise.all(many(20, () => send(push())));
      }
      assert.ok(made() <= 1 + 120 / 20, `${made()} tokens made in two hours`);
    });
  });
});
