import type { IncomingHttpHeaders } from 'node:http2';
import type { Faults, PlannedAnswer } from '../emulator.ts';
import { tokenOf } from './emulator-checks.ts';

/** What sound requests get: what was planned for their token, else what chance says, else yes. */
export class AnswerPlan {
  readonly #plans = new Map<string, PlannedAnswer[]>();
  readonly #random: () => number;
  #faults: [fault: keyof Faults, probability: number][] = [];

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  add(token: string, answers: readonly PlannedAnswer[]): void {
    this.#plans.set(token, [...(this.#plans.get(token) ?? []), ...answers]);
  }

  setFaults(faults: Faults): void {
    const entries = Object.entries(faults) as [keyof Faults, number][];
    this.#faults = entries.filter(([, probability]) => probability > 0);
  }

  next(headers: IncomingHttpHeaders): PlannedAnswer | keyof Faults {
    const planned = this.#plans.size === 0 ? undefined : this.#take(tokenOf(headers));
    if (planned !== undefined) return planned;
    if (this.#faults.length === 0) return 'accepted';
    let chance = this.#random();
    for (const [fault, probability] of this.#faults) {
      chance -= probability;
      if (chance < 0) return fault;
    }
    return 'accepted';
  }

  /** How long a slow answer takes. */
  slowMs(): number {
    return 200 + Math.floor(this.#random() * 1_000);
  }

  #take(token: string): PlannedAnswer | undefined {
    const plan = this.#plans.get(token);
    const answer = plan?.shift();
    if (plan?.length === 0) this.#plans.delete(token);
    return answer;
  }
}

/** mulberry32: small, fast, and the same on every machine for one seed. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
