import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolResponse } from '@pushmill/http2';
import { readAnswer } from './answer.ts';
import { errorCodes, findCode, quotaPauseMs } from './errors.ts';

/** The table of the facts page, section 6, written down a second time: code, kind, the vendor's words. */
const page = [
  ['30600', 'unavailable', 'Internal Server Error'],
  ['30601', 'rejected', 'Method Not Allowed'],
  ['30602', 'rejected', 'Request Params Not Valid'],
  ['30603', 'misconfigured', 'Authentication Failed'],
  ['30604', 'throttled', 'Quota Use Up Payment Required'],
  ['30605', 'rejected', 'Data Required Not Found'],
  ['30606', 'restamp', 'Request Time Expires Timeout'],
  ['30607', 'token-dead', 'Channel Token Timeout'],
  ['30608', 'token-dead', 'Bind Relation Not Found'],
  ['30609', 'rejected', 'Bind Number Too Many'],
  ['30610', 'rejected', 'Duplicate Operation'],
  ['30611', 'rejected', 'Group Not Found'],
  ['30612', 'misconfigured', 'Application Forbidden, Need Whitelist Authorization'],
  ['30613', 'misconfigured', 'App Need Inied First In Push-console'],
  ['30614', 'rejected', 'Number Of Tag For User Too Many'],
  ['30615', 'rejected', 'Number Of Tag For App Too Many'],
  ['30699', 'throttled', 'Requests Are Too Frequent To Be Temporarily Rejected'],
] as const;

const noon = Date.UTC(2026, 10, 22, 4);

function answer(status: number, body: string, headers: Record<string, string> = {}): PoolResponse {
  return { status, headers, body: Buffer.from(body), sessionId: 's' };
}

function read(response: PoolResponse) {
  const verdict = readAnswer(response, ['4483825412066692748', 'the-secret'], noon);
  assert.ok('outcome' in verdict);
  return verdict;
}

for (const [code, kind, words] of page) {
  test(`${code} ${words}`, () => {
    assert.deepEqual([findCode(code)?.kind, findCode(code)?.name], [kind, words]);
    // The statuses are not all known: whichever comes, the code decides, 200 included.
    for (const status of [200, 400, 403, 503]) {
      const response = answer(
        status,
        `{"request_id":9223372036854775807,"error_code":${code},"error_msg":"${words}"}`,
      );
      const verdict = readAnswer(response, [], noon);
      if (kind === 'restamp') assert.deepEqual(verdict, { restamp: code, serverTime: undefined });
      else {
        assert.ok('outcome' in verdict);
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
  assert.deepEqual(readAnswer(response, [], noon), {
    restamp: '30606',
    serverTime: Date.UTC(2026, 0, 2, 3, 4, 5),
  });
});

test('the words of the vendor lose what was ours', () => {
  const words = 'channel 4483825412066692748\\n  signed by the-secret';
  const { outcome } = read(answer(400, `{"error_code":30602,"error_msg":"${words}"}`));
  assert.ok(outcome.kind === 'rejected');
  assert.equal(outcome.detail, 'Request Params Not Valid: channel [hidden] signed by [hidden]');
});
