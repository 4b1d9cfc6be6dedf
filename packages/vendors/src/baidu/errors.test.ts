import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolResponse } from '@pushmill/http2';
import { readAnswer } from './answer.ts';
import { errorCodes, findCode, findSppCode, quotaPauseMs, sppCodes } from './errors.ts';
import { readSppAnswer } from './spp-answer.ts';

/** The table of the facts page, section 6, written down a second time: code, HTTP statuses, kind, the vendor's words. */
const page = [
  ['30600', [500], 'unavailable', 'Internal Server Error'],
  ['30601', [405], 'rejected', 'Method Not Allowed'],
  ['30602', [400], 'rejected', 'Request Params Not Valid'],
  ['30603', [403, 401], 'misconfigured', 'Authentication Failed'],
  ['30604', [402], 'throttled', 'Quota Use Up Payment Required'],
  ['30605', [404], 'rejected', 'Data Required Not Found'],
  ['30606', [408], 'restamp', 'Request Time Expires Timeout'],
  ['30607', [408], 'token-dead', 'Channel Token Timeout'],
  ['30608', [404], 'token-dead', 'Bind Relation Not Found'],
  ['30609', [400], 'rejected', 'Bind Number Too Many'],
  ['30610', [400], 'rejected', 'Duplicate Operation'],
  ['30611', [404], 'rejected', 'Group Not Found'],
  ['30612', [403], 'misconfigured', 'Application Forbidden, Need Whitelist Authorization'],
  ['30613', [400], 'misconfigured', 'App Need Inied First In Push-console'],
  ['30614', [400], 'rejected', 'Number Of Tag For User Too Many'],
  ['30615', [400], 'rejected', 'Number Of Tag For App Too Many'],
  ['30699', [503], 'throttled', 'Requests Are Too Frequent To Be Temporarily Rejected'],
] as const;

const noon = Date.UTC(2026, 10, 22, 4);

function answer(status: number, body: string, headers: Record<string, string> = {}): PoolResponse {
  return { status, headers, body: Buffer.from(body), sessionId: 's' };
}

function read(response: PoolResponse) {
  return readAnswer(response, ['4483825412066692748', 'the-secret'], noon);
}

for (const [code, statuses, kind, words] of page) {
  test(`${code} ${words}`, () => {
    assert.deepEqual([findCode(code)?.kind, findCode(code)?.name], [kind, words]);
    // The statuses are not all sure: whichever comes, the code decides, 200 included.
    for (const status of [...statuses, 200, 400, 403, 503]) {
      const response = answer(
        status,
        `{"request_id":9223372036854775807,"error_code":${code},"error_msg":"${words}"}`,
      );
      const verdict = readAnswer(response, [], noon);
      if (kind === 'restamp') assert.deepEqual(verdict.restamp, { serverTime: undefined });
      else {
        const { outcome } = verdict;
        assert.equal(outcome.kind, kind);
        assert.ok('code' in outcome);
        assert.deepEqual([outcome.code, outcome.detail], [code, `${words} (request 9223372036854775807)`]);
      }
    }
  });
}

test('the table holds these and no more', () => {
  assert.deepEqual(
    [...errorCodes.keys()],
    page.map(([code]) => code),
  );
});

test('what may be the fault of one device is asked again, the rest is not', () => {
  const again = page.map(([code]) => code).filter((code) => findCode(code)?.perTarget);
  assert.deepEqual(again, ['30602', '30607', '30608']);
});

test('an unlisted code of the range is refused and reported, one outside costs a retry', () => {
  const inside = read(answer(400, '{"error_code":30650,"error_msg":"New"}'));
  assert.equal(inside.outcome.kind, 'rejected');
  assert.match(String(inside.warning), /no row/);
  const outside = read(answer(400, '{"error_code":"too odd","error_msg":"New"}'));
  assert.deepEqual(
    [outside.outcome.kind, 'code' in outside.outcome && outside.outcome.code],
    ['unavailable', 'too odd'],
  );
  assert.match(String(outside.warning), /no row/);
  for (const code of ['3060', '306000', '31000', '']) assert.equal(findCode(code), undefined, code);
});

test('calls that have nothing to tell are taken all the same', () => {
  for (const params of ['', ',"response_params":[]', ',"response_params":null', ',"response_params":{}']) {
    const verdict = read(answer(200, `{"request_id":12394838223${params}}`));
    assert.deepEqual([verdict.outcome, verdict.result], [{ kind: 'accepted' }, {}]);
  }
});

test('2.0 names its messages in a list', () => {
  const { outcome } = read(
    answer(200, '{"response_params":{"success_amount":1,"msgids":[9223372036854775807]}}'),
  );
  assert.deepEqual(outcome, { kind: 'accepted', vendorMessageId: '9223372036854775807' });
});

test('msg_id is kept as the text that stood there', () => {
  const ids = ['"24234532453245"', '24234532453245', '9223372036854775807'];
  for (const id of ids) {
    const text = `{"request_id":12394838223,"response_params":{"msg_id":${id},"send_time":1427174155}}`;
    assert.deepEqual(read(answer(200, text)).outcome, {
      kind: 'accepted',
      vendorMessageId: id.replaceAll('"', ''),
    });
  }
  assert.deepEqual(read(answer(200, '{"response_params":{}}')).outcome, { kind: 'accepted' });
});

test('an answer that nobody can read costs a retry, with a warning unless it is plainly theirs', () => {
  for (const body of ['<html>sign in</html>', '', '[]', '{}', '{"response_params":"x"}']) {
    const { outcome, warning } = read(answer(200, body));
    assert.equal(outcome.kind, 'unavailable', body);
    assert.match(String(warning), /cannot be read/);
  }
  const down = read(answer(502, '<html>bad gateway</html>', { 'retry-after': '7' }));
  assert.deepEqual(down, {
    outcome: {
      kind: 'unavailable',
      code: 'http-502',
      detail: 'HTTP 502',
      mayHaveArrived: true,
      retryAfterMs: 7_000,
    },
    perTarget: false,
    warning: undefined,
  });
  assert.equal(read(answer(429, '')).outcome.kind, 'throttled');
});

test('a quota is waited for until midnight in Beijing, an hour at most', () => {
  const { outcome, warning } = read(answer(402, '{"error_code":30604}'));
  assert.ok(outcome.kind === 'throttled');
  assert.deepEqual([outcome.retryAfterMs, outcome.scope], [3_600_000, 'channel']);
  assert.match(String(warning), /quota/);
  assert.equal(quotaPauseMs(Date.UTC(2026, 10, 22, 15, 59)), 60_000);
  assert.equal(quotaPauseMs(Date.UTC(2026, 10, 22, 16)), 3_600_000);
});

test('a late call is stamped by the clock in the answer', () => {
  const response = answer(408, '{"error_code":30606}', { date: 'Fri, 02 Jan 2026 03:04:05 GMT' });
  const { outcome, restamp } = readAnswer(response, [], noon);
  assert.deepEqual(restamp, { serverTime: Date.UTC(2026, 0, 2, 3, 4, 5) });
  assert.deepEqual(outcome, { kind: 'unavailable', code: '30606', mayHaveArrived: false });
});

test('the words of the vendor lose what was ours', () => {
  const words = 'channel 4483825412066692748\\n  signed by the-secret';
  const { outcome } = read(answer(400, `{"error_code":30602,"error_msg":"${words}"}`));
  assert.ok(outcome.kind === 'rejected');
  assert.equal(outcome.detail, 'Request Params Not Valid: channel [hidden] signed by [hidden]');
});

/** SPP, section 8: status, code, kind. */
const sppPage = [
  [200, 300001, 'rejected', 'sensitive words'],
  [200, 300002, 'rejected', 'after a review'],
  [200, 300999, 'rejected', 'UNLISTED'],
  [400, 312345, 'rejected', 'UNLISTED'],
  [200, 200003, 'unavailable', 'HTTP 200'],
  [401, 1, 'misconfigured', 'said so'],
  [403, 300999, 'misconfigured', 'said so'],
  [429, 300999, 'throttled', 'said so'],
  [500, 300001, 'unavailable', 'HTTP 500'],
] as const;

for (const [status, code, kind, words] of sppPage) {
  test(`SPP: HTTP ${status} with ${code} is ${kind}`, () => {
    const text = `{"request_id":9223372036854775807,"code":${code},"message":"said so","result":{}}`;
    const { outcome } = readSppAnswer(answer(status, text), [], noon);
    assert.equal(outcome.kind, kind);
    assert.ok('code' in outcome && outcome.detail?.includes(words), JSON.stringify(outcome));
    assert.equal(outcome.code, String(code));
  });
}

test('SPP: the table holds its two codes, and what is not listed is warned about', () => {
  assert.deepEqual([...sppCodes.keys()], ['300001', '300002']);
  assert.equal(findSppCode('30000'), undefined);
  for (const code of [300_999, 200_003]) {
    assert.match(String(readSppAnswer(answer(200, `{"code":${code}}`), [], noon).warning), /no row/);
  }
  assert.equal(readSppAnswer(answer(200, '{"code":300001}'), [], noon).warning, undefined);
});

test('SPP: 0 is taken, under an id that is kept as text', () => {
  const text = '{"request_id":45891021,"code":0,"message":"","result":{"msg_id":9223372036854775807}}';
  assert.deepEqual(readSppAnswer(answer(200, text), [], noon).outcome, {
    kind: 'accepted',
    vendorMessageId: '9223372036854775807',
  });
  for (const [status, body] of [
    [200, '<html>'],
    [502, '<html>'],
    [200, '{}'],
  ] as const) {
    const { outcome } = readSppAnswer(answer(status, body), [], noon);
    assert.deepEqual([outcome.kind, 'code' in outcome && outcome.code], ['unavailable', `http-${status}`]);
  }
});

test('SPP: the words of the vendor lose what was ours', () => {
  const text = '{"code":300999,"message":"push_id push_id1 signed by the-secret"}';
  const { outcome } = readSppAnswer(answer(200, text), ['push_id1', 'the-secret'], noon);
  assert.ok(outcome.kind === 'rejected');
  assert.equal(outcome.detail, 'UNLISTED: push_id [hidden] signed by [hidden]');
});
