import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { type Lane, Secret } from '@pushmill/core';
import { connectConsumer, type Limiter, openLimiter } from '@pushmill/queue';
import { testServers } from '@pushmill/testkit';
import { type Ask, askRedis, limiterKeys } from '../../packages/queue/src/limiter-script.ts';
import { until } from '../e2e/until.ts';
import { cuttable } from './cuttable.ts';

after(() => close());
/** Redis keeps several databases; this file empties its own. */
const redisUrl = new URL((await testServers()).redisUrl);
redisUrl.pathname = '/7';
const line = await cuttable(redisUrl.href);
const direct = connectConsumer(new Secret(redisUrl.href));
const redis = connectConsumer(new Secret(line.url));
async function close(): Promise<void> {
  redis.disconnect();
  await direct.flushdb();
  direct.disconnect();
  await line.close();
}

/** What Redis granted, by its own clock in milliseconds; what came back is taken off again. */
interface Grant {
  worker: string;
  at: string;
  atMs: number;
  tokens: number;
}

let channelId = '';
let grants: Grant[] = [];
let warnings: string[] = [];
let limiters: Limiter[] = [];
let never = new AbortController();

beforeEach(async () => {
  await line.restore();
  await until('Redis', () => redis.status === 'ready');
  await direct.flushdb();
  channelId = randomUUID();
  grants = [];
  warnings = [];
  limiters = [];
  never = new AbortController();
});

afterEach(async () => {
  never.abort();
  await Promise.all(limiters.map((limiter) => limiter.close()));
});

/** The connection, with an eye on what the limiter's script answers. */
const watched = new Proxy(redis, {
  get(target, name) {
    const value = Reflect.get(target, name);
    if (name !== 'limiterAsk') return value;
    return async (...args: [...string[]]) => {
      const [granted, ...rest] = await value.apply(target, args);
      const [, , , , worker, , , , , , back, backOf] = args;
      const source = grants.find((grant) => grant.worker === worker && grant.at === backOf);
      if (source) source.tokens -= Number(back);
      const at = rest[2];
      if (granted > 0)
        grants.push({ worker: worker as string, at, atMs: Number(at) / 1_000, tokens: granted });
      return [granted, ...rest];
    };
  },
});

function open(ratePerSecond: number | undefined): Limiter {
  const warn = (_fields: Record<string, unknown>, message: string) => void warnings.push(message);
  const limiter = openLimiter({ redis: watched, channelId, ratePerSecond, warn });
  limiters.push(limiter);
  return limiter;
}

/** Takers in a loop, like batches in hand, until together they have made so many calls. */
async function saturate(
  workers: readonly Limiter[],
  { calls, weight = 1, takers = 8 }: { calls: number; weight?: number; takers?: number },
): Promise<number[]> {
  const taken = workers.map(() => 0);
  let total = 0;
  const enough = new AbortController();
  const loop = async (limiter: Limiter, index: number) => {
    while (await limiter.take(weight, 'bulk', enough.signal)) {
      taken[index] = (taken[index] as number) + 1;
      total += 1;
      assert.ok(total * weight <= granted(), 'nobody takes what Redis has not granted');
      if (total >= calls) enough.abort();
    }
  };
  await Promise.all(
    workers.flatMap((limiter, index) => Array.from({ length: takers }, () => loop(limiter, index))),
  );
  return taken;
}

function granted(): number {
  return grants.reduce((sum, { tokens }) => sum + tokens, 0);
}

/** The most tokens that any span of so long holds. */
function most(spanMs: number): number {
  const ordered = grants.toSorted((a, b) => a.atMs - b.atMs);
  let best = 0;
  let sum = 0;
  let first = 0;
  for (const { atMs, tokens } of ordered) {
    sum += tokens;
    for (let old = ordered[first]; old && atMs - old.atMs >= spanMs; old = ordered[first]) {
      sum -= old.tokens;
      first += 1;
    }
    best = Math.max(best, sum);
  }
  return best;
}

function gapsMs(): number[] {
  return grants.slice(1).map(({ atMs }, index) => atMs - (grants[index] as Grant).atMs);
}

/** One word to the script, as another worker would say it. */
function ask(worker: string, some: Partial<Ask> = {}) {
  const usual = {
    ratePerSecond: 0.1,
    lane: 'bulk' as Lane,
    first: 1,
    waiting: 1,
    want: 1,
    back: 0,
    backOf: '',
  };
  return askRedis(direct, limiterKeys('pushmill', channelId), { worker, ...usual, ...some });
}

const lineLength = () => direct.hlen(limiterKeys('pushmill', channelId).line);

async function redisNowMs(): Promise<number> {
  const [seconds, micros] = await direct.time();
  return Number(seconds) * 1_000 + Number(micros) / 1_000;
}

describe('the limiter: two workers together', () => {
  for (const { rate, calls, weight } of [
    { rate: 1, calls: 4 },
    { rate: 1.5, calls: 5 },
    { rate: 30, calls: 45 },
    { rate: 100, calls: 150 },
    { rate: 5_000, calls: 7_500 },
    { rate: 100, calls: 5, weight: 40 },
    { rate: 5_000, calls: 30, weight: 400 },
  ]) {
    it(`keep ${rate}/s in any second, with calls of ${weight ?? 1}`, async () => {
      await saturate([open(rate), open(rate)], { calls, ...(weight ? { weight } : {}) });
      // A second at 1.5/s holds two calls or none.
      const allowed = Math.max(Math.ceil(rate), 1.05 * rate);
      assert.ok(most(1_000) <= allowed, `${most(1_000)} tokens in a second`);
    });
  }

  it('spread what they take: no tenth of a second holds more than its share and 3 % of a second', async () => {
    await saturate([open(5_000), open(5_000)], { calls: 5_000 });
    assert.ok(most(100) <= 650, `${most(100)} tokens in a tenth of a second`);
  });

  it('make a call every two seconds at 0.5/s', async () => {
    await saturate([open(0.5), open(0.5)], { calls: 3 });
    for (const gap of gapsMs()) assert.ok(gap >= 1_980, `a gap of ${gap} ms`);
  });

  it('pass a call of more than a second’s tokens at once, and rest until it is paid', async () => {
    await saturate([open(100), open(100)], { calls: 2, weight: 250 });
    assert.ok((gapsMs()[0] as number) >= 2_480, `a gap of ${gapsMs()[0]} ms`);
  });

  it('take turns', async () => {
    const taken = await saturate([open(200), open(200)], { calls: 300 });
    assert.ok(Math.min(...taken) > 60, `shares of ${taken}`);
  });

  it('ask far less often than they take, also with one taker each', async () => {
    for (const takers of [16, 1]) {
      const workers = [open(5_000), open(5_000)];
      await saturate(workers, { calls: 5_000, takers });
      const asks = workers.reduce((sum, worker) => sum + worker.figures().asks, 0);
      assert.ok(asks < 1_000, `${asks} asks for 5,000 pushes`);
    }
  });
});

describe('the limiter’s line', () => {
  it('serves whoever came first, and tells each when to come', async () => {
    assert.equal((await ask('a', { ratePerSecond: 2 })).granted, 1);
    const b = await ask('b', { ratePerSecond: 2 });
    const c = await ask('c', { ratePerSecond: 2 });
    assert.equal(b.granted + c.granted, 0);
    assert.ok(b.waitMs <= 500 && c.waitMs > b.waitMs, `${b.waitMs}, ${c.waitMs}`);
  });

  it('puts whoever got less than he waits for at the end again', async () => {
    const first = await ask('a', { waiting: 3, want: 3 });
    assert.equal(first.granted, 1);
    assert.ok(first.waitMs > 0);
    assert.equal(await lineLength(), 1);
  });

  it('lets urgent calls of one worker pass before bulk calls of another', async () => {
    const [bulk, urgent] = [open(10), open(10)];
    const order: Lane[] = [];
    const take = (limiter: Limiter, lane: Lane) =>
      limiter.take(1, lane, never.signal).then(() => void order.push(lane));
    const bulkTakes = Array.from({ length: 12 }, () => take(bulk, 'bulk'));
    await until('the first', () => order.length > 0);
    await Promise.all([take(urgent, 'urgent'), take(urgent, 'urgent')]);
    await Promise.all(bulkTakes);
    assert.ok(order.lastIndexOf('urgent') < 8, order.join(' '));
  });

  it('lets urgent calls of a worker pass before its own bulk calls', async () => {
    const limiter = open(20);
    const order: Lane[] = [];
    const take = (lane: Lane) => limiter.take(1, lane, never.signal).then(() => void order.push(lane));
    const bulkTakes = Array.from({ length: 8 }, () => take('bulk'));
    await until('the first', () => order.length > 0);
    const before = order.length;
    await take('urgent');
    // One grant may have been on its way.
    assert.ok(order.indexOf('urgent') <= before + 1, order.join(' '));
    await Promise.all(bulkTakes);
  });

  it('does not wait for a worker that died in it', async () => {
    await ask('a', { ratePerSecond: 5 });
    await ask('dead', { ratePerSecond: 5 });
    assert.equal(await open(5).take(1, 'bulk', never.signal), true);
  });

  it('goes on when Redis’s clock is set back', async () => {
    const { bucket, line: lineKey, log } = limiterKeys('pushmill', channelId);
    const later = `${Math.round((await redisNowMs()) + 3_600_000)}000`;
    await direct.hset(bucket, { owed: 0, at: later, passed: 5, ticket: 7 });
    await direct.hset(lineKey, 'before', `1 6 1 ${later}`);
    await direct.rpush(log, `${later}:5`);
    assert.equal(await open(5).take(1, 'bulk', never.signal), true);
  });
});

describe('the limiter’s tokens', () => {
  // At one in twenty minutes, who is served was given what came back.
  const rare = 1 / 1_200;

  it('come back from a caller that had no use for them', async () => {
    const [one, other] = [open(rare), open(rare)];
    assert.equal(await one.take(1, 'bulk', never.signal), true);
    const waits = other.take(1, 'bulk', never.signal);
    await until('the other to stand in line', async () => (await lineLength()) === 1);
    one.giveBack(1);
    assert.equal(await waits, true);
    assert.deepEqual([one.figures().granted, one.figures().returned], [1, 1]);
  });

  it('come back when the wait was aborted while they were on their way', async () => {
    const [one, other] = [open(rare), open(rare)];
    const abort = new AbortController();
    const aborted = one.take(1, 'bulk', abort.signal);
    abort.abort();
    assert.equal(await aborted, false);
    assert.equal(await other.take(1, 'bulk', never.signal), true);
    assert.equal(one.figures().returned, 1);
  });

  it('come back when they were asked for ahead and nobody came', async () => {
    const limiter = open(5_000);
    for (let call = 0; call < 100; call += 1) await limiter.take(1, 'bulk', never.signal);
    assert.ok(limiter.figures().asks < 50, 'it asks ahead');
    await until('the rest to be back', () => limiter.figures().granted - limiter.figures().returned === 100);
  });

  it('come back from a worker that closes', async () => {
    const limiter = open(5_000);
    for (let call = 0; call < 100; call += 1) await limiter.take(1, 'bulk', never.signal);
    await limiter.close();
    assert.equal(limiter.figures().granted - limiter.figures().returned, 100);
  });

  it('are not for a worker that closes: its waiters are told, and it leaves the line', async () => {
    const limiter = open(rare);
    await limiter.take(1, 'bulk', never.signal);
    const waits = [limiter.take(1, 'urgent', never.signal), limiter.take(1, 'bulk', never.signal)];
    await until('it to stand in line', async () => (await lineLength()) === 1);
    await limiter.close();
    assert.deepEqual(await Promise.all(waits), [false, false]);
    assert.equal(await lineLength(), 0);
    assert.equal(await limiter.take(1, 'bulk', never.signal), false);
  });

  it('are no longer waited for once the wait is aborted', async () => {
    const limiter = open(rare);
    await limiter.take(1, 'bulk', never.signal);
    const abort = new AbortController();
    const waits = limiter.take(1, 'urgent', abort.signal);
    await until('it to stand in line', async () => (await lineLength()) === 1);
    abort.abort();
    assert.equal(await waits, false);
    await until('it to leave the line', async () => (await lineLength()) === 0);
    assert.deepEqual(limiter.figures().waiting, { urgent: 0, bulk: 0 });
    assert.equal(await limiter.take(1, 'bulk', abort.signal), false, 'aborted before');
  });

  it('cost whole numbers, at a rate above nothing', () => {
    assert.throws(() => open(1).take(0, 'bulk', never.signal), RangeError);
    assert.throws(() => open(1).take(1.5, 'bulk', never.signal), RangeError);
    for (const rate of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => open(rate), RangeError);
    }
  });

  it('are counted in keys of the channel’s slot, which run out', async () => {
    const limiter = open(5);
    await saturate([limiter], { calls: 2 });
    const keys = await direct.keys('*');
    assert.ok(keys.length >= 2);
    for (const key of keys) {
      assert.ok(key.startsWith(`pushmill:{${channelId}}:limiter:`), key);
      // The line may be gone since.
      assert.notEqual(await direct.pttl(key), -1, key);
    }
  });
});

describe('the limiter’s rate', () => {
  it('is the new one at once for who waits, whatever was owed at the old one', async () => {
    const limiter = open(1 / 1_200);
    await limiter.take(5, 'bulk', never.signal);
    const waits = limiter.take(1, 'bulk', never.signal);
    await until('it to stand in line', async () => (await lineLength()) === 1);
    limiter.setRate(1_000);
    assert.equal(await waits, true);
  });

  it('is kept when it falls', async () => {
    const workers = [open(1_000), open(1_000)];
    await saturate(workers, { calls: 200 });
    const changed = await redisNowMs();
    for (const worker of workers) worker.setRate(2);
    await saturate(workers, { calls: 3 });
    grants = grants.filter(({ atMs }) => atMs >= changed);
    assert.ok(most(1_000) <= 2, `${most(1_000)} in a second`);
  });

  it('may be lifted and set again', async () => {
    const limiter = open(1 / 1_200);
    await limiter.take(1, 'bulk', never.signal);
    const waits = limiter.take(1, 'bulk', never.signal);
    limiter.setRate(undefined);
    assert.equal(await waits, true);
    for (let call = 0; call < 1_000; call += 1) await limiter.take(100, 'bulk', never.signal);
    limiter.setRate(1 / 1_200);
    const again = limiter.take(1, 'bulk', never.signal);
    await until('it to wait in line', async () => (await lineLength()) === 1);
    never.abort();
    assert.equal(await again, false);
  });
});

describe('the limiter and a stopped channel', () => {
  it('lets nobody through before the stop is over, by Redis’s clock', async () => {
    const workers = [open(1_000), open(1_000)];
    const from = await redisNowMs();
    await workers[0]?.hold(700);
    await saturate(workers, { calls: 10 });
    for (const { atMs } of grants) assert.ok(atMs >= from + 700, `${atMs - from} ms after the stop`);
  });

  it('tells workers without a rate, and keeps the longer stop', async () => {
    const [one, other] = [open(undefined), open(undefined)];
    await one.hold(600_000);
    await one.hold(1_000);
    assert.ok(one.figures().heldForMs > 500_000);
    assert.ok((await direct.pttl(limiterKeys('pushmill', channelId).hold)) > 500_000);
    await until('the other to know', async () => {
      if (other.figures().heldForMs === 0) await other.take(1, 'urgent', never.signal);
      return other.figures().heldForMs > 500_000;
    });
    const waits = [one, other].map((limiter) => limiter.take(1, 'urgent', never.signal));
    never.abort();
    assert.deepEqual(await Promise.all(waits), [false, false]);
  });

  it('goes on without a rate when the stop is over', async () => {
    const limiter = open(undefined);
    const before = performance.now();
    await limiter.hold(300);
    assert.equal(await limiter.take(1, 'bulk', never.signal), true);
    assert.ok(performance.now() - before >= 299);
  });
});

describe('the limiter and a lost Redis', () => {
  it('allows one small burst when Redis was emptied', async () => {
    const workers = [open(100), open(100)];
    const running = saturate(workers, { calls: 250 });
    await until('half a second’s worth', () => granted() > 50);
    await direct.flushdb();
    await direct.script('FLUSH');
    await running;
    assert.ok(most(1_000) <= 107, `${most(1_000)} in a second`);
  });

  it('waits while Redis is away, passes nobody, and goes on when it is back', async () => {
    const workers = [open(500), open(500)];
    await saturate(workers, { calls: 50 });
    await line.cut();
    // `saturate` itself says that no more is taken than Redis granted.
    const running = saturate(workers, { calls: 100 });
    await until('both to wait', () => workers.every((worker) => worker.figures().waiting.bulk > 0));
    await until('the connection to be given up once', () => redis.status === 'reconnecting');
    assert.ok(workers.every((worker) => worker.figures().waiting.bulk > 0));
    await line.restore();
    await running;
  });

  it('ends waits and closes while Redis is away', async () => {
    const limiter = open(500);
    await limiter.take(1, 'bulk', never.signal);
    await line.cut();
    const abort = new AbortController();
    const waits = Array.from({ length: 3 }, () => limiter.take(100, 'bulk', abort.signal));
    abort.abort();
    assert.deepEqual(await Promise.all(waits), [false, false, false]);
    await limiter.close();
  });

  it('lets a channel without a rate go on while Redis is away, under its own stop', async () => {
    const limiter = open(undefined);
    await line.cut();
    assert.equal(await limiter.take(1, 'bulk', never.signal), true);
    void limiter.hold(600_000);
    const waits = limiter.take(1, 'bulk', never.signal);
    never.abort();
    assert.equal(await waits, false);
  });

  it('waits while Redis answers with errors, and complains once', async () => {
    const { line: lineKey } = limiterKeys('pushmill', channelId);
    await direct.set(lineKey, 'not a hash');
    const limiter = open(100);
    const waits = limiter.take(1, 'bulk', never.signal);
    await until('two failures', () => limiter.figures().failures >= 2);
    assert.equal(limiter.figures().waiting.bulk, 1);
    assert.deepEqual(warnings, ['limiter.failed']);
    await direct.del(lineKey);
    assert.equal(await waits, true);
  });
});
