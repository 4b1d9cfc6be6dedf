import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { clockOffsets, disturbanceText, planFaults } from './fault-plan.ts';

const targets = {
  workers: ['worker-1', 'worker-2', 'worker-3'],
  apis: ['api-1', 'api-2'],
  wrongClocks: ['api-2', 'worker-3'],
  vendors: ['apns', 'baidu', 'mpaas'],
  linedVendors: ['apns', 'mpaas'],
};
const seeds = fc.integer({ min: 0, max: 2 ** 31 });

describe('planFaults', () => {
  it('makes the same plan of the same seed, and another of another', () => {
    assert.deepEqual(planFaults(7, 60_000, targets), planFaults(7, 60_000, targets));
    assert.notDeepEqual(planFaults(7, 60_000, targets), planFaults(8, 60_000, targets));
  });

  it('does everything at least once, within the time, in order', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 24_000, max: 600_000 }), (seed, durationMs) => {
        const plan = planFaults(seed, durationMs, targets);
        const done = plan.map(disturbanceText).join('\n');
        for (const kind of [
          ...[
            'kill -9 worker',
            'kill -9 api',
            'kill -9 receipts',
            'kill -9 Redis',
            'FLUSHALL',
            'restart Postgres',
          ],
          ...['SIGSTOP worker', 'the line to redis', 'the line to postgres', 'set the clock of worker-3'],
          ...['set the clock of api-2', 'refuses the credential', 'throttles and fails', 'cut the line'],
        ]) {
          assert.ok(done.includes(kind), `${kind} in\n${done}`);
        }
        const times = plan.map(({ atMs }) => atMs);
        assert.deepEqual(
          times,
          times.toSorted((a, b) => a - b),
        );
        assert.ok(times.every((atMs) => atMs > 0 && atMs < durationMs));
      }),
    );
  });

  it('does not kill the worker that is frozen: it shall come back and learn that it lost its batches', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const plan = planFaults(seed, 300_000, targets);
        const frozen = plan.find(({ kind }) => kind === 'freeze');
        assert.ok(frozen && 'target' in frozen);
        assert.ok(!plan.some((one) => one.kind === 'kill' && one.target === frozen.target));
      }),
    );
  });
});

describe('clockOffsets', () => {
  it('go both ways, by half a minute to three', () => {
    const offsets = clockOffsets(7);
    assert.ok(offsets.some((ms) => ms > 0) && offsets.some((ms) => ms < 0));
    assert.ok(offsets.every((ms) => Math.abs(ms) >= 30_000 && Math.abs(ms) <= 180_000));
  });
});
