import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { LoopDelay } from './loop-delay.ts';

const CHUNK_MS = 30;

/** Has a thread do the same thing over and over, one turn of its event loop each, for some looks. */
async function repeat(
  delay: LoopDelay,
  block: () => void,
  enough: (ms: number) => boolean,
): Promise<number[]> {
  const seen: number[] = [];
  const until = performance.now() + 10_000;
  while (performance.now() < until && !enough(seen.at(-1) ?? 0) && seen.length < 60) {
    block();
    await turn();
    seen.push(delay.ms);
  }
  return seen;
}

describe('LoopDelay', () => {
  it('says how late a thread is that has too much to do', async (t) => {
    const delay = new LoopDelay();
    t.after(() => delay.stop());
    const spin = () => {
      const from = performance.now();
      while (performance.now() - from < CHUNK_MS);
    };
    const seen = await repeat(delay, spin, (ms) => ms > 8);
    assert.ok((seen.at(-1) ?? 0) > 8, seen.join(' '));
  });

  it('is silent about a thread that others keep waiting', async (t) => {
    const delay = new LoopDelay();
    t.after(() => delay.stop());
    const cell = new Int32Array(new SharedArrayBuffer(4));
    const wait = () => void Atomics.wait(cell, 0, 0, CHUNK_MS);
    const seen = await repeat(delay, wait, (ms) => ms > 0);
    assert.ok(seen.length >= 60 && seen.every((ms) => ms === 0), seen.join(' '));
  });
});
