import type { Faults, PlannedAnswer } from '../emulator.ts';

/** What happens to one call, after its signature and fields were found good. */
export interface CallFate {
  /** What the answer says about the call as a whole. */
  answer: Exclude<PlannedAnswer, 'dropped' | 'token-dead'>;
  /** Targets that are none. */
  dead: ReadonlySet<string>;
  slow: boolean;
}

const none: ReadonlySet<string> = new Set();

/**
 * Answers planned by target, and chance for the rest. The API answers for a whole call and lists dead tokens
 * beside it, so a dead target concerns itself alone, while any other trouble is everybody's: the first target
 * with such a plan decides for its neighbours, whose plans stay for their next call.
 */
export class AnswerPlan {
  readonly #planned = new Map<string, PlannedAnswer[]>();
  readonly #random: () => number;
  #faults: Faults = {};

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
  }

  /** @param skipsInvalid  otherwise one dead target fails the call, and is dead still in the next one */
  decide(targets: readonly string[], skipsInvalid: boolean): CallFate {
    const hasFaults = Object.keys(this.#faults).length > 0;
    if (this.#planned.size === 0 && !hasFaults) return { answer: 'accepted', dead: none, slow: false };
    const slow = this.#faults.slow !== undefined && this.#random() < this.#faults.slow;
    const dead = new Set<string>();
    let decisive: string | undefined;
    let answer: CallFate['answer'] = 'accepted';
    for (const target of targets) {
      const next = this.#planned.get(target)?.[0] ?? (hasFaults ? this.#draw(target) : undefined);
      if (next === 'token-dead') dead.add(target);
      else if (next !== undefined && next !== 'accepted' && next !== 'dropped' && decisive === undefined) {
        decisive = target;
        answer = next;
      }
    }
    if (decisive !== undefined) this.#consume(decisive);
    const isRead = answer === 'accepted' || answer === 'reset' || answer === 'goaway';
    if (isRead && (skipsInvalid || dead.size === 0 || targets.length === 1)) {
      for (const target of targets) {
        const next = this.#planned.get(target)?.[0];
        if (target !== decisive && (next === 'accepted' || next === 'dropped' || next === 'token-dead'))
          this.#consume(target);
      }
    }
    return { answer, dead, slow };
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
