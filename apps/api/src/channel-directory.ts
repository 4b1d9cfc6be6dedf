import type { ChannelRow, Store } from '@pushmill/store';

const FRESH_MS = 1_000;
/** An unknown name asks again, but not more often than this. */
const RECHECK_MS = 100;

interface Shelf {
  readAt: number;
  byName: Promise<ReadonlyMap<string, ChannelRow>>;
}

/** The channels of each app, at most a second old, so that a message costs no query of its own for them. */
export class ChannelDirectory {
  readonly #store: Pick<Store, 'channels'>;
  readonly #now: () => number;
  readonly #shelves = new Map<string, Shelf>();

  constructor(store: Pick<Store, 'channels'>, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
  }

  /**
   * An app's channels by name. When one of `wanted` is missing, the ledger is asked again: it may have been made
   * a moment ago through another process.
   */
  async of(appId: string, wanted: Iterable<string>): Promise<ReadonlyMap<string, ChannelRow>> {
    const shelf = this.#shelf(appId, FRESH_MS);
    const channels = await shelf.byName;
    for (const name of wanted) {
      if (!channels.has(name)) return this.#shelf(appId, RECHECK_MS).byName;
    }
    return channels;
  }

  /** After a change through this process. */
  forget(appId: string): void {
    this.#shelves.delete(appId);
  }

  #shelf(appId: string, maxAgeMs: number): Shelf {
    const known = this.#shelves.get(appId);
    if (known && this.#now() - known.readAt < maxAgeMs) return known;
    const byName = this.#store.channels
      .list(appId)
      .then((rows) => new Map(rows.map((row) => [row.name, row])));
    const shelf = { readAt: this.#now(), byName };
    this.#shelves.set(appId, shelf);
    byName.catch(() => {
      if (this.#shelves.get(appId) === shelf) this.#shelves.delete(appId);
    });
    return shelf;
  }
}
