/** Below this a difference says nothing: `Date` has whole seconds, and the answer was under way for a while. */
const noiseMs = 30_000;

/**
 * The vendor's clock as far as it is known. TPNS refuses a call stamped too far from its own time with the same
 * code as one signed with a wrong secret, so a refusal is answered by stamping once more by the vendor's `Date`:
 * taken then, it was the clock; refused again, it is the secret. The difference is kept, so that a machine whose
 * clock is wrong does not send every call twice.
 */
export class VendorClock {
  readonly #now: () => number;
  #offsetMs = 0;

  /** @param now  our own clock, milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  now(): number {
    return this.#now() + this.#offsetMs;
  }

  /** How far a time that the vendor told is from our clock; 0 for noise, or when it told none. */
  differenceMs(serverTime: number | undefined): number {
    const difference = serverTime === undefined ? 0 : serverTime - this.#now();
    return Math.abs(difference) < noiseMs ? 0 : difference;
  }

  /** A stamp that is off by as much was taken. @returns whether that is news */
  learn(offsetMs: number): boolean {
    const isNews = Math.abs(offsetMs - this.#offsetMs) >= noiseMs;
    if (isNews) this.#offsetMs = offsetMs;
    return isNews;
  }

  /** The moment for a stamp that is off by as much. */
  nowWith(offsetMs: number): number {
    return this.#now() + offsetMs;
  }
}
