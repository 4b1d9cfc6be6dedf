import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseObject, retryAfter, serverTime, soften } from './answer-reading.ts';

const answer = (headers: Record<string, string>) => ({
  status: 503,
  headers,
  body: Buffer.alloc(0),
  sessionId: 's',
});

test('what the vendor says is kept on one line and without tokens', () => {
  assert.equal(soften('token  token-1\nis bad', ['token-1', '']), 'token [hidden] is bad');
  assert.equal(soften('x'.repeat(500), []).length, 200);
});

test('a number that no double holds is the text of its digits', () => {
  const text = '{"id":9223372036854775807,"code":3,"rows":[{"id":-9007199254740993}],"rate":0.5}';
  assert.deepEqual(parseObject(text), {
    id: '9223372036854775807',
    code: 3,
    rows: [{ id: '-9007199254740993' }],
    rate: 0.5,
  });
  assert.equal(parseObject(text, (key) => key === 'code')?.code, '3');
});

test('what is no JSON object is none', () => {
  for (const text of ['', '[]', 'null', '1', '"a"', '{"a":', '<html>'])
    assert.equal(parseObject(text), undefined);
});

test('a Retry-After is read in seconds, and never shortened below what is known', () => {
  assert.deepEqual(retryAfter(answer({ 'retry-after': '7' })), { retryAfterMs: 7_000 });
  assert.deepEqual(retryAfter(answer({ 'retry-after': '7' }), 9_000), { retryAfterMs: 9_000 });
  assert.deepEqual(retryAfter(answer({ 'retry-after': 'soon' })), {});
  assert.deepEqual(retryAfter(answer({})), {});
});

test('the vendor’s clock is its Date', () => {
  assert.equal(serverTime(answer({ date: 'Fri, 02 Jan 2026 03:04:05 GMT' })), Date.UTC(2026, 0, 2, 3, 4, 5));
  for (const headers of [{}, { date: 'noon' }] as Record<string, string>[])
    assert.equal(serverTime(answer(headers)), undefined);
});
