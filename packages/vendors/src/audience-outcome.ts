import type { Outcome } from '@pushmill/core';

/** Behind an audience, or in a question, there is no one token to forget, whatever the code says. */
export function withoutToken(outcome: Outcome): Outcome {
  if (outcome.kind !== 'token-dead') return outcome;
  return { kind: 'rejected', code: outcome.code, detail: outcome.detail ?? outcome.code };
}
