import type { Redis } from 'ioredis';

/** Deletes the key only while it still holds what the caller saw. */
const forgetScript = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`;

/**
 * Values that all workers share for a while, such as the one provider token of an APNs key. What is secret must
 * be sealed by whoever makes it: Redis holds nothing in clear.
 */
export function openSharedValues(redis: Redis, root = 'pushmill') {
  const keyOf = (key: string) => `${root}:shared:${key}`;
  return {
    async getOrMake(key: string, ttlMs: number, make: () => Promise<string>): Promise<string> {
      const known = await redis.get(keyOf(key));
      if (known !== null) return known;
      const made = await make();
      const first = await redis.set(keyOf(key), made, 'PX', ttlMs, 'NX');
      if (first === 'OK') return made;
      // Another worker was quicker. If its value is gone again already, ours is as good.
      return (await redis.get(keyOf(key))) ?? made;
    },

    async forget(key: string, seen: string): Promise<void> {
      await redis.eval(forgetScript, 1, keyOf(key), seen);
    },
  };
}
