/**
 * The ledger's clock, as a worker knows it from the answers that carry a reading of it. No reading is exact: the ledger
 * took it some time between the question and the answer. Those that came quickly say most, and hold for all batches.
 */
export class LedgerTime {
  readonly #now: () => number;
  /** Added to our clock gives the ledger's time, or a little more: nothing must be sent after its expiry. */
  #offsetMs = Number.POSITIVE_INFINITY;

  /** @param now  milliseconds, of a clock that is never set */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @param askedAt  by our clock; the answer came just now */
  heard(reading: Date, askedAt: number): void {
    const most = reading.getTime() - askedAt;
    const least = reading.getTime() - this.#now();
    // Below `least` the ledger's clock, or its machine, is not what it was.
    if (most < this.#offsetMs || this.#offsetMs < least) this.#offsetMs = most;
  }

  now(): number {
    return this.at(this.#now());
  }

  /** What time it was there when it was so much here. */
  at(ours: number): number {
    return ours + this.#offsetMs;
  }
}
