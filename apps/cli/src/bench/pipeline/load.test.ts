import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PushCosts } from '../costs.ts';
import { figuresOf } from './load.ts';

const costs: PushCosts = {
  cpuMicros: { receipts: 1, api: 20, worker: 100, 'worker-2': 50, redis: 3, postgres: 70 },
  totalCpuMicros: 244,
  redisCommands: 0.2,
  redisCommandsByName: {},
  writeTransactions: 0.1,
  rows: { inserted: 2, updated: 1, updatedInPlace: 1, deleted: 0, locked: 0 },
  rowsByTable: {},
  walBytes: 800,
  databaseBytes: 500,
};

describe('figuresOf', () => {
  it('adds up the workers, and leaves out who has no part in it', () => {
    const { workerCpu, apiCpu, totalCpu } = figuresOf(costs);
    assert.deepEqual({ workerCpu, apiCpu, totalCpu }, { workerCpu: 150, apiCpu: 20, totalCpu: 243 });
  });

  it('does not know a sum of which it does not know a part', () => {
    const { workerCpu, totalCpu, rowsInserted } = figuresOf({
      ...costs,
      cpuMicros: { ...costs.cpuMicros, 'worker-2': null },
      rows: null,
    });
    assert.deepEqual([workerCpu, totalCpu, rowsInserted], [Number.NaN, Number.NaN, Number.NaN]);
  });
});
