import type { Outcome } from './outcome.ts';
import type { QuotaPolicy } from './quota.ts';

/** How a channel treats pushes that did not go through. */
export interface RetryPolicy {
  /** Attempts that end without an answer or with a server error before the push is given up. */
  maxAttempts: number;
  /** First delay of the exponential backoff; doubles with each attempt. */
  baseDelayMs: number;
  maxDelayMs: number;
  /** Delay after a throttling answer that names none. */
  throttleDelayMs: number;
  /**
   * What to do with a push that may have arrived unanswered at a vendor that offers no identity:
   * `resend` risks a second copy, `hold` ends it as `unknown`.
   */
  unanswered: 'resend' | 'hold';
}

/** All that an operator may set of how a channel sends. */
export interface ChannelPolicy extends RetryPolicy {
  /** Pushes, of all workers together; not bounded when absent. */
  ratePerSecond?: number;
  quota?: QuotaPolicy;
}

export const defaultRetryPolicy: RetryPolicy = {
  maxAttempts: 8,
  baseDelayMs: 1_000,
  maxDelayMs: 15 * 60_000,
  throttleDelayMs: 2_000,
  unanswered: 'hold',
};

export type Decision =
  | { action: 'finish' }
  /** Spends an attempt. */
  | { action: 'retry'; delayMs: number }
  /** Spends no attempt. */
  | { action: 'snooze'; delayMs: number }
  | { action: 'bury'; state: 'failed' | 'expired' | 'unknown'; suppressToken: boolean }
  /** The push waits, unspent, until the channel is repaired. */
  | { action: 'pause-channel' };

export interface DecisionInput {
  outcome: Outcome;
  /** Attempts spent, this one included. */
  attempt: number;
  policy: RetryPolicy;
  /** Whether every attempt carries an identity that the vendor replaces or drops a second copy by. */
  vendorIdentity: boolean;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  now: number;
  /** 0 ≤ x < 1; full jitter keeps a fleet from returning all at once. */
  random: () => number;
}

/** What to do with a push after an outcome. Pure; the worker, the ledger and the tests share it. */
export function decide(input: DecisionInput): Decision {
  const { outcome, attempt, policy } = input;
  switch (outcome.kind) {
    case 'accepted':
      return { action: 'finish' };
    case 'token-dead':
      return { action: 'bury', state: 'failed', suppressToken: true };
    case 'rejected':
      return { action: 'bury', state: 'failed', suppressToken: false };
    case 'misconfigured':
      return { action: 'pause-channel' };
    case 'throttled': {
      const delayMs = askedMs(outcome) ?? jittered(policy.throttleDelayMs, input.random);
      return beforeExpiry(input, { action: 'snooze', delayMs });
    }
    case 'unavailable': {
      const ambiguous = outcome.mayHaveArrived && !input.vendorIdentity;
      if (ambiguous && policy.unanswered === 'hold') {
        return { action: 'bury', state: 'unknown', suppressToken: false };
      }
      if (attempt >= policy.maxAttempts) {
        return { action: 'bury', state: outcome.mayHaveArrived ? 'unknown' : 'failed', suppressToken: false };
      }
      const backoffMs = Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** (attempt - 1));
      const delayMs = Math.max(askedMs(outcome) ?? 0, jittered(backoffMs, input.random));
      return beforeExpiry(input, { action: 'retry', delayMs });
    }
    default:
      return outcome satisfies never;
  }
}

/** No attempt is made after the push's expiry, so waiting past it is pointless. */
function beforeExpiry(input: DecisionInput, wait: Extract<Decision, { delayMs: number }>): Decision {
  if (input.now + wait.delayMs < input.expiresAt) return wait;
  const ambiguous = input.outcome.kind === 'unavailable' && input.outcome.mayHaveArrived;
  return { action: 'bury', state: ambiguous ? 'unknown' : 'expired', suppressToken: false };
}

/** What the vendor asked for, in whole milliseconds; a Retry-After that could not be read is none. */
function askedMs(outcome: { retryAfterMs?: number }): number | undefined {
  const { retryAfterMs } = outcome;
  if (retryAfterMs === undefined || Number.isNaN(retryAfterMs)) return undefined;
  return Math.max(0, Math.ceil(retryAfterMs));
}

function jittered(delayMs: number, random: () => number): number {
  return Math.round(delayMs * random());
}
