import type { Outcome } from '@pushmill/core';

/** Below this a difference says nothing: `Date` has whole seconds, and the answer was under way for a while. */
export const clockNoiseMs = 30_000;

/** What a stamped call concludes. */
export interface Stamped {
  outcome: Outcome;
  /** Refused for what may be its time; `serverTime` is the vendor's, in ms since the epoch, where it told it. */
  restamp?: { serverTime: number | undefined } | undefined;
}

/**
 * The vendor's clock as far as it is known. Vendors refuse a call that is stamped too far from their own time, some
 * with the same code as one signed with a wrong secret. So such a call is stamped once more, by the vendor's own
 * `Date`: taken then, it was the clock. The difference is kept, so that a machine whose clock is wrong does not
 * send every call twice.
 */
export class VendorClock {
  readonly #now: () => number;
  #offsetMs = 0;

  /** @param now  our own clock, milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * Makes a call, and once more when it was refused for its time.
   * @param call  stamps for the given moment of the vendor's clock
   * @returns     the last answer, the first where there were two, and by how much our clock was just found wrong
   */
  async stamp<Answer extends Stamped>(
    call: (now: number) => Promise<Answer>,
  ): Promise<{ answer: Answer; first?: Answer; offByMs?: number }> {
    const first = await call(this.#now() + this.#offsetMs);
    if (first.restamp === undefined) return { answer: first };
    const offsetMs = this.#offsetBy(first.restamp.serverTime);
    const answer = await call(this.#now() + offsetMs);
    // A gateway that is down has looked at no stamp.
    const isJudged = answer.restamp === undefined && answer.outcome.kind !== 'unavailable';
    if (!isJudged || Math.abs(offsetMs - this.#offsetMs) < clockNoiseMs) return { answer, first };
    this.#offsetMs = offsetMs;
    // Our clock was put right: nobody need be told.
    return offsetMs === 0 ? { answer, first } : { answer, first, offByMs: -offsetMs };
  }

  #offsetBy(serverTime: number | undefined): number {
    if (serverTime === undefined) return this.#offsetMs;
    const offsetMs = serverTime - this.#now();
    return Math.abs(offsetMs) < clockNoiseMs ? 0 : offsetMs;
  }
}
