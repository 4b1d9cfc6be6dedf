import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leftProcesses, runPushmill } from './pushmill.ts';

test('pushmill demo accounts for every push with faults injected, and leaves nothing', {
  timeout: 180_000,
}, async () => {
  const { code, stdout, stderr } = await runPushmill(['demo', '--json', '--pushes', '2000', '--seed', '7'])
    .ended;
  assert.equal(code, 0, stderr);
  const account = JSON.parse(stdout) as {
    requested: number;
    sum: number;
    states: Record<string, number>;
    takenByLedger: number;
    takenByEmulators: number;
    duplicates: number;
    receiptsSent: number;
    receiptsTaken: number;
    receiptsForged: number;
    receiptsRefused: number;
    redisPeakBytes: number;
    balanced: boolean;
  };
  console.log(`# ${JSON.stringify({ ...account, emulators: undefined })}`);
  assert.equal(account.requested, 2000);
  assert.equal(account.sum, 2000);
  assert.equal(
    Object.values(account.states).reduce((total, count) => total + count, 0),
    2000,
  );
  assert.equal(account.states.queued, undefined);
  assert.ok((account.states.delivered ?? 0) > 0, 'receipts moved pushes');
  assert.ok((account.states.failed ?? 0) > 0, 'the injected faults were met');
  assert.ok(account.takenByEmulators >= account.takenByLedger);
  assert.equal(account.receiptsTaken, account.receiptsSent);
  assert.ok(account.receiptsForged > 0, 'somebody posed as a vendor');
  assert.ok(account.receiptsRefused >= account.receiptsForged);
  assert.ok(account.redisPeakBytes > 0);
  assert.equal(account.balanced, true);
  assert.deepEqual(await leftProcesses(), []);
});
