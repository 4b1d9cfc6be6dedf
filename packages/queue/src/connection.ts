import type { Secret } from '@pushmill/core';
import { Redis } from 'ioredis';

/**
 * For whoever adds jobs: an addition fails at once while Redis is away (the sweeper catches up later), and
 * never hangs a request.
 */
export function connectProducer(url: Secret): Redis {
  return connect(url, { enableOfflineQueue: false, maxRetriesPerRequest: 1, commandTimeout: 5_000 });
}

/** For consumers: blocking commands wait for Redis to come back. BullMQ requires the null. */
export function connectConsumer(url: Secret): Redis {
  return connect(url, { maxRetriesPerRequest: null });
}

function connect(url: Secret, options: object): Redis {
  const redis = new Redis(url.reveal(), {
    ...options,
    retryStrategy: (times: number) => Math.min(1_000, 50 * times),
    connectionName: 'pushmill',
  });
  // Reconnecting is ioredis's business; without a listener each failure is printed with the address.
  redis.on('error', () => undefined);
  return redis;
}
