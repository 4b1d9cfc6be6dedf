import type { OpenedChannel, Store } from '@pushmill/store';

const KNOWN_MS = 5_000;
/** A stranger's guess is remembered too, so that guessing does not load the database; shorter, so that a channel made now works soon. */
const UNKNOWN_MS = 1_000;
const CACHE_SIZE = 10_000;

/** Channels by their callback key, opened, for a few seconds. */
export class CallbackChannels {
  readonly #store: { channels: Pick<Store['channels'], 'openByCallbackKey'> };
  readonly #now: () => number;
  readonly #known = new Map<string, { until: number; channel: Promise<OpenedChannel | undefined> }>();

  constructor(
    store: { channels: Pick<Store['channels'], 'openByCallbackKey'> },
    now: () => number = Date.now,
  ) {
    this.#store = store;
    this.#now = now;
  }

  find(vendor: string, key: string): Promise<OpenedChannel | undefined> {
    const name = `${vendor}/${key}`;
    const cached = this.#known.get(name);
    if (cached && cached.until > this.#now()) return cached.channel;
    if (this.#known.size >= CACHE_SIZE) this.#known.clear();
    const entry = {
      until: this.#now() + UNKNOWN_MS,
      channel: this.#store.channels.openByCallbackKey(vendor, key),
    };
    this.#known.set(name, entry);
    entry.channel.then(
      (channel) => {
        if (channel) entry.until = this.#now() + KNOWN_MS;
      },
      () => this.#known.delete(name),
    );
    return entry.channel;
  }
}
