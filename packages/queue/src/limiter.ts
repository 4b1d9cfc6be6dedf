import { randomUUID } from 'node:crypto';
import type { Lane } from '@pushmill/core';
import type { Redis } from 'ioredis';
import { type Answer, askRedis, holdInRedis, type LimiterKeys, limiterKeys } from './limiter-script.ts';

export interface LimiterOptions {
  redis: Redis;
  prefix?: string;
  channelId: string;
  /** Undefined: no limit, only stops. */
  ratePerSecond: number | undefined;
  warn: (fields: Record<string, unknown>, message: string) => void;
}

/**
 * One channel's rate, shared by all workers through Redis.
 *
 * What all workers take within any second stays below the rate plus 5 %, or the next whole number. The exception: a
 * call of more tokens than the rate allows a second passes as a whole, and the channel rests until it is paid. While
 * Redis is away a channel with a rate waits; one without goes on under the last stop it knows of.
 */
export interface Limiter {
  /**
   * Waits until so many tokens may be used, and they are to be used at once. Urgent waiters come before bulk ones,
   * of other workers too; else in order, and workers in turns.
   * @param weight  tokens, a whole number from 1
   * @returns       false when aborted or closed: nothing was taken
   */
  take(weight: number, lane: Lane, signal: AbortSignal): Promise<boolean>;
  /** Takes them if nobody has to wait for it: false when nothing was taken. */
  takeNow(weight: number, lane: Lane): boolean;
  /** Returns what was taken and, after all, not used. */
  giveBack(weight: number): void;
  /** In force at once here, and at the next ask of whoever waits. */
  setRate(perSecond: number | undefined): void;
  /**
   * Stops the channel for all workers, by Redis's clock; a longer stop stays. Here it holds at once; others know with
   * their next ask, without a rate within 200 ms. Resolves when Redis has it; never rejects.
   */
  hold(ms: number): Promise<void>;
  /** Ends waits with false, and returns what is unused. */
  close(): Promise<void>;
  /** For how long the channel is stopped. */
  heldForMs(): number;
  figures(): LimiterFigures;
}

export interface LimiterFigures {
  waiting: Record<Lane, number>;
  /** Round trips to ask for tokens, or to return them. */
  asks: number;
  /** Tokens granted to this worker, and those of them that it returned. */
  granted: number;
  returned: number;
  /** Asks that Redis answered with an error. */
  failures: number;
  heldForMs: number;
}

/** A grant is used this fast or returned: older tokens would add to what the next second allows. */
const PURSE_LIFE_MS = 10;
const RETRY_MS = 250;
const LOOK_MS = 200;
const CLOSE_MS = 1_000;

export function openLimiter(options: LimiterOptions): Limiter {
  return new ChannelLimiter(options);
}

interface Waiter {
  weight: number;
  finish(taken: boolean): void;
}

/**
 * The worker's side. Tokens come in grants, kept in the purse and spent without a round trip. A grant is asked for
 * whoever waits, and ahead for who will come: twice the last grant when that was spent in time, else what was spent
 * of it. One ask at a time; `#step` decides after every change what comes next: serve, ask, sleep, or return.
 */
class ChannelLimiter implements Limiter {
  readonly #options: LimiterOptions;
  readonly #keys: LimiterKeys;
  readonly #worker = randomUUID().slice(0, 13);
  readonly #waiting: Record<Lane, Waiter[]> = { urgent: [], bulk: [] };
  readonly #counts = { asks: 0, granted: 0, returned: 0, failures: 0 };
  #rate: number | undefined;
  #purse = { tokens: 0, granted: 0, at: '', until: 0 };
  #asking: Promise<void> | undefined;
  /** Where this worker stands in the line in Redis, and when it asks again. */
  #inLine: Lane | undefined;
  #askAt = 0;
  #heldUntil = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #away = false;
  #closed = false;

  constructor(options: LimiterOptions) {
    this.#options = options;
    this.#keys = limiterKeys(options.prefix ?? 'pushmill', options.channelId);
    this.#rate = checkedRate(options.ratePerSecond);
  }

  take(weight: number, lane: Lane, signal: AbortSignal): Promise<boolean> {
    if (!Number.isSafeInteger(weight) || weight < 1) throw new RangeError(`a weight of ${weight}`);
    if (this.#closed || signal.aborted) return Promise.resolve(false);
    if (this.takeNow(weight, lane)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const line = this.#waiting[lane];
      const abort = () => {
        line.splice(line.indexOf(waiter), 1);
        resolve(false);
        this.#step();
      };
      const waiter: Waiter = {
        weight,
        finish(taken) {
          signal.removeEventListener('abort', abort);
          resolve(taken);
        },
      };
      signal.addEventListener('abort', abort, { once: true });
      line.push(waiter);
      this.#step();
    });
  }

  takeNow(weight: number, lane: Lane): boolean {
    if (this.#closed) return false;
    const first = this.#waiting.urgent.length === 0 && (lane === 'urgent' || this.#waiting.bulk.length === 0);
    return first && this.#spend(weight, performance.now());
  }

  giveBack(weight: number): void {
    if (this.#rate === undefined || this.#closed) return;
    this.#purse.tokens += weight;
    this.#step();
  }

  setRate(perSecond: number | undefined): void {
    if (perSecond === this.#rate) return;
    this.#rate = checkedRate(perSecond);
    this.#askAt = 0;
    if (perSecond === undefined) {
      // Nobody asks any more: what is left is time's to drain, and the place in line runs out by itself.
      this.#purse.tokens = 0;
      this.#inLine = undefined;
    }
    this.#step();
  }

  async hold(ms: number): Promise<void> {
    if (!(ms > 0)) return;
    const now = performance.now();
    this.#heldUntil = Math.max(this.#heldUntil, now + ms);
    await holdInRedis(this.#options.redis, this.#keys, ms).catch((error) => this.#complain(error));
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const lane of Object.values(this.#waiting)) {
      for (const waiter of lane.splice(0)) waiter.finish(false);
    }
    clearTimeout(this.#timer);
    await soon(this.#leave());
  }

  heldForMs(): number {
    return this.#heldUntil === 0 ? 0 : Math.max(0, Math.ceil(this.#heldUntil - performance.now()));
  }

  figures(): LimiterFigures {
    return {
      waiting: { urgent: this.#waiting.urgent.length, bulk: this.#waiting.bulk.length },
      ...this.#counts,
      heldForMs: this.heldForMs(),
    };
  }

  #step(): void {
    if (this.#closed) return;
    const now = performance.now();
    for (let next = this.#next(); next && this.#spend(next.waiter.weight, now); next = this.#next()) {
      this.#waiting[next.lane].shift();
      next.waiter.finish(true);
    }
    if (this.#asking) return;
    clearTimeout(this.#timer);
    const lane = this.#next()?.lane;
    if (lane) {
      const overtakes = lane === 'urgent' && this.#inLine === 'bulk';
      this.#stepAt(Math.max(this.#heldUntil, overtakes ? 0 : this.#askAt), now, lane);
    } else if (this.#inLine) this.#stepAt(0, now);
    else if (this.#purse.tokens > 0) this.#stepAt(this.#purse.until, now);
  }

  #stepAt(due: number, now: number, lane?: Lane): void {
    if (due > now) this.#timer = setTimeout(() => this.#step(), Math.ceil(due - now));
    // Without a rate only a stop makes anybody wait.
    else if (this.#rate !== undefined) {
      this.#asking = this.#ask(this.#rate, lane).finally(() => {
        this.#asking = undefined;
        this.#step();
      });
    }
  }

  async #leave(): Promise<void> {
    await this.#asking;
    if (this.#rate !== undefined && (this.#inLine || this.#purse.tokens > 0)) await this.#ask(this.#rate);
  }

  /** Without a lane: nobody waits; returns tokens and leaves the line. */
  async #ask(rate: number, lane?: Lane): Promise<void> {
    const sentAt = performance.now();
    const waiters = lane ? this.#waiting[lane] : [];
    const waiting = weightOf(waiters);
    const want = lane ? Math.max(this.#ahead(sentAt), waiting) : 0;
    const { tokens: back, at: backOf } = this.#purse;
    this.#purse.tokens = 0;
    // From here on: what was spent of it.
    this.#purse.granted -= back;
    this.#counts.asks += 1;
    try {
      const answer = await askRedis(this.#options.redis, this.#keys, {
        worker: this.#worker,
        ratePerSecond: rate,
        lane: lane ?? 'bulk',
        first: waiters[0]?.weight ?? 0,
        waiting,
        want,
        back,
        backOf,
      });
      this.#away = false;
      this.#counts.returned += back;
      this.#accept(answer, sentAt, lane);
    } catch (error) {
      this.#counts.failures += 1;
      this.#complain(error);
      this.#inLine = undefined;
      this.#askAt = performance.now() + RETRY_MS;
    }
  }

  #accept({ granted, waitMs, heldMs, at }: Answer, sentAt: number, lane: Lane | undefined): void {
    if (heldMs > 0) this.#heldUntil = Math.max(this.#heldUntil, sentAt + heldMs);
    // The limit was lifted while we asked.
    if (this.#rate === undefined) return;
    const now = performance.now();
    this.#counts.granted += granted;
    this.#inLine = waitMs > 0 ? lane : undefined;
    this.#askAt = now + waitMs;
    // `giveBack` may have filled the purse meanwhile.
    const tokens = this.#purse.tokens + granted;
    if (granted > 0) this.#purse = { tokens, granted, at, until: now + PURSE_LIFE_MS };
  }

  #ahead(now: number): number {
    const { tokens, granted, until } = this.#purse;
    return tokens === 0 && now < until ? 2 * granted : granted - tokens;
  }

  #spend(weight: number, now: number): boolean {
    if (now < this.#heldUntil) return false;
    if (this.#rate === undefined) {
      this.#look(now);
      return true;
    }
    if (weight > this.#purse.tokens || now > this.#purse.until) return false;
    this.#purse.tokens -= weight;
    return true;
  }

  /** Who never asks for tokens looks now and then whether somebody stopped the channel. */
  #look(now: number): void {
    if (now < this.#lookedAt + LOOK_MS) return;
    this.#lookedAt = Number.POSITIVE_INFINITY;
    this.#options.redis
      .pttl(this.#keys.hold)
      .then((heldMs) => {
        if (heldMs > 0) this.#heldUntil = Math.max(this.#heldUntil, now + heldMs);
      })
      .catch((error) => this.#complain(error))
      .finally(() => {
        this.#lookedAt = performance.now();
      });
  }

  #next(): { lane: Lane; waiter: Waiter } | undefined {
    const lane = this.#waiting.urgent.length > 0 ? 'urgent' : 'bulk';
    const waiter = this.#waiting[lane][0];
    return waiter && { lane, waiter };
  }

  /** Once an outage. */
  #complain(error: unknown): void {
    if (this.#closed || this.#away) return;
    this.#away = true;
    this.#options.warn({ err: error, channelId: this.#options.channelId }, 'limiter.failed');
  }
}

function weightOf(waiters: readonly Waiter[]): number {
  return waiters.reduce((sum, { weight }) => sum + weight, 0);
}

function checkedRate(perSecond: number | undefined): number | undefined {
  if (perSecond === undefined || (perSecond > 0 && Number.isFinite(perSecond))) return perSecond;
  throw new RangeError(`a rate of ${perSecond} a second`);
}

/** Redis may be away, and closing must not wait for it. */
function soon(work: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, CLOSE_MS);
    void work.then(() => {
      clearTimeout(late);
      resolve();
    });
  });
}
