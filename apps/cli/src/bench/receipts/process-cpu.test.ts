import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cpuMsOf, familyCpuMsOf, readTimes } from './process-cpu.ts';

describe('readTimes', () => {
  it('counts fields from the last bracket', () => {
    const stat = '42 (a) b (c) S 7 42 42 0 -1 4194560 900 100 0 0 120 30 5 6 20 0 1 0 12345 1000 200\n';
    assert.deepEqual(readTimes(stat), { pid: 42, parent: 7, ownMs: 1_500, endedChildrenMs: 110 });
  });
});

describe('the CPU of a process', { skip: process.platform !== 'linux' && 'needs /proc' }, () => {
  it('is about what the process says of itself, and no more than with its children', async () => {
    const { user, system } = process.cpuUsage();
    const found = await cpuMsOf(process.pid);
    assert.ok(found > 0 && found >= (user + system) / 1_000 - 20);
    assert.ok((await familyCpuMsOf(process.pid)) >= found);
  });

  it('of nobody cannot be read', async () => {
    await assert.rejects(cpuMsOf(2 ** 30), /ENOENT/);
  });
});
