import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pg from 'pg';
import { fillBacklog } from '../../apps/cli/src/bench/backlog-fill.ts';
import { useLedger } from './ledger-setup.ts';

const ledger = await useLedger();

/** All columns, so that one that is added later is compared too; what no two messages share is replaced. */
async function stored(channelId: string, sql: pg.Pool) {
  const rows = async (text: string) =>
    (await sql.query<{ row: Record<string, unknown> }>(text, [channelId])).rows.map(({ row }) => row);
  const messages = await rows(
    `SELECT to_jsonb(m) - 'id' AS row FROM messages m
     WHERE id IN (SELECT message_id FROM pushes WHERE channel_id = $1) ORDER BY id`,
  );
  const pushes = await rows(
    `SELECT to_jsonb(p) - 'message_id' - 'channel_id' - 'updated_at' - 'token'
       || jsonb_build_object('token', length(token)) AS row
     FROM pushes p WHERE channel_id = $1 ORDER BY message_id, n`,
  );
  const batches = await rows(
    `SELECT to_jsonb(b) - 'id' - 'channel_id' - 'message_ids' - 'due_at' || jsonb_build_object(
       'message_ids', cardinality(message_ids),
       'others', (SELECT count(*) FROM unnest(message_ids, ns) AS r (id, n)
         LEFT JOIN pushes p ON p.message_id = r.id AND p.n = r.n AND p.channel_id = b.channel_id WHERE p.n IS NULL),
       'isDue', due_at <= now()) AS row
     FROM batches b WHERE channel_id = $1 ORDER BY ns[1], cardinality(ns)`,
  );
  return { messages, pushes, batches };
}

describe('fillBacklog', () => {
  const expiresAt = new Date(Date.now() + 3_600_000);
  const recipients = (channelId: string, count: number) =>
    Array.from({ length: count }, (_, n) => ({ channelId, token: n.toString(16).padStart(64, '0') }));

  it('writes the rows that accept would have written', async () => {
    const [real, filled] = [await ledger.channel(), await ledger.channel()];
    const changes = { lane: 'bulk', expiresAt } as const;
    const accept = (channelId: string, count: number) => {
      const message = ledger.message(channelId, 0, { ...changes, recipients: recipients(channelId, count) });
      return ledger.store.messages.accept([message]).then(() => message.id);
    };
    await accept(real.id, 1);
    await accept(real.id, 1_200);
    const template = await accept(filled.id, 1);
    const client = new pg.Client({ connectionString: ledger.url });
    await client.connect();
    try {
      await fillBacklog(client, template, 1_200);
    } finally {
      await client.end();
    }

    const expected = await stored(real.id, ledger.sql);
    assert.equal(expected.pushes.length, 1_201);
    assert.deepEqual(
      expected.batches.map(({ push_count }) => push_count),
      [1, 500, 500, 200],
    );
    assert.ok(expected.batches.every(({ others, isDue }) => others === 0 && isDue === true));
    assert.deepEqual(await stored(filled.id, ledger.sql), expected);
    const [tokens] = await ledger.rows<{ tokens: number }>(
      'SELECT count(DISTINCT token)::int AS tokens FROM pushes WHERE channel_id = $1',
      [filled.id],
    );
    assert.equal(tokens?.tokens, 1_201);
  });
});
