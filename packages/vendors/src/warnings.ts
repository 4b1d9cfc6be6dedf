import type { SenderDeps } from './vendor.ts';

const maxMatters = 100;

/** Warnings of one channel, each matter once: a message to a million people would otherwise say so a thousand times. */
export class Warnings {
  readonly #channel: string;
  readonly #warn: SenderDeps['warn'];
  readonly #given = new Set<string>();

  constructor(channel: string, warn: SenderDeps['warn']) {
    this.#channel = channel;
    this.#warn = warn;
  }

  once(matter: string, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    if (this.#given.has(matter) || this.#given.size >= maxMatters) return;
    this.#given.add(matter);
    this.always(message, fields);
  }

  /** @param offByMs  see `VendorClock.stamp` */
  clock(vendor: string, offByMs: number): void {
    this.always(`${vendor} refused our time and took its own: the clock of this machine is wrong`, {
      offBySeconds: Math.round(offByMs / 1000),
    });
  }

  always(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#warn({ channel: this.#channel, ...fields }, message);
  }
}
