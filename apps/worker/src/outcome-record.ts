import { type Decision, type Outcome, outcomeCode } from '@pushmill/core';
import type { ClaimedPush, OutcomeRecord } from '@pushmill/store';

/** What the ledger is told of an attempt, but for the attempt's own figures. */
export function recordOf(
  push: ClaimedPush,
  outcome: Outcome,
  decision: Decision,
  at: Date,
): Omit<OutcomeRecord, 'attempt'> {
  const isGivenUp = decision.action === 'bury' && decision.state !== 'expired';
  return {
    messageId: push.messageId,
    n: push.n,
    place: push.place,
    state: decision.action === 'finish' ? 'accepted' : decision.action === 'bury' ? decision.state : null,
    code: outcomeCode(outcome) ?? null,
    detail: outcome.detail ?? null,
    vendorMessageId: outcome.kind === 'accepted' ? (outcome.vendorMessageId ?? null) : null,
    ...(decision.action === 'bury' && decision.suppressToken
      ? { deadSince: (outcome.kind === 'token-dead' && outcome.since) || at }
      : {}),
    ...(outcome.kind === 'rejected' && outcome.misfiled ? { misfiled: true } : {}),
    // Nobody can mend a dead token, so there is nothing to keep.
    ...(isGivenUp && outcome.kind !== 'token-dead' ? { deadLetter: true } : {}),
  };
}

/** Throttling and a refused credential are not the push's fault. */
export function spendsAttempt(decision: Decision): boolean {
  return decision.action === 'finish' || decision.action === 'retry' || decision.action === 'bury';
}
