import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { familyCpuMicros, processCpuMicros, readStat } from './process-cpu.ts';

describe('readStat', () => {
  it('finds the times behind a name with spaces and parentheses', () => {
    const stat = '77 (a (b) c) S 1 77 77 0 -1 4194560 9 8 0 0 12 3 40 5 20 0 11 0 100 0 0';
    assert.deepEqual(readStat(stat), { own: 150_000, gone: 450_000 });
  });
});

describe('the CPU of a process', { skip: process.platform !== 'linux' && 'needs /proc' }, () => {
  it('is about what the process says of itself, and no more than with its children', async () => {
    const { user, system } = process.cpuUsage();
    const own = (await processCpuMicros(process.pid)) ?? 0;
    assert.ok(own >= user + system - 20_000);
    assert.ok(((await familyCpuMicros(process.pid)) ?? 0) >= own);
  });

  it('of nobody is not known', async () => {
    assert.equal(await processCpuMicros(2 ** 30), undefined);
  });
});
