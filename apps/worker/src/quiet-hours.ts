import { knownZone, quietUntil } from '@pushmill/core';
import type { ClaimedBatch, ClaimedPush } from '@pushmill/store';

const MINUTE_MS = 60_000;

/**
 * At whose devices it is night. A retry, a pause or a backlog may have carried a push into quiet hours that it was
 * planned around.
 */
export class QuietHoursWatch {
  readonly #messages: ClaimedBatch['messages'];
  readonly #now: () => number;
  /** By hours and zone. Both begin and end on whole minutes, so what is found is true for the minute. */
  readonly #ends = new Map<string, number | undefined>();
  #minute = Number.NaN;

  /** @param now  by the ledger's clock: milliseconds since the epoch */
  constructor(messages: ClaimedBatch['messages'], now: () => number) {
    this.#messages = messages;
    this.#now = now;
  }

  /** When the push may be sent, in milliseconds since the epoch; undefined for now. */
  until(push: ClaimedPush): number | undefined {
    const hours = this.#messages.get(push.messageId)?.quietHours;
    if (!hours) return undefined;
    const now = this.#now();
    const minute = Math.floor(now / MINUTE_MS);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#ends.clear();
    }
    const name = `${hours.from} ${hours.to} ${push.timeZone}`;
    if (!this.#ends.has(name)) {
      // What the api took for a zone may be none to another runtime; that must not stop the batch.
      const zone = knownZone(push.timeZone ?? 'UTC') ?? 'UTC';
      this.#ends.set(name, quietUntil(now, hours, zone));
    }
    return this.#ends.get(name);
  }
}
