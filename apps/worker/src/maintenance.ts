import type { Store } from '@pushmill/store';

export interface MaintenanceDeps {
  store: Pick<Store, 'maintain'>;
  log: { warn: (fields: Record<string, unknown>, message: string) => void };
  dropped: { inc: (labels: { vendor: string; channel: string; reason: string }, count: number) => void };
}

/** Keeps the ledger within its bounds, and says what that cost: nobody else would. */
export async function maintain({ store, log, dropped }: MaintenanceDeps): Promise<void> {
  const { deadLetters } = await store.maintain();
  for (const { channel, vendor, reason, count } of deadLetters) {
    dropped.inc({ vendor, channel, reason }, count);
    log.warn({ channel, vendor, reason, letters: count }, 'dead-letters.dropped');
  }
}
