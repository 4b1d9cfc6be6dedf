import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LedgerTime } from './ledger-time.ts';

/** A ledger whose clock is so far ahead of ours, asked over a line that takes so long in each direction. */
function start(aheadMs: number) {
  const clock = { ms: 1_000_000 };
  const time = new LedgerTime(() => clock.ms);
  const ask = (thereMs: number, backMs: number, ahead = aheadMs) => {
    const askedAt = clock.ms;
    const reading = new Date(askedAt + thereMs + ahead);
    clock.ms += thereMs + backMs;
    time.heard(reading, askedAt);
    return time.now() - (clock.ms + ahead);
  };
  return { clock, time, ask };
}

describe('LedgerTime', () => {
  it('is ahead of the ledger’s by no more than the question took to get there, and never behind', () => {
    assert.equal(start(5_000).ask(40, 10), 40);
    assert.equal(start(-5_000).ask(0, 300), 0);
  });

  it('goes by the quickest of the answers, whichever batch they were for', () => {
    const { ask } = start(5_000);
    ask(400, 10);
    assert.equal(ask(3, 10), 3);
    assert.equal(ask(700, 10), 3);
  });

  it('follows a clock that is set back, and one that is set ahead', () => {
    const { ask } = start(5_000);
    ask(2, 2);
    assert.equal(ask(2, 2, -60_000), 2);
    assert.equal(ask(5, 2, 60_000), 5);
  });

  it('tells what time it was there before', () => {
    const { clock, time, ask } = start(5_000);
    ask(0, 0);
    assert.equal(time.at(clock.ms - 250), clock.ms + 5_000 - 250);
  });
});
