import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Outcome } from '@pushmill/core';
import { AdaptiveConcurrency } from './concurrency.ts';

const accepted: Outcome = { kind: 'accepted' };
const tooFast: Outcome = { kind: 'throttled', code: '429', scope: 'channel' };
const overloaded: Outcome = { kind: 'unavailable', code: '503', mayHaveArrived: false };

function start(max = 400) {
  const clock = { ms: 1_000_000, late: 0 };
  const concurrency = new AdaptiveConcurrency({ max, now: () => clock.ms, lateMs: () => clock.late });
  /** A round: as many answers as may be in flight, all of it used. */
  const round = (outcome: Outcome = accepted, durationMs = 20) => {
    for (let left = concurrency.limit; left > 0; left -= 1) {
      concurrency.observe(outcome, 1, durationMs, concurrency.limit);
    }
    clock.ms += durationMs;
  };
  return { clock, concurrency, round };
}

describe('AdaptiveConcurrency', () => {
  it('doubles each round until the vendor complains, and no further than the maximum', () => {
    const { concurrency, round } = start();
    assert.equal(concurrency.limit, 100);
    round();
    assert.equal(concurrency.limit, 200);
    round();
    round();
    assert.equal(concurrency.limit, 400);
  });

  it('is cut by a third at a burst of refusals, once, and then grows by one a round', () => {
    const { clock, concurrency, round } = start();
    for (let count = 0; count < 50; count += 1) concurrency.observe(tooFast, 1, 5, 100);
    assert.equal(concurrency.limit, 70);
    round();
    assert.ok(concurrency.limit >= 70 && concurrency.limit <= 71, String(concurrency.limit));
    clock.ms += 1_000;
    concurrency.observe(tooFast, 1, 5, 70);
    assert.ok(concurrency.limit < 50);
  });

  it('is cut when many calls fail, and takes one in fifty for noise', () => {
    const noisy = start();
    for (let count = 0; count < 1_000; count += 1) {
      noisy.concurrency.observe(count % 50 === 7 ? overloaded : accepted, 1, 20, noisy.concurrency.limit);
      noisy.clock.ms += 20;
    }
    assert.equal(noisy.concurrency.limit, 400);
    const failing = start();
    for (let count = 0; count < 100; count += 1) {
      failing.concurrency.observe(count % 5 === 4 ? overloaded : accepted, 1, 20, 100);
      failing.clock.ms += 20;
    }
    assert.ok(failing.concurrency.limit < 100, String(failing.concurrency.limit));
  });

  it('gives way to a vendor that becomes slow, and does not take its usual pace for slowness', () => {
    const slow = start();
    for (let count = 0; count < 20; count += 1) slow.round(accepted, 400);
    assert.equal(slow.concurrency.limit, 400, 'it was never faster');
    const slowed = start();
    slowed.round(accepted, 20);
    for (let count = 0; count < 5; count += 1) slowed.round(accepted, 500);
    assert.ok(slowed.concurrency.limit < 200, String(slowed.concurrency.limit));
  });

  it('gives way within a second when its own process is late, down to an eighth, and comes back', () => {
    const { clock, concurrency, round } = start();
    for (let count = 0; count < 10; count += 1) round();
    assert.equal(concurrency.limit, 400);
    clock.late = 30;
    for (let count = 0; count < 50; count += 1) round();
    assert.equal(concurrency.limit, 50);
    clock.late = 2;
    for (let count = 0; count < 50; count += 1) round();
    assert.equal(concurrency.limit, 400, 'the vendor had said nothing against it');
  });

  it('does not take its own lateness for the vendor’s slowness, nor earns by it', () => {
    const { clock, concurrency, round } = start();
    round(accepted, 20);
    const learnt = concurrency.limit;
    clock.late = 30;
    for (let count = 0; count < 50; count += 1) round(accepted, 600);
    clock.late = 0;
    for (let count = 0; count < 20; count += 1) {
      concurrency.observe(accepted, 1, 20, 1);
      clock.ms += 100;
    }
    assert.equal(concurrency.limit, learnt);
  });

  it('forgets how fast the vendor was a minute ago', () => {
    const { clock, concurrency, round } = start();
    round(accepted, 20);
    clock.ms += 61_000;
    const before = concurrency.limit;
    for (let count = 0; count < 10; count += 1) round(accepted, 300);
    assert.ok(concurrency.limit >= before);
  });

  it('keeps a few in flight whatever happens, and does not grow unused', () => {
    const { clock, concurrency } = start();
    for (let count = 0; count < 100; count += 1) {
      concurrency.observe(overloaded, 1, 5, 1);
      clock.ms += 2_000;
    }
    assert.equal(concurrency.limit, 4);
    for (let count = 0; count < 1_000; count += 1) concurrency.observe(accepted, 1, 5, 1);
    assert.equal(concurrency.limit, 4);
  });

  it('takes no notice of one token’s throttling, or of what is wrong with one push', () => {
    const { concurrency } = start();
    concurrency.observe({ kind: 'throttled', code: '429', scope: 'token' }, 1, 5, 1);
    concurrency.observe({ kind: 'rejected', code: 'x', detail: 'x' }, 1, 5, 1);
    assert.equal(concurrency.limit, 100);
  });
});
