const EMPTY_BYTES = 16 * 1024 ** 2;
const JOB_BYTES = 2 * 1024;
/** Batches of a channel and lane that each process which feeds may have in Redis: packages/queue/src/feeder.ts. */
const WINDOW = 200;
const LANES = 2;

/**
 * The stated bound of Redis's memory, whatever waits: what an empty one with its connections takes, and a full window of
 * jobs of every channel and lane, filled by every process that feeds.
 * @param feeders  workers and apis
 */
export function redisBoundBytes({ channels, feeders }: { channels: number; feeders: number }): number {
  return EMPTY_BYTES + channels * LANES * WINDOW * feeders * JOB_BYTES;
}
