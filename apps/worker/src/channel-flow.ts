import type { Lane, Outcome } from '@pushmill/core';
import { type BreakerState, CircuitBreaker } from './circuit-breaker.ts';
import { AdaptiveConcurrency } from './concurrency.ts';
import { Slots } from './slots.ts';

/** The channel's rate, shared by all workers. */
export interface RateGate {
  /** Resolves when so many pushes may go; false when the signal came first. */
  take(pushes: number, lane: Lane, signal: AbortSignal): Promise<boolean>;
  /** Whether so many pushes may go at once. */
  takeNow(pushes: number, lane: Lane): boolean;
  /** What was taken and not used after all. */
  giveBack(pushes: number): void;
  /** The vendor wants nothing from anybody for so long. Never rejects. */
  hold(ms: number): Promise<void>;
  heldForMs(): number;
}

export interface FlowOptions {
  /** Pushes in flight at most, in this worker. */
  maxInFlight: number;
  rate: RateGate;
  /** How long to leave the vendor alone that said "too fast" without saying how long. */
  throttleDelayMs: () => number;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** By how many milliseconds this process comes late to what it has to do. */
  lateMs: () => number;
  random: () => number;
  changed: (state: BreakerState, openMs: number) => void;
}

/** What holds calls of one channel back: the circuit breaker, the channel's rate, and the pushes in flight. */
export class ChannelFlow {
  readonly #options: FlowOptions;
  readonly #slots: Slots;
  readonly #concurrency: AdaptiveConcurrency;
  readonly #breaker: CircuitBreaker;

  constructor(options: FlowOptions) {
    const { maxInFlight, now, lateMs, random, changed } = options;
    this.#options = options;
    this.#concurrency = new AdaptiveConcurrency({ max: maxInFlight, now, lateMs });
    this.#slots = new Slots(this.#concurrency.limit);
    this.#breaker = new CircuitBreaker({ now, random, changed });
  }

  /** For how long nothing may be sent, because the vendor is down or wants a rest; 0 when it may be called. */
  standstillMs(): number {
    return Math.max(this.#breaker.waitMs(), this.#options.rate.heldForMs());
  }

  /** Whether a call of so many pushes may start without waiting for anything. False takes nothing. */
  enterNow(pushes: number, lane: Lane): boolean {
    if (!this.#slots.takeNow(pushes, lane)) return false;
    if (!this.#options.rate.takeNow(pushes, lane)) {
      this.#slots.release(pushes);
      return false;
    }
    return this.#admit(pushes);
  }

  /** Waits until a call of so many pushes may start. False when the signal came first, or the vendor went down. */
  async enter(pushes: number, lane: Lane, signal: AbortSignal): Promise<boolean> {
    // The rate comes last: what it allows is to be used at once.
    await this.#slots.take(pushes, lane);
    const { rate } = this.#options;
    const mayGo = !signal.aborted && (rate.takeNow(pushes, lane) || (await rate.take(pushes, lane, signal)));
    if (!mayGo) {
      this.#slots.release(pushes);
      return false;
    }
    return this.#admit(pushes);
  }

  #admit(pushes: number): boolean {
    if (this.#breaker.admit()) return true;
    this.withdraw(pushes);
    return false;
  }

  /** The call that was let in did not take place. */
  withdraw(pushes: number): void {
    this.#options.rate.giveBack(pushes);
    this.#slots.release(pushes);
  }

  /** The call is over. */
  leave(outcomes: readonly Outcome[], durationMs: number): void {
    const inFlight = this.#slots.inUse;
    const decisive = decisiveOf(outcomes);
    if (decisive) {
      this.#concurrency.observe(decisive, outcomes.length, durationMs, inFlight);
      if (decisive.kind === 'unavailable') this.#breaker.failed();
      else this.#breaker.answered();
      if (decisive.kind === 'throttled' && decisive.scope === 'channel') {
        const restMs = decisive.retryAfterMs ?? this.#options.throttleDelayMs();
        void this.#options.rate.hold(Math.min(restMs, LONGEST_REST_MS));
      }
      this.#slots.limit = this.#concurrency.limit;
    }
    this.#slots.release(outcomes.length);
  }

  figures() {
    return {
      inFlight: this.#slots.inUse,
      limit: this.#slots.limit,
      latencyMs: this.#concurrency.latencyMs,
      circuit: this.#breaker.state,
    };
  }
}

/** A vendor that names hours is asked again sooner, with what has not been sent yet: it may have meant one push. */
const LONGEST_REST_MS = 60_000;

/** Our own ends of a call, which say nothing about the vendor. */
const ownCodes = new Set(['aborted', 'closing', 'pool-full']);

/** What the call says about the vendor: a word about the whole channel, or no word at all, before one about a push. */
function decisiveOf(outcomes: readonly Outcome[]): Outcome | undefined {
  // Most calls are of one push.
  if (outcomes.length === 1) return outcomes.find(isTelling);
  const telling = outcomes.filter(isTelling);
  return (
    telling.find((outcome) => outcome.kind === 'throttled' && outcome.scope === 'channel') ??
    telling.find((outcome) => outcome.kind !== 'unavailable') ??
    telling[0]
  );
}

function isTelling(outcome: Outcome): boolean {
  return !('code' in outcome && ownCodes.has(outcome.code));
}
