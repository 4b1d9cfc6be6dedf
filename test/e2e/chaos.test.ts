import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChaosFindings } from '../../apps/cli/src/bench/chaos-findings.ts';
import type { Judgement } from '../../apps/cli/src/bench/chaos-verdict.ts';
import { leftProcesses, runPushmill } from './pushmill.ts';

/*
 * The short form of `pushmill bench chaos`: everything is killed, frozen, stalled and emptied once while pushes go
 * through, and what must always hold is held against what the emulators and the ledger say. docs/chaos.md tells how
 * to repeat a run that fails.
 */

const seed = process.env.PUSHMILL_TEST_CHAOS_SEED ?? '45';

test('everything holds while everything breaks, and nothing is left running', {
  timeout: 240_000,
}, async () => {
  const { code, stdout, stderr } = await runPushmill([
    'bench',
    'chaos',
    '--json',
    '--pushes',
    '3000',
    '--minutes',
    '0.4',
    '--seed',
    seed,
  ]).ended;
  assert.notEqual(stdout, '', stderr);
  const found = JSON.parse(stdout) as ChaosFindings & { judgements: Judgement[]; everythingHeld: boolean };
  console.log(`# seed ${seed}, ${JSON.stringify({ states: found.states, urgentMs: found.urgentMs })}`);
  for (const { what } of found.done) console.log(`# done: ${what}`);

  const broken = found.judgements.filter(({ holds }) => !holds);
  assert.deepEqual(broken, [], `seed ${seed}: ${JSON.stringify(found.stories, null, 2)}`);
  assert.equal(found.everythingHeld, true);
  assert.equal(code, 0, stderr);

  // That all this was really met.
  assert.equal(found.requested, 3000);
  for (const kind of [
    ...['kill -9 worker', 'kill -9 api', 'kill -9 receipts', 'kill -9 Redis', 'SIGSTOP worker', 'FLUSHALL'],
    ...[
      'restart Postgres',
      'stall the line to redis',
      'stall the line to postgres',
      'set the clock of worker',
    ],
    ...['refuses the credential', 'throttles and fails', 'cut the line'],
  ]) {
    assert.ok(
      found.done.some(({ what }) => what.includes(kind)),
      `${kind} was not done`,
    );
  }
  assert.ok(found.refusals.refusals > 0, 'a credential was refused');
  assert.ok(found.pauses.length > 0, 'and its channel stopped');
  assert.ok(found.expired > 0, 'short-lived pushes expired');
  assert.ok(found.cancelled > 0, 'pushes were cancelled');
  assert.ok((found.states.delivered ?? 0) > 0, 'receipts moved pushes');
  const forged = Object.values(found.vendors).reduce((sum, one) => sum + (one.receiptsForged ?? 0), 0);
  assert.ok(forged > 0, 'receipts were forged');
  assert.deepEqual(await leftProcesses(), []);
});
