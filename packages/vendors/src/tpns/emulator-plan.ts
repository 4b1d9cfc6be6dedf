import { AnswerPlan } from '../answer-plan.ts';
import type { PlannedAnswer } from '../emulator.ts';

/** What happens to one call, after its signature and fields were found good. */
export interface CallFate {
  /** What the answer says about the call as a whole. */
  answer: Exclude<PlannedAnswer, 'dropped' | 'token-dead'>;
  /** Targets that are none. */
  dead: ReadonlySet<string>;
  /** Targets whose message will not arrive. */
  dropped: ReadonlySet<string>;
  slow: boolean;
}

const none: ReadonlySet<string> = new Set();
const plainFate: CallFate = { answer: 'accepted', dead: none, dropped: none, slow: false };

/**
 * The API answers for a whole call and lists dead tokens beside it, so a dead target concerns itself alone, while
 * any other trouble is everybody's: the first target with such a plan decides for its neighbours, whose plans stay
 * for their next call.
 */
export class TargetPlan extends AnswerPlan {
  /** @param skipsInvalid  otherwise one dead target fails the call, and is dead still in the next one */
  decide(targets: readonly string[], skipsInvalid: boolean): CallFate {
    if (this.isPlain) return plainFate;
    const slow = this.chance('slow');
    const dead = new Set<string>();
    const dropped = new Set<string>();
    let decisive: string | undefined;
    let answer: CallFate['answer'] = 'accepted';
    for (const target of targets) {
      const next = this.next(target);
      if (next === 'token-dead') dead.add(target);
      else if (next === 'dropped') dropped.add(target);
      else if (next !== undefined && next !== 'accepted' && decisive === undefined) {
        decisive = target;
        answer = next;
      }
    }
    if (decisive !== undefined) this.spend(decisive);
    const isRead = answer === 'accepted' || answer === 'reset' || answer === 'goaway';
    if (isRead && (skipsInvalid || dead.size === 0 || targets.length === 1)) {
      for (const target of targets) {
        const next = this.planned(target);
        if (target !== decisive && (next === 'accepted' || next === 'dropped' || next === 'token-dead'))
          this.spend(target);
      }
    }
    return { answer, dead, dropped, slow };
  }
}
