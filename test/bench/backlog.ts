/**
 * How long it takes to read what waits, as each api does every two seconds.
 *
 *     node test/bench/backlog.ts
 *
 * A campaign's batches hold 500 pushes of one message; single pushes that arrived together, 500 messages; single pushes
 * to a paused channel may wait one by one.
 */
import { randomBytes } from 'node:crypto';
import { Secret } from '@pushmill/core';
import { makeTemporaryDataDir, startPostgres } from '@pushmill/embedded';
import { migrate, openStore } from '@pushmill/store';
import pg from 'pg';

const READINGS = 20;
const CHANNELS = 20;
const kinds = [
  [
    '20,000 of a campaign',
    20_000,
    'array_fill(uuidv7(), ARRAY[500])',
    '(SELECT array_agg(n) FROM generate_series(g, g + 499) n)',
  ],
  [
    '20,000 of single pushes',
    20_000,
    '(SELECT array_agg(uuidv7()) FROM generate_series(1, 500) WHERE g > 0)',
    'array_fill(0, ARRAY[500])',
  ],
  ['500,000 of one push each', 500_000, 'ARRAY[uuidv7()]', 'ARRAY[0]'],
] as const;

const folder = await makeTemporaryDataDir();
const server = await startPostgres({ dataDir: folder.path, env: {}, durable: false, say: () => undefined });
await migrate(server.url);
const masterKeys = new Secret(randomBytes(32).toString('base64'));
const store = openStore({ databaseUrl: new Secret(server.url), masterKeys });
const sql = new pg.Client({ connectionString: server.url });
await sql.connect();
try {
  const { id: appId } = await store.apps.ensureDefault();
  for (let n = 0; n < CHANNELS; n++) {
    const rest = { vendor: 'apns', settings: {}, credential: {}, credentialShown: {} };
    await store.channels.create({ appId, name: `channel-${n}`, ...rest });
  }
  for (const [name, count, messageIds, ns] of kinds) {
    await sql.query('TRUNCATE batches');
    await sql.query(
      `INSERT INTO batches (id, channel_id, lane, due_at, expires_at, message_ids, ns)
       SELECT uuidv7(), c.ids[1 + g % ${CHANNELS}], g % 2, now() - interval '1 s' * (g % 100),
         now() + interval '1 day', ${messageIds}, ${ns}
       FROM generate_series(1, ${count}) g, (SELECT array_agg(id) AS ids FROM channels) c`,
    );
    await sql.query('VACUUM ANALYZE batches');
    const times: number[] = [];
    for (let n = 0; n < READINGS; n++) {
      const began = performance.now();
      await store.backlog.lanes();
      times.push(performance.now() - began);
    }
    times.sort((a, b) => a - b);
    const [least, median, most] = [0, READINGS >> 1, READINGS - 1].map((n) => times[n]?.toFixed(1));
    console.log(`${name.padEnd(28)} ${least} / ${median} / ${most} ms (least, median, most)`);
  }
} finally {
  await sql.end();
  await store.close();
  await server.stop();
  await folder.remove();
}
