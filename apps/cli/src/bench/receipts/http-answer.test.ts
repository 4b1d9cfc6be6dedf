import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readAnswer } from './http-answer.ts';

const answer = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nsuccess';

describe('readAnswer', () => {
  it('waits until it is whole', () => {
    for (let length = 0; length < answer.length; length++) {
      assert.equal(readAnswer(answer.slice(0, length)), undefined);
    }
    assert.deepEqual(readAnswer(answer), { status: 200, length: answer.length });
  });

  it('leaves what follows', () => {
    assert.deepEqual(readAnswer(`${answer}HTTP/1.1 503`), { status: 200, length: answer.length });
  });

  it('refuses what does not say its length', () => {
    assert.throws(() => readAnswer('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'), /length/);
  });
});
