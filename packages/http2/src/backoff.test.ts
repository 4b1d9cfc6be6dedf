import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from './backoff.ts';

const failure = { kind: 'connect', detail: 'no' } as const;

test('the bound doubles from 1 s to 60 s, full jitter draws below it, success resets', () => {
  let chance = 0.5;
  const backoff = new Backoff(1_000, 60_000, () => chance);
  assert.ok(backoff.permits(0));
  for (const bound of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
    backoff.failed(failure, 500);
    assert.ok(!backoff.permits(500 + bound / 2 - 1), `${bound}`);
    assert.ok(backoff.permits(500 + bound / 2), `${bound}`);
  }
  chance = 0;
  backoff.failed(failure, 500);
  assert.ok(backoff.permits(500));
  assert.equal(backoff.failures, 9);
  backoff.succeeded();
  assert.deepEqual([backoff.failures, backoff.last], [0, undefined]);
});
