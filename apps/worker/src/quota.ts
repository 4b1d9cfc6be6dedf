import {
  type CalendarDay,
  calendarDay,
  classOf,
  type MessageClass,
  type QuotaPolicy,
  type QuotaRule,
  quotaRuleOf,
} from '@pushmill/core';
import type { ClaimedBatch, ClaimedPush, Store } from '@pushmill/store';

type Quotas = Pick<Store['quotas'], 'reserve' | 'release'>;

/** What waits for a new day comes back spread over so long: the whole channel's at once would be a stampede. */
const SPREAD_MS = 5 * 60_000;
/** What expires before that day comes back at its end, to be ended; those of about the same end together. */
const GRAIN_MS = 2_000;

/** A push that does not fit: ended now, or waiting until then. */
export type Refusal = { action: 'drop'; detail: string } | { action: 'hold'; dueAt: number; detail: string };

export interface RationDeps {
  quotas: Quotas;
  /** By the ledger's clock: milliseconds since the epoch. */
  now: () => number;
  random: () => number;
}

/**
 * What a run may send of its batch today. A push counts once, before its first attempt; one that was tried before was
 * counted then. Throttled or not sent in the end, it has spent no attempt and is given back when the run ends.
 */
export class Ration {
  readonly #batch: ClaimedBatch;
  readonly #rule: QuotaRule;
  readonly #class: MessageClass;
  readonly #deps: RationDeps;
  readonly #day: CalendarDay;
  readonly #granted: Set<number>;
  readonly #deviceSpent: ReadonlySet<number>;
  readonly #asked: ReadonlySet<number>;
  /** Reserved and not sent, as far as this run knows. */
  readonly #open: Set<number>;
  readonly #comesBackAt: number;

  private constructor(
    batch: ClaimedBatch,
    rule: QuotaRule,
    day: CalendarDay,
    places: { asked: number[]; granted: number[]; deviceSpent: number[]; open: number[] },
    deps: RationDeps,
  ) {
    this.#batch = batch;
    this.#rule = rule;
    this.#class = classOf(batch.lane);
    this.#deps = deps;
    this.#day = day;
    this.#asked = new Set(places.asked);
    this.#granted = new Set(places.granted);
    this.#deviceSpent = new Set(places.deviceSpent);
    this.#open = new Set(places.open);
    this.#comesBackAt = day.endsAt + Math.floor(deps.random() * SPREAD_MS);
  }

  /**
   * Reserves for those of the batch's pushes that are to be sent for the first time. One statement, and none for a
   * channel without a quota for the class. A reservation of a holder that died is gone on with; one of another day
   * goes back first.
   * @returns 'outdated' when the batch has another holder; undefined when nothing is rationed
   */
  static async take(
    batch: ClaimedBatch,
    quota: QuotaPolicy | undefined,
    deps: RationDeps,
  ): Promise<Ration | 'outdated' | undefined> {
    const messageClass = classOf(batch.lane);
    const rule = quotaRuleOf(quota, messageClass);
    const day = rule && calendarDay(deps.now(), rule.timeZone);
    let found = batch.reservation;
    if (found && found.day !== day?.name) {
      await deps.quotas.release(batch, messageClass);
      found = undefined;
    }
    if (!rule || !day) return undefined;
    const pushes = batch.pushes.filter((push) => isToBeSent(push, batch, deps.now()));
    const grant =
      pushes.length === 0
        ? { granted: [], deviceSpent: [] }
        : await deps.quotas.reserve(batch, {
            class: messageClass,
            day: day.name,
            perDay: rule.perDay,
            perDevice: rule.perDevice,
            pushes,
          });
    if (!grant) return 'outdated';
    const places = {
      asked: pushes.map((push) => push.place),
      ...grant,
      // Which of these the one that died has sent is known to the ledger alone.
      open: [...grant.granted, ...(found?.places ?? [])],
    };
    return new Ration(batch, rule, day, places, deps);
  }

  /** What becomes of a push that the day, or its device, has no room for; undefined for every other. */
  refusal(push: ClaimedPush, expiresAt: number): Refusal | undefined {
    if (!this.#asked.has(push.place) || this.#granted.has(push.place)) return undefined;
    const spent = this.#spent(push);
    if (this.#rule.whenSpent === 'drop') return { action: 'drop', detail: `${spent}.` };
    const dueAt = Math.min(this.#comesBackAt, Math.ceil(expiresAt / GRAIN_MS) * GRAIN_MS);
    return { action: 'hold', dueAt, detail: `${spent}; it waits for the next day.` };
  }

  /** Whether the push may go now. The day may have ended since, and the next run asks for the new one. */
  covers(push: ClaimedPush): boolean {
    if (push.attempts > 0) return true;
    return this.#granted.has(push.place) && this.#deps.now() < this.#day.endsAt;
  }

  /** An attempt was spent on the push. */
  spend(push: ClaimedPush): void {
    this.#open.delete(push.place);
  }

  /** Whether something may have to go back when the run ends. */
  get isOpen(): boolean {
    return this.#open.size > 0;
  }

  /** Gives back what was not sent. All outcomes must be recorded. */
  release(): Promise<void> {
    return this.#deps.quotas.release(this.#batch, this.#class);
  }

  #spent(push: ClaimedPush): string {
    const { perDay, perDevice, timeZone } = this.#rule;
    const of = this.#deviceSpent.has(push.place)
      ? `quota of ${perDevice} for a device`
      : `channel’s quota of ${perDay}`;
    return `the ${of} ${this.#class} pushes a day is spent for ${this.#day.name} (${timeZone})`;
  }
}

/** What is over or stands still is not asked for: it will not be sent now. */
function isToBeSent(push: ClaimedPush, batch: ClaimedBatch, now: number): boolean {
  const message = batch.messages.get(push.messageId);
  if (!message || message.cancelled || message.paused || push.attempts > 0) return false;
  return now < (push.expiresAt ?? message.expiresAt).getTime();
}
