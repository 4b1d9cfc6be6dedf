import { isDeepStrictEqual } from 'node:util';
import { defaultRetryPolicy, type Outcome, outcomeCode } from '@pushmill/core';
import type { OpenedChannel, Store } from '@pushmill/store';
import type { SenderDeps, Vendor } from '@pushmill/vendors';
import type { ActiveChannel } from './active-channel.ts';
import { ChannelFlow, type RateGate } from './channel-flow.ts';

export interface ChannelRegistryOptions {
  store: Pick<Store, 'channels'>;
  isLedgerAway: (error: unknown) => boolean;
  /** Every vendor that there is, by name. */
  vendors: Readonly<Record<string, Vendor>>;
  /** Those to serve; undefined for all. */
  vendorNames: readonly string[] | undefined;
  /** Pushes in flight per channel in this worker. */
  concurrency: number;
  /** Milliseconds, of a clock that is never set. */
  steadyNow: () => number;
  /** By how many milliseconds this process comes late to what it has to do. */
  lateMs: () => number;
  senderDeps: SenderDeps;
  /** Opens the channel's rate, shared by all workers; called once a channel. */
  openRate: (
    channelId: string,
  ) => RateGate & { setRate(perSecond: number | undefined): void; close(): Promise<void> };
  /** Opens the channel's queue; called once a channel. */
  consume: (channel: ActiveChannel) => { close(): Promise<void> };
  log: {
    info: (fields: Record<string, unknown>, message: string) => void;
    warn: (fields: Record<string, unknown>, message: string) => void;
    error: (fields: Record<string, unknown>, message: string) => void;
  };
}

interface Entry {
  channel: ActiveChannel;
  rate: ReturnType<ChannelRegistryOptions['openRate']>;
  consumer: { close(): Promise<void> };
}

/** In-flight pushes of a replaced or removed sender get this long. */
const DRAIN_MS = 30_000;

/**
 * The channels that this worker serves, kept like the ledger's by `refresh`: new ones get a consumer, changed
 * ones a new sender beside the old one until that has finished what it began, removed ones are closed.
 */
export class ChannelRegistry {
  readonly #options: ChannelRegistryOptions;
  readonly #entries = new Map<string, Entry>();
  /** Versions that could not be opened, so that each is complained about once. */
  readonly #broken = new Map<string, number>();
  readonly #closing = new Set<Promise<unknown>>();

  constructor(options: ChannelRegistryOptions) {
    this.#options = options;
  }

  get channels(): ActiveChannel[] {
    return [...this.#entries.values()].map((entry) => entry.channel);
  }

  async refresh(): Promise<void> {
    const listed = await this.#options.store.channels.versions();
    const served = listed.filter(
      (row) =>
        Object.hasOwn(this.#options.vendors, row.vendor) &&
        (this.#options.vendorNames?.includes(row.vendor) ?? true),
    );
    for (const row of served) {
      const known = this.#entries.get(row.id);
      if (known?.channel.row.version === row.version || this.#broken.get(row.id) === row.version) continue;
      await this.#open(row.id, row.version);
    }
    const ids = new Set(served.map((row) => row.id));
    for (const [id, entry] of this.#entries) {
      if (ids.has(id)) continue;
      this.#entries.delete(id);
      this.#close(entry);
    }
  }

  /** Takes no more jobs; resolves when those at work and their connections are done. */
  async close(): Promise<void> {
    for (const entry of this.#entries.values()) this.#close(entry);
    this.#entries.clear();
    await Promise.allSettled(this.#closing);
  }

  async #open(id: string, version: number): Promise<void> {
    try {
      const row = await this.#options.store.channels.openById(id);
      const vendor = row && this.#options.vendors[row.vendor];
      if (!row || !vendor) return;
      const known = this.#entries.get(id)?.channel;
      if (known) this.#follow(known, row);
      else this.#add(row, vendor);
      const entry = this.#entries.get(id);
      entry?.rate.setRate(entry.channel.policy.ratePerSecond);
      this.#broken.delete(id);
    } catch (error) {
      // Not the channel's fault; the next refresh tries again.
      if (this.#options.isLedgerAway(error)) throw error;
      this.#broken.set(id, version);
      this.#options.log.error({ err: error, channelId: id }, 'channel.cannot-open');
    }
  }

  #add(row: OpenedChannel, vendor: Vendor): void {
    const { store, log } = this.#options;
    const rate = this.#options.openRate(row.id);
    const channel: ActiveChannel = {
      row,
      vendor,
      sender: this.#createSender(row, vendor),
      policy: { ...defaultRetryPolicy, ...row.policy },
      flow: new ChannelFlow({
        maxInFlight: this.#options.concurrency,
        rate,
        throttleDelayMs: () => channel.policy.throttleDelayMs,
        now: this.#options.steadyNow,
        lateMs: this.#options.lateMs,
        random: Math.random,
        changed(circuit, openMs) {
          const fields = { channel: channel.row.name, vendor: vendor.name, circuit, openMs };
          if (circuit === 'open') log.warn(fields, 'channel.vendor-down');
          else log.info(fields, 'channel.circuit');
        },
      }),
      paused: row.state === 'paused',
      interruption: new AbortController(),
      pause(outcome: Outcome, version: number) {
        if (channel.paused || channel.row.version !== version) return;
        setPaused(channel, true);
        const reason = {
          code: outcomeCode(outcome) ?? outcome.kind,
          detail: outcome.detail ?? '',
          by: 'pushmill' as const,
        };
        store.channels.pauseVersion(channel.row.id, version, reason).then(
          (first) => {
            if (first)
              log.error({ channel: channel.row.name, vendor: vendor.name, ...reason }, 'channel.paused');
          },
          // The next push that is refused tries again.
          () => {
            if (channel.row.version === version) setPaused(channel, false);
          },
        );
      },
    };
    if (channel.paused) channel.interruption.abort();
    this.#entries.set(row.id, { channel, rate, consumer: this.#options.consume(channel) });
    log.info({ channel: row.name, vendor: vendor.name, state: row.state }, 'channel.opened');
  }

  #follow(channel: ActiveChannel, row: OpenedChannel): void {
    const before = channel.row;
    if (!isDeepStrictEqual([before.settings, before.credential], [row.settings, row.credential])) {
      const old = channel.sender;
      channel.sender = this.#createSender(row, channel.vendor);
      this.#track(old.close(DRAIN_MS));
    }
    channel.row = row;
    channel.policy = { ...defaultRetryPolicy, ...row.policy };
    setPaused(channel, row.state === 'paused');
    this.#options.log.info({ channel: row.name, version: row.version, state: row.state }, 'channel.changed');
  }

  #createSender(row: OpenedChannel, vendor: Vendor) {
    const channel = {
      id: row.id,
      settings: row.settings,
      credential: row.credential as Record<string, unknown>,
    };
    return vendor.createSender(channel, this.#options.senderDeps);
  }

  #close(entry: Entry): void {
    // What waits for its turn would keep its batch, and so the consumer, from ending.
    entry.channel.interruption.abort();
    this.#track(
      entry.consumer
        .close()
        .finally(() => entry.channel.sender.close(DRAIN_MS))
        .finally(() => entry.rate.close()),
    );
  }

  #track(closing: Promise<unknown>): void {
    const tracked = closing.catch((error) => {
      this.#options.log.warn({ err: error }, 'channel.close-failed');
    });
    this.#closing.add(tracked);
    tracked.finally(() => this.#closing.delete(tracked));
  }
}

function setPaused(channel: ActiveChannel, paused: boolean): void {
  if (channel.paused === paused) return;
  channel.paused = paused;
  if (paused) channel.interruption.abort();
  else channel.interruption = new AbortController();
}
