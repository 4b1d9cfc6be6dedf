import type { Queryable } from './database.ts';

export function createSuppressionTable(db: Queryable) {
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
  };
}

export type SuppressionTable = ReturnType<typeof createSuppressionTable>;
