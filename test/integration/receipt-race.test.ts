import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPushId } from '@pushmill/core';
import { until } from '../e2e/until.ts';
import { useLedger } from './ledger-setup.ts';

/*
 * In a demo of 20,000 pushes, 42 receipts were answered 2xx and stored, but their pushes stayed `accepted`: the
 * callback came in the moment between the vendor's answer and our record of it. The receipt's UPDATE waited for that
 * record's lock, and Postgres then compared the new state with the join partner that fitted the old one.
 */

const { store, sql, channel, message } = await useLedger();

test('a receipt that meets the record of its own push still moves it', async () => {
  const { id: channelId } = await channel();
  const pushed = message(channelId, 1);
  await store.messages.accept([pushed]);
  const ref = { messageId: pushed.id, n: 0 };
  const recorder = await sql.connect();
  try {
    await recorder.query('BEGIN');
    await recorder.query(`UPDATE pushes SET state = 'accepted' WHERE message_id = $1 AND n = 0`, [pushed.id]);
    const receipt = store.receipts.record([
      {
        channelId,
        pushId: formatPushId(ref),
        token: undefined,
        state: 'delivered',
        code: '2',
        detail: 'Acked',
        tokenDead: false,
        dedupKey: 'one',
        proof: 'signature',
        rawQuery: '',
        rawBody: Buffer.from('{}'),
      },
    ]);
    await until('the receipt waits for the row', async () => {
      const { rows } = await sql.query(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return rows.length > 0;
    });
    await recorder.query('COMMIT');
    assert.deepEqual(await receipt, ['recorded']);
  } finally {
    recorder.release();
  }
  const found = await store.pushes.get(message(channelId, 0).appId, ref);
  assert.equal(found?.push.state, 'delivered');
});
