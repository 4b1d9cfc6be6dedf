import { type Decision, type Outcome, outcomeCode } from '@pushmill/core';
import type { ClaimedPush, OutcomeRecord } from '@pushmill/store';

/** What a call came to, for each of its pushes. */
export interface CallResult {
  outcome: Outcome;
  decision: Decision;
  /** By the ledger's clock. */
  at: Date;
  durationMs: number;
}

/** What the ledger is told of an attempt. */
export function recordOf(push: ClaimedPush, result: CallResult): OutcomeRecord {
  const { outcome, decision, at } = result;
  const record: OutcomeRecord = {
    messageId: push.messageId,
    n: push.n,
    place: push.place,
    state: decision.action === 'finish' ? 'accepted' : decision.action === 'bury' ? decision.state : null,
    code: outcomeCode(outcome) ?? null,
    detail: outcome.detail ?? null,
    vendorMessageId: outcome.kind === 'accepted' ? (outcome.vendorMessageId ?? null) : null,
    attempt: {
      at,
      durationMs: Math.round(result.durationMs),
      kind: outcome.kind,
      action: decision.action,
      delayMs: 'delayMs' in decision ? decision.delayMs : null,
      spent: spendsAttempt(decision),
    },
  };
  if (outcome.kind === 'rejected' && outcome.misfiled) record.misfiled = true;
  if (decision.action !== 'bury') return record;
  if (decision.suppressToken) record.deadSince = (outcome.kind === 'token-dead' && outcome.since) || at;
  // Nobody can mend a dead token, so there is nothing to keep.
  if (decision.state !== 'expired' && outcome.kind !== 'token-dead') record.deadLetter = true;
  return record;
}

/** Throttling and a refused credential are not the push's fault. */
export function spendsAttempt(decision: Decision): boolean {
  return decision.action === 'finish' || decision.action === 'retry' || decision.action === 'bury';
}
