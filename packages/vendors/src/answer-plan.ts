import type { Faults, PlannedAnswer } from './emulator.ts';

/** Answers planned by target (a token, or what stands for an audience), and chance for the rest. */
export class AnswerPlan {
  readonly #planned = new Map<string, PlannedAnswer[]>();
  readonly #random: () => number;
  #faults: Faults = {};
  #hasFaults = false;

  constructor(random: () => number) {
    this.#random = random;
  }

  plan(target: string, answers: readonly PlannedAnswer[]): void {
    const queue = this.#planned.get(target);
    if (queue === undefined) this.#planned.set(target, [...answers]);
    else queue.push(...answers);
  }

  setFaults(faults: Faults): void {
    this.#faults = { ...faults };
    this.#hasFaults = Object.keys(faults).length > 0;
  }

  chance(fault: keyof Faults): boolean {
    const probability = this.#faults[fault];
    return probability !== undefined && this.#random() < probability;
  }

  /** Nothing was planned and nothing is left to chance, as almost always. */
  protected get isPlain(): boolean {
    return this.#planned.size === 0 && !this.#hasFaults;
  }

  /** What this target gets next, by its plan or by chance; it stays planned until it is spent. */
  protected next(target: string): PlannedAnswer | undefined {
    return this.planned(target) ?? (this.#hasFaults ? this.#draw(target) : undefined);
  }

  protected planned(target: string): PlannedAnswer | undefined {
    return this.#planned.get(target)?.[0];
  }

  protected spend(target: string): void {
    const queue = this.#planned.get(target);
    queue?.shift();
    if (queue?.length === 0) this.#planned.delete(target);
  }

  /** One draw a push over all kinds, so that probabilities add up. A hit becomes the target's plan. */
  #draw(target: string): PlannedAnswer | undefined {
    let point: number | undefined;
    for (const [fault, probability] of Object.entries(this.#faults)) {
      if (fault === 'slow' || fault.endsWith('-receipt') || probability === undefined) continue;
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

/** What happens to one call, after its signature and fields were found good. */
export interface CallFate {
  answer: Exclude<PlannedAnswer, 'dropped'>;
  /** Targets of an accepted call whose receipt tells of a failure. */
  dropped: ReadonlySet<string>;
  slow: boolean;
}

const none: ReadonlySet<string> = new Set();
const plainFate: CallFate = { answer: 'accepted', dropped: none, slow: false };

/** Kinds that the vendor would repeat for as long as the same bad target is among the call's. */
const perTarget = new Set<PlannedAnswer>(['rejected', 'token-dead']);

/**
 * For vendors that have one answer for a whole call, of one target or of many: the first planned target decides
 * for all its neighbours. When it is the target itself that is bad, a call with several targets leaves its plan
 * in place: it is as bad in the next call, until it is asked alone.
 */
export class CallPlan extends AnswerPlan {
  decide(targets: readonly string[]): CallFate {
    if (this.isPlain) return plainFate;
    const slow = this.chance('slow');
    let decisive: string | undefined;
    for (const target of targets) {
      const next = this.next(target);
      if (decisive === undefined && next !== undefined && next !== 'accepted' && next !== 'dropped') {
        decisive = target;
      }
    }
    if (decisive === undefined) return { answer: 'accepted', dropped: this.#takeDropped(targets), slow };
    const answer = this.planned(decisive) as CallFate['answer'];
    const isTaken = answer === 'reset' || answer === 'goaway';
    if (!perTarget.has(answer) || targets.length === 1) this.spend(decisive);
    return { answer, dropped: isTaken ? this.#takeDropped(targets, decisive) : none, slow };
  }

  /** Spends one planned answer of each target that the call took. */
  #takeDropped(targets: readonly string[], except?: string): Set<string> {
    const dropped = new Set<string>();
    for (const target of targets) {
      const next = this.planned(target);
      if (target === except || (next !== 'accepted' && next !== 'dropped')) continue;
      if (next === 'dropped') dropped.add(target);
      this.spend(target);
    }
    return dropped;
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
