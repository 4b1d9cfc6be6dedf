import type { Database } from './database.ts';

/** An answer that took longer says too little about when it was given. */
const SLOWEST_MS = 1_000;

/**
 * The ledger's clock, by which everything is judged, read without asking it each time. It runs on this process's
 * monotonic clock, so that a machine whose clock is wrong, or is set, changes nothing.
 */
export function openLedgerClock(db: Database) {
  let base = Date.now() - performance.now();
  return {
    /** Milliseconds since the epoch. Before the first reading: this machine's. */
    now: (): number => Math.floor(base + performance.now()),

    /** Asks the ledger. */
    async read(): Promise<void> {
      const askedAt = performance.now();
      const { rows } = await db.query<{ ms: number }>({
        name: 'read-clock',
        text: 'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms',
      });
      const answeredAt = performance.now();
      if (answeredAt - askedAt > SLOWEST_MS) return;
      base = (rows[0] as { ms: number }).ms - (askedAt + answeredAt) / 2;
    },
  };
}

export type LedgerClock = ReturnType<typeof openLedgerClock>;
