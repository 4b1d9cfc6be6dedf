import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { createAuthority, issueClientCertificate, toPkcs12 } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import type { TakenPush } from './emulator.ts';
import { startApnsEmulator } from './emulator.ts';
import type { Scene, SceneOptions } from './fixtures.ts';
import { count, many, minute, stage as stageWith } from './fixtures.ts';

let authority: Authority;
before(async () => {
  authority = await createAuthority(new Date());
});

const stage = (options: SceneOptions, act: (scene: Scene) => Promise<void>) =>
  stageWith(authority, options, act);

for (const channel of ['apns-token', 'apns-cert'] as const) {
  describe(`a sender on ${channel}`, () => {
    it('gives every kind of answer its outcome', async () => {
      await stage({ channel, settings: { requestTimeoutMs: 200 } }, async ({ emulator, push, send }) => {
        const planned: [answer: Parameters<typeof emulator.plan>[1], outcome: Record<string, unknown>][] = [
          ['accepted', { kind: 'accepted' }],
          ['token-dead', { kind: 'token-dead', code: 'Unregistered' }],
          ['rejected', { kind: 'rejected', code: 'BadDeviceToken', misfiled: true }],
          ['throttled', { kind: 'throttled', scope: 'token' }],
          ['unavailable', { kind: 'unavailable', mayHaveArrived: false }],
          ['timeout', { kind: 'unavailable', code: 'timeout', mayHaveArrived: true }],
          ['reset', { kind: 'unavailable', code: 'connection-lost', mayHaveArrived: true }],
          // Certainly unread, so it is sent again at once on another connection.
          ['goaway', { kind: 'accepted' }],
          [
            'misconfigured',
            {
              kind: 'misconfigured',
              code: channel === 'apns-token' ? 'InvalidProviderToken' : 'BadCertificateEnvironment',
            },
          ],
        ];
        for (const [answer, expected] of planned) {
          const each = push();
          emulator.plan(each.token, answer);
          assert.partialDeepStrictEqual(await send(each), expected, answer);
        }
        assert.equal(emulator.account().duplicates, 0);
      });
    });

    it('gets a thousand through a connection that starts with one stream', async () => {
      await stage({ channel, latencyMs: 1 }, async ({ emulator, push, send }) => {
        assert.deepEqual(count(await Promise.all(many(1_000, () => send(push())))), { accepted: 1_000 });
        assert.deepEqual(emulator.account(), {
          requests: 1_000,
          accepted: 1_000,
          duplicates: 0,
          refused: {},
          receiptsSent: 0,
          receiptsTaken: 0,
        });
      });
    });

    it('loses and doubles nothing when every connection ends in the middle', async () => {
      const goaway = { afterRequests: 200, reason: 'Shutdown' };
      await stage({ channel, latencyMs: 2, goaway }, async ({ emulator, push, send }) => {
        assert.deepEqual(count(await Promise.all(many(500, () => send(push())))), { accepted: 500 });
        const { accepted, duplicates } = emulator.account();
        assert.deepEqual({ accepted, duplicates }, { accepted: 500, duplicates: 0 });
        assert.ok(emulator.connectionsOpened > 1);
      });
    });
  });
}

describe('credentials of an earlier run', () => {
  // A channel is stored; the emulator that it was made for is gone after a restart.
  for (const channel of ['apns-token', 'apns-cert'] as const) {
    it(`are let in by the next: ${channel}`, async () => {
      const earlier = await startApnsEmulator({ port: 0, authority, seed: 1 });
      const credential = earlier.channels.find(({ name }) => name === channel)?.credential ?? {};
      await earlier.close();
      await stage({ channel, credential }, async ({ push, send }) => {
        assert.equal((await send(push())).kind, 'accepted');
      });
    });
  }
});

describe('the request', () => {
  it('carries the identity on every attempt, as id and as collapse id', async () => {
    const taken: TakenPush[] = [];
    await stage({ onPush: (each) => taken.push(each) }, async ({ push, send, emulator }) => {
      const each = push();
      await send(each);
      await send(each);
      assert.equal(emulator.account().duplicates, 1);
      for (const { headers, body, token } of taken) {
        assert.equal(token, each.token);
        assert.equal(headers['apns-id'], each.identity);
        assert.equal(headers['apns-collapse-id'], each.identity);
        assert.equal(headers['apns-topic'], 'com.example.pushmill');
        assert.equal(headers['apns-expiration'], String(Math.floor(each.message.expiresAt / 1_000)));
        assert.equal(body.toString(), '{"aps":{"alert":"Hello"}}');
      }
    });
  });

  it('carries the producer’s collapse key instead, and none where the channel wants none', async () => {
    const taken: TakenPush[] = [];
    const onPush = (each: TakenPush) => taken.push(each);
    await stage(
      { onPush, content: { collapseKey: 'order-17' } },
      async ({ push, send }) => void (await send(push())),
    );
    await stage(
      { onPush, settings: { collapse: 'key-only' } },
      async ({ push, send }) => void (await send(push())),
    );
    assert.deepEqual(
      taken.map(({ headers }) => headers['apns-collapse-id']),
      ['order-17', undefined],
    );
  });
});

describe('a provider token that APNs calls expired', () => {
  it('is replaced once, on new connections, and every push arrives', async () => {
    let senderTime = Date.now();
    let apnsTime = senderTime;
    await stage({ now: () => apnsTime, senderNow: () => senderTime }, async ({ emulator, push, send }) => {
      assert.equal((await send(push())).kind, 'accepted');
      // Half an hour by our clock, an hour by Apple's.
      senderTime += 30 * minute;
      apnsTime += 61 * minute;
      const outcomes = await Promise.all(many(50, () => send(push())));
      assert.deepEqual(count(outcomes), { accepted: 50 });
      assert.equal(emulator.account().duplicates, 0);
      assert.ok(emulator.connectionsOpened >= 2);
      const before = emulator.account().refused.ExpiredProviderToken ?? 0;
      assert.ok(before >= 1);
      assert.deepEqual(count(await Promise.all(many(50, () => send(push())))), { accepted: 50 });
      assert.equal(emulator.account().refused.ExpiredProviderToken, before);
    });
  });

  it('just after it was made stops the channel and points at the clock', async () => {
    const ahead = Date.now() + 61 * minute;
    await stage({ now: () => ahead }, async ({ push, send }) => {
      const outcome = await send(push());
      assert.partialDeepStrictEqual(outcome, { kind: 'misconfigured', code: 'ExpiredProviderToken' });
      assert.match((outcome as { detail: string }).detail, /check the clock/);
    });
  });

  it('too young to be replaced waits until it may be', async () => {
    let senderTime = Date.now();
    let apnsTime = senderTime;
    await stage({ now: () => apnsTime, senderNow: () => senderTime }, async ({ push, send }) => {
      assert.equal((await send(push())).kind, 'accepted');
      senderTime += 10 * minute;
      apnsTime += 61 * minute;
      const outcome = await send(push());
      assert.partialDeepStrictEqual(outcome, {
        kind: 'unavailable',
        code: 'ExpiredProviderToken',
        mayHaveArrived: false,
      });
      // The time in a token has whole seconds.
      const { retryAfterMs = 0 } = outcome as { retryAfterMs?: number };
      assert.ok(retryAfterMs > 9.9 * minute && retryAfterMs <= 10 * minute, String(retryAfterMs));
    });
  });
});

describe('a certificate', () => {
  const soon = { notBefore: new Date(Date.now() - minute), notAfter: new Date(Date.now() + 100 * minute) };
  const ask = {
    commonName: 'Apple Push Services: com.example.pushmill',
    bundleId: 'com.example.pushmill',
    ...soon,
  };
  const handIn = async (over: Partial<Parameters<typeof issueClientCertificate>[1]>, by = authority) => ({
    kind: 'certificate',
    p12: toPkcs12(await issueClientCertificate(by, { ...ask, ...over }), 'x', 'n').toString('base64'),
    password: 'x',
  });

  it('of the wrong environment stops the channel with APNs’ words, after few connections', async () => {
    // Neither extension, so the name says "both" and only APNs knows better.
    const topics = [{ topic: 'com.example.pushmill', label: 'app' }];
    await stage({ credential: await handIn({ topics }) }, async ({ emulator, push, send }) => {
      const outcomes = await Promise.all(many(20, () => send(push())));
      assert.deepEqual(count(outcomes), { misconfigured: 20 });
      assert.partialDeepStrictEqual(outcomes[0], { code: 'BadCertificateEnvironment' });
      assert.ok(emulator.connectionsOpened <= 3, `${emulator.connectionsOpened} connections`);
      assert.equal(emulator.account().requests, 0);
    });
  });

  it('of an unknown authority stops the channel too', async () => {
    const other = await createAuthority(new Date());
    const credential = await handIn({ environments: ['production'] }, other);
    await stage({ credential }, async ({ push, send }) => {
      assert.partialDeepStrictEqual(await send(push()), { kind: 'misconfigured', code: 'BadCertificate' });
    });
  });

  it('that expired while the process ran is noticed without a call', async () => {
    let now = Date.now();
    await stage({ channel: 'apns-cert', senderNow: () => now }, async ({ emulator, push, send }) => {
      assert.equal((await send(push())).kind, 'accepted');
      now += 400 * 24 * 60 * minute;
      const outcome = await send(push());
      assert.partialDeepStrictEqual(outcome, { kind: 'misconfigured', code: 'certificate-expired' });
      assert.match((outcome as { detail: string }).detail, /expired on \d{4}-\d\d-\d\d: make a new one/);
      assert.equal(emulator.account().requests, 1);
    });
  });
});

describe('trouble at the vendor', () => {
  it('of one device delays only that device', async () => {
    await stage({}, async ({ emulator, push, send }) => {
      const slow = push();
      emulator.plan(slow.token, 'throttled', 'throttled');
      const outcomes = await Promise.all([send(slow), ...many(20, () => send(push())), send(slow)]);
      assert.deepEqual(count(outcomes), { throttled: 2, accepted: 20 });
    });
  });

  it('a dead token says since when, so that a later registration wins', async () => {
    const died = Date.parse('2026-02-03T04:05:06.789Z');
    const clocks = { now: () => died, senderNow: () => died };
    await stage(clocks, async ({ emulator, push, send }) => {
      const dead = push();
      emulator.plan(dead.token, 'token-dead');
      assert.deepEqual(await send(dead), {
        kind: 'token-dead',
        code: 'Unregistered',
        since: new Date(died),
      });
    });
  });

  it('thirty dead tokens in a hundred keep the connection', async () => {
    await stage({}, async ({ emulator, push, send }) => {
      await send(push());
      emulator.setFaults({ 'token-dead': 0.3 });
      const kinds = count(await Promise.all(many(300, () => send(push()))));
      assert.equal((kinds.accepted ?? 0) + (kinds['token-dead'] ?? 0), 300);
      assert.ok((kinds['token-dead'] ?? 0) > 50);
      assert.equal(emulator.connectionsOpened, 1);
    });
  });

  it('bad tokens that cost streams and connections lose no push, and are never called dead', async () => {
    const options = { limitDropsOnRefusal: true, refusalsPerConnection: 50, errorContentType: true };
    await stage(options, async ({ emulator, push, send }) => {
      emulator.setFaults({ rejected: 0.3 });
      const kinds = count(await Promise.all(many(400, () => send(push()))));
      assert.equal((kinds.accepted ?? 0) + (kinds.rejected ?? 0), 400, JSON.stringify(kinds));
      assert.equal(emulator.account().accepted, kinds.accepted);
      assert.equal(emulator.account().duplicates, 0);
    });
  });

  it('a connection that is not APNs’ is an outcome, not an exception', async () => {
    const settings = { origin: 'https://127.0.0.1:1', requestTimeoutMs: 200 };
    await stage({ settings }, async ({ push, sender }) => {
      const controller = new AbortController();
      const sending = sender.send([push()], controller.signal);
      controller.abort();
      assert.partialDeepStrictEqual(await sending, [
        { kind: 'unavailable', code: 'aborted', mayHaveArrived: false },
      ]);
    });
  });
});

describe('closing', () => {
  it('lets what is in flight finish, and refuses the rest', async () => {
    await stage({}, async ({ emulator, push, send, sender }) => {
      // The connection has proven itself, so that all twenty get a stream.
      await Promise.all(many(20, () => send(push())));
      emulator.setFaults({ slow: 1 });
      const inFlight = many(20, () => send(push()));
      while (emulator.account().requests < 40) await new Promise(setImmediate);
      const closed = sender.close(5_000);
      const late = await send(push());
      assert.partialDeepStrictEqual(late, { kind: 'unavailable', code: 'closing', mayHaveArrived: false });
      assert.deepEqual(count(await Promise.all(inFlight)), { accepted: 20 });
      await closed;
      assert.equal(emulator.account().accepted, 40);
    });
  });
});
