export interface BreakerOptions {
  /** Milliseconds since the epoch. */
  now: () => number;
  /** 0 ≤ x < 1 */
  random: () => number;
  changed: (state: BreakerState, openMs: number) => void;
}

export type BreakerState = 'closed' | 'open' | 'half-open';

/** Calls in a row without any answer, after which the vendor is taken for down. */
const FAILURES = 20;
const FIRST_OPEN_MS = 1_000;
const LONGEST_OPEN_MS = 60_000;
/** A probe that is never answered must not hold everything up. */
const PROBE_MS = 30_000;

/**
 * Spares a vendor that does not answer, and our pushes their attempts.
 *
 * After a row of calls without an answer the circuit opens: no calls are made, pushes wait without spending an
 * attempt. When the time is over one call goes as a probe. Its answer, whatever it says, closes the circuit; its
 * failure opens it again for twice as long, to a minute.
 */
export class CircuitBreaker {
  readonly #options: BreakerOptions;
  #failures = 0;
  #state: BreakerState = 'closed';
  #openUntil = 0;
  #openMs = FIRST_OPEN_MS;
  #probeUntil = 0;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** For how long no call may be made; 0 when one may, if only as the probe. */
  waitMs(): number {
    if (this.#state === 'closed') return 0;
    const until = this.#state === 'open' ? this.#openUntil : this.#probeUntil;
    return Math.max(0, Math.min(until - this.#options.now(), this.#openMs));
  }

  /** Whether this call may be made. A yes while the circuit is open makes it the probe. */
  admit(): boolean {
    if (this.#state === 'closed') return true;
    if (this.waitMs() > 0) return false;
    this.#probeUntil = this.#options.now() + PROBE_MS;
    this.#become('half-open');
    return true;
  }

  answered(): void {
    this.#failures = 0;
    if (this.#state === 'closed') return;
    this.#openMs = FIRST_OPEN_MS;
    this.#become('closed');
  }

  failed(): void {
    this.#failures += 1;
    if (this.#state === 'closed' && this.#failures < FAILURES) return;
    // Calls that were under way when it opened say nothing new.
    if (this.#state === 'open') return;
    if (this.#state === 'half-open') this.#openMs = Math.min(this.#openMs * 2, LONGEST_OPEN_MS);
    // Workers must not all come back at once.
    this.#openUntil = this.#options.now() + this.#openMs * (0.5 + this.#options.random() / 2);
    this.#become('open');
  }

  #become(state: BreakerState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.changed(state, this.#openMs);
  }
}
