import type { ConnectionOptions, JobsOptions } from 'bullmq';

export const plainQueue = 'plain-pushes';

export interface PlainJob {
  pushId: string;
}

export const jobOptions: JobsOptions = {
  attempts: 5,
  backoff: { type: 'exponential', delay: 1_000 },
  removeOnComplete: true,
  removeOnFail: 1_000,
};

export function redisOptions(url: string): ConnectionOptions {
  // What BullMQ demands of a worker's connection.
  return { url, maxRetriesPerRequest: null };
}
