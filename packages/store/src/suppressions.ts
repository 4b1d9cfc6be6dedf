import { type Database, inTransaction } from './database.ts';

export function createSuppressionTable(db: Database) {
  return {
    async count(channelId: string): Promise<number> {
      const { rows } = await db.query<{ count: number }>(
        'SELECT count(*)::int AS count FROM suppressions WHERE channel_id = $1',
        [channelId],
      );
      return rows[0]?.count ?? 0;
    },

    /** The token was registered again: it is alive. */
    async lift(channelId: string, token: string): Promise<boolean> {
      const { rowCount } = await db.query('DELETE FROM suppressions WHERE channel_id = $1 AND token = $2', [
        channelId,
        token,
      ]);
      return rowCount === 1;
    },

    /**
     * Takes back what was held against a channel's tokens since a moment: so many died at once that the channel is
     * to blame.
     * @returns how many tokens are no longer suppressed
     */
    async forgive(channelId: string, since: Date): Promise<number> {
      return inTransaction(db, async (tx) => {
        await tx.query(
          `UPDATE devices SET state = 'active', code = NULL
           WHERE channel_id = $1 AND state <> 'active' AND state_since >= $2`,
          [channelId, since],
        );
        const { rowCount } = await tx.query(
          'DELETE FROM suppressions WHERE channel_id = $1 AND created_at >= $2',
          [channelId, since],
        );
        return rowCount ?? 0;
      });
    },
  };
}

export type SuppressionTable = ReturnType<typeof createSuppressionTable>;
