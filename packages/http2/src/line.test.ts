import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Call } from './call.ts';
import { WaitingLine } from './line.ts';

const call = (number: number) =>
  new Call(
    { path: '/', headers: {} },
    number,
    0,
    () => {},
    () => {},
    undefined,
  );
const numbers = (line: WaitingLine) => [...line].map((each) => each.number);

test('first in first out; what is sent again goes back to its place; removal from anywhere', () => {
  const line = new WaitingLine();
  const calls = [1, 2, 3, 4, 5, 6].map(call);
  for (const each of calls) line.push(each);
  const [one, two, three, four, five, six] = calls as [Call, Call, Call, Call, Call, Call];
  assert.deepEqual([line.shift(), line.shift(), line.shift()], [one, two, three]);
  line.putBack(three);
  line.putBack(one);
  line.putBack(two);
  assert.deepEqual(numbers(line), [1, 2, 3, 4, 5, 6]);
  line.remove(four);
  line.remove(one);
  line.remove(six);
  assert.deepEqual(numbers(line), [2, 3, 5]);
  for (const each of line) line.remove(each);
  assert.deepEqual([line.size, line.first, line.shift()], [0, undefined, undefined]);
  line.putBack(five);
  assert.deepEqual(numbers(line), [5]);
});
