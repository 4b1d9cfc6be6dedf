export { connectConsumer, connectProducer } from './connection.ts';
export type { Consumer, ConsumerOptions } from './consumer.ts';
export { lockMs, openConsumer } from './consumer.ts';
export type { Feeder, FeederOptions, FeedLedger } from './feeder.ts';
export { createFeeder } from './feeder.ts';
export type { BatchJob, QueuedBatch } from './job-queues.ts';
export { openSharedValues } from './shared-values.ts';
