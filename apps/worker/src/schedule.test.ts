import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { every } from './schedule.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

function setup(t: TestContext, work: () => Promise<unknown>) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const errors: unknown[] = [];
  return { schedule: every(100, work, (error) => errors.push(error)), errors };
}

describe('every', () => {
  it('waits first, and again after each end', async (t) => {
    let runs = 0;
    const { schedule } = setup(t, async () => {
      runs += 1;
    });
    t.mock.timers.tick(99);
    assert.equal(runs, 0);
    t.mock.timers.tick(1);
    assert.equal(runs, 1);
    await turn();
    t.mock.timers.tick(100);
    assert.equal(runs, 2);
    await schedule.stop();
    await turn();
    t.mock.timers.tick(1_000);
    assert.equal(runs, 2);
  });

  it('never runs twice at a time, however slow the work', async (t) => {
    let running = 0;
    let runs = 0;
    const ends: (() => void)[] = [];
    const { schedule } = setup(t, async () => {
      runs += 1;
      running += 1;
      assert.equal(running, 1);
      await new Promise<void>((resolve) => ends.push(resolve));
      running -= 1;
    });
    t.mock.timers.tick(100);
    t.mock.timers.tick(10_000);
    assert.equal(runs, 1);
    ends.shift()?.();
    await turn();
    t.mock.timers.tick(100);
    assert.equal(runs, 2);
    ends.shift()?.();
    await schedule.stop();
  });

  for (const [how, work] of [
    ['rejects', () => Promise.reject(new Error('no'))],
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
  ] as const) {
    it(`goes on after work that ${how}`, async (t) => {
      const { schedule, errors } = setup(t, work);
      t.mock.timers.tick(100);
      await turn();
      t.mock.timers.tick(100);
      await turn();
      assert.equal(errors.length, 2);
      await schedule.stop();
    });
  }

  it('stops after the work at hand', async (t) => {
    let finish: () => void = () => {};
    let finished = false;
    const { schedule } = setup(t, async () => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      finished = true;
    });
    t.mock.timers.tick(100);
    await turn();
    const stopped = schedule.stop().then(() => assert.ok(finished));
    finish();
    await stopped;
    t.mock.timers.tick(1_000);
  });

  it('stops before the first turn', async (t) => {
    const { schedule } = setup(t, () => assert.fail('ran'));
    await schedule.stop();
    t.mock.timers.tick(1_000);
  });
});
