import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { CommandError } from '../../failure.ts';

/** What Postgres counted in the ledger's database since it was made. */
export interface LedgerCounts {
  transactions: number;
  rowsInserted: number;
  rowsUpdated: number;
}

/** The ledger by SQL of the bench's own, so that a mistake of the store's does not hide itself. */
export interface LedgerWork {
  version(): Promise<string>;
  /** Resolves when so many pushes are accepted and no batch is left. */
  settled(pushes: number, signal: AbortSignal): Promise<void>;
  /** Pushes that are delivered and have exactly one receipt. */
  deliveredOnce(): Promise<number>;
  /** @param receipts  waits until these are counted, which is some time after their commit */
  counts(receipts: number, signal: AbortSignal): Promise<LedgerCounts>;
  close(): Promise<void>;
}

const LOOK_EVERY_MS = 200;
const PATIENCE_MS = 60_000;

export function openLedgerWork(databaseUrl: string): LedgerWork {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 });
  pool.on('error', () => undefined);

  async function one<Row extends pg.QueryResultRow>(text: string): Promise<Row> {
    const { rows } = await pool.query<Row>(text);
    return rows[0] as Row;
  }

  async function until(what: string, signal: AbortSignal, isSo: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!(await isSo())) {
      if (Date.now() > deadline) throw new CommandError(`Postgres has not ${what} for a minute.`);
      await delay(LOOK_EVERY_MS, undefined, { signal });
    }
  }

  return {
    version: async () => (await one<{ server_version: string }>('SHOW server_version')).server_version,

    settled: (pushes, signal) =>
      until('settled the pushes', signal, async () => {
        const { accepted, batches } = await one<{ accepted: number; batches: number }>(
          `SELECT (SELECT count(*)::int FROM pushes WHERE state = 'accepted') AS accepted,
                  (SELECT count(*)::int FROM batches) AS batches`,
        );
        return accepted === pushes && batches === 0;
      }),

    async deliveredOnce() {
      const { count } = await one<{ count: number }>(
        `SELECT count(*)::int AS count FROM pushes p
         JOIN (SELECT message_id, n FROM receipts GROUP BY message_id, n HAVING count(*) = 1) AS r USING (message_id, n)
         WHERE p.state = 'delivered'`,
      );
      return count;
    },

    async counts(receipts, signal) {
      await until('counted the receipts', signal, async () => {
        const { counted } = await one<{ counted: number }>(
          `SELECT coalesce(sum(n_tup_ins), 0)::int AS counted FROM pg_stat_user_tables WHERE relname LIKE 'receipts%'`,
        );
        return counted >= receipts;
      });
      return one<LedgerCounts>(
        `SELECT xact_commit::int AS transactions, tup_inserted::int AS "rowsInserted", tup_updated::int AS "rowsUpdated"
         FROM pg_stat_database WHERE datname = current_database()`,
      );
    },

    close: () => pool.end(),
  };
}
