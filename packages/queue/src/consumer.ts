import { Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { BatchJob } from './job-queues.ts';
import { channelPrefix, queueName } from './keys.ts';

export interface ConsumerOptions {
  redis: Redis;
  prefix?: string;
  channelId: string;
  /** Batches at once. */
  concurrency: number;
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

/** Takes the jobs of one channel's queue. */
export function openConsumer(options: ConsumerOptions): Consumer {
  const worker = new Worker<BatchJob>(queueName, (job) => options.process(job.data), {
    connection: options.redis,
    prefix: channelPrefix(options.prefix ?? 'pushmill', options.channelId),
    concurrency: options.concurrency,
    lockDuration: lockMs,
    stalledInterval: lockMs / 2,
    // A worker that crashes must not bury a healthy batch: claims are counted in the ledger instead.
    maxStalledCount: 1_000_000,
    drainDelay: 5,
  });
  worker.on('error', (error) => options.warn({ err: error, channelId: options.channelId }, 'queue.error'));
  worker.on('failed', (job, error) =>
    options.warn(
      { err: error, channelId: options.channelId, batchId: job?.data.batchId },
      'batch.interrupted',
    ),
  );
  return { close: () => worker.close() };
}
