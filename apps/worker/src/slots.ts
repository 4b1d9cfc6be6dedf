import type { Lane } from '@pushmill/core';

/**
 * A bound on pushes in flight. Urgent waiters are served first, each lane in order; the first takes what it needs as
 * soon as it fits. The bound may move: what is in flight above it is waited for.
 */
export class Slots {
  #limit: number;
  #inUse = 0;
  readonly #waiting: Record<Lane, { count: number; grant: () => void }[]> = { urgent: [], bulk: [] };

  constructor(limit: number) {
    this.#limit = limit;
  }

  get inUse(): number {
    return this.#inUse;
  }

  get limit(): number {
    return this.#limit;
  }

  set limit(limit: number) {
    this.#limit = limit;
    this.#serve();
  }

  /** Takes the slots if they are free and nobody waits for them. */
  takeNow(count: number, lane: Lane): boolean {
    const { urgent, bulk } = this.#waiting;
    const isFirst = urgent.length === 0 && (lane === 'urgent' || bulk.length === 0);
    if (!isFirst || !this.#fits(count)) return false;
    this.#inUse += count;
    return true;
  }

  /** Undefined when they were free. */
  take(count: number, lane: Lane): Promise<void> | undefined {
    if (this.takeNow(count, lane)) return undefined;
    return new Promise((grant) => this.#waiting[lane].push({ count, grant }));
  }

  release(count: number): void {
    this.#inUse -= count;
    this.#serve();
  }

  /** A call larger than the bound goes alone. */
  #fits(count: number): boolean {
    return this.#inUse + count <= this.#limit || this.#inUse === 0;
  }

  #serve(): void {
    for (;;) {
      const queue = this.#waiting.urgent.length > 0 ? this.#waiting.urgent : this.#waiting.bulk;
      const [first] = queue;
      if (!first || !this.#fits(first.count)) return;
      queue.shift();
      this.#inUse += first.count;
      first.grant();
    }
  }
}
