import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, hash, verify } from 'node:crypto';
import { describe, it } from 'node:test';
import type { SharedValues } from '../vendor.ts';
import { ProviderTokens, signToken } from './sign.ts';

const minute = 60_000;

// RFC 6979 A.2.5, a published test key.
const key = {
  keyId: 'ABC123DEFG',
  teamId: 'DEF123GHIJ',
  privateKey: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgya+p2EW6dRZrXCFX
Z7HWk05Qw9s26JsSe4piKxIPZyGhRANCAARg/tS6JVqdMclh63TGNW1owEm4kjth
+mzmaWIuYPKftnkD/hAIuLyZpBrp6VYovGTy8bIMLX6fUXejwpTURiKZ
-----END PRIVATE KEY-----
`,
};
const input =
  'eyJhbGciOiJFUzI1NiIsImtpZCI6IkFCQzEyM0RFRkcifQ.eyJpc3MiOiJERUYxMjNHSElKIiwiaWF0IjoxNDM3MTc5MDM2fQ';
const signature = 'b4lLr9shLM-cGLtZv_sbcf3t0MZvu2F4_7oeucznx5OjvhsUitFqcSPyVMHDZY9QxMPPeuNEwNwObMMNSfaXzA';
const inDer =
  'MEUCIG-JS6_bISzPnBi7Wb_7G3H97dDGb7theP-6HrnM58eTAiEAo74bFIrRanEj8lTBw2WPUMTDz3rjRMDcDmzDDUn2l8w';

function holds(text: string, bytes: Buffer): boolean {
  const publicKey = createPublicKey(key.privateKey);
  return verify('sha256', Buffer.from(text), { key: publicKey, dsaEncoding: 'ieee-p1363' }, bytes);
}

describe('a provider token', () => {
  it('has the published signing input, and the published signature fits it', () => {
    assert.equal(hash('sha256', input), '332339fc39ab954c724c5d94aa56c3dc1ac58a6dafc800d489a1d58f956ffd3b');
    assert.ok(signToken(key, 1_437_179_036).startsWith(`${input}.`));
    assert.ok(holds(input, Buffer.from(signature, 'base64url')));
    assert.ok(!holds(input, Buffer.from(inDer, 'base64url')));
  });

  it('carries r and s in 64 bytes, 184 characters in all', () => {
    for (let n = 0; n < 50; n++) {
      const token = signToken(key, 1_437_179_036);
      const own = Buffer.from(token.slice(input.length + 1), 'base64url');
      assert.equal(own.length, 64);
      assert.equal(token.length, 184);
      assert.ok(holds(input, own));
    }
  });

  it('is refused for a key that is not on P-256', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
    const privateKey = other.export({ format: 'pem', type: 'pkcs8' }) as string;
    assert.throws(() => signToken({ ...key, privateKey }, 1), { code: 'not-p256' });
  });
});

/** Redis as the tokens see it: one value with a time to live, by its own clock. */
class SharedStore implements SharedValues {
  readonly values = new Map<string, { value: string; endsAt: number }>();
  calls = 0;
  down = false;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  async getOrMake(name: string, ttlMs: number, make: () => Promise<string>): Promise<string> {
    this.calls += 1;
    if (this.down) throw new Error('Redis is away');
    const read = () => {
      const found = this.values.get(name);
      return found !== undefined && found.endsAt > this.#now() ? found.value : undefined;
    };
    const before = read();
    if (before !== undefined) return before;
    const made = await make();
    // Another process may have been faster while this one signed.
    const value = read() ?? made;
    if (value === made) this.values.set(name, { value, endsAt: this.#now() + ttlMs });
    return value;
  }

  async forget(name: string, seen: string): Promise<void> {
    if (this.values.get(name)?.value === seen) this.values.delete(name);
  }
}

class Cluster {
  time = 1_800_000_000_000;
  readonly shared = new SharedStore(() => this.time);
  readonly warnings: string[] = [];

  worker(offsetMs = 0): ProviderTokens {
    return new ProviderTokens(key, {
      shared: this.shared,
      now: () => this.time + offsetMs,
      warn: (_fields, message) => this.warnings.push(message),
    });
  }
}

const issuedAt = (header: string): number =>
  JSON.parse(Buffer.from(header.split('.')[1] ?? '', 'base64url').toString()).iat * 1_000;

async function header(tokens: ProviderTokens): Promise<string> {
  return tokens.header ?? (await tokens.obtain());
}

/** Lets what runs in the background finish: everything here settles within a few turns. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

describe('the token of a cluster', () => {
  it('is one for all, read once, and lies sealed in the shared values', async () => {
    const cluster = new Cluster();
    const [one, two] = [cluster.worker(), cluster.worker()];
    const first = await header(one);
    assert.equal(await header(two), first);
    const calls = cluster.shared.calls;
    for (let n = 0; n < 1_000; n++) assert.equal(one.header, first);
    assert.equal(cluster.shared.calls, calls);
    const [[name, { value }] = ['', { value: '' }]] = [...cluster.shared.values];
    const token = first.slice('bearer '.length);
    for (const secret of [token, token.slice(-86), key.privateKey, 'eyJ']) {
      assert.ok(!value.includes(secret) && !Buffer.from(value, 'base64').includes(secret));
      assert.ok(!name.includes(secret));
    }
  });

  for (const skewMs of [0, 4 * minute]) {
    it(`changes for no connection twice within 20 minutes: 20 workers, 3 hours, clocks within ${skewMs / minute} min`, async () => {
      const cluster = new Cluster();
      const start = cluster.time;
      const changes = new Map<number, number[]>();
      const last = new Map<number, string>();
      const workers: { tokens: ProviderTokens; startsAt: number }[] = [];
      for (let n = 0; n < 20; n++) {
        const offset = skewMs === 0 ? 0 : ((n % 5) - 2) * (skewMs / 2);
        // Some start late, into whatever token there is.
        workers.push({ tokens: cluster.worker(offset), startsAt: start + n * 7 * minute });
      }
      for (; cluster.time < start + 180 * minute; cluster.time += 10_000) {
        // Redis loses its memory three times: once a later worker then makes a token that ends soon after the first,
        // once just after a renewal.
        const elapsed = cluster.time - start;
        if ([4 * minute, 46 * minute, 110 * minute].includes(elapsed)) cluster.shared.values.clear();
        for (const [n, { tokens, startsAt }] of workers.entries()) {
          if (cluster.time < startsAt) continue;
          const now = await header(tokens);
          await settle();
          const ageMs = cluster.time - issuedAt(now);
          assert.ok(ageMs < 60 * minute, `worker ${n} sends a token of ${ageMs / minute} minutes`);
          if (last.has(n) && last.get(n) !== now) changes.set(n, [...(changes.get(n) ?? []), cluster.time]);
          last.set(n, now);
        }
      }
      for (const [n, times] of changes) {
        for (const [index, time] of times.entries()) {
          const before = times[index - 1];
          assert.ok(
            before === undefined || time - before >= 20 * minute,
            `worker ${n} changed twice within ${(time - (before ?? 0)) / minute} minutes`,
          );
        }
      }
      assert.ok(changes.size === 20 || skewMs > 0);
    });
  }

  it('is renewed in the background at 45 minutes, while pushes go on with the old one', async () => {
    const cluster = new Cluster();
    const tokens = cluster.worker();
    const first = await header(tokens);
    cluster.time += 44 * minute;
    assert.equal(tokens.header, first);
    cluster.time += minute;
    assert.equal(tokens.header, first);
    await settle();
    assert.notEqual(tokens.header, first);
    assert.equal(issuedAt(tokens.header ?? ''), cluster.time);
  });

  it('outlives a Redis that is away, with a warning', async () => {
    const cluster = new Cluster();
    const tokens = cluster.worker();
    const first = await header(tokens);
    cluster.shared.down = true;
    cluster.time += 46 * minute;
    assert.equal(tokens.header, first);
    await settle();
    const calls = cluster.shared.calls;
    assert.equal(tokens.header, first);
    assert.equal(cluster.shared.calls, calls, 'Redis is not asked by every push');
    assert.equal(cluster.warnings.length, 1);
    cluster.shared.down = false;
    cluster.time += minute;
    assert.equal(tokens.header, first);
    await settle();
    assert.notEqual(tokens.header, first);
  });

  it('cannot be had without Redis and without one in memory', async () => {
    const cluster = new Cluster();
    cluster.shared.down = true;
    await assert.rejects(cluster.worker().obtain(), /away/);
  });

  it('is made again when the shared value was damaged', async () => {
    const cluster = new Cluster();
    await cluster.worker().obtain();
    const [name] = [...cluster.shared.values.keys()];
    cluster.shared.values.set(name as string, { value: 'bm9uc2Vuc2U=', endsAt: cluster.time + minute });
    assert.match(await cluster.worker().obtain(), /^bearer /);
    assert.equal(cluster.warnings.length, 1);
  });
});

describe('a token that APNs calls expired', () => {
  it('proves a wrong clock when it was just made', async () => {
    const cluster = new Cluster();
    const tokens = cluster.worker();
    const first = await header(tokens);
    cluster.time += 4 * minute;
    assert.deepEqual(await tokens.refused(first), { kind: 'clock' });
    assert.equal(tokens.header, first);
  });

  it('is kept until it may be replaced', async () => {
    const cluster = new Cluster();
    const tokens = cluster.worker();
    const first = await header(tokens);
    cluster.time += 12 * minute;
    assert.deepEqual(await tokens.refused(first), { kind: 'too-young', retryAfterMs: 8 * minute });
    assert.equal(tokens.header, first);
  });

  it('is replaced once, whoever and however many complain', async () => {
    const cluster = new Cluster();
    const [one, two] = [cluster.worker(), cluster.worker()];
    const first = await header(one);
    assert.equal(await header(two), first);
    cluster.time += 30 * minute;
    const refusals = await Promise.all([one, one, two, one, two].map((tokens) => tokens.refused(first)));
    assert.ok(refusals.every((refusal) => refusal.kind === 'renewed'));
    assert.notEqual(one.header, first);
    assert.equal(one.header, two.header);
    assert.equal(issuedAt(one.header ?? ''), cluster.time);
    // A complaint that comes late changes nothing.
    const second = one.header;
    assert.deepEqual(await one.refused(first), { kind: 'renewed' });
    assert.equal(one.header, second);
  });
});
