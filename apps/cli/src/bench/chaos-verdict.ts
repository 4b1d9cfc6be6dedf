import { type PushState, pushStates } from '@pushmill/core';
import { byteText, table } from '../table.ts';
import { CANCEL_GRACE_MS, type ChaosFindings, DATING_TOLERANCE_MS } from './chaos-findings.ts';
import type { Offence } from './ledger-audit.ts';

/** One thing that must hold, and whether it did. */
export interface Judgement {
  what: string;
  holds: boolean;
  /** What was found. */
  detail: string;
  /** A push that broke it. */
  example: string | null;
}

/** Holds the findings against what the design promises. */
export function judge(findings: ChaosFindings): Judgement[] {
  const count = (state: PushState) => findings.states[state] ?? 0;
  const sum = pushStates.reduce((total, state) => total + count(state), 0);
  const sum_ = (field: 'receiptsSent' | 'receiptsTaken') =>
    Object.values(findings.vendors).reduce((total, vendor) => total + vendor[field], 0);
  const plain = (what: string, holds: boolean, detail: string): Judgement => ({
    what,
    holds,
    detail,
    example: null,
  });
  const none = (what: string, found: Offence, detail = `${found.count}`): Judgement => ({
    what,
    holds: found.count === 0,
    detail,
    example: found.example,
  });
  const peak = findings.redisPeakBytes;
  const [sent, taken] = [sum_('receiptsSent'), sum_('receiptsTaken')];
  return [
    plain(
      'every requested push is in the ledger once',
      sum === findings.requested,
      `${findings.requested} requested, ${sum} there`,
    ),
    plain('every push has reached its end', count('queued') === 0, `${count('queued')} still queued`),
    none('what the ledger calls taken, its vendor took', findings.neverTaken),
    none('what a vendor took, the ledger knows of', findings.takenUnknown),
    none('nothing was taken twice without a reason', findings.sentTwice),
    none('no call is in the record twice', findings.recordedTwice),
    none(
      `no call is dated more than ${DATING_TOLERANCE_MS / 1000} s later than its record`,
      findings.calledInTheFuture,
    ),
    ...Object.entries(findings.vendors).map(([name, vendor]) =>
      vendor.hasIdentity
        ? plain(
            `second copies at ${name} within the bound`,
            vendor.duplicates <= vendor.inHand + vendor.unanswered,
            `${vendor.duplicates}, of at most ${vendor.inHand} in hand + ${vendor.unanswered} unanswered`,
          )
        : plain(
            `no second copy at ${name}, which has no identity`,
            vendor.duplicates === 0,
            `${vendor.duplicates}`,
          ),
    ),
    none(
      'no attempt was spent on a refused credential',
      findings.refusals,
      `${findings.refusals.count}, of ${findings.refusals.refusals} refusals`,
    ),
    none(
      'no call began after its push had expired',
      findings.afterExpiry,
      `${findings.afterExpiry.count}; ${findings.expired} expired unsent`,
    ),
    none(
      `no call began later than ${CANCEL_GRACE_MS} ms after a cancellation`,
      findings.afterCancel,
      `${findings.afterCancel.count}; ${findings.cancelled} cancelled unsent`,
    ),
    none('no push arrived after its expiry', findings.arrivedAfterExpiry),
    none('no push arrived after its cancellation was acknowledged', findings.arrivedAfterCancel),
    plain('every receipt was taken', sent === taken, `${sent} sent, ${taken} taken`),
    ...Object.entries(findings.vendors)
      .filter(([, { forgeriesTaken }]) => forgeriesTaken !== null)
      .map(([name, { forgeriesTaken, receiptsForged }]) =>
        plain(
          `no forged receipt of ${name} was believed`,
          forgeriesTaken === 0,
          `${forgeriesTaken}, of ${receiptsForged} forged`,
        ),
      ),
    plain(
      'Redis stayed under its bound',
      peak !== null && peak <= findings.redisBoundBytes,
      `${peak === null ? 'not known' : byteText(peak)} of ${byteText(findings.redisBoundBytes)}`,
    ),
  ];
}

/** The report for people. */
export function chaosText(findings: ChaosFindings, judgements: readonly Judgement[]): string {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  const states = pushStates.filter((state) => findings.states[state]);
  const { urgentMs } = findings;
  const broken = judgements.filter(({ holds }) => !holds);
  return [
    `seed ${findings.seed}, ${seconds(findings.durationMs)}, ${findings.repeats} calls to the apis repeated`,
    '',
    table(
      ['at', 'done'],
      findings.done.map(({ atMs, what }) => [seconds(atMs), what]),
    ),
    ...(findings.pauses.length === 0
      ? []
      : [
          '',
          table(
            ['at', 'paused', 'because'],
            findings.pauses.map(({ atMs, channel, code, expected }) => [
              seconds(atMs),
              channel,
              expected ? `${code} (done to it)` : code,
            ]),
          ),
        ]),
    '',
    table(
      ['silent worker', 'pushes in hand'],
      findings.inHand.map(({ worker, count }) => [worker, count]),
    ),
    '',
    table(
      ['state', 'pushes'],
      [...states.map((state) => [state, findings.states[state]]), ['requested', findings.requested]],
    ),
    '',
    table(
      [
        'emulator',
        'requests',
        'taken',
        'again',
        'in hand',
        'unanswered',
        'receipts',
        'taken by us',
        'forged',
      ],
      Object.entries(findings.vendors).map(([name, vendor]) => [
        name,
        vendor.requests,
        vendor.accepted,
        vendor.duplicates,
        vendor.inHand,
        vendor.unanswered,
        vendor.receiptsSent,
        vendor.receiptsTaken,
        vendor.receiptsForged ?? 0,
      ]),
    ),
    '',
    `urgent pushes while bulk waited and all this went on: p50 ${urgentMs.p50} ms, p99 ${urgentMs.p99} ms (${urgentMs.count} seen)`,
    '',
    table(
      ['', 'must hold', 'found'],
      judgements.map(({ what, holds, detail, example }) => [
        holds ? 'ok' : 'BROKEN',
        what,
        example === null ? detail : `${detail}, e.g. ${example}`,
      ]),
    ),
    ...Object.entries(findings.stories).flatMap(([id, lines]) => [
      '',
      id,
      ...lines.map((line) => `  ${line}`),
    ]),
    '',
    broken.length === 0 ? 'Everything held.' : `${broken.length} of ${judgements.length} did not hold.`,
  ].join('\n');
}
