import type { Lane } from '@pushmill/core';

/**
 * Every key of a channel carries the channel's id as a hash tag, so that on Redis Cluster one channel's keys
 * share a slot, as BullMQ's scripts need, and channels spread over the shards.
 */
export function channelPrefix(root: string, channelId: string): string {
  return `${root}:{${channelId}}`;
}

/**
 * Derives from batch and run, so that the feeder, the sweeper and a second api cannot enqueue the same run
 * twice. BullMQ forbids `:` in custom ids.
 */
export function jobIdOf(batch: { id: string; run: number }): string {
  return `${batch.id}-${batch.run}`;
}

/** A channel has one queue a lane, named for it. */
export function jobKey(root: string, channelId: string, lane: Lane, jobId: string): string {
  return `${channelPrefix(root, channelId)}:${lane}:${jobId}`;
}
