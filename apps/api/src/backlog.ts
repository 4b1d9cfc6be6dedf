import type { Logger, Metrics } from '@pushmill/log';
import type { ChannelRow, LaneBacklog, NewMessage, Store } from '@pushmill/store';
import {
  type BacklogBounds,
  type ChannelStanding,
  type Complaint,
  complaintsOf,
  type Excess,
  excessOf,
  type Waiting,
} from './backlog-bounds.ts';
import { ProblemError } from './problem.ts';

export interface BacklogDeps {
  store: Pick<Store, 'backlog' | 'clock'>;
  log: Logger;
  metrics: Metrics;
  bounds: BacklogBounds;
}

const READ_MS = 2_000;
/** After a reading that took long, the rest is this many times as long, … */
const REST = 50;
/** … within bounds: what was read must not be old either. */
const LONGEST_REST_MS = 10_000;
/** What comes back within this time has not been over: at its bound a backlog goes to and fro. */
const OVER_MS = 60_000;

/**
 * What waits in the ledger, and what is refused because of it. The ledger is read every two seconds, its clock too; what this process
 * took since is added, so that a burst between two readings is seen as well. Other processes' is not: with several apis
 * a bound may be passed by what they take within two seconds.
 */
export class Backlog {
  readonly #deps: BacklogDeps;
  readonly #gauges: ReturnType<typeof gaugesOf>;
  #channels = new Map<string, ChannelStanding>();
  #whole = nothing();
  /** Since the latest reading began. */
  #taken = new Map<string, Waiting>();
  #complaints: Complaint[] = [];
  /** Alerts that were given, with the time when their reason was last seen. */
  readonly #told = new Map<string, number>();
  #reading: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(deps: BacklogDeps) {
    this.#deps = deps;
    this.#gauges = gaugesOf(deps.metrics);
    this.#reading = this.#turn();
  }

  /**
   * Lets a message in and counts it, or says why not.
   * @param channels  all of its app's by name, or at least those that it goes to
   */
  admit(message: NewMessage, channels: ReadonlyMap<string, ChannelRow>): ProblemError | undefined {
    const { lane, sendAt, expiresAt, recipients } = message;
    const counts = new Map<string, number>();
    for (const { channelId } of recipients) counts.set(channelId, (counts.get(channelId) ?? 0) + 1);
    const lifeSeconds =
      sendAt === null ? (expiresAt.getTime() - this.#deps.store.clock.now()) / 1_000 : undefined;
    const addressed = [...channels.values()].filter(({ id }) => counts.has(id));
    const whole = { pushes: this.#whole, channels: this.#channels.size };
    for (const row of addressed) {
      const excess = excessOf({ lane, lifeSeconds }, this.#standingOf(row), whole, this.#deps.bounds);
      if (excess) return problemOf(excess);
    }
    for (const row of addressed) {
      const standing = this.#standingOf(row);
      const count = counts.get(row.id) as number;
      standing.pushes[lane] += count;
      this.#whole[lane] += count;
      this.#channels.set(row.id, standing);
      const taken = this.#taken.get(row.id) ?? nothing();
      taken[lane] += count;
      this.#taken.set(row.id, taken);
    }
    return undefined;
  }

  /** In words, what is full or late. */
  get degraded(): string[] {
    return this.#complaints.map(({ says }) => says);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#reading;
  }

  #standingOf(row: ChannelRow): ChannelStanding {
    const { pushes, urgentAgeSeconds } = this.#channels.get(row.id) ?? {
      pushes: nothing(),
      urgentAgeSeconds: 0,
    };
    // The directory is fresher than the reading.
    const maxBacklog = row.policy.maxBacklog as number | undefined;
    return { name: row.name, isPaused: row.state === 'paused', maxBacklog, pushes, urgentAgeSeconds };
  }

  async #turn(): Promise<void> {
    const began = performance.now();
    // A database that is away is told of by whatever needs it; the figures of before stay until it is back.
    await this.#read().catch((error) => this.#deps.log.debug({ err: error }, 'backlog.unread'));
    if (this.#closed) return;
    const rest = Math.min(LONGEST_REST_MS, Math.max(READ_MS, REST * (performance.now() - began)));
    this.#timer = setTimeout(() => {
      this.#reading = this.#turn();
    }, rest);
    this.#timer.unref();
  }

  async #read(): Promise<void> {
    const taken = new Map<string, Waiting>();
    this.#taken = taken;
    const { backlog, clock } = this.#deps.store;
    const [lanes] = await Promise.all([backlog.lanes(), clock.read()]);
    const channels = standingsOf(lanes);
    for (const [id, { urgent, bulk }] of taken) {
      // Its batches may not be committed yet, or are sent already.
      const standing = channels.get(id) ?? {
        ...(this.#channels.get(id) as ChannelStanding),
        pushes: nothing(),
      };
      standing.pushes.urgent += urgent;
      standing.pushes.bulk += bulk;
      channels.set(id, standing);
    }
    this.#channels = channels;
    this.#whole = nothing();
    for (const { pushes } of channels.values()) {
      this.#whole.urgent += pushes.urgent;
      this.#whole.bulk += pushes.bulk;
    }
    this.#show(lanes);
    this.#tell();
  }

  #show(lanes: readonly LaneBacklog[]): void {
    const { pushes, oldest } = this.#gauges;
    pushes.reset();
    oldest.reset();
    // Channels of two apps may have one name: their pushes add up, and the oldest of both is set last.
    for (const one of [...lanes].sort((a, b) => a.oldestSeconds - b.oldestSeconds)) {
      const labels = { channel: one.channel, lane: one.lane };
      pushes.inc(labels, one.pushes);
      oldest.set(labels, one.oldestSeconds);
    }
  }

  #tell(): void {
    const { log, bounds } = this.#deps;
    const channels = [...this.#channels].map(([id, standing]) => ({ id, ...standing }));
    const whole = { pushes: this.#whole, channels: this.#channels.size };
    this.#complaints = complaintsOf(channels, whole, bounds);
    const now = Date.now();
    for (const { key, alert, fields } of this.#complaints) {
      if (!this.#told.has(key)) log.warn(fields, alert);
      this.#told.set(key, now);
    }
    for (const [key, seenAt] of this.#told) if (now - seenAt > OVER_MS) this.#told.delete(key);
  }
}

function standingsOf(lanes: readonly LaneBacklog[]): Map<string, ChannelStanding> {
  const channels = new Map<string, ChannelStanding>();
  for (const { channelId, channel: name, lane, isPaused, maxBacklog, pushes, oldestSeconds } of lanes) {
    const standing = channels.get(channelId) ?? {
      name,
      isPaused,
      maxBacklog,
      pushes: nothing(),
      urgentAgeSeconds: 0,
    };
    standing.pushes[lane] = pushes;
    if (lane === 'urgent') standing.urgentAgeSeconds = oldestSeconds;
    channels.set(channelId, standing);
  }
  return channels;
}

function nothing(): Waiting {
  return { urgent: 0, bulk: 0 };
}

function problemOf({ detail, limit, retryAfterSeconds }: Excess): ProblemError {
  return new ProblemError('too-much-waiting', detail, {
    headers: {
      'retry-after': String(retryAfterSeconds),
      'ratelimit-limit': String(limit),
      'ratelimit-remaining': '0',
      'ratelimit-reset': String(retryAfterSeconds),
    },
  });
}

function gaugesOf(metrics: Metrics) {
  const labels = ['channel', 'lane'] as const;
  return {
    pushes: metrics.gauge(
      'pushmill_backlog_pushes',
      'Pushes that are due and wait, those of paused channels and messages among them.',
      labels,
    ),
    oldest: metrics.gauge(
      'pushmill_backlog_oldest_seconds',
      'How long the oldest batch that may be sent has been due and not in hand; 0 for a paused channel.',
      labels,
    ),
  };
}
