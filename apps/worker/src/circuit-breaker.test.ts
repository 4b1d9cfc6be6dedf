import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BreakerState, CircuitBreaker } from './circuit-breaker.ts';

function start() {
  const clock = { ms: 1_000_000 };
  const states: BreakerState[] = [];
  const breaker = new CircuitBreaker({
    now: () => clock.ms,
    random: () => 0.999_999,
    changed: (state) => states.push(state),
  });
  const fail = (times: number) => {
    for (let count = 0; count < times; count += 1) breaker.failed();
  };
  return { clock, states, breaker, fail };
}

describe('CircuitBreaker', () => {
  it('stays closed while answers come between failures', () => {
    const { breaker, fail, states } = start();
    for (let count = 0; count < 10; count += 1) {
      fail(19);
      breaker.answered();
    }
    assert.equal(breaker.waitMs(), 0);
    assert.deepEqual(states, []);
  });

  it('opens after a row of failures, sends one probe, and closes at its answer', () => {
    const { clock, breaker, fail, states } = start();
    fail(20);
    assert.ok(breaker.waitMs() > 0);
    fail(380);
    assert.equal(breaker.admit(), false);
    clock.ms += 1_001;
    assert.equal(breaker.waitMs(), 0);
    assert.deepEqual([breaker.admit(), breaker.admit()], [true, false], 'one probe');
    breaker.answered();
    assert.equal(breaker.admit(), true);
    assert.deepEqual(states, ['open', 'half-open', 'closed']);
  });

  it('opens for twice as long at each failed probe, to a minute', () => {
    const { clock, breaker, fail } = start();
    fail(20);
    const waits: number[] = [];
    for (let probe = 0; probe < 8; probe += 1) {
      waits.push(Math.round(breaker.waitMs() / 1_000));
      clock.ms += 60_001;
      assert.equal(breaker.admit(), true);
      breaker.failed();
    }
    assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
  });

  it('sends another probe when the first is never answered', () => {
    const { clock, breaker, fail } = start();
    fail(20);
    clock.ms += 1_001;
    assert.equal(breaker.admit(), true);
    assert.equal(breaker.admit(), false);
    clock.ms += 30_001;
    assert.equal(breaker.admit(), true);
  });
});
