import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PoolError } from '@pushmill/http2';
import { unanswered } from './pool-failure.ts';

test('a call without an answer keeps what the pool knows of it', () => {
  for (const [kind, code, mayHaveArrived] of [
    ['reset', 'connection-lost', true],
    ['timeout', 'timeout', true],
    ['refused', 'stream-refused', false],
    ['closed', 'closing', false],
  ] as const) {
    const error = new PoolError({ kind, detail: 'the connection died' }, mayHaveArrived);
    const detail = 'the connection died';
    assert.deepEqual(unanswered(error), { kind: 'unavailable', code, detail, mayHaveArrived });
  }
});

test('our own bound costs a push no attempt', () => {
  const { kind } = unanswered(new PoolError({ kind: 'pool-full', detail: '1000 wait' }, false));
  assert.equal(kind, 'throttled');
});
