/** The waiting line is full; the caller should be told to come again. */
export class OverloadedError extends Error {
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number) {
    super('too much is waiting to be stored');
    this.name = 'OverloadedError';
    this.retryAfterMs = retryAfterMs;
  }
}

export interface GroupCommitOptions<Item, Result> {
  /** Stores all of them or none; answers one result an item, in order. */
  commit: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** What an item costs to store, where items differ; 1 for each otherwise. */
  weigh?: (item: Item) => number;
  /** Bounds of one group. A single item may be heavier; then it goes alone. */
  maxItems: number;
  maxWeight: number;
  /** Bounds of what waits, the running groups not counted. A single item is always let in when nothing waits. */
  maxWaitingItems: number;
  maxWaitingWeight: number;
  /** Groups that may be stored at the same time. */
  maxRunning: number;
  /**
   * Under load, how long the next group waits for more: after a group of several items, those who were answered are about
   * to come again. An item that comes after a quiet moment never waits. Default 0.
   */
  lingerMs?: number;
  /** Whether an error says that the store is away: then nothing is gained by trying the items one by one. */
  isAway: (error: unknown) => boolean;
}

interface Waiting<Item, Result> {
  item: Item;
  weight: number;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * Stores what many callers bring in few commits. The first item goes at once; what arrives while a commit
 * runs is the next group, so that groups grow with the load and an idle system waits for nothing.
 *
 * A failed group of several items is halved until the item that cannot be stored stands alone: one bad item
 * does not fail its neighbours.
 */
export class GroupCommit<Item, Result> {
  readonly #options: GroupCommitOptions<Item, Result>;
  #waiting: Waiting<Item, Result>[] = [];
  #waitingWeight = 0;
  #running = 0;
  #scheduled = false;
  #lastEndedAt = Number.NEGATIVE_INFINITY;
  #idle: (() => void)[] = [];

  constructor(options: GroupCommitOptions<Item, Result>) {
    this.#options = options;
  }

  /** Items that wait for a commit, the running ones not counted. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * @returns what `commit` answered for this item, once it is stored
   * @throws OverloadedError  when too much waits; nothing was stored
   */
  add(item: Item): Promise<Result> {
    const { maxWaitingItems, maxWaitingWeight, weigh } = this.#options;
    const weight = weigh?.(item) ?? 1;
    const full = this.#waiting.length >= maxWaitingItems || this.#waitingWeight + weight > maxWaitingWeight;
    if (full && this.#waiting.length > 0) return Promise.reject(new OverloadedError(1_000));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, weight, resolve, reject });
      this.#waitingWeight += weight;
      this.#schedule();
    });
  }

  /** Resolves once nothing waits and nothing runs. */
  drained(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** One turn of the event loop later, so that everything read from the sockets in this turn joins. */
  #schedule(): void {
    if (this.#scheduled || this.#running >= this.#options.maxRunning) return;
    this.#scheduled = true;
    const begin = () => {
      this.#scheduled = false;
      while (this.#waiting.length > 0 && this.#running < this.#options.maxRunning) this.#start();
    };
    const { lingerMs = 0 } = this.#options;
    const lingers = lingerMs > 0 && performance.now() - this.#lastEndedAt < 2 * lingerMs;
    if (lingers) setTimeout(begin, lingerMs);
    else setImmediate(begin);
  }

  #start(): void {
    const group = this.#takeGroup();
    this.#running += 1;
    this.#store(group).finally(() => {
      this.#running -= 1;
      if (group.length > 1) this.#lastEndedAt = performance.now();
      if (this.#waiting.length > 0) this.#schedule();
      if (this.#isIdle()) for (const resolve of this.#idle.splice(0)) resolve();
    });
  }

  #takeGroup(): Waiting<Item, Result>[] {
    let count = 0;
    let weight = 0;
    for (const one of this.#waiting) {
      if (count > 0 && (count >= this.#options.maxItems || weight + one.weight > this.#options.maxWeight))
        break;
      count += 1;
      weight += one.weight;
    }
    this.#waitingWeight -= weight;
    return this.#waiting.splice(0, count);
  }

  async #store(group: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#options.commit(group.map(({ item }) => item));
      group.forEach(({ resolve }, index) => {
        resolve(results[index] as Result);
      });
    } catch (error) {
      if (group.length === 1 || this.#options.isAway(error)) {
        for (const { reject } of group) reject(error);
        return;
      }
      const middle = group.length >> 1;
      await this.#store(group.slice(0, middle));
      await this.#store(group.slice(middle));
    }
  }

  #isIdle(): boolean {
    return this.#waiting.length === 0 && this.#running === 0;
  }
}
