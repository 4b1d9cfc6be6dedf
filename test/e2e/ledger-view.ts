import type { PushState } from '@pushmill/core';
import pg from 'pg';

/** The ledger as a test sees it: by SQL of its own, not by the store's. */
export function openLedgerView(databaseUrl: string) {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 });
  // Tests kill Postgres; the next query connects anew.
  pool.on('error', () => undefined);
  return {
    async states(): Promise<Partial<Record<PushState, number>>> {
      const { rows } = await pool.query<{ state: PushState; count: number }>(
        'SELECT state, count(*)::int AS count FROM pushes GROUP BY state',
      );
      return Object.fromEntries(rows.map((row) => [row.state, row.count]));
    },

    /** Pushes of which the ledger knows that a vendor has them. */
    async takenPushes(): Promise<number> {
      const { rows } = await pool.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM pushes WHERE state IN ('accepted', 'delivered', 'displayed', 'clicked')`,
      );
      return rows[0]?.count ?? 0;
    },

    /** Pushes that a worker had begun to hand to vendors without identity. */
    async markedPushes(): Promise<number> {
      const { rows } = await pool.query<{ count: number }>(
        'SELECT coalesce(sum(cardinality(sending)), 0)::int AS count FROM batches',
      );
      return rows[0]?.count ?? 0;
    },

    /** Attempts of all pushes. */
    async attempts(): Promise<number> {
      const { rows } = await pool.query<{ count: number }>('SELECT count(*)::int AS count FROM all_attempts');
      return rows[0]?.count ?? 0;
    },

    close: () => pool.end(),
  };
}
