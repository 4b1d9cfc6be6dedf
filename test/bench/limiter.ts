/**
 * The limiter under two workers that want more than the channel's rate: what any second holds, by the clock of the
 * processes that use the tokens, and what it costs.
 *
 *     node test/bench/limiter.ts [seconds a case]
 *
 * Each worker is a process with 16 takers in a loop, as 16 batches in hand make them. A worker that takes 70 % of
 * what it may shows the cost of asking ahead where nobody has to wait.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Secret } from '@pushmill/core';
import { makeTemporaryDataDir, startRedis } from '@pushmill/embedded';
import { connectConsumer, type LimiterFigures, openLimiter } from '@pushmill/queue';

interface Case {
  name: string;
  rate: number;
  weight: number;
  workers: number;
  takers: number;
  /** Of the rate that each worker asks for; undefined: as much as it gets. */
  demand?: number;
}

interface Sample {
  /** When a call might begin, in milliseconds since the epoch. */
  at: number[];
  cpuMs: number;
  figures: LimiterFigures;
}

const saturated = { weight: 1, workers: 2, takers: 16 };
const cases: Case[] = [
  { ...saturated, name: '0.5/s', rate: 0.5 },
  { ...saturated, name: '1/s', rate: 1 },
  { ...saturated, name: '100/s', rate: 100 },
  { ...saturated, name: '5,000/s', rate: 5_000 },
  { ...saturated, name: '5,000/s, ten workers', rate: 5_000, workers: 10 },
  { ...saturated, name: '5,000/s, one taker each', rate: 5_000, takers: 1 },
  { ...saturated, name: '5,000/s, 70 % wanted', rate: 5_000, demand: 0.35 },
  { ...saturated, name: '100/s, calls of 40', rate: 100, weight: 40 },
  { ...saturated, name: '100/s, calls of 500', rate: 100, weight: 500 },
];

const [role, ...rest] = process.argv.slice(2);
if (role === 'work') await work(rest[0] ?? '', JSON.parse(rest[1] ?? '{}'), Number(rest[2]));
else await measure(Number(role ?? 10));

async function measure(seconds: number): Promise<void> {
  const folder = await makeTemporaryDataDir();
  const server = await startRedis({ dataDir: folder.path, env: {}, durable: false, say: () => undefined });
  const redis = connectConsumer(new Secret(server.url));
  for (const [n, one] of cases.entries()) {
    const children = Array.from({ length: one.workers }, () =>
      fork(new URL(import.meta.url), ['work', server.url, JSON.stringify({ ...one, n }), String(seconds)]),
    );
    await Promise.all(children.map((child) => message(child)));
    const before = await redisCpuMs(redis);
    for (const child of children) child.send('go');
    const samples = (await Promise.all(children.map((child) => message(child)))) as Sample[];
    print(one, seconds, samples, (await redisCpuMs(redis)) - before);
  }
  redis.disconnect();
  await server.stop();
  await folder.remove();
}

function print(one: Case, seconds: number, samples: Sample[], redisMs: number): void {
  const at = samples.flatMap((sample) => sample.at).sort((a, b) => a - b);
  const calls = at.length;
  const asks = samples.reduce((sum, { figures }) => sum + figures.asks, 0);
  const cpuMs = samples.reduce((sum, sample) => sum + sample.cpuMs, 0);
  const shares = samples.map((sample) => sample.at.length);
  console.log(
    [
      one.name.padEnd(24),
      `${((calls * one.weight) / seconds).toFixed(2).padStart(8)} tokens/s`,
      `most in 1 s ${most(at, 1_000) * one.weight}, in 100 ms ${most(at, 100) * one.weight}, in 10 ms ${most(at, 10) * one.weight}`,
      `shares ${Math.min(...shares)}-${Math.max(...shares)}`,
      `asks/s ${(asks / seconds).toFixed(1)}, per 1,000 calls ${((1_000 * asks) / calls).toFixed(0)}`,
      `CPU ms/s: workers ${(cpuMs / seconds).toFixed(1)}, Redis ${(redisMs / seconds).toFixed(1)}`,
    ].join('  '),
  );
}

function most(at: readonly number[], windowMs: number): number {
  let best = 0;
  let first = 0;
  for (const [index, time] of at.entries()) {
    while (time - (at[first] as number) >= windowMs) first += 1;
    best = Math.max(best, index - first + 1);
  }
  return best;
}

async function redisCpuMs(redis: ReturnType<typeof connectConsumer>): Promise<number> {
  const info = await redis.info('cpu');
  const read = (name: string) => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1]);
  return 1_000 * (read('used_cpu_user') + read('used_cpu_sys'));
}

async function message(child: ChildProcess): Promise<unknown> {
  return (await once(child, 'message'))[0];
}

async function work(url: string, one: Case & { n: number }, seconds: number): Promise<void> {
  const redis = connectConsumer(new Secret(url));
  await redis.ping();
  const stop = new AbortController();
  const limiter = openLimiter({
    redis,
    channelId: `case-${one.n}`,
    ratePerSecond: one.rate,
    warn: (fields, text) => console.error(text, fields),
  });
  process.send?.('ready');
  await once(process, 'message');
  const at: number[] = [];
  const cpu = process.cpuUsage();
  setTimeout(() => stop.abort(), 1_000 * seconds);
  await Promise.all(Array.from({ length: one.takers }, take));
  const used = process.cpuUsage(cpu);
  const sample: Sample = { at, cpuMs: (used.user + used.system) / 1_000, figures: limiter.figures() };
  await limiter.close();
  redis.disconnect();
  // Not before it is sent: a message may be longer than the pipe.
  process.send?.(sample, () => process.disconnect?.());

  async function take(): Promise<void> {
    while (await limiter.take(one.weight, 'bulk', stop.signal)) {
      at.push(performance.timeOrigin + performance.now());
      if (one.demand) await delay((1_000 * one.takers * one.weight) / (one.demand * one.rate));
    }
  }
}
