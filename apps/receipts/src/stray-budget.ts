/**
 * How many refused callbacks of a channel are kept: so many at once, then so many a minute. Whoever knows a
 * channel's address can send rubbish all day; the first pieces say what is wrong, the rest are only counted.
 */
export class StrayBudget {
  readonly #perMinute: number;
  readonly #now: () => number;
  readonly #left = new Map<string, { tokens: number; at: number }>();

  constructor(perMinute: number, now: () => number = Date.now) {
    this.#perMinute = perMinute;
    this.#now = now;
  }

  /** Whether one more may be kept; when so, it is spent. */
  take(channelId: string): boolean {
    const now = this.#now();
    const last = this.#left.get(channelId) ?? { tokens: this.#perMinute, at: now };
    const tokens = Math.min(this.#perMinute, last.tokens + ((now - last.at) / 60_000) * this.#perMinute);
    const taken = tokens >= 1;
    this.#left.set(channelId, { tokens: taken ? tokens - 1 : tokens, at: now });
    return taken;
  }
}
