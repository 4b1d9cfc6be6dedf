import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Decision, type DecisionInput, decide, defaultRetryPolicy } from './decision.ts';
import type { Outcome } from './outcome.ts';

const now = Date.UTC(2026, 10, 22);
const minute = 60_000;

function inputOf(outcome: Outcome, changes: Partial<DecisionInput> = {}): DecisionInput {
  return {
    outcome,
    attempt: 1,
    policy: defaultRetryPolicy,
    vendorIdentity: true,
    expiresAt: now + 60 * minute,
    now,
    random: () => 0.5,
    ...changes,
  };
}

const accepted: Outcome = { kind: 'accepted', vendorMessageId: 'v1' };
const dead: Outcome = { kind: 'token-dead', code: 'Unregistered' };
const rejected: Outcome = { kind: 'rejected', code: 'BadTopic', detail: 'no' };
const misconfigured: Outcome = { kind: 'misconfigured', code: 'InvalidProviderToken', detail: 'no' };
const throttled = (retryAfterMs?: number): Outcome => ({
  kind: 'throttled',
  code: 'TooManyRequests',
  scope: 'channel',
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});
const unavailable = (mayHaveArrived: boolean, retryAfterMs?: number): Outcome => ({
  kind: 'unavailable',
  code: 'timeout',
  mayHaveArrived,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});
const bury = (state: 'failed' | 'expired' | 'unknown', suppressToken = false): Decision => ({
  action: 'bury',
  state,
  suppressToken,
});
const retry = (delayMs: number): Decision => ({ action: 'retry', delayMs });
const snooze = (delayMs: number): Decision => ({ action: 'snooze', delayMs });

const last = defaultRetryPolicy.maxAttempts;
const resend = { policy: { ...defaultRetryPolicy, unanswered: 'resend' as const }, vendorIdentity: false };
const hold = { vendorIdentity: false };

const cases: [string, DecisionInput, Decision][] = [
  ['accepted ends well', inputOf(accepted), { action: 'finish' }],
  [
    'accepted after the expiry is still accepted',
    inputOf(accepted, { expiresAt: now - 1 }),
    { action: 'finish' },
  ],
  ['a dead token ends the push and is suppressed', inputOf(dead), bury('failed', true)],
  ['a rejected push ends, its token stays', inputOf(rejected), bury('failed')],
  ['a refused credential pauses the channel', inputOf(misconfigured), { action: 'pause-channel' }],
  [
    'a refused credential pauses also at the last attempt and past the expiry',
    inputOf(misconfigured, { attempt: last + 5, expiresAt: now - 1 }),
    { action: 'pause-channel' },
  ],

  ['throttled without a delay waits a part of the policy’s', inputOf(throttled()), snooze(1_000)],
  ['throttled with a delay waits as long as asked', inputOf(throttled(7_000)), snooze(7_000)],
  ['throttled for ever is never given up', inputOf(throttled(7_000), { attempt: 1_000 }), snooze(7_000)],
  ['throttled past the expiry expires', inputOf(throttled(60 * minute)), bury('expired')],
  [
    'throttled to one ms before the expiry waits',
    inputOf(throttled(60 * minute - 1)),
    snooze(60 * minute - 1),
  ],
  ['a delay of part of a millisecond is rounded up', inputOf(throttled(1_500.2)), snooze(1_501)],
  ['a delay that is no number counts as none', inputOf(throttled(Number.NaN)), snooze(1_000)],
  ['a delay below zero is none at all', inputOf(throttled(-5)), snooze(0)],
  ['an endless delay expires', inputOf(throttled(Number.MAX_VALUE)), bury('expired')],

  ['unavailable is tried again', inputOf(unavailable(false)), retry(500)],
  ['the second time it waits longer', inputOf(unavailable(false), { attempt: 2 }), retry(1_000)],
  ['… and longer', inputOf(unavailable(false), { attempt: 7 }), retry(32_000)],
  [
    '… up to the cap',
    inputOf(unavailable(false), {
      attempt: 40,
      policy: { ...defaultRetryPolicy, maxAttempts: 100, maxDelayMs: 10_000 },
    }),
    retry(5_000),
  ],
  ['full jitter: from nothing', inputOf(unavailable(false), { random: () => 0 }), retry(0)],
  ['… to the whole', inputOf(unavailable(false), { random: () => 0.9999 }), retry(1_000)],
  ['Retry-After is a lower bound', inputOf(unavailable(false, 20_000)), retry(20_000)],
  ['… and does not shorten the backoff', inputOf(unavailable(false, 10), { attempt: 5 }), retry(8_000)],
  ['a Retry-After past the expiry expires', inputOf(unavailable(false, 61 * minute)), bury('expired')],
  ['the last attempt fails it', inputOf(unavailable(false), { attempt: last }), bury('failed')],
  ['the one before does not', inputOf(unavailable(false), { attempt: last - 1 }), retry(32_000)],

  ['unanswered, with an identity: again', inputOf(unavailable(true)), retry(500)],
  [
    'unanswered, with an identity, last: unknown',
    inputOf(unavailable(true), { attempt: last }),
    bury('unknown'),
  ],
  [
    'unanswered, with an identity, no time left: unknown',
    inputOf(unavailable(true, 61 * minute)),
    bury('unknown'),
  ],
  ['unanswered, no identity, hold: unknown', inputOf(unavailable(true), hold), bury('unknown')],
  ['unanswered, no identity, resend: again', inputOf(unavailable(true), resend), retry(500)],
  [
    'unanswered, no identity, resend, last: unknown',
    inputOf(unavailable(true), { ...resend, attempt: last }),
    bury('unknown'),
  ],
  ['surely not arrived, no identity, hold: again', inputOf(unavailable(false), hold), retry(500)],
];

const anOutcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc.constantFrom(accepted, dead, rejected, misconfigured),
  fc
    .option(fc.double({ min: -1e6, max: 1e12, noNaN: false }), { nil: undefined })
    .map((retryAfterMs) => throttled(retryAfterMs)),
  fc
    .tuple(fc.boolean(), fc.option(fc.double({ min: -1e6, max: 1e12, noNaN: false }), { nil: undefined }))
    .map(([mayHaveArrived, retryAfterMs]) => unavailable(mayHaveArrived, retryAfterMs)),
);

const anInput: fc.Arbitrary<DecisionInput> = fc
  .record({
    outcome: anOutcome,
    attempt: fc.integer({ min: 1, max: 2_000 }),
    policy: fc.record({
      maxAttempts: fc.integer({ min: 1, max: 100 }),
      baseDelayMs: fc.integer({ min: 1, max: 60_000 }),
      maxDelayMs: fc.integer({ min: 1, max: 86_400_000 }),
      throttleDelayMs: fc.integer({ min: 1, max: 600_000 }),
      unanswered: fc.constantFrom('resend' as const, 'hold' as const),
    }),
    vendorIdentity: fc.boolean(),
    timeLeftMs: fc.integer({ min: -1_000_000, max: 30 * 86_400_000 }),
    chance: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  })
  .map(({ timeLeftMs, chance, ...rest }) => ({
    ...rest,
    now,
    expiresAt: now + timeLeftMs,
    random: () => chance,
  }));

const holds = (claim: (input: DecisionInput, decision: Decision) => boolean) => () =>
  fc.assert(
    fc.property(anInput, (input) => claim(input, decide(input))),
    { numRuns: 2_000 },
  );

describe('decide', () => {
  for (const [name, input, expected] of cases) {
    it(name, () => assert.deepEqual(decide(input), expected));
  }

  it(
    'never waits to the expiry or past it',
    holds((input, decision) => !('delayMs' in decision) || input.now + decision.delayMs < input.expiresAt),
  );
  it(
    'gives delays that a ledger can hold: whole milliseconds, not below zero',
    holds(
      (_, decision) =>
        !('delayMs' in decision) || (Number.isSafeInteger(decision.delayMs) && decision.delayMs >= 0),
    ),
  );
  it(
    'waits at least as long as the vendor asked',
    holds((input, decision) => {
      const askedMs = 'retryAfterMs' in input.outcome ? input.outcome.retryAfterMs : undefined;
      return !('delayMs' in decision) || !askedMs || decision.delayMs >= askedMs;
    }),
  );
  it(
    'never spends an attempt, and never fails a push, on throttling or a refused credential',
    holds(({ outcome }, decision) => {
      if (outcome.kind === 'misconfigured') return decision.action === 'pause-channel';
      if (outcome.kind !== 'throttled') return true;
      return decision.action === 'snooze' || (decision.action === 'bury' && decision.state === 'expired');
    }),
  );
  it(
    'suppresses a token on evidence about the token only',
    holds(
      ({ outcome }, decision) =>
        (decision.action === 'bury' && decision.suppressToken) === (outcome.kind === 'token-dead'),
    ),
  );
  it(
    'never sends a second copy blindly: unanswered without identity is held, or resent when the policy says so',
    holds((input, decision) => {
      const { outcome, policy, vendorIdentity } = input;
      const ambiguous = outcome.kind === 'unavailable' && outcome.mayHaveArrived && !vendorIdentity;
      return !ambiguous || policy.unanswered === 'resend' || decision.action === 'bury';
    }),
  );
  it(
    'never calls a push failed or expired that may have arrived',
    holds(({ outcome }, decision) => {
      const mayHaveArrived = outcome.kind === 'unavailable' && outcome.mayHaveArrived;
      return !mayHaveArrived || decision.action !== 'bury' || decision.state === 'unknown';
    }),
  );
  it(
    'ends: no retry at or past the last attempt',
    holds((input, decision) => decision.action !== 'retry' || input.attempt < input.policy.maxAttempts),
  );
});
