import type { PushState } from '@pushmill/core';
import type { Emulator, EmulatorAccount } from '@pushmill/vendors';
import type { ChaosLoad } from './chaos-load.ts';
import type { Disturbances, Done } from './disturbances.ts';
import type { InHand } from './in-hand.ts';
import type { LedgerAudit, Offence, RecordedCalls } from './ledger-audit.ts';
import { namesOf, quantile, type WatchedPush } from './watch.ts';

/** Everything that a run found out, before it is judged. */
export interface ChaosFindings {
  seed: number;
  durationMs: number;
  requested: number;
  /** Calls of the producer that were not answered, or with an error of the api, and were repeated. */
  repeats: number;
  states: Partial<Record<PushState, number>>;
  done: readonly Done[];
  inHand: readonly InHand[];
  pauses: Disturbances['pauses'];
  vendors: Readonly<Record<string, VendorFindings>>;
  /** The ledger calls them taken, and no emulator took them. */
  neverTaken: Offence;
  /** An emulator took them, and neither the ledger nor anything that happened explains it. */
  takenUnknown: Offence;
  /** The vendor took them twice, and nothing that happened explains it. */
  sentTwice: Offence;
  recordedTwice: Offence;
  /** Calls dated later than they were recorded. */
  calledInTheFuture: Offence;
  refusals: Offence & { refusals: number };
  afterExpiry: Offence;
  afterCancel: Offence;
  /** The same, as the emulators' clock has it. */
  arrivedAfterExpiry: Offence;
  arrivedAfterCancel: Offence;
  expired: number;
  cancelled: number;
  redisPeakBytes: number | null;
  redisBoundBytes: number;
  urgentMs: { count: number; p50: number | null; p99: number | null };
  /** Of each example of something wrong, what the ledger tells of it. */
  stories: Readonly<Record<string, readonly string[]>>;
}

export interface VendorFindings extends EmulatorAccount {
  hasIdentity: boolean;
  /** In flight and unrecorded whenever a worker was killed or frozen. */
  inHand: number;
  /** Calls about a push that were not answered, or with a server's error, and may be repeated. */
  unanswered: number;
  /** Forged receipts that were answered as if they were real, where the emulator tells. */
  forgeriesTaken: number | null;
}

/** Past this, a push that reaches its vendor was not on its way any more when it ended. */
const ON_ITS_WAY_MS = 2_000;
/** A batch in a worker's hands hears of a cancellation with its next group of outcomes. */
export const CANCEL_GRACE_MS = 1_000;

/**
 * What a worker makes of the ledger's time is ahead by as long as it waited for its batch, so that nothing goes out after
 * its expiry: by a stall, but never by what a clock was set.
 */
export const DATING_TOLERANCE_MS = 10_000;

const takenStates: readonly PushState[] = ['accepted', 'delivered', 'displayed', 'clicked', 'dropped'];
/** Their words for a vendor that took a push without saying so, or said so too late. */
const maybeStates: readonly PushState[] = ['unknown'];

/** Compares every push in the ledger with what its emulator took. */
export async function compareAll(
  audit: LedgerAudit,
  emulatorOf: (channelId: string) => Emulator | undefined,
  inHand: readonly InHand[],
): Promise<Pick<ChaosFindings, 'neverTaken' | 'takenUnknown'>> {
  const explained = new Set(inHand.flatMap(({ byVendor }) => Object.values(byVendor).flat()));
  const neverTaken: string[] = [];
  const taken: string[] = [];
  for await (const { id, channelId, state } of audit.pushes()) {
    const isTaken = emulatorOf(channelId)?.hasTaken(namesOf(id)) ?? false;
    if (isTaken === takenStates.includes(state)) continue;
    if (!isTaken && takenStates.includes(state)) neverTaken.push(id);
    else if (isTaken && !maybeStates.includes(state) && !explained.has(id)) taken.push(id);
  }
  const unanswered = await audit.hasUnanswered(taken);
  return {
    neverTaken: offenceOf(neverTaken),
    takenUnknown: offenceOf(taken.filter((id) => !unanswered.has(id))),
  };
}

/**
 * Pushes that reached their vendor after their end, by this process's clock, and were not on their way to it then:
 * no call that the ledger knows of began before the end and covers the arrival.
 */
export async function arrivedLate(
  audit: LedgerAudit,
  watched: readonly { push: WatchedPush; endedAt?: number }[],
  end: 'expiry' | 'cancel',
): Promise<Offence> {
  const taken = watched.filter(({ push }) => push.takenAt !== undefined);
  const recorded = await audit.recordedCalls(
    taken.map(({ push }) => push.id),
    end,
  );
  const late = taken.filter(({ push, endedAt }) => {
    const known = recorded.get(push.id);
    const takenAt = push.takenAt as number;
    if (!known || takenAt <= (endedAt ?? known.endsAt) + ON_ITS_WAY_MS) return false;
    return !coversArrival(known, takenAt);
  });
  return offenceOf(late.map(({ push }) => push.id));
}

function coversArrival({ calls, endsAt }: RecordedCalls, takenAt: number): boolean {
  return calls.some(({ from, to }) => from <= endsAt && takenAt <= to + ON_ITS_WAY_MS);
}

export function urgentLatency(load: Pick<ChaosLoad, 'urgent'>): ChaosFindings['urgentMs'] {
  const sorted = load.urgent
    .flatMap(({ push, askedAt }) => (push.takenAt === undefined ? [] : [push.takenAt - askedAt]))
    .sort((a, b) => a - b);
  return { count: sorted.length, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
}

export function offenceOf(ids: readonly string[]): Offence {
  return { count: ids.length, example: ids[0] ?? null };
}

/** What the ledger tells of every push that is an example of something wrong. */
export async function tellStories(
  audit: LedgerAudit,
  findings: Omit<ChaosFindings, 'stories'>,
): Promise<ChaosFindings['stories']> {
  const offences = Object.values(findings).filter(isOffence);
  const stories: Record<string, string[]> = {};
  for (const { example } of offences) if (example) stories[example] ??= await audit.story(example);
  return stories;
}

function isOffence(found: unknown): found is Offence {
  return typeof found === 'object' && found !== null && 'example' in found;
}
