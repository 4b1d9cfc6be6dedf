import type { Failure } from './error.ts';

/**
 * When the next connection may be attempted. Consecutive failures double the bound of the delay; the delay
 * itself is drawn from all of [0, bound) ("full jitter"), so that a fleet that lost the same peer at the same
 * moment does not come back at the same moment. A session that answers a request resets it.
 */
export class Backoff {
  failures = 0;
  last: Failure | undefined = undefined;
  #notBeforeMs = 0;
  readonly #baseMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;

  constructor(baseMs: number, maxMs: number, random: () => number) {
    this.#baseMs = baseMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  /** @param nowMs a clock that only moves forward */
  failed(failure: Failure, nowMs: number): void {
    this.failures += 1;
    this.last = failure;
    const boundMs = Math.min(this.#maxMs, this.#baseMs * 2 ** Math.min(this.failures - 1, 30));
    this.#notBeforeMs = nowMs + this.#random() * boundMs;
  }

  succeeded(): void {
    this.failures = 0;
    this.last = undefined;
    this.#notBeforeMs = 0;
  }

  permits(nowMs: number): boolean {
    return nowMs >= this.#notBeforeMs;
  }
}
