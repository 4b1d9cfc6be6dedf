import { type Config, describeConfig, loadConfig } from '@pushmill/config';
import { createLogger, createMetrics, type Logger } from '@pushmill/log';
import { connectConsumer, createFeeder, openConsumer, openSharedValues } from '@pushmill/queue';
import { isLedgerAway, openStore } from '@pushmill/store';
import { type Vendor, vendors } from '@pushmill/vendors';
import { type BatchRunDeps, runBatch } from './batch-run.ts';
import { ChannelRegistry } from './channel-registry.ts';
import { startHealthServer } from './health-server.ts';
import { every } from './schedule.ts';

export interface WorkerOptions {
  /** Undefined for all. */
  vendors?: readonly string[] | undefined;
  /** Pushes in flight per channel. */
  concurrency?: number | undefined;
  /** What the names mean; the tests bring a vendor of their own. */
  vendorTable?: Readonly<Record<string, Vendor>> | undefined;
}

/** Batches of one channel in hand at once; what bounds the sending is the number of pushes in flight. */
const BATCHES_AT_ONCE = 16;
const DEFAULT_CONCURRENCY = 400;
const REFRESH_MS = 1_000;
const FEED_MS = 200;
const SWEEP_MS = 2_000;
const MAINTAIN_MS = 3_600_000;
/** Calls in flight at SIGTERM get this long to be answered, … */
const CUT_OFF_MS = 15_000;
/** … and the process this long to end. */
const GRACE_MS = 25_000;

/** The worker as a process: runs until SIGTERM, SIGINT or the death of its parent. */
export async function run(env: NodeJS.ProcessEnv, options: WorkerOptions = {}): Promise<void> {
  const config = loadConfig(env);
  const log = createLogger({ role: 'worker', level: config.logLevel });
  log.info({ config: describeConfig(config) }, 'worker.starting');
  const worker = await startWorker(config, log, options);
  log.info({ port: worker.port }, 'worker.ready');
  process.send?.({ kind: 'ready', role: 'worker', port: worker.port });
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
    process.once('disconnect', resolve);
  });
  log.info({}, 'worker.stopping');
  const overdue = setTimeout(() => {
    log.error({ graceMs: GRACE_MS }, 'worker.grace-over');
    process.exit(1);
  }, GRACE_MS);
  await worker.close();
  clearTimeout(overdue);
  log.info({}, 'worker.stopped');
  if (process.connected) process.disconnect?.();
}

/** Opens connections and serves channels; what was opened is closed in reverse. */
export async function startWorker(
  config: Config,
  log: Logger,
  options: WorkerOptions,
): Promise<{ port: number; close(): Promise<void> }> {
  const warn = (fields: Record<string, unknown>, message: string) => log.warn(fields, message);
  const store = openStore({
    databaseUrl: config.databaseUrl,
    masterKeys: config.masterKey,
    maxConnections: 16,
  });
  const redis = connectConsumer(config.redisUrl);
  const feeder = createFeeder({ redisUrl: config.redisUrl, ledger: store.batches, warn });
  const metrics = createMetrics('worker');
  const outcomes = metrics.counter('pushmill_attempts_total', 'Attempts by what they concluded.', [
    'vendor',
    'channel',
    'kind',
  ]);
  const durations = metrics.histogram(
    'pushmill_attempt_duration_ms',
    'From call to answer.',
    ['vendor'],
    [5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 10_000],
  );
  const stopping = new AbortController();
  const cutOff = new AbortController();

  const deps: BatchRunDeps = {
    store,
    isLedgerAway,
    log,
    now: Date.now,
    random: Math.random,
    stopping: stopping.signal,
    cutOff: cutOff.signal,
    observe(channel, outcome, durationMs) {
      outcomes.inc({ vendor: channel.vendor.name, channel: channel.row.name, kind: outcome.kind });
      durations.observe({ vendor: channel.vendor.name }, durationMs);
    },
  };
  const registry = new ChannelRegistry({
    store,
    isLedgerAway,
    vendors: options.vendorTable ?? vendors,
    vendorNames: options.vendors ?? config.workerVendors,
    concurrency: options.concurrency ?? config.workerConcurrency ?? DEFAULT_CONCURRENCY,
    senderDeps: { now: Date.now, shared: openSharedValues(redis), warn },
    log,
    consume: (channel) =>
      openConsumer({
        redis,
        channelId: channel.row.id,
        concurrency: BATCHES_AT_ONCE,
        warn,
        async process(job) {
          await runBatch(job, channel, deps);
          feeder.feed([channel.row.id]);
        },
      }),
  });

  const health = await startHealthServer({
    host: config.host,
    port: config.metricsPort,
    metrics,
    async notReady() {
      const ledger = await store.ping().then(
        () => [],
        () => ['Postgres does not answer'],
      );
      return redis.status === 'ready' ? ledger : [...ledger, 'Redis does not answer'];
    },
  });
  const complain = (message: string) => (error: unknown) => warn({ err: error }, message);
  await registry.refresh().catch(complain('channels.refresh-failed'));
  const timers = [
    every(REFRESH_MS, () => registry.refresh(), complain('channels.refresh-failed')),
    every(FEED_MS, async () => feeder.feed(), complain('feed.failed')),
    every(
      SWEEP_MS,
      async () => {
        const lost = await feeder.sweep();
        if (lost > 0) warn({ batches: lost }, 'sweeper.restored-jobs');
      },
      complain('sweep.failed'),
    ),
    every(MAINTAIN_MS, () => store.maintain(), complain('maintenance.failed')),
  ];

  return {
    port: health.port,
    async close() {
      await Promise.all(timers.map((timer) => timer.stop()));
      stopping.abort();
      const late = setTimeout(() => cutOff.abort(), CUT_OFF_MS);
      await registry.close();
      clearTimeout(late);
      await feeder.close();
      redis.disconnect();
      await store.close();
      await health.close();
    },
  };
}
