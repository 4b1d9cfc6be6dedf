import type { Faults, PlannedAnswer } from './emulator.ts';

/** What happens to one call, after its signature and fields were found good. */
export interface CallFate {
  answer: Exclude<PlannedAnswer, 'dropped'>;
  /** Targets of an accepted call whose receipt tells of a failure. */
  dropped: ReadonlySet<string>;
  slow: boolean;
}

/** Kinds that the vendor would repeat for as long as the same bad target is among the call's. */
const perTarget = new Set<PlannedAnswer>(['rejected', 'token-dead']);

/**
 * Answers planned by token, and chance for the rest.
 *
 * For vendors that have one answer for a whole call: the first planned target decides for all its neighbours.
 * When it is the target itself that is bad, a call with several targets leaves its plan in place: it is as bad
 * in the next call, until it is asked alone.
 */
export class AnswerPlan {
  readonly #planned = new Map<string, PlannedAnswer[]>();
  readonly #random: () => number;
  #faults: Faults = {};

  constructor(random: () => number) {
    this.#random = random;
  }

  plan(token: string, answers: readonly PlannedAnswer[]): void {
    const queue = this.#planned.get(token);
    if (queue === undefined) this.#planned.set(token, [...answers]);
    else queue.push(...answers);
  }

  setFaults(faults: Faults): void {
    this.#faults = { ...faults };
  }

  chance(fault: keyof Faults): boolean {
    const probability = this.#faults[fault];
    return probability !== undefined && this.#random() < probability;
  }

  decide(targets: readonly string[]): CallFate {
    const slow = this.chance('slow');
    let decisive: string | undefined;
    for (const target of targets) {
      const next = this.#planned.get(target)?.[0] ?? this.#draw(target);
      if (decisive === undefined && next !== undefined && next !== 'accepted' && next !== 'dropped') {
        decisive = target;
      }
    }
    const none = new Set<string>();
    if (decisive !== undefined) {
      const answer = this.#planned.get(decisive)?.[0] as CallFate['answer'];
      const taken = answer === 'reset' || answer === 'goaway';
      if (!perTarget.has(answer) || targets.length === 1) this.#consume(decisive);
      return { answer, dropped: taken ? this.#takeDropped(targets, decisive) : none, slow };
    }
    return { answer: 'accepted', dropped: this.#takeDropped(targets), slow };
  }

  /** Spends one planned answer of each target that the call took. */
  #takeDropped(targets: readonly string[], except?: string): Set<string> {
    const dropped = new Set<string>();
    for (const target of targets) {
      const next = this.#planned.get(target)?.[0];
      if (target === except || (next !== 'accepted' && next !== 'dropped')) continue;
      if (next === 'dropped') dropped.add(target);
      this.#consume(target);
    }
    return dropped;
  }

  #consume(target: string): void {
    const queue = this.#planned.get(target);
    queue?.shift();
    if (queue?.length === 0) this.#planned.delete(target);
  }

  /** One draw a push over all kinds, so that probabilities add up. A hit becomes the target's plan. */
  #draw(target: string): PlannedAnswer | undefined {
    let point: number | undefined;
    for (const [fault, probability] of Object.entries(this.#faults)) {
      if (fault === 'slow' || fault === 'duplicate-receipt' || probability === undefined) continue;
      point ??= this.#random();
      point -= probability;
      if (point < 0) {
        this.#planned.set(target, [fault as PlannedAnswer]);
        return fault as PlannedAnswer;
      }
    }
    return undefined;
  }
}

/** Mulberry32: the same seed gives the same run. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
