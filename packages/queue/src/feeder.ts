import type { Secret } from '@pushmill/core';
import { connectProducer } from './connection.ts';
import { type JobQueues, openJobQueues, type QueuedBatch } from './job-queues.ts';

/** What the feeder asks of the ledger. */
export interface FeedLedger {
  takeDue(window: number, channelIds?: readonly string[]): Promise<QueuedBatch[]>;
  takeExpired(limit: number): Promise<QueuedBatch[]>;
  enqueuedUnheld(olderThanMs: number, limit: number, afterId?: string): Promise<QueuedBatch[]>;
}

export interface FeederOptions {
  redisUrl: Secret;
  ledger: FeedLedger;
  /** Batches of one channel and lane that may be in Redis at once: the bound of its memory. */
  window?: number;
  /** First part of every key. */
  prefix?: string;
  warn: (fields: Record<string, unknown>, message: string) => void;
}

/**
 * Moves work from the ledger to Redis.
 *
 * `feed` marks due batches in the ledger, up to the window of channel and lane, and adds their jobs. It is called when
 * something was accepted or settled, and on a timer for what falls due. `sweep` compares the other way: a batch
 * that the ledger holds as enqueued, that no worker holds, and that has no job (Redis was emptied, or died before
 * its log was written, or the feeder died between the two steps) gets its job again. It also brings what expired
 * while its channel was paused, to be ended.
 */
export interface Feeder {
  /** Fire and forget. Calls that come while one runs are joined into the next. */
  feed(channelIds?: readonly string[]): void;
  /** `feed` for a channel that has room again, if the last look left something waiting for that. */
  refill(channelId: string): void;
  /** How many batches of a channel and lane may be marked for the queue by who stores them: the window, or none. */
  room(): number;
  /** Adds the jobs of batches that were marked. Fire and forget. */
  add(batches: readonly QueuedBatch[]): void;
  /** Resolves with the number of jobs that had been lost and are there again. */
  sweep(): Promise<number>;
  /** Whether Redis answers. */
  ready(): boolean;
  close(): Promise<void>;
}

const DEFAULT_WINDOW = 200;
const SWEEP_PAGE = 1_000;
/** Younger than this a batch may be on its way into Redis. */
const SWEEP_AGE_MS = 3_000;

export function createFeeder(options: FeederOptions): Feeder {
  const redis = connectProducer(options.redisUrl);
  const jobs: JobQueues = openJobQueues(redis, options.prefix ?? 'pushmill');
  const window = options.window ?? DEFAULT_WINDOW;
  let wanted: Set<string> | 'all' | undefined;
  let running: Promise<void> | undefined;
  let closed = false;
  /** Channels of which the last look brought something: there may be more than there was room for. */
  const crowded = new Set<string>();

  async function run(): Promise<void> {
    while (wanted && !closed) {
      const channelIds = wanted === 'all' ? undefined : [...wanted];
      wanted = undefined;
      try {
        // Marking what cannot be added would only leave it to the sweeper.
        if (redis.status !== 'ready') return;
        const due = await options.ledger.takeDue(window, channelIds);
        if (channelIds) for (const id of channelIds) crowded.delete(id);
        else crowded.clear();
        for (const { channelId } of due) crowded.add(channelId);
        if (due.length > 0) await jobs.add(due);
      } catch (error) {
        options.warn({ err: error }, 'feeding the queue failed; the sweeper will repeat it');
        return;
      }
    }
  }

  function start(): void {
    running ??= run().finally(() => {
      running = undefined;
      // What was asked for after the last look and before this moment.
      if (wanted && !closed) start();
    });
  }

  function feed(channelIds?: readonly string[]): void {
    if (!channelIds || wanted === 'all') wanted = 'all';
    else wanted = new Set([...(wanted ?? []), ...channelIds]);
    start();
  }

  return {
    feed,

    refill(channelId) {
      if (crowded.has(channelId)) feed([channelId]);
    },

    room: () => (redis.status === 'ready' && !closed ? window : 0),

    add(batches) {
      jobs.add(batches).catch((error) => {
        options.warn({ err: error }, 'feeding the queue failed; the sweeper will repeat it');
      });
    },

    async sweep() {
      const expired = await options.ledger.takeExpired(window);
      if (expired.length > 0) await jobs.add(expired);
      let restored = 0;
      let afterId: string | undefined;
      // Page by page to the end: thousands that wait for a worker must not hide the one that was lost.
      do {
        const unheld: QueuedBatch[] = await options.ledger.enqueuedUnheld(SWEEP_AGE_MS, SWEEP_PAGE, afterId);
        afterId = unheld.length === SWEEP_PAGE ? unheld.at(-1)?.id : undefined;
        const lost = unheld.length > 0 ? await jobs.missing(unheld) : [];
        if (lost.length > 0) await jobs.add(lost);
        restored += lost.length;
      } while (afterId && !closed);
      return restored;
    },

    ready: () => redis.status === 'ready',

    async close() {
      closed = true;
      await running;
      await jobs.close();
      redis.disconnect();
    },
  };
}
