import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Outcome } from '@pushmill/core';
import { createAuthority, issueClientCertificate, toPkcs12 } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import type { TakenPush } from './emulator.ts';
import type { Scene, SceneOptions } from './fixtures.ts';
import { count, makeKey, many, minute, stage } from './fixtures.ts';

let authority: Authority;
before(async () => {
  authority = await createAuthority(new Date());
});

const team = 'TEAMTEAM01';
const pairOf = () => ({
  old: makeKey('OLDOLDOLD1', team, { relatedKeyId: 'NEWNEWNEW1' }),
  fresh: makeKey('NEWNEWNEW1', team, { relatedKeyId: 'OLDOLDOLD1' }),
});

async function makeCertificate(days: number): Promise<Record<string, unknown>> {
  const bundleId = 'com.example.pushmill';
  const issued = await issueClientCertificate(authority, {
    commonName: `Apple Push Services: ${bundleId}`,
    bundleId,
    topics: [{ topic: bundleId, label: 'app' }],
    environments: ['sandbox', 'production'],
    notBefore: new Date(Date.now() - minute),
    notAfter: new Date(Date.now() + days * 1_440 * minute),
  });
  return { kind: 'certificate', p12: toPkcs12(issued, 'x', 'n').toString('base64'), password: 'x' };
}

/**
 * A new credential is put in place while the channel sends: a worker opens a sender with the new one and closes the
 * old one, whose pushes must still end well.
 */
async function rotate(
  options: SceneOptions,
  next: Record<string, unknown>,
  act: (scene: Scene) => void,
): Promise<void> {
  await stage(authority, options, async (scene) => {
    const { emulator, push, send, sender: old } = scene;
    const fresh = await scene.open({ ...options, credential: next });
    const sendFresh = async () => (await fresh.send([push()], new AbortController().signal))[0] as Outcome;
    // Both at once, each on connections of its own.
    const mixed = await Promise.all(many(200, (n) => (n % 2 === 0 ? send(push()) : sendFresh())));
    assert.deepEqual(count(mixed), { accepted: 200 });
    emulator.setFaults({ slow: 1 });
    const inFlight = many(30, () => send(push()));
    while (emulator.account().requests < 230) await new Promise(setImmediate);
    const closed = old.close(10_000);
    const meanwhile = many(30, () => sendFresh());
    assert.deepEqual(count(await Promise.all(inFlight)), { accepted: 30 });
    assert.deepEqual(count(await Promise.all(meanwhile)), { accepted: 30 });
    await closed;
    emulator.setFaults({});
    assert.partialDeepStrictEqual(await send(push()), { kind: 'unavailable', code: 'closing' });
    assert.equal((await sendFresh()).kind, 'accepted');
    const { accepted, duplicates, refused } = emulator.account();
    assert.deepEqual({ accepted, duplicates, refused }, { accepted: 261, duplicates: 0, refused: {} });
    act(scene);
  });
}

describe('a credential is changed without a restart', () => {
  it('from a key to its related key', async () => {
    const { old, fresh } = pairOf();
    const seen = new Set<string>();
    const onPush = ({ headers }: TakenPush) => void seen.add(headers.authorization as string);
    const keys = [old.known, fresh.known];
    await rotate({ credential: old.credential, keys, onPush }, fresh.credential, ({ made }) => {
      assert.equal(made(), 2, 'one provider token a key');
      assert.equal(seen.size, 2);
    });
  });

  it('from a certificate to the next', async () => {
    const [old, fresh] = await Promise.all([makeCertificate(10), makeCertificate(400)]);
    await rotate({ channel: 'apns-cert', credential: old }, fresh, ({ made, emulator }) => {
      assert.equal(made(), 0);
      assert.ok(emulator.connectionsOpened >= 2);
    });
  });

  it('from a certificate to a key', async () => {
    const { fresh: key } = pairOf();
    const old = await makeCertificate(10);
    await rotate({ channel: 'apns-cert', credential: old, keys: [key.known] }, key.credential, ({ made }) =>
      assert.equal(made(), 1),
    );
  });
});
