import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { latencyOf, quantilesOf, type Sent } from './latency.ts';
import { startWatch } from './watch.ts';

const id = '01a00000-0000-7000-8000-000000000000.0';

function sent(askedAt: number, answeredAt: number, takenAt: number | undefined): Sent {
  const push = { id, emulator: { hasTaken: () => takenAt !== undefined }, takenAt };
  return { id, askedOn: 0, askedAt, answeredAt, push };
}

describe('latencyOf', () => {
  it('counts what is missing, and measures what is not from its request', () => {
    assert.deepEqual(latencyOf([sent(100, 104, 107.26), sent(200, 203, undefined), sent(300, 302, 303.01)]), {
      sent: 3,
      missing: 1,
      p50Ms: 7.3,
      p99Ms: 7.3,
      answeredP99Ms: 4,
    });
  });

  it('knows nothing of nothing', () => {
    assert.deepEqual(latencyOf([]), { sent: 0, missing: 0, p50Ms: null, p99Ms: null, answeredP99Ms: null });
  });
});

describe('quantilesOf', () => {
  it('sorts by number, and leaves the list as it is', () => {
    const values = Object.freeze([100, 9, 20]);
    assert.deepEqual(quantilesOf(values), [20, 100]);
  });
});

describe('startWatch', () => {
  it('believes the emulator that tells when it took a push', () => {
    const watch = startWatch(() => 500);
    const told = watch.add(id, { hasTaken: () => true, takenAt: () => 123.4 });
    const seen = watch.add(id, { hasTaken: () => true });
    const out = watch.add(id, { hasTaken: () => false, takenAt: () => undefined });
    watch.stop();
    assert.deepEqual([told.takenAt, seen.takenAt, out.takenAt], [123.4, 500, undefined]);
  });
});
