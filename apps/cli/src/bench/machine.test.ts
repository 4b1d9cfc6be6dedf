import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Machine, machineText, readProcessorTimes } from './machine.ts';

const machine: Machine = {
  cpu: 'Model',
  cores: 2,
  memoryGiB: 24,
  system: 'Linux 6',
  node: '26.10.0',
  loadBefore: 0.5,
  versions: { Redis: '7.0' },
};

describe('machineText', () => {
  it('says what it was, and what others took of it where that is known', () => {
    const plain = '2 × Model, 24 GiB, Linux 6, Node 26.10.0, Redis 7.0; load before: 0.5';
    assert.equal(machineText(machine), plain);
    assert.equal(machineText({ ...machine, stolen: null }), plain);
    assert.equal(
      machineText({ ...machine, stolen: 0.0714 }),
      `${plain}; meanwhile the hypervisor took 7.1 % of its time`,
    );
  });
});

describe('readProcessorTimes', () => {
  it('adds up what all processors did, without counting guests twice', () => {
    const stat = 'cpu  10 1 5 70 2 0 3 9 4 4\ncpu0 5 0 2 35 1 0 1 4 2 2\n';
    assert.deepEqual(readProcessorTimes(stat), { all: 100, stolen: 9 });
  });

  it('knows nothing of a system that tells less', () => {
    assert.equal(readProcessorTimes('cpu  10 1 5 70\n'), undefined);
    assert.equal(readProcessorTimes(''), undefined);
  });
});
