import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Outcome } from '@pushmill/core';
import { ValuesInMemory, type Warning } from '../fixtures.ts';
import { Warnings } from '../warnings.ts';
import { AccessTokens, type Authorization } from './access-token.ts';
import { vector } from './fixtures.ts';
import { type AccessToken, NoAccessToken } from './token-endpoint.ts';

const minute = 60_000;
const privateKey = createPrivateKey(vector.keyFile.private_key);
const down: Outcome = { kind: 'unavailable', code: 'down', mayHaveArrived: false };

/** A cluster of processes at one endpoint, and a clock that only the test moves. */
class Cluster {
  now = 0;
  exchanges = 0;
  /** In place of a token. */
  failure: Outcome | undefined;
  lifeMs = 60 * minute;
  warnings: Warning[] = [];
  shared = new ValuesInMemory();
  #gate: Promise<void> = Promise.resolve();

  open(random = 0, key = privateKey): AccessTokens {
    return new AccessTokens(key, ['account'], () => this.#exchange(), {
      shared: this.shared,
      now: () => this.now,
      warnings: new Warnings('c', (fields, message) => this.warnings.push({ fields, message })),
      random: () => random,
    });
  }

  /** Exchanges wait until the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return resolve;
  }

  async #exchange(): Promise<AccessToken> {
    this.exchanges += 1;
    const token = `ya29.${this.exchanges}`;
    await this.#gate;
    if (this.failure !== undefined) throw new NoAccessToken(this.failure);
    return { token, expiresAt: this.now + this.lifeMs, lifeMs: this.lifeMs };
  }
}

async function tokenOf(tokens: AccessTokens): Promise<string> {
  const got = tokens.ready ?? (await tokens.obtain());
  assert.ok('token' in got, JSON.stringify(got));
  return got.token;
}

/** Lets a renewal in the background come to its end: everything here is done in a few turns. */
async function settled(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns += 1) {
    assert.ok(turns < 10_000, 'the renewal came to no end');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('one access token', () => {
  test('serves the whole cluster, and a process asks for it once', async () => {
    const cluster = new Cluster();
    const [one, two] = [cluster.open(), cluster.open()];
    assert.equal(one.ready, undefined);
    const all = await Promise.all(Array.from({ length: 20 }, () => tokenOf(one)));
    assert.deepEqual(new Set([...all, await tokenOf(two)]), new Set(['ya29.1']));
    assert.equal(cluster.exchanges, 1);
  });

  test('gives the same headers to every request', async () => {
    const tokens = new Cluster().open();
    await tokens.obtain();
    const { headers } = tokens.ready as Authorization;
    assert.deepEqual(headers, { authorization: 'Bearer ya29.1', 'content-type': 'application/json' });
    assert.equal((tokens.ready as Authorization).headers, headers);
  });

  test('lies in the shared values unreadable, and under no name that tells the account', async () => {
    const cluster = new Cluster();
    const written: string[] = [];
    const { getOrMake } = cluster.shared;
    cluster.shared.getOrMake = async (key, ttlMs, make) => {
      const value = await getOrMake.call(cluster.shared, key, ttlMs, make);
      written.push(key, value);
      return value;
    };
    await cluster.open().obtain();
    assert.ok(written.length > 0);
    const text = written.join(' ');
    assert.ok(!text.includes('ya29'));
    assert.ok(!text.includes('account '));
    assert.ok(!Buffer.from(String(written[1]), 'base64').includes('ya29'));
  });

  test('of another key is another, even under one name', async () => {
    const cluster = new Cluster();
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    assert.equal(await tokenOf(cluster.open()), 'ya29.1');
    assert.equal(await tokenOf(cluster.open(0, other)), 'ya29.2');
  });

  test('that was damaged is fetched anew', async () => {
    const cluster = new Cluster();
    await cluster.open().obtain();
    const { getOrMake } = cluster.shared;
    let spoilt = false;
    cluster.shared.getOrMake = async (key, ttlMs, make) => {
      const value = await getOrMake.call(cluster.shared, key, ttlMs, make);
      if (spoilt) return value;
      spoilt = true;
      await cluster.shared.forget(key, value);
      return getOrMake.call(cluster.shared, key, ttlMs, async () => 'AAAA');
    };
    assert.equal(await tokenOf(cluster.open()), 'ya29.2');
  });
});

describe('a renewal', () => {
  test('happens some minutes before the end, in the background, once for the cluster', async () => {
    const cluster = new Cluster();
    const [one, two] = [cluster.open(), cluster.open()];
    assert.equal(await tokenOf(one), await tokenOf(two));
    cluster.now = 54 * minute;
    assert.equal(one.ready?.token, 'ya29.1');
    cluster.now = 55 * minute;
    assert.equal(one.ready?.token, 'ya29.1', 'no push waits');
    await settled(() => one.ready?.token === 'ya29.2');
    assert.equal(two.ready?.token, 'ya29.1');
    await settled(() => two.ready?.token === 'ya29.2');
    assert.equal(cluster.exchanges, 2);
  });

  test('comes at a moment of each process’s own', async () => {
    const cluster = new Cluster();
    const [early, late] = [cluster.open(0.99), cluster.open(0)];
    assert.equal(await tokenOf(early), await tokenOf(late));
    cluster.now = 54.5 * minute;
    assert.equal(late.ready?.token, 'ya29.1');
    assert.equal(early.ready?.token, 'ya29.1');
    await settled(() => early.ready?.token === 'ya29.2');
    assert.equal(late.ready?.token, 'ya29.1');
    assert.equal(cluster.exchanges, 2);
  });

  test('of two processes at once is one: the other uses the old token meanwhile', async () => {
    const cluster = new Cluster();
    const [one, two] = [cluster.open(), cluster.open()];
    assert.equal(await tokenOf(one), await tokenOf(two));
    cluster.now = 56 * minute;
    const release = cluster.hold();
    assert.equal(one.ready?.token, 'ya29.1');
    await settled(() => cluster.exchanges === 2);
    await two.obtain();
    assert.equal(two.ready?.token, 'ya29.1');
    release();
    await settled(() => one.ready?.token === 'ya29.2');
    assert.equal(cluster.exchanges, 2);
    cluster.now = 57 * minute;
    assert.ok(two.ready);
    await settled(() => two.ready?.token === 'ya29.2');
    assert.equal(cluster.exchanges, 2);
  });

  test('that fails leaves the old token in use until its end, and is tried again', async () => {
    const cluster = new Cluster();
    const tokens = cluster.open();
    await tokens.obtain();
    cluster.now = 56 * minute;
    cluster.failure = down;
    assert.equal(tokens.ready?.token, 'ya29.1');
    await settled(() => cluster.warnings.length === 1);
    assert.match(cluster.warnings[0]?.message ?? '', /old one is used on/);
    assert.equal(tokens.ready?.token, 'ya29.1');
    assert.equal(cluster.exchanges, 2, 'not again for every push');
    cluster.now = 57 * minute;
    assert.equal(tokens.ready?.token, 'ya29.1');
    await settled(() => cluster.exchanges === 3);
    await tokens.obtain();
    cluster.now = 60 * minute;
    assert.equal(tokens.ready, undefined, 'its end');
    assert.deepEqual(await tokens.obtain(), down);
    cluster.failure = undefined;
    cluster.now += 3_000;
    assert.match(await tokenOf(tokens), /ya29/);
  });

  test('of a short life comes at nine tenths of it', async () => {
    const cluster = new Cluster();
    cluster.lifeMs = minute;
    const tokens = cluster.open();
    await tokens.obtain();
    cluster.now = 53_000;
    assert.equal(tokens.ready?.token, 'ya29.1');
    assert.equal(cluster.exchanges, 1);
    cluster.now = 55_000;
    assert.equal(tokens.ready?.token, 'ya29.1');
    await settled(() => tokens.ready?.token === 'ya29.2');
  });

  test('needs no Redis while the old token is good', async () => {
    const cluster = new Cluster();
    const tokens = cluster.open();
    await tokens.obtain();
    cluster.shared.getOrMake = async () => assert.fail('Redis is away');
    cluster.now = 56 * minute;
    assert.equal(tokens.ready?.token, 'ya29.1');
    await settled(() => cluster.warnings.length === 1);
    assert.equal(tokens.ready?.token, 'ya29.1');
    await assert.rejects(cluster.open().obtain(), /Redis is away/);
  });
});

describe('without a token', () => {
  test('every push gets the answer of the first for a moment, then one asks again', async () => {
    const cluster = new Cluster();
    cluster.failure = { ...down, mayHaveArrived: true };
    const tokens = cluster.open();
    for (let n = 0; n < 5; n += 1) {
      // Nothing was sent, whatever became of the question.
      assert.deepEqual(await tokens.obtain(), down);
    }
    assert.equal(cluster.exchanges, 1);
    cluster.failure = undefined;
    cluster.now += 2_000;
    assert.equal(await tokenOf(tokens), 'ya29.2');
  });
});

describe('a refused token', () => {
  test('is replaced once for the cluster, whoever met the refusal', async () => {
    const cluster = new Cluster();
    const processes = [cluster.open(), cluster.open(), cluster.open()];
    const seen: Authorization[] = [];
    for (const tokens of processes) seen.push((await tokens.obtain()) as Authorization);
    const release = cluster.hold();
    const replaced = processes.flatMap((tokens, index) =>
      Array.from({ length: 10 }, async () => {
        assert.ok(await tokens.refused(seen[index] as Authorization));
        return tokenOf(tokens);
      }),
    );
    await settled(() => cluster.exchanges === 2);
    release();
    assert.deepEqual(new Set(await Promise.all(replaced)), new Set(['ya29.2']));
    assert.equal(cluster.exchanges, 2);
  });

  test('says nothing about the one that came after it', async () => {
    const cluster = new Cluster();
    const tokens = cluster.open();
    const first = (await tokens.obtain()) as Authorization;
    await tokens.refused(first);
    await tokens.obtain();
    assert.ok(await tokens.refused(first), 'another is there');
    assert.equal(tokens.ready?.token, 'ya29.2');
    assert.equal(cluster.exchanges, 2);
  });

  test('is not replaced again within the minute: its age was not the reason', async () => {
    const cluster = new Cluster();
    const tokens = cluster.open();
    await tokens.refused((await tokens.obtain()) as Authorization);
    const second = (await tokens.obtain()) as Authorization;
    assert.equal(await tokens.refused(second), false);
    assert.equal(cluster.exchanges, 2);
    cluster.now += minute;
    assert.equal(await tokens.refused(second), true);
    assert.equal(await tokenOf(tokens), 'ya29.3');
  });
});
