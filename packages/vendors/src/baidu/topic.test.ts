import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { messageWith, pushesTo } from '../fixtures.ts';
import { named } from './emulator-fields.ts';
import { cutCalls, maxTopicChars, topicOf } from './topic.ts';

const message = messageWith({ id: '01983a0c-5f2e-7c3d-8a41-b6d2e9f01234' });

test('a topic names its pushes by runs', () => {
  const topic = (numbers: number[]) => topicOf(pushesTo(numbers.map(String), message, numbers));
  assert.equal(topic([0]), '01983a0c5f2e7c3d8a41b6d2e9f01234_0');
  assert.equal(topic([0, 1, 2, 7, 9, 10]), '01983a0c5f2e7c3d8a41b6d2e9f01234_0t2_7_9t10');
});

test('however pushes are numbered, calls carry each once and the other side reads which', () => {
  const push = fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 40 }));
  const anyPushes = fc.uniqueArray(push, { minLength: 1, maxLength: 120, selector: ([n]) => n });
  fc.assert(
    fc.property(
      anyPushes,
      fc.integer({ min: 1, max: 50 }),
      fc.boolean(),
      (given, maxDevices, namesPushes) => {
        const pushes = pushesTo(
          given.map(([, token]) => `t${token}`),
          message,
          given.map(([n]) => n),
        );
        const calls = cutCalls(pushes, maxDevices, namesPushes);
        assert.deepEqual(new Set(calls.flat()), new Set(pushes));
        assert.equal(calls.flat().length, pushes.length);
        for (const call of calls) {
          assert.ok(call.length <= maxDevices);
          assert.equal(new Set(call.map(({ token }) => token)).size, call.length, 'a token twice in a call');
          if (!namesPushes) continue;
          const topic = topicOf(call);
          assert.ok(topic.length <= maxTopicChars && /^\w+$/.test(topic), topic);
          assert.deepEqual(
            named(topic, call.length),
            call.map(({ id }) => id),
          );
        }
      },
    ),
  );
});

test('pushes that follow each other are one call, and scattered ones as few as the topic permits', () => {
  const all = pushesTo(
    Array.from({ length: 500 }, (_, n) => `t${n}`),
    message,
  );
  assert.deepEqual(
    cutCalls(all, 10_000, true).map((call) => call.length),
    [500],
  );
  const scattered = all.filter((_, n) => n % 2 === 0 && n >= 100);
  // 32 characters of the id leave 96: 24 times `_100`.
  assert.equal(cutCalls(scattered, 10_000, true)[0]?.length, 24);
  assert.deepEqual(
    cutCalls(scattered, 10_000, false).map((call) => call.length),
    [200],
  );
});

test('topics of others name nothing', () => {
  const id = '01983a0c5f2e7c3d8a41b6d2e9f01234';
  for (const topic of [
    undefined,
    'news_1',
    id,
    `${id}_`,
    `${id}_0t4`,
    `${id}_0_1_2`,
    `${id}_5t1`,
    `${id}_0t999999999`,
  ]) {
    assert.equal(named(topic, 2), undefined, String(topic));
  }
  assert.deepEqual(named(`${id}_3t4`, 2), [`${message.id}.3`, `${message.id}.4`]);
});
