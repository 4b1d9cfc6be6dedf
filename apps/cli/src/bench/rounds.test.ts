import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { alternate, spreadOf, spreadText } from './rounds.ts';

const quiet = { progress: () => {}, signal: new AbortController().signal };

describe('alternate', () => {
  it('runs all in turn after a warm-up, every other round the other way round', async () => {
    const order: string[] = [];
    const contender = (name: string) => ({
      name,
      run: async (round: number) => {
        order.push(`${name}${round}`);
        return { cpu: 1 };
      },
    });
    await alternate([contender('a'), contender('b')], { rounds: 3, ...quiet });
    assert.deepEqual(order, ['b-1', 'a-1', 'a0', 'b0', 'b1', 'a1', 'a2', 'b2']);
  });

  it('gives each figure’s median and spread without the warm-up, and ratios round by round', async () => {
    const given = (name: string, values: readonly number[]) => ({
      name,
      run: async (round: number) => ({ cpu: values[round] ?? 1_000_000 }),
    });
    const rounds = await alternate([given('ours', [10, 40, 30]), given('bare', [5, 10, 20])], {
      rounds: 3,
      ...quiet,
    });
    assert.deepEqual(rounds.contenders[0], {
      name: 'ours',
      figures: { cpu: { median: 30, least: 10, most: 40 } },
    });
    assert.deepEqual(rounds.ratio('cpu', 'ours', 'bare'), { median: 2, least: 1.5, most: 4 });
    assert.throws(() => rounds.ratio('cpu', 'ours', 'nobody'), RangeError);
  });

  it('stops between two runs when it is told to', async () => {
    const stop = new AbortController();
    const only = {
      name: 'a',
      run: async () => {
        stop.abort(new Error('enough'));
        return { cpu: 1 };
      },
    };
    await assert.rejects(alternate([only], { rounds: 9, progress: () => {}, signal: stop.signal }), /enough/);
  });
});

describe('spreads', () => {
  it('have the mean of the two in the middle for a median, where there are two', () => {
    assert.deepEqual(spreadOf([4, 1, 3, 2]), { median: 2.5, least: 1, most: 4 });
  });

  it('read like a table’s cell', () => {
    assert.equal(spreadText({ median: 1.031, least: 1, most: 1.1 }, 2), '1.03 (1.00–1.10)');
    assert.equal(spreadText({ median: 12_345.6, least: 9, most: 20_000 }), '12,346 (9–20,000)');
  });
});
