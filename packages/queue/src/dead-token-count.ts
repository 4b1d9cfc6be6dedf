import type { Redis } from 'ioredis';
import { channelPrefix } from './keys.ts';

/** How a channel's tokens fared in the last minutes, over all workers. */
export interface DeadTokenCount {
  /** Pushes that the vendor judged. */
  judged: number;
  /** Of these, tokens that it called dead, or not of this environment. */
  dead: number;
}

export const deadTokenWindowMinutes = 10;

/**
 * Counts by minute in Redis, so that all workers see one number. Nothing rests on it but a warning: after a loss of
 * Redis the window begins anew.
 */
export function openDeadTokenCounts(redis: Redis, root = 'pushmill') {
  const keyOf = (channelId: string, minute: number) =>
    `${channelPrefix(root, channelId)}:dead-tokens:${minute}`;
  const minutesBefore = (now: number) =>
    Array.from({ length: deadTokenWindowMinutes }, (_, index) => Math.floor(now / 60_000) - index);

  return {
    /** Adds, and gives the sum over the window. @param now  milliseconds since the epoch */
    async add(channelId: string, count: DeadTokenCount, now: number): Promise<DeadTokenCount> {
      const minutes = minutesBefore(now);
      const current = keyOf(channelId, minutes[0] as number);
      const pipeline = redis
        .pipeline()
        .hincrby(current, 'judged', count.judged)
        .hincrby(current, 'dead', count.dead)
        .expire(current, (deadTokenWindowMinutes + 1) * 60);
      for (const minute of minutes) pipeline.hmget(keyOf(channelId, minute), 'judged', 'dead');
      const replies = ((await pipeline.exec()) ?? []).map(([error, value]) => {
        if (error) throw error;
        return value;
      });
      const sums = { judged: 0, dead: 0 };
      for (const reply of replies.slice(3) as (string | null)[][]) {
        sums.judged += Number(reply[0] ?? 0);
        sums.dead += Number(reply[1] ?? 0);
      }
      return sums;
    },

    /** Begins anew, for a channel that a person has looked at. */
    async forget(channelId: string, now: number): Promise<void> {
      await redis.del(minutesBefore(now).map((minute) => keyOf(channelId, minute)));
    },
  };
}

export type DeadTokenCounts = ReturnType<typeof openDeadTokenCounts>;
