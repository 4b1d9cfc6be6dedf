import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolResponse } from '@pushmill/http2';
import { readAnswer } from './answer.ts';
import { codes, statusRows } from './errors.ts';

/** The table of the facts page, section 5, written down a second time. */
const page: Record<string, string> = {
  accepted: '0',
  rejected:
    '1008001 1008002 1008007 1008012 1008015 1008016 1008019 1008025 1008026 1008027 10010012 10010018',
  'token-dead': '1008006 1008029 10110008 10010005',
  misconfigured:
    '1008003 1008013 1008020 1008021 1008022 1008023 1008030 1008031 1008035 1010001 10030002 10030006',
  throttled: '1008028',
  unavailable: '1008004 1008011',
};

function answer(status: number, body: unknown, headers: Record<string, string> = {}): PoolResponse {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status, headers, body: Buffer.from(text), sessionId: 's' };
}

const said = (code: unknown, more: Record<string, unknown> = {}) =>
  answer(200, { seq: 0, push_id: '', ret_code: code, err_msg: 'words', ...more });
const read = (response: PoolResponse, missingIsDead = true) =>
  readAnswer(response, ['token-1'], missingIsDead);

test('every code of the page has its outcome, and no code is listed that the page has not', () => {
  const listed = new Set<string>();
  for (const [kind, words] of Object.entries(page)) {
    for (const code of words.split(' ')) {
      listed.add(code);
      const { outcome, warning } = read(said(Number(code)));
      assert.equal(outcome.kind, kind, code);
      assert.equal(warning, undefined, code);
      if (outcome.kind === 'accepted') continue;
      assert.equal(outcome.code, code);
      assert.match(String(outcome.detail), /: words$/, 'the words of the vendor are kept');
    }
  }
  assert.deepEqual([...codes.keys()].sort(), [...listed].sort());
});

test('every HTTP status of the page has its outcome, and no status is listed that the page has not', () => {
  const rows: [number, string][] = [
    [401, 'misconfigured'],
    [403, 'misconfigured'],
    [429, 'throttled'],
    [500, 'unavailable'],
    [502, 'unavailable'],
    [503, 'unavailable'],
    [504, 'unavailable'],
  ];
  for (const [status, kind] of rows) {
    const { outcome } = read(answer(status, '<html></html>'));
    assert.equal(outcome.kind, kind, String(status));
    assert.equal('code' in outcome && outcome.code, `http-${status}`);
    if (outcome.kind === 'unavailable') assert.equal(outcome.mayHaveArrived, true, String(status));
  }
  assert.deepEqual([...statusRows.keys()], [401, 403, 429]);
});

test('too fast means at least a second, and what the answer asks for if that is longer', () => {
  const waitOf = (headers: Record<string, string>) => {
    const { outcome } = read(answer(200, { ret_code: 1008028 }, headers));
    return outcome.kind === 'throttled' ? outcome.retryAfterMs : outcome.kind;
  };
  assert.equal(waitOf({}), 1_000);
  assert.equal(waitOf({ 'retry-after': '7' }), 7_000);
});

test('only what is about one target is asked again one by one', () => {
  const alone = [...codes.keys()].filter((code) => read(said(Number(code))).perTarget);
  assert.deepEqual(alone.sort(), ['10010005', '1008006', '1008029', '10110008']);
});

test('a refusal of the API was not taken, whatever came before it', () => {
  for (const code of ['1008004', '1008011', '4711']) {
    const { outcome } = read(said(Number(code)));
    assert.ok(outcome.kind === 'unavailable' && !outcome.mayHaveArrived, code);
  }
});

test('10010005 spares the token where the operator does not trust it', () => {
  assert.equal(read(said(10010005)).outcome.kind, 'token-dead');
  assert.deepEqual(read(said(10010005), false).outcome, {
    kind: 'rejected',
    code: '10010005',
    detail: 'the push target does not exist: words',
  });
  assert.equal(read(said(1008029), false).outcome.kind, 'token-dead');
});

test('an authentication failure may be the clock, in each of its guises', () => {
  const date = 'Fri, 02 Jan 2026 03:04:05 GMT';
  const serverTime = Date.parse(date);
  const guises: [string, PoolResponse][] = [
    ['1008003', answer(200, { ret_code: 1008003, err_msg: '' }, { date })],
    ['http-403', answer(403, 'Forbidden', { date })],
    ['http-401', answer(401, '', { date })],
  ];
  for (const [code, response] of guises) {
    const { outcome, restamp } = read(response);
    assert.deepEqual(restamp, { serverTime }, code);
    assert.deepEqual([outcome.kind, 'code' in outcome && outcome.code], ['misconfigured', code]);
  }
  assert.deepEqual(read(said(1008003)).restamp, { serverTime: undefined });
  assert.equal(read(said(1008035)).restamp, undefined);
});

test('a push id stays a text, in whichever form it comes', () => {
  const idOf = (body: unknown) => {
    const { outcome } = read(answer(200, body));
    return outcome.kind === 'accepted' ? outcome.vendorMessageId : outcome.kind;
  };
  assert.equal(idOf({ ret_code: 0, push_id: '9007199254740993' }), '9007199254740993');
  assert.equal(idOf('{"push_id": 9007199254740993,"ret_code":0}'), '9007199254740993');
  assert.equal(idOf({ ret_code: 0, push_id: ['427184209', '427184210'] }), '427184209');
  assert.equal(idOf({ retCode: 0, errMsg: 'NO_ERROR' }), undefined);
  assert.equal(idOf({ ret_code: '0', push_id: '' }), undefined);
});

test('the invalid list is read under its misspelt name, and only of an accepted call', () => {
  const list = ['AA', 'bb', 7];
  assert.deepEqual([...read(said(0, { invalid_targe_list: list })).invalid], ['aa', 'bb']);
  assert.deepEqual([...read(said(0, { invalid_target_list: list })).invalid], ['aa', 'bb']);
  assert.equal(read(said(1008007, { invalid_targe_list: list })).invalid.size, 0);
  assert.equal(read(said(0, { invalid_targe_list: null })).invalid.size, 0);
});

test('an answer without a code may hide a push that was taken, unless a gateway turned it away', () => {
  const cases: [PoolResponse, string, boolean, boolean][] = [
    [answer(200, '<html>sign in</html>'), 'http-200', true, true],
    [answer(200, '{"ret_code":0,"push_'), 'http-200', true, true],
    [answer(200, { seq: 0 }), 'http-200', true, true],
    [answer(200, '[]'), 'http-200', true, true],
    [answer(502, '<html>bad gateway</html>'), 'http-502', true, false],
    // The SDKs look into the body at 200 only.
    [answer(500, { ret_code: 0, push_id: '1' }), 'http-500', true, false],
    [answer(404, 'not found'), 'http-404', false, true],
    [answer(413, ''), 'http-413', false, true],
  ];
  for (const [response, code, mayHaveArrived, warns] of cases) {
    const { outcome, warning } = read(response);
    assert.ok(outcome.kind === 'unavailable', code);
    assert.deepEqual(
      [outcome.code, outcome.mayHaveArrived, warning !== undefined],
      [code, mayHaveArrived, warns],
    );
  }
  assert.deepEqual(read(answer(429, '', { 'retry-after': '7' })).outcome, {
    kind: 'throttled',
    code: 'http-429',
    detail: 'calls come too fast',
    scope: 'channel',
    retryAfterMs: 7_000,
  });
});

test('a code that nobody has listed costs a retry and asks for a row', () => {
  const { outcome, warning } = read(said(10101, { err_msg: 'about token-1' }));
  assert.deepEqual(outcome, {
    kind: 'unavailable',
    code: '10101',
    detail: 'about [hidden]',
    mayHaveArrived: false,
  });
  assert.match(String(warning), /no row/);
});

test('both spellings are read: codes and words of uploads, queries and statistics are in camel case', () => {
  for (const code of codes.keys()) {
    const camel = read(answer(200, { retCode: Number(code), errMsg: 'words' })).outcome;
    assert.deepEqual(camel, read(answer(200, { ret_code: Number(code), err_msg: 'words' })).outcome, code);
  }
});

test('ids of pushes are texts wherever they stand, and other numbers stay numbers', () => {
  const { fields } = read(
    answer(
      200,
      '{"retCode":0,"pushTaskList":[{"pushId":9007199254740993,"pushTime":1651662600},{"pushId":7}]}',
    ),
  );
  assert.deepEqual(fields.pushTaskList, [
    { pushId: '9007199254740993', pushTime: 1_651_662_600 },
    { pushId: '7' },
  ]);
  const { outcome } = read(answer(200, '{"ret_code":0,"push_id":[9007199254740993,9007199254740994]}'));
  assert.ok(outcome.kind === 'accepted' && outcome.vendorMessageId === '9007199254740993');
});
