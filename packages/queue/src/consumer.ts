import { type Lane, lanes } from '@pushmill/core';
import { Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { BatchJob } from './job-queues.ts';
import { channelPrefix } from './keys.ts';

export interface ConsumerOptions {
  redis: Redis;
  prefix?: string;
  channelId: string;
  /** Batches at once. */
  concurrency: Readonly<Record<Lane, number>>;
  /**
   * Works on one batch until nothing is left to do for this run. A throw means that our own ledger could not be
   * reached: the job is tried again a second later, and the ledger decides what is left of it.
   */
  process: (job: BatchJob) => Promise<void>;
  warn: (fields: Record<string, unknown>, message: string) => void;
}

export interface Consumer {
  /** Takes no more jobs and waits for those at work. */
  close(): Promise<void>;
}

/**
 * How long a silent worker keeps its job. BullMQ's check runs at half of it, so the jobs of a killed worker are
 * taken over 10 to 15 seconds later.
 */
export const lockMs = 10_000;

/** Takes the jobs of one channel. Each lane has takers of its own, so that no bulk batch is in an urgent one's way. */
export function openConsumer(options: ConsumerOptions): Consumer {
  const workers = lanes.map((lane) => openWorker(lane, options));
  return { close: async () => void (await Promise.all(workers.map((worker) => worker.close()))) };
}

function openWorker(lane: Lane, options: ConsumerOptions): Worker<BatchJob> {
  const { channelId, warn } = options;
  const worker = new Worker<BatchJob>(lane, (job) => options.process(job.data), {
    connection: options.redis,
    prefix: channelPrefix(options.prefix ?? 'pushmill', channelId),
    concurrency: options.concurrency[lane],
    lockDuration: lockMs,
    stalledInterval: lockMs / 2,
    // A worker that crashes must not bury a healthy batch: claims are counted in the ledger instead.
    maxStalledCount: 1_000_000,
    drainDelay: 5,
  });
  worker.on('error', (error) => warn({ err: error, channelId }, 'queue.error'));
  worker.on('failed', (job, error) =>
    warn({ err: error, channelId, batchId: job?.data.batchId }, 'batch.interrupted'),
  );
  return worker;
}
