import { setTimeout as delay } from 'node:timers/promises';
import type { Emulator } from '@pushmill/vendors';
import type { LedgerAudit } from './ledger-audit.ts';
import { namesOf } from './watch.ts';

/** What a worker that was killed or frozen had sent, and could not record: what may be sent a second time. */
export interface InHand {
  worker: string;
  /** From when to when it was frozen; undefined when it was killed. */
  frozen?: { from: Date; to: Date };
  /** Ids of pushes, by vendor. */
  byVendor: Record<string, string[]>;
  count: number;
}

/** The first moments of a freeze and the last ones of a call are not told apart to the millisecond. */
const BLUR_MS = 1_000;

/** What was on its way when the worker fell silent has been read by the emulators. */
const ARRIVED_MS = 300;
/** By then the other workers have recorded what they had in hand, and nobody has taken over the silent one's batches. */
const RECORDED_MS = 3_000;

/**
 * Measures, right after a worker fell silent, which pushes its vendors have and the ledger does not know of: those
 * that are queued and taken now, and still are, without any outcome, when the other workers had time to record theirs.
 * An upper bound, since a push that another worker waits for longer than that is among them.
 */
export async function measureInHand(
  worker: string,
  audit: LedgerAudit,
  emulatorOf: (channelId: string) => Emulator | undefined,
): Promise<InHand> {
  await delay(ARRIVED_MS);
  const claimed = await patiently(() => audit.inClaimedBatches());
  const taken = new Map<string, string>();
  for (const { id, channelId } of claimed) {
    const emulator = emulatorOf(channelId);
    if (emulator?.hasTaken(namesOf(id))) taken.set(id, emulator.vendor);
  }
  await delay(RECORDED_MS);
  const unrecorded = await patiently(() => audit.unrecorded([...taken.keys()]));
  const byVendor = Object.groupBy(unrecorded, (id) => taken.get(id) as string) as InHand['byVendor'];
  return { worker, byVendor, count: unrecorded.length };
}

/**
 * A frozen worker, unlike a dead one, finishes what it began: a call whose request had not left it goes out when it
 * goes on. Such calls span the whole freeze in the ledger, and their pushes were in its hand too.
 */
export async function addCallsOfTheFrozen(
  all: readonly InHand[],
  audit: LedgerAudit,
  emulatorOf: (channelId: string) => Emulator | undefined,
): Promise<void> {
  for (const one of all) {
    if (!one.frozen) continue;
    const known = new Set(Object.values(one.byVendor).flat());
    const [from, to] = [one.frozen.from.getTime() + BLUR_MS, one.frozen.to.getTime() - BLUR_MS];
    for (const { id, channelId } of await audit.calledAcross(new Date(from), new Date(to))) {
      const vendor = emulatorOf(channelId)?.vendor;
      if (known.has(id) || vendor === undefined) continue;
      one.byVendor[vendor] = [...(one.byVendor[vendor] ?? []), id];
      one.count++;
    }
  }
}

/** Postgres may be on its way back. */
export async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (tries === 100) throw error;
      await delay(200);
    }
  }
}
