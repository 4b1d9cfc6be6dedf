import assert from 'node:assert/strict';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { Secret } from '@pushmill/core';
import {
  type BatchJob,
  type Consumer,
  connectConsumer,
  connectProducer,
  createFeeder,
  type Feeder,
  openConsumer,
  openSharedValues,
} from '@pushmill/queue';
import { testServers } from '@pushmill/testkit';
import { openJobQueues } from '../../packages/queue/src/job-queues.ts';
import { until } from '../e2e/until.ts';
import { cuttable } from './cuttable.ts';
import { useLedger } from './ledger-setup.ts';
import { gate } from './scripted-vendor.ts';

// Closings are registered before the servers are asked for, so that they run before those are stopped.
after(() => close());
const ledger = await useLedger();
const { store } = ledger;

/** Redis keeps several databases; this file empties its own. */
const redisDatabase = '11';
const redisUrl = new URL((await testServers()).redisUrl);
redisUrl.pathname = `/${redisDatabase}`;
const line = await cuttable(redisUrl.href);
const direct = connectConsumer(new Secret(redisUrl.href));
const redis = connectConsumer(new Secret(line.url));
async function close(): Promise<void> {
  redis.disconnect();
  await direct.flushdb();
  direct.disconnect();
  await line.close();
}

let warnings: string[] = [];
const warn = (_fields: Record<string, unknown>, message: string) => void warnings.push(message);
let feeder: Feeder;
const consumers: Consumer[] = [];

beforeEach(async () => {
  await direct.flushdb();
  await ledger.sql.query('TRUNCATE batches');
  warnings = [];
  feeder = createFeeder({ redisUrl: new Secret(line.url), ledger: store.batches, window: 5, warn });
  await until('Redis', () => feeder.ready());
});

afterEach(async () => {
  await Promise.all(consumers.splice(0).map((consumer) => consumer.close()));
  await feeder.close();
});

/** Takes a channel's jobs; each is claimed and finished like a worker would. */
function consume(
  channelId: string,
  options: { concurrency?: number; work?: (job: BatchJob) => Promise<void> } = {},
) {
  const { concurrency = 4 } = options;
  const done: BatchJob[] = [];
  const consumer = openConsumer({
    redis,
    channelId,
    concurrency: { urgent: concurrency, bulk: concurrency },
    warn,
    async process(job) {
      await options.work?.(job);
      const batch = await store.batches.claim(job.batchId, job.run, 20_000);
      if (!batch) return;
      await store.batches.settle(batch, []);
      done.push(job);
    },
  });
  consumers.push(consumer);
  return done;
}

/** So many batches of one push, due since different moments. */
async function acceptBatches(channelId: string, count: number, lane: 'urgent' | 'bulk' = 'bulk') {
  const start = Date.now() - 60_000;
  const group = Array.from({ length: count }, (_, index) =>
    ledger.message(channelId, 1, { lane, sendAt: new Date(start + index) }),
  );
  await store.messages.accept(group);
  return group;
}

async function count(state: string): Promise<number> {
  const [row] = await ledger.rows<{ count: number }>(
    'SELECT count(*)::int AS count FROM batches WHERE state = $1',
    [state],
  );
  return row?.count ?? 0;
}

/** Everything that lies in Redis, keys and values, as text. */
async function dumpRedis(): Promise<string> {
  const parts: string[] = [];
  for (const key of await direct.keys('*')) {
    parts.push(key);
    const type = await direct.type(key);
    if (type === 'string') parts.push((await direct.get(key)) ?? '');
    else if (type === 'hash') parts.push(JSON.stringify(await direct.hgetall(key)));
    else if (type === 'list') parts.push(...(await direct.lrange(key, 0, -1)));
    else if (type === 'zset') parts.push(...(await direct.zrange(key, '0', '-1')));
    else if (type === 'set') parts.push(...(await direct.smembers(key)));
    else if (type === 'stream') parts.push(JSON.stringify(await direct.xrange(key, '-', '+')));
    else assert.fail(`a ${type} in Redis`);
  }
  return parts.join('\n');
}

/** As if the batches had been fed long ago: the sweeper leaves young ones alone. */
const age = () => ledger.sql.query(`UPDATE batches SET enqueued_at = now() - interval '1 minute'`);

describe('the queue', () => {
  it('brings what was accepted to the consumer, and keeps nothing afterwards', async () => {
    const channel = await ledger.channel();
    const done = consume(channel.id);
    await acceptBatches(channel.id, 3);
    feeder.feed([channel.id]);
    await until('three batches', () => done.length === 3);
    assert.equal(await count('enqueued'), 0);
    await until('no jobs left', async () => !(await direct.keys('*')).some((key) => /-0$/.test(key)));
  });

  it('holds ids and nothing else: no token, no content, no credential', async () => {
    const channel = await ledger.channel({ credential: { key: 'the-secret-credential' } });
    const messages = await acceptBatches(channel.id, 4);
    feeder.feed();
    await until('jobs', async () => (await count('enqueued')) === 4);
    await until('jobs in Redis', async () => (await direct.keys('*-0')).length === 4);
    const dump = await dumpRedis();
    assert.ok(dump.includes('"batchId'), 'the dump shows the jobs');
    for (const { recipients, content } of messages) {
      assert.ok(!dump.includes(recipients[0]?.token as string));
      assert.ok(!dump.includes(content.notification?.body as string));
    }
    assert.ok(!dump.includes('the-secret-credential'));
  });

  it('keeps no more in Redis than the window, and is refilled as batches settle', async () => {
    const channel = await ledger.channel();
    await acceptBatches(channel.id, 12);
    for (let round = 0; round < 3; round += 1) {
      feeder.feed();
      await until('a full window', async () => (await count('enqueued')) === 5);
    }
    assert.equal(await count('waiting'), 7);
    const done = consume(channel.id, { work: async () => feeder.feed([channel.id]) });
    const timer = setInterval(() => feeder.feed(), 20);
    await until('all of them', () => done.length === 12);
    clearInterval(timer);
    assert.equal(new Set(done.map(({ batchId }) => batchId)).size, 12);
  });

  it('keeps few of the events that BullMQ writes and nobody reads', async () => {
    const channel = await ledger.channel();
    await acceptBatches(channel.id, 200);
    const done = consume(channel.id);
    await until('all are done', () => {
      feeder.feed();
      return done.length === 200;
    });
    const [key] = await direct.keys('*bulk:events');
    assert.ok(key);
    const events = await direct.xlen(key);
    assert.ok(events >= 100 && events < 400, `${events} of more than 600`);
  });

  it('brings urgent batches while bulk ones fill the window and every taker', async () => {
    const channel = await ledger.channel();
    await acceptBatches(channel.id, 8, 'bulk');
    feeder.feed();
    await until('a full window', async () => (await direct.keys('*-0')).length === 5);
    const stuck = gate();
    const begun: string[] = [];
    const done = consume(channel.id, {
      concurrency: 2,
      async work({ batchId }) {
        const [row] = await ledger.rows<{ lane: number }>('SELECT lane FROM batches WHERE id = $1', [
          batchId,
        ]);
        const lane = row?.lane === 0 ? 'urgent' : 'bulk';
        begun.push(lane);
        if (lane === 'bulk') await stuck.passed;
      },
    });
    await until('both takers to be busy', () => begun.length === 2);
    await acceptBatches(channel.id, 3, 'urgent');
    feeder.feed();
    await until('the urgent ones', () => done.length === 3);
    assert.deepEqual(begun.toSorted(), ['bulk', 'bulk', 'urgent', 'urgent', 'urgent']);
    stuck.open();
  });

  it('runs a job once that was added twice, by the feeder and by others', async () => {
    const channel = await ledger.channel();
    await acceptBatches(channel.id, 1);
    const due = await store.batches.takeDue(5);
    const producer = connectProducer(new Secret(redisUrl.href));
    await until('Redis', () => producer.status === 'ready');
    const jobs = openJobQueues(producer, 'pushmill');
    for (let time = 0; time < 3; time += 1) await jobs.add(due);
    assert.deepEqual(await jobs.missing(due), []);
    let begun = 0;
    const done = consume(channel.id, {
      async work() {
        begun += 1;
      },
    });
    await until('the batch', () => done.length === 1);
    await until('the job to be gone', async () => (await jobs.missing(due)).length === 1);
    assert.equal(begun, 1);
    // The sweeper of a slow process may add a run that is over: it is begun, and finds nothing.
    await jobs.add(due);
    await until('the second begin', () => begun === 2);
    await until('the job to be gone again', async () => (await jobs.missing(due)).length === 1);
    assert.equal(done.length, 1);
    await jobs.close();
    producer.disconnect();
  });

  it('is rebuilt from the ledger after Redis was emptied, and each batch runs once', async () => {
    const channel = await ledger.channel();
    await acceptBatches(channel.id, 4);
    feeder.feed();
    await until('jobs', async () => (await direct.keys('*-0')).length === 4);
    await age();
    assert.equal(await feeder.sweep(), 0, 'nothing is lost yet');
    await direct.flushdb();
    assert.equal(await feeder.sweep(), 4);
    assert.equal(await feeder.sweep(), 0);
    const done = consume(channel.id);
    await until('all of them', () => done.length === 4);
    assert.equal(new Set(done.map(({ batchId }) => batchId)).size, 4);
    assert.equal(await count('enqueued'), 0);
  });

  it('is rebuilt for a consumer that was waiting when Redis was emptied', async () => {
    const channel = await ledger.channel();
    const done = consume(channel.id);
    await acceptBatches(channel.id, 1);
    feeder.feed();
    await until('the first', () => done.length === 1);
    await direct.flushdb();
    await acceptBatches(channel.id, 1);
    feeder.feed();
    await until('the second', () => done.length === 2);
  });

  it('leaves alone what is young or held', async () => {
    const channel = await ledger.channel();
    await acceptBatches(channel.id, 2);
    const due = await store.batches.takeDue(5);
    assert.equal(await feeder.sweep(), 0, 'young: perhaps on its way');
    await age();
    await store.batches.claim(due[0]?.id as string, 0, 20_000);
    assert.equal(await feeder.sweep(), 1, 'only the one that nobody holds');
  });

  // The sweeper looked at the oldest thousand batches only: while that many waited for a worker of a vendor that was
  // not running, what other channels had lost was never found.
  it('is rebuilt for one channel while thousands of another wait for a worker', async () => {
    const [idle, channel] = [await ledger.channel(), await ledger.channel()];
    const wide = createFeeder({ redisUrl: new Secret(line.url), ledger: store.batches, window: 2_000, warn });
    await until('Redis', () => wide.ready());
    await acceptBatches(idle.id, 1_100);
    wide.feed([idle.id]);
    await until('their jobs', async () => (await direct.keys(`*${idle.id}*-0`)).length === 1_100);
    await acceptBatches(channel.id, 1);
    assert.equal((await store.batches.takeDue(5, [channel.id])).length, 1, 'marked, and its job is lost');
    await age();
    assert.equal(await wide.sweep(), 1);
    await wide.close();
    const done = consume(channel.id);
    await until('the lost one', () => done.length === 1);
  });

  it('waits for Redis: feeding while it is away throws nothing and marks nothing', async () => {
    const channel = await ledger.channel();
    const done = consume(channel.id);
    await acceptBatches(channel.id, 1);
    await line.cut();
    await until('the feeder to see it', () => !feeder.ready());
    feeder.feed();
    feeder.feed([channel.id]);
    await assert.rejects(async () => {
      await store.batches.takeDue(5);
      await age();
      await feeder.sweep();
    });
    await line.restore();
    await until('Redis', () => feeder.ready());
    await feeder.sweep();
    await until('the batch', () => done.length === 1);
    await acceptBatches(channel.id, 1);
    feeder.feed();
    await until('the next', () => done.length === 2);
  });

  it('does not lose what was marked when Redis went away between the mark and the job', async () => {
    const channel = await ledger.channel();
    await acceptBatches(channel.id, 2);
    const broken = createFeeder({
      redisUrl: new Secret(line.url),
      warn,
      ledger: {
        ...store.batches,
        async takeDue(...args) {
          const due = await store.batches.takeDue(...args);
          await line.cut();
          return due;
        },
      },
    });
    await until('Redis', () => broken.ready());
    broken.feed();
    await until('the complaint', () =>
      warnings.some((message) => message.startsWith('feeding the queue failed')),
    );
    assert.equal(await count('enqueued'), 2);
    await line.restore();
    await until('Redis', () => feeder.ready());
    await age();
    assert.equal(await feeder.sweep(), 2);
    await broken.close();
  });

  it('brings a job again when the ledger was away', async () => {
    const channel = await ledger.channel();
    let failures = 0;
    const done = consume(channel.id, {
      async work() {
        failures += 1;
        if (failures < 3) throw new Error('the ledger is away');
      },
    });
    await acceptBatches(channel.id, 1);
    feeder.feed();
    await until('the third try', () => done.length === 1);
    assert.equal(failures, 3);
    assert.equal(warnings.filter((message) => message === 'batch.interrupted').length, 2);
  });

  it('feeds one channel while another is full', async () => {
    const [full, other] = [await ledger.channel(), await ledger.channel()];
    await acceptBatches(full.id, 20);
    feeder.feed();
    await until('a full window', async () => (await count('enqueued')) === 5);
    const done = consume(other.id);
    await acceptBatches(other.id, 1);
    feeder.feed();
    await until('the other channel’s', () => done.length === 1);
  });

  it('does not miss what is asked for while it feeds', async () => {
    const channels = await Promise.all([1, 2, 3, 4].map(() => ledger.channel()));
    for (const channel of channels) await acceptBatches(channel.id, 1);
    for (const channel of channels) feeder.feed([channel.id]);
    await until('all of them', async () => (await count('enqueued')) === 4);
  });
});

describe('shared values', () => {
  it('are made once for all who ask, until they are forgotten or too old', async () => {
    const values = openSharedValues(direct, 'test');
    let made = 0;
    const make = async () => {
      made += 1;
      return `value-${made}`;
    };
    const answers = await Promise.all(Array.from({ length: 10 }, () => values.getOrMake('k', 60_000, make)));
    assert.equal(new Set(answers).size, 1, 'the first value wins');
    const value = answers[0] as string;
    await values.forget('k', 'another value');
    assert.equal(await values.getOrMake('k', 60_000, make), value);
    await values.forget('k', value);
    assert.notEqual(await values.getOrMake('k', 20, make), value);
    await until('it to be too old', async () => (await direct.exists('test:shared:k')) === 0);
  });
});
