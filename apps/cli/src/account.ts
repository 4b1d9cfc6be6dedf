import { type PushState, pushStates } from '@pushmill/core';
import type { EmulatorAccount } from '@pushmill/vendors';
import type { Comparison } from './ledger-view.ts';
import { byteText, table } from './table.ts';

/** What the ledger and the emulators say after a run, before they are compared. */
export interface Findings {
  requested: number;
  /** From the ledger. */
  states: Partial<Record<PushState, number>>;
  /** Push by push, the ledger's word against the emulators'. */
  comparison: Comparison;
  emulators: Readonly<Record<string, EmulatorAccount>>;
  /** Accepted pushes of vendors that call back, whose receipt is not in. */
  receiptsOutstanding: number;
  /** Callbacks that the receipts service did not believe. */
  receiptsRefused: number;
  durationMs: number;
  redisPeakBytes: number | null;
  postgresBytes: number | null;
  seed: number;
}

export interface Account extends Omit<Findings, 'emulators'> {
  sum: number;
  /** Distinct pushes that the ledger says a vendor took. */
  takenByLedger: number;
  /** Distinct identities that the emulators took. */
  takenByEmulators: number;
  /** Times that an identity was taken again. */
  duplicates: number;
  receiptsSent: number;
  receiptsTaken: number;
  /** Sent by somebody who is not the vendor. */
  receiptsForged: number;
  pushesPerSecond: number;
  emulators: Findings['emulators'];
  /** One sentence for each thing that does not add up. */
  problems: string[];
  balanced: boolean;
}

const takenStates: readonly PushState[] = ['accepted', 'delivered', 'displayed', 'clicked', 'dropped'];

/** Compares what was asked, what the ledger says became of it, and what the other side saw. */
export function balance(findings: Findings): Account {
  const count = (state: PushState) => findings.states[state] ?? 0;
  const total = (states: readonly PushState[]) => states.reduce((sum, state) => sum + count(state), 0);
  type Figure = 'accepted' | 'duplicates' | 'receiptsSent' | 'receiptsTaken' | 'receiptsForged';
  const overAll = (field: Figure) =>
    Object.values(findings.emulators).reduce((sum, emulator) => sum + (emulator[field] ?? 0), 0);

  const sum = total(pushStates);
  const takenByLedger = total(takenStates);
  const takenByEmulators = overAll('accepted');
  const receiptsSent = overAll('receiptsSent');
  const receiptsTaken = overAll('receiptsTaken');
  const receiptsForged = overAll('receiptsForged');
  const problems: string[] = [];
  if (sum !== findings.requested)
    problems.push(`${findings.requested} pushes were requested and the ledger has ${sum}.`);
  if (count('queued') > 0) problems.push(`${count('queued')} pushes are still queued.`);
  const { neverTaken, takenUnknown } = findings.comparison;
  if (neverTaken > 0) problems.push(`The ledger calls ${neverTaken} pushes taken that no emulator took.`);
  if (takenUnknown > 0) {
    problems.push(`The emulators took ${takenUnknown} pushes of which the ledger does not know.`);
  }
  if (receiptsTaken !== receiptsSent) {
    problems.push(`The emulators sent ${receiptsSent} receipts and ${receiptsTaken} were taken.`);
  }
  if (findings.receiptsRefused < receiptsForged) {
    problems.push(
      `${receiptsForged} receipts were forged and only ${findings.receiptsRefused} were refused.`,
    );
  }
  if (findings.receiptsOutstanding > 0) {
    problems.push(`${findings.receiptsOutstanding} accepted pushes have no receipt.`);
  }
  return {
    ...findings,
    sum,
    takenByLedger,
    takenByEmulators,
    duplicates: overAll('duplicates'),
    receiptsSent,
    receiptsTaken,
    receiptsForged,
    pushesPerSecond: Math.round(findings.requested / Math.max(0.001, findings.durationMs / 1000)),
    problems,
    balanced: problems.length === 0,
  };
}

/** The account for people. */
export function accountText(account: Account): string {
  const states = pushStates
    .filter((state) => account.states[state])
    .map((state) => [state, account.states[state]]);
  const emulators = Object.entries(account.emulators).map(([vendor, one]) => [
    vendor,
    one.requests,
    one.accepted,
    one.duplicates,
    Object.values(one.refused).reduce((sum, refused) => sum + refused, 0),
    one.receiptsSent,
    one.receiptsTaken,
    one.receiptsForged ?? 0,
  ]);
  const bytes = (value: number | null) => (value === null ? 'not known' : byteText(value));
  return [
    table(['state', 'pushes'], [...states, ['sum', account.sum], ['requested', account.requested]]),
    '',
    table(
      ['emulator', 'requests', 'taken', 'again', 'refused', 'receipts sent', 'taken by us', 'forged'],
      emulators,
    ),
    '',
    `receipts: ${account.receiptsSent} sent, ${account.receiptsTaken} taken, ${account.receiptsForged} forged and ${account.receiptsRefused} refused`,
    `${account.pushesPerSecond} pushes/s over ${(account.durationMs / 1000).toFixed(1)} s, seed ${account.seed}`,
    `Redis peak ${bytes(account.redisPeakBytes)}, Postgres on disk ${bytes(account.postgresBytes)}`,
    ...account.problems,
    account.balanced ? 'The account balances.' : 'The account does not balance.',
  ].join('\n');
}
