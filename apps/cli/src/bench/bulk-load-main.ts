import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { createProducer } from './producer.ts';
import { serveSide } from './side-process.ts';

export interface BulkGiven {
  url: string;
  apiKey: string;
  databaseUrl: string;
  channel: string;
}

/** So much waits at least: seconds of work, and too little to slow anything by its size. */
const KEPT_WAITING = 20_000;
const RECIPIENTS = 5_000;
const LOOK_EVERY_MS = 50;

await serveSide<BulkGiven, null>(async ({ url, apiKey, databaseUrl, channel }) => {
  const sql = new pg.Client({ connectionString: databaseUrl });
  await sql.connect();
  const producer = createProducer({ urls: [url], apiKey, signal: new AbortController().signal });
  const name = randomBytes(8).toString('hex');

  async function waiting(): Promise<number> {
    const { rows } = await sql.query<{ waiting: number }>(
      `SELECT coalesce(sum(push_count), 0)::int AS waiting FROM batches b
       JOIN channels c ON c.id = b.channel_id WHERE c.name = $1`,
      [channel],
    );
    return rows[0]?.waiting ?? 0;
  }

  async function send(): Promise<never> {
    for (let number = 0; ; number++) {
      while ((await waiting()) >= KEPT_WAITING) await delay(LOOK_EVERY_MS);
      const tokens = Array.from({ length: RECIPIENTS }, () => randomBytes(32).toString('hex'));
      await producer.send(
        {
          class: 'marketing',
          notification: { title: 'Offer', body: 'Ten per cent off' },
          to: [{ channel, tokens }],
        },
        `bulk-${name}-${number}`,
      );
    }
  }
  // A failure ends the process, which its bench hears of.
  void send();
  return null;
});
