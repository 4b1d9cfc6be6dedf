import type { Lane } from '@pushmill/core';
import type { Database } from './database.ts';
import { laneNumber } from './messages.ts';

/** What waits on a channel in one lane. */
export interface LaneBacklog {
  channelId: string;
  channel: string;
  lane: Lane;
  isPaused: boolean;
  /** The channel's own bound, where its policy has one. */
  maxBacklog: number | undefined;
  /** That are due, or were due once and wait to be tried again; also of paused messages, and what is in hand. */
  pushes: number;
  /**
   * How long the oldest batch that may be sent has been due; 0 when there is none. A paused channel, a paused message
   * and a delay before the next try are no lateness, and what a worker has in hand does not wait.
   */
  oldestSeconds: number;
}

export function createBacklogView(db: Database) {
  return {
    /** Lanes where nothing waits are left out. Reads the whole table of batches, which takes 1 us a batch. */
    async lanes(): Promise<LaneBacklog[]> {
      const { rows } = await db.query<Omit<LaneBacklog, 'lane' | 'maxBacklog'> & LaneRecord>({
        name: 'read-backlog',
        text: `
          WITH waiting AS (
            SELECT channel_id, lane, sum(push_count) AS pushes,
              extract(epoch FROM now() - min(due_at) FILTER (
                WHERE state <> 'held' AND due_at <= now() AND (lease_until IS NULL OR lease_until < now())
              )) AS oldest
            FROM batches WHERE due_at <= now() OR run > 0
            GROUP BY channel_id, lane
          )
          SELECT w.channel_id AS "channelId", c.name AS channel, w.lane, c.state = 'paused' AS "isPaused",
            (c.policy ->> 'maxBacklog')::int AS "maxBacklog", w.pushes::float8 AS pushes,
            CASE WHEN c.state = 'on' THEN coalesce(w.oldest, 0) ELSE 0 END::float8 AS "oldestSeconds"
          FROM waiting w JOIN channels c ON c.id = w.channel_id
          WHERE c.deleted_at IS NULL`,
      });
      return rows.map((row) => ({
        ...row,
        lane: row.lane === laneNumber.urgent ? 'urgent' : 'bulk',
        maxBacklog: row.maxBacklog ?? undefined,
      }));
    },
  };
}

interface LaneRecord {
  lane: number;
  maxBacklog: number | null;
}

export type BacklogView = ReturnType<typeof createBacklogView>;
