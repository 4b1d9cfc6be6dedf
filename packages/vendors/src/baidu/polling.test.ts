import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../answer-reading.ts';
import type { VendorTask } from '../vendor.ts';
import { pollTasks, timerTask } from './polling.ts';
import type { Params } from './sign.ts';
import type { Answer } from './transport.ts';

const task = (id: string, pushes = 3): VendorTask => ({ id, pushes, acceptedAt: 0 });
const gave = (...rows: JsonObject[]): Answer => ({
  outcome: { kind: 'accepted' },
  perTarget: false,
  result: { result: rows },
});
const refused: Answer = { outcome: { kind: 'rejected', code: '30605', detail: 'd' }, perTarget: false };

function told(answer: Answer) {
  return (_path: string, _params: Params) => Promise.resolve(answer);
}

test('each status, and what it lets us say of every push', async () => {
  const cases: [JsonObject, number, unknown[]][] = [
    [{ status: '0', success: '3' }, 3, ['delivered', '0', 'sent', { success: 3 }, true]],
    [{ status: '0', success: '2' }, 3, [undefined, '0', 'sent', { success: 2 }, false]],
    [{ status: '0', success: '4' }, 3, [undefined, '0', 'sent', { success: 4 }, false]],
    // One push is an audience: one device of it is not all of it.
    [{ status: '0', success: '1' }, 1, [undefined, '0', 'sent', { success: 1 }, false]],
    [{ status: '0' }, 3, [undefined, '0', 'sent', {}, false]],
    [{ status: '1', success: '0' }, 3, [undefined, '1', 'waiting', { success: 0 }, false]],
    [{ status: '2', success: '3' }, 3, [undefined, '2', 'sending', { success: 3 }, false]],
    [{ status: '3', success: '0' }, 3, ['dropped', '3', 'failed', { success: 0 }, true]],
    [{ status: '9' }, 3, [undefined, '9', 'a status that has no row', {}, false]],
    [{}, 3, [undefined, 'none', 'a status that has no row', {}, false]],
  ];
  for (const [row, pushes, expected] of cases) {
    const [answer] = await pollTasks([task('7', pushes)], told(gave({ msg_id: '7', ...row })));
    assert.ok(answer?.kind === 'told');
    const { state, code, detail, counts, final } = answer;
    assert.deepEqual([state, code, detail, counts, final], expected, JSON.stringify(row));
  }
});

test('ids are asked for as texts in one call, and answered in order', async () => {
  const asked: string[] = [];
  const answers = await pollTasks([task('9223372036854775807'), task('8')], (_path, params) => {
    asked.push(String(params.msg_id));
    return Promise.resolve(
      gave({ msg_id: '8', status: '3' }, { msg_id: '9223372036854775807', status: '1' }),
    );
  });
  assert.deepEqual(asked, ['["9223372036854775807","8"]']);
  assert.deepEqual(
    answers.map((answer) => answer.kind === 'told' && answer.code),
    ['1', '3'],
  );
});

test('one id that is forgotten does not keep the others in the dark', async () => {
  const ids = Array.from({ length: 50 }, (_, n) => String(n));
  let calls = 0;
  const answers = await pollTasks(
    ids.map((id) => task(id)),
    (_path, params) => {
      calls += 1;
      const asked = JSON.parse(params.msg_id as string) as string[];
      const rows = asked.map((id) => ({ msg_id: id, status: '3' }));
      return Promise.resolve(asked.includes('17') ? refused : gave(...rows));
    },
  );
  assert.ok(calls <= 13, `${calls} calls`);
  assert.deepEqual(
    answers.flatMap((answer, n) => (answer.kind === 'failed' ? [[n, answer.outcome]] : [])),
    [[17, refused.outcome]],
  );
});

test('an answer that never came is the answer for all, after one call', async () => {
  let calls = 0;
  const outcome = { kind: 'unavailable', code: 'timeout', mayHaveArrived: true } as const;
  const answers = await pollTasks([task('1'), task('2')], () => {
    calls += 1;
    return Promise.resolve({ outcome, perTarget: false });
  });
  assert.deepEqual(answers, [
    { kind: 'failed', outcome },
    { kind: 'failed', outcome },
  ]);
  assert.equal(calls, 1);
});

test('an id that the report passes over is asked again', async () => {
  const [answer] = await pollTasks([task('1')], told(gave({ msg_id: '2', status: '0' })));
  assert.ok(answer?.kind === 'failed');
  assert.equal('code' in answer.outcome && answer.outcome.code, 'not-in-report');
});

test('a timer is looked through to the message that it sent', async () => {
  const paths: string[] = [];
  const [answer] = await pollTasks([task(timerTask('5'), 1)], (path, params) => {
    paths.push(`${path} ${params.timer_id ?? params.msg_id}`);
    return Promise.resolve(gave({ msg_id: '7', status: '0', success: '40' }));
  });
  assert.deepEqual(paths, [
    '/rest/3.0/report/query_timer_records 5',
    '/rest/3.0/report/query_msg_status ["7"]',
  ]);
  assert.deepEqual(answer?.kind === 'told' && answer.counts, { success: 40 });
});

test('a timer that waits, and one that nobody knows', async () => {
  const [waiting] = await pollTasks([task(timerTask('5'), 1)], told(gave()));
  assert.deepEqual(waiting?.kind === 'told' && [waiting.code, waiting.final], ['timer', false]);
  const [gone] = await pollTasks([task(timerTask('5'), 1)], told(refused));
  assert.deepEqual(gone, { kind: 'failed', outcome: refused.outcome });
});
