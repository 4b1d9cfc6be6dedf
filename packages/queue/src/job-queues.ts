import type { Lane } from '@pushmill/core';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { channelPrefix, jobIdOf, jobKey } from './keys.ts';

/** What a job carries: where to look in the ledger, and nothing else. */
export interface BatchJob {
  batchId: string;
  run: number;
}

/** A batch that should have a job. */
export interface QueuedBatch {
  id: string;
  run: number;
  channelId: string;
  lane: Lane;
}

/** Of BullMQ's stream of what happened in a queue. */
const MAX_EVENTS = 100;

export interface JobQueues {
  /** Adds jobs, one round trip a channel and lane. A job that is there already stays as it is. */
  add(batches: readonly QueuedBatch[]): Promise<void>;
  /** Those of the batches that have no job in Redis. */
  missing(batches: readonly QueuedBatch[]): Promise<QueuedBatch[]>;
  close(): Promise<void>;
}

/** One BullMQ queue a channel and lane, opened at first use over one shared connection. */
export function openJobQueues(redis: Redis, root: string): JobQueues {
  const queues = new Map<string, Queue<BatchJob>>();

  function queueOf({ channelId, lane }: QueuedBatch): Queue<BatchJob> {
    const name = `${channelId} ${lane}`;
    let queue = queues.get(name);
    if (!queue) {
      queue = new Queue<BatchJob>(lane, {
        connection: redis,
        prefix: channelPrefix(root, channelId),
        skipWaitingForReady: true,
        // Nobody listens. Of its usual 10,000 a queue, thirty channels would fill more than their jobs may take.
        streams: { events: { maxLen: MAX_EVENTS } },
      });
      queue.on('error', () => undefined);
      queues.set(name, queue);
    }
    return queue;
  }

  return {
    async add(batches) {
      const byQueue = Map.groupBy(batches, queueOf);
      await Promise.all(
        [...byQueue].map(([queue, own]) =>
          queue.addBulk(
            own.map((batch) => ({
              name: batch.lane,
              data: { batchId: batch.id, run: batch.run },
              opts: {
                jobId: jobIdOf(batch),
                // The ledger remembers; a job that ends, however it ends, leaves nothing in Redis. One that
                // keeps failing because Postgres is away is dropped at last, and the sweeper makes it anew.
                removeOnComplete: true,
                removeOnFail: true,
                attempts: 30,
                backoff: { type: 'fixed', delay: 1_000 },
              },
            })),
          ),
        ),
      );
    },

    async missing(batches) {
      const pipeline = redis.pipeline();
      for (const batch of batches) pipeline.exists(jobKey(root, batch.channelId, batch.lane, jobIdOf(batch)));
      const replies = (await pipeline.exec()) ?? [];
      return batches.filter((_, index) => {
        const [error, count] = replies[index] ?? [new Error('no reply')];
        if (error) throw error;
        return count === 0;
      });
    },

    async close() {
      await Promise.allSettled([...queues.values()].map((queue) => queue.close()));
    },
  };
}
