const minuteMs = 60_000;

/**
 * A quota of so many a minute: filled anew every minute, counted from the first use and not from the clock's minute.
 * @see Firebase, "FCM throttling and quotas"
 */
export class MinuteQuota {
  perMinute: number;
  readonly #now: () => number;
  readonly #used = new Map<string, { since: number; count: number }>();

  /** @param now  milliseconds */
  constructor(perMinute: number, now: () => number) {
    this.perMinute = perMinute;
    this.#now = now;
  }

  /** @returns  undefined when there was one left, else after how many ms there will be */
  take(name: string): number | undefined {
    const now = this.#now();
    let used = this.#used.get(name);
    if (used === undefined || now - used.since >= minuteMs) {
      used = { since: now, count: 0 };
      this.#used.set(name, used);
    }
    if (used.count >= this.perMinute) return used.since + minuteMs - now;
    used.count += 1;
    return undefined;
  }
}
