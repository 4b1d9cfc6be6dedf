import { formatPushId, type PushRef, type PushState, pushIdentity, Secret } from '@pushmill/core';
import { openStore, type PushFilter } from '@pushmill/store';
import type { Cluster } from './cluster.ts';

/** What the demo asks of the ledger itself, past the api whose work it accounts for. */
export interface LedgerView {
  states(): Promise<Partial<Record<PushState, number>>>;
  /** Accepted pushes of channels that are called back about, and that no receipt has come for. */
  receiptsOutstanding(): Promise<number>;
  /** Compares every push with what its vendor's emulator took. */
  compare(): Promise<Comparison>;
  close(): Promise<void>;
}

/** Pushes on which the ledger and the emulators do not agree; all zero but the last when nothing is wrong. */
export interface Comparison {
  /** The ledger calls them taken, and no emulator took them. */
  neverTaken: number;
  /** An emulator took them, the ledger ended them otherwise, and no unanswered attempt explains it. */
  takenUnknown: number;
  /** Ended otherwise after an attempt that was taken and not answered. */
  takenUnanswered: number;
}

const takenStates: readonly PushState[] = ['accepted', 'delivered', 'displayed', 'clicked', 'dropped'];

const PAGE = 10_000;
const MOST_LOOKS = 200;
const EVER = new Date(0);

export async function openLedgerView(cluster: Cluster): Promise<LedgerView> {
  const store = openStore({
    databaseUrl: new Secret(cluster.databaseUrl),
    masterKeys: new Secret(cluster.masterKey),
    maxConnections: 2,
  });
  const app = await store.apps.ensureDefault();
  const callsBack = cluster.channels.filter((channel) => channel.receipts).map((channel) => channel.name);

  async function* every(filter: Omit<PushFilter, 'limit'>) {
    let cursor: string | undefined;
    do {
      const page = await store.pushes.find(app.id, { ...filter, cursor, limit: PAGE });
      yield* page.items;
      cursor = page.nextCursor;
    } while (cursor);
  }

  // Some receipts leave a push accepted: that it was sent on is all that Baidu's SPP says of one that never arrived.
  const reported = new Set<string>();

  /** Looks at no more than some at a time: while most are missing, it does not matter which. */
  async function outstandingOf(channel: string): Promise<number> {
    let found = 0;
    let looks = 0;
    for await (const push of every({ channel, state: 'accepted' })) {
      const id = formatPushId(push);
      if (!reported.has(id) && looks < MOST_LOOKS) {
        looks++;
        const full = await store.pushes.get(app.id, push);
        if (full && full.receipts.length > 0) reported.add(id);
      }
      if (!reported.has(id)) found++;
    }
    return found;
  }

  async function hasUnansweredAttempt(push: PushRef): Promise<boolean> {
    const found = await store.pushes.get(app.id, push);
    return found?.attempts.some((attempt) => attempt.kind === 'unavailable') ?? false;
  }

  return {
    states: () => store.pushes.countByState(app.id, EVER),
    async receiptsOutstanding() {
      const counts = await Promise.all(callsBack.map(outstandingOf));
      return counts.reduce((sum, one) => sum + one, 0);
    },
    async compare() {
      const vendorOf = new Map(cluster.channels.map((channel) => [channel.name, channel.vendor]));
      const comparison = { neverTaken: 0, takenUnknown: 0, takenUnanswered: 0 };
      for await (const push of every({})) {
        const emulator = cluster.emulators.get(vendorOf.get(push.channel) ?? '');
        const taken = emulator?.hasTaken({ id: formatPushId(push), identity: pushIdentity(push) }) ?? false;
        const calledTaken = takenStates.includes(push.state);
        if (taken === calledTaken) continue;
        if (!taken) comparison.neverTaken++;
        else if (await hasUnansweredAttempt(push)) comparison.takenUnanswered++;
        else comparison.takenUnknown++;
      }
      return comparison;
    },
    close: () => store.close(),
  };
}
