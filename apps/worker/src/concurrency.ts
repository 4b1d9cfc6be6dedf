import type { Outcome } from '@pushmill/core';

export interface ConcurrencyOptions {
  /** Pushes in flight at most; also what the settings of the worker say. */
  max: number;
  /** Pushes in flight that are always allowed, so that recovery can be seen. */
  min?: number;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** By how many milliseconds this process comes late to what it has to do. */
  lateMs: () => number;
}

/** A vendor that says "too fast" is believed at once, … */
const CUT = 0.7;
/** … a slow one less so. */
const EASE = 0.9;
/** One burst of refusals is one piece of news. */
const CUT_EVERY_MS = 1_000;
/** Later than this, more in flight only means longer queues in this process, in which urgent pushes stand too. */
const LATE_MS = 8;
const YIELD = 0.8;
const YIELD_EVERY_MS = 100;
/** Of the maximum: with less in flight the process would wait for answers. */
const YIELD_TO = 1 / 8;
/** Slower than this many times its own best, and by at least so much, a vendor is overloaded. */
const SLOW_FACTOR = 3;
const SLOW_AT_LEAST_MS = 100;
/** The best latency is forgotten after this long, since networks change. */
const BASELINE_MS = 60_000;
/** Weight of the newest call in the mean of latencies, and in the share of those that failed. */
const WEIGHT = 0.05;
/** A lower share of calls without an answer, or with an error of the server, is the network's usual noise. */
const MANY_FAIL = 0.1;

/**
 * How many pushes of a channel may be in flight, learnt from how the vendor answers.
 *
 * It begins at a quarter of the maximum and doubles with each round of answers until the vendor complains for the
 * first time; from then on it grows by one push a round. A throttling answer cuts it by a third, and so do calls that
 * fail when more than one in ten of the latest did; answers that take several times as long as the best of the last
 * minute cut it by a tenth. It is cut at most once a second. It grows only while it is used, so an idle channel does not
 * earn a burst.
 *
 * While this process has more to do than it gets through, only a part of that is used. It says nothing of the vendor, so
 * the part grows again as quickly as it shrank.
 */
export class AdaptiveConcurrency {
  readonly #options: ConcurrencyOptions;
  readonly #min: number;
  #limit: number;
  #isStarting = true;
  #lastCut = Number.NEGATIVE_INFINITY;
  /** What lateness leaves of the bound. */
  #part = 1;
  #partChanged = Number.NEGATIVE_INFINITY;
  #meanMs: number | undefined;
  #bestMs = Number.POSITIVE_INFINITY;
  #bestUntil = 0;
  #failing = 0;

  constructor(options: ConcurrencyOptions) {
    this.#options = options;
    this.#min = Math.min(options.min ?? 4, options.max);
    this.#limit = Math.max(this.#min, Math.ceil(options.max / 4));
  }

  get limit(): number {
    const least = this.#options.max * YIELD_TO;
    return Math.floor(Math.min(this.#limit, Math.max(least, this.#limit * this.#part)));
  }

  get latencyMs(): number | undefined {
    return this.#meanMs;
  }

  /** @param inFlight  pushes in flight when the answer came, this call's included */
  observe(outcome: Outcome, pushes: number, durationMs: number, inFlight: number): void {
    const isTooFast = outcome.kind === 'throttled' && outcome.scope === 'channel';
    const failed = outcome.kind === 'unavailable';
    const isLate = this.#options.lateMs() > LATE_MS;
    this.#yield(isLate);
    this.#failing += ((failed ? 1 : 0) - this.#failing) * WEIGHT;
    if (isTooFast || (failed && this.#failing > MANY_FAIL)) this.#cut(CUT);
    else if (failed || isLate) return;
    else if (this.#isSlow(durationMs)) this.#cut(EASE);
    else if (inFlight >= this.limit * 0.8) this.#grow(pushes);
  }

  /** A round is as many answers as fit in flight: doubled over a round, or one more. */
  #grow(pushes: number): void {
    this.#limit += this.#isStarting ? pushes : pushes / this.#limit;
    this.#limit = Math.min(this.#limit, this.#options.max);
  }

  #cut(factor: number): void {
    this.#isStarting = false;
    const now = this.#options.now();
    if (now - this.#lastCut < CUT_EVERY_MS) return;
    this.#lastCut = now;
    this.#limit = Math.max(this.#min, this.#limit * factor);
  }

  #yield(isLate: boolean): void {
    if (!isLate && this.#part === 1) return;
    const now = this.#options.now();
    if (now - this.#partChanged < YIELD_EVERY_MS) return;
    this.#partChanged = now;
    this.#part = isLate ? Math.max(YIELD_TO, this.#part * YIELD) : Math.min(1, this.#part / YIELD);
  }

  #isSlow(durationMs: number): boolean {
    const meanMs =
      this.#meanMs === undefined ? durationMs : this.#meanMs + (durationMs - this.#meanMs) * WEIGHT;
    this.#meanMs = meanMs;
    const now = this.#options.now();
    if (durationMs < this.#bestMs || now > this.#bestUntil) {
      this.#bestMs = durationMs;
      this.#bestUntil = now + BASELINE_MS;
    }
    return meanMs > this.#bestMs * SLOW_FACTOR && meanMs > this.#bestMs + SLOW_AT_LEAST_MS;
  }
}
