import { type Config, describeConfig, loadConfig } from '@pushmill/config';
import { createLogger, createMetrics, type Logger } from '@pushmill/log';
import {
  connectConsumer,
  createFeeder,
  openConsumer,
  openDeadTokenCounts,
  openLimiter,
  openSharedValues,
} from '@pushmill/queue';
import { isLedgerAway, openStore } from '@pushmill/store';
import { type Vendor, vendors } from '@pushmill/vendors';
import type { ActiveChannel } from './active-channel.ts';
import { type BatchRunDeps, leaseMs, newsMs, runBatch } from './batch-run.ts';
import { BatchWatch } from './batch-watch.ts';
import { ChannelRegistry } from './channel-registry.ts';
import { measureExpiries, watchCredentials } from './credential-watch.ts';
import { startHealthServer } from './health-server.ts';
import { LedgerTime } from './ledger-time.ts';
import { LoopDelay } from './loop-delay.ts';
import { maintain } from './maintenance.ts';
import { MassDeathGuard } from './mass-death.ts';
import { runOperations } from './operations.ts';
import { pollChannel } from './poller.ts';
import { measureQuotas } from './quota-figures.ts';
import { every } from './schedule.ts';

export interface WorkerOptions {
  /** Undefined for all. */
  vendors?: readonly string[] | undefined;
  /** Pushes in flight per channel. */
  concurrency?: number | undefined;
  /** What the names mean; the tests bring a vendor of their own. */
  vendorTable?: Readonly<Record<string, Vendor>> | undefined;
}

/**
 * Batches of one channel in hand at once; what bounds the sending is the number of pushes in flight. Urgent ones are
 * small and should not wait for each other's answers; but all that are in hand come back at once when a vendor hangs.
 */
const BATCHES_AT_ONCE = { urgent: 16, bulk: 8 };
const DEFAULT_CONCURRENCY = 400;
const REFRESH_MS = 1_000;
const FEED_MS = 200;
const SWEEP_MS = 2_000;
const OPERATE_MS = 500;
const POLL_MS = 1_000;
const LOOK_AT_QUOTAS_MS = 5_000;
const MAINTAIN_MS = 3_600_000;
const WATCH_CREDENTIALS_MS = 3_600_000;
/** Calls in flight at SIGTERM get this long to be answered, … */
const CUT_OFF_MS = 15_000;
/** … and the process this long to end. */
const GRACE_MS = 25_000;

/** Set clocks must not make a batch's calls look long, early or late; `LedgerTime` makes the ledger's of it. */
const steadyNow = () => Math.round(performance.timeOrigin + performance.now());

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
  const dropped = metrics.counter(
    'pushmill_dead_letters_dropped_total',
    'Dead letters that maintenance dropped for their age, their number, or because their push is not kept any more.',
    ['vendor', 'channel', 'reason'],
  );
  const expiries = metrics.gauge(
    'pushmill_credential_expires_in_seconds',
    'Until the credential of a channel that this worker serves ends; negative after that.',
    ['vendor', 'channel'],
  );
  const quotaUsed = metrics.gauge(
    'pushmill_quota_used',
    'Pushes of a class that a channel has sent, or is about to, on this day of its quota.',
    ['vendor', 'channel', 'class'],
  );
  const quotaPerDay = metrics.gauge(
    'pushmill_quota_per_day',
    'Pushes of a class that a channel may send a day.',
    ['vendor', 'channel', 'class'],
  );
  const flow = metrics.gauge(
    'pushmill_channel_flow',
    'Of each channel in this worker: pushes in flight, how many may be, and the mean latency in ms.',
    ['vendor', 'channel', 'figure'],
  );
  const stopping = new AbortController();
  const cutOff = new AbortController();

  const guard = new MassDeathGuard({ store, log, counts: openDeadTokenCounts(redis), now: Date.now });
  const watch = new BatchWatch({ store, leaseMs, now: steadyNow });
  const deps: BatchRunDeps = {
    watch,
    store,
    isLedgerAway,
    log,
    now: steadyNow,
    ledgerTime: new LedgerTime(steadyNow),
    random: Math.random,
    stopping: stopping.signal,
    cutOff: cutOff.signal,
    observe(channel, outcome, durationMs) {
      guard.observe(channel, outcome);
      outcomes.inc({ vendor: channel.vendor.name, channel: channel.row.name, kind: outcome.kind });
      durations.observe({ vendor: channel.vendor.name }, durationMs);
    },
  };
  const loopDelay = new LoopDelay();
  const registry = new ChannelRegistry({
    store,
    isLedgerAway,
    vendors: options.vendorTable ?? vendors,
    vendorNames: options.vendors ?? config.workerVendors,
    concurrency: options.concurrency ?? config.workerConcurrency ?? DEFAULT_CONCURRENCY,
    steadyNow,
    lateMs: () => loopDelay.ms,
    senderDeps: { now: Date.now, shared: openSharedValues(redis), warn },
    log,
    openRate: (channelId) => openLimiter({ redis, channelId, ratePerSecond: undefined, warn }),
    consume: (channel) =>
      openConsumer({
        redis,
        channelId: channel.row.id,
        concurrency: BATCHES_AT_ONCE,
        warn,
        async process(job) {
          const remaining = await runBatch(job, channel, deps);
          if (remaining > 0) feeder.feed([channel.row.id]);
          else feeder.refill(channel.row.id);
        },
      }),
  });

  const health = await startHealthServer({
    host: config.host,
    port: config.metricsPort,
    metrics: {
      contentType: metrics.contentType,
      text() {
        measureExpiries(registry.channels, expiries, new Date());
        measureFlow(registry.channels, flow);
        return metrics.text();
      },
    },
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
  const lookAtCredentials = () => watchCredentials(registry.channels, { store, log, now: () => new Date() });
  await lookAtCredentials().catch(complain('credentials.watch-failed'));
  // Not with the others: batches that are finished at the end need their leases till then.
  const watching = every(newsMs, () => watch.ask(), complain('batches.unwatched'));
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
    every(REFRESH_MS, () => guard.check(), complain('dead-tokens.check-failed')),
    every(
      OPERATE_MS,
      () => runOperations(registry.channels, { store, log, signal: cutOff.signal }),
      complain('operations.failed'),
    ),
    every(
      POLL_MS,
      async () => {
        const polls = registry.channels.map((channel) =>
          pollChannel(channel, { store, log, signal: stopping.signal }),
        );
        for (const poll of await Promise.allSettled(polls)) if (poll.status === 'rejected') throw poll.reason;
      },
      complain('polls.failed'),
    ),
    every(
      LOOK_AT_QUOTAS_MS,
      () =>
        measureQuotas(registry.channels, {
          quotas: store.quotas,
          used: quotaUsed,
          perDay: quotaPerDay,
          now: Date.now,
        }),
      complain('quotas.look-failed'),
    ),
    every(WATCH_CREDENTIALS_MS, lookAtCredentials, complain('credentials.watch-failed')),
    every(MAINTAIN_MS, () => maintain({ store, log, dropped }), complain('maintenance.failed')),
  ];

  return {
    port: health.port,
    async close() {
      stopping.abort();
      const late = setTimeout(() => cutOff.abort(), CUT_OFF_MS);
      await Promise.all(timers.map((timer) => timer.stop()));
      await registry.close();
      await watching.stop();
      clearTimeout(late);
      loopDelay.stop();
      await feeder.close();
      redis.disconnect();
      await store.close();
      await health.close();
    },
  };
}

function measureFlow(
  channels: readonly ActiveChannel[],
  gauge: { set(labels: Record<'vendor' | 'channel' | 'figure', string>, value: number): void },
): void {
  for (const channel of channels) {
    const labels = { vendor: channel.vendor.name, channel: channel.row.name };
    const { inFlight, limit, latencyMs, circuit } = channel.flow.figures();
    gauge.set({ ...labels, figure: 'in-flight' }, inFlight);
    gauge.set({ ...labels, figure: 'limit' }, limit);
    gauge.set({ ...labels, figure: 'latency-ms' }, latencyMs ?? 0);
    gauge.set({ ...labels, figure: 'circuit-open' }, circuit === 'closed' ? 0 : 1);
  }
}
