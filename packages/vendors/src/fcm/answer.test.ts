import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PoolResponse } from '@pushmill/http2';
import { readRefusal, readTaken, retryDelay, takenId } from './answer.ts';
import { fcmError, notAToken, type Reply, refusal, unregistered } from './fixtures.ts';

const now = Date.parse('2026-10-21T07:27:00Z');

function answered({ status, headers = {}, body }: Reply): PoolResponse {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status, headers, body: Buffer.from(text), sessionId: 'h2-1' };
}

const read = (reply: Reply, hidden: string[] = []) => readRefusal(answered(reply), hidden, now);
const html = (status: number): Reply => ({ status, body: '<!DOCTYPE html><title>Error</title>' });
const violation = (field: string, ...others: string[]) => ({
  '@type': 'type.googleapis.com/google.rpc.BadRequest',
  fieldViolations: [field, ...others].map((each) => ({ field: each, description: 'wrong' })),
});
const info = (reason: string) => ({ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason });
const quota = (description: string) => ({
  '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
  violations: [{ subject: 'project:1', description }],
});
const exceeded = (description: string) =>
  refusal(429, 'RESOURCE_EXHAUSTED', 'Quota exceeded.', fcmError('QUOTA_EXCEEDED'), quota(description));

/** From Google's pages and public reports; written without a look at the table. */
const cases: [what: string, reply: Reply, outcome: Record<string, unknown>, fault?: string][] = [
  ['an app that was removed', unregistered(), { kind: 'token-dead', code: 'UNREGISTERED' }],
  [
    'a 404 about the project',
    refusal(404, 'NOT_FOUND', 'Requested entity was not found.'),
    { kind: 'misconfigured', code: 'NOT_FOUND' },
  ],
  ['a 404 of the front end', html(404), { kind: 'misconfigured', code: 'http-404' }],
  [
    'a 404 whose FcmError says nothing',
    refusal(404, 'NOT_FOUND', 'x', fcmError('UNSPECIFIED_ERROR')),
    { kind: 'misconfigured', code: 'NOT_FOUND' },
  ],
  [
    'a message that is too big',
    refusal(
      400,
      'INVALID_ARGUMENT',
      'Android message is too big',
      { '@type': 'type.googleapis.com/google.rpc.BadRequest' },
      fcmError('INVALID_ARGUMENT'),
    ),
    { kind: 'rejected', code: 'INVALID_ARGUMENT' },
  ],
  ['what is no token, in words', notAToken(), { kind: 'rejected', code: 'INVALID_ARGUMENT' }, 'token'],
  [
    'what is no token, by its field',
    refusal(400, 'INVALID_ARGUMENT', 'x', violation('message.token'), fcmError('INVALID_ARGUMENT')),
    { kind: 'rejected' },
    'token',
  ],
  [
    'a token and a field that are both wrong',
    refusal(400, 'INVALID_ARGUMENT', 'x', violation('message.token', 'message.data[0].value')),
    { kind: 'rejected' },
  ],
  [
    'a field that is wrong, whatever the words say',
    refusal(
      400,
      'INVALID_ARGUMENT',
      'The registration token is not a valid FCM registration token',
      violation('message.data[0].value'),
    ),
    { kind: 'rejected' },
  ],
  [
    'an access token that is not good',
    refusal(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.'),
    { kind: 'misconfigured', code: 'UNAUTHENTICATED' },
    'authorization',
  ],
  [
    'an APNs key that Apple refuses',
    refusal(401, 'UNAUTHENTICATED', 'Auth error from APNS', fcmError('THIRD_PARTY_AUTH_ERROR')),
    { kind: 'rejected', code: 'THIRD_PARTY_AUTH_ERROR' },
  ],
  [
    'the same by its older name',
    refusal(401, 'UNAUTHENTICATED', 'x', fcmError('APNS_AUTH_ERROR')),
    { kind: 'rejected', code: 'APNS_AUTH_ERROR' },
  ],
  [
    'a token of another project',
    refusal(403, 'PERMISSION_DENIED', 'SenderId mismatch', fcmError('SENDER_ID_MISMATCH')),
    { kind: 'rejected', code: 'SENDER_ID_MISMATCH' },
    'sender',
  ],
  [
    'an API that is not enabled',
    refusal(403, 'PERMISSION_DENIED', 'x', info('SERVICE_DISABLED')),
    { kind: 'misconfigured', code: 'SERVICE_DISABLED' },
  ],
  [
    'a missing permission',
    refusal(403, 'PERMISSION_DENIED', "Permission 'cloudmessaging.messages.create' denied"),
    { kind: 'misconfigured', code: 'PERMISSION_DENIED' },
  ],
  [
    'a quota that says when',
    { ...exceeded('Message rate exceeded'), headers: { 'retry-after': '30' } },
    { kind: 'throttled', scope: 'channel', retryAfterMs: 30_000 },
  ],
  [
    'a quota that does not',
    exceeded('Topic message rate exceeded'),
    { kind: 'throttled', scope: 'channel', retryAfterMs: 60_000 },
  ],
  ['a device’s quota', exceeded('Device message rate exceeded'), { kind: 'throttled', scope: 'token' }],
  [
    'a proxy’s quota',
    html(429),
    { kind: 'throttled', scope: 'channel', code: 'http-429', retryAfterMs: 60_000 },
  ],
  [
    'an overload that says until when',
    {
      ...refusal(503, 'UNAVAILABLE', 'x', fcmError('UNAVAILABLE')),
      headers: { 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' },
    },
    { kind: 'unavailable', code: 'UNAVAILABLE', retryAfterMs: 60_000, mayHaveArrived: false },
  ],
  [
    'an internal error',
    refusal(500, 'INTERNAL', 'x', fcmError('INTERNAL')),
    { kind: 'unavailable', code: 'INTERNAL', retryAfterMs: 10_000, mayHaveArrived: false },
  ],
  [
    'a deadline behind the front end',
    refusal(504, 'DEADLINE_EXCEEDED', 'x'),
    { kind: 'unavailable', code: 'DEADLINE_EXCEEDED', mayHaveArrived: true },
  ],
  ['a bad gateway', html(502), { kind: 'unavailable', code: 'http-502', mayHaveArrived: true }],
  ['a front end that is down', html(503), { kind: 'unavailable', code: 'http-503', mayHaveArrived: true }],
  ['a redirect', html(302), { kind: 'unavailable', code: 'http-302', mayHaveArrived: true }],
  ['a request that is too large', html(413), { kind: 'rejected', code: 'http-413' }],
  ['a proxy that wants a password', html(407), { kind: 'unavailable', mayHaveArrived: false }],
  ['a proxy’s 401', html(401), { kind: 'unavailable', code: 'http-401', mayHaveArrived: false }],
  ['a proxy’s 403', html(403), { kind: 'unavailable', code: 'http-403', mayHaveArrived: false }],
  ['an empty 400', { status: 400, body: '' }, { kind: 'unavailable', mayHaveArrived: false }],
  [
    'an aborted call',
    refusal(409, 'ABORTED', 'x'),
    { kind: 'unavailable', code: 'ABORTED', mayHaveArrived: false },
  ],
  [
    'a bare text, as topic management gives it',
    { status: 401, body: { error: 'Unauthorized' } },
    { kind: 'misconfigured', code: 'http-401' },
    'authorization',
  ],
];

describe('an answer', () => {
  for (const [what, reply, outcome, fault] of cases) {
    test(`of ${what}`, () => {
      const verdict = read(reply);
      assert.partialDeepStrictEqual(verdict.outcome, outcome);
      assert.equal(verdict.fault, fault);
    });
  }

  test('kills a token for one word only', () => {
    const dead = cases.filter(([, reply]) => read(reply).outcome.kind === 'token-dead');
    assert.deepEqual(
      dead.map(([what]) => what),
      ['an app that was removed'],
    );
  });

  test('with an unlisted code is judged by its status and told, never about the token', () => {
    const kinds = [400, 401, 403, 404, 410, 429, 500, 503].map((status) => {
      const { outcome, warning } = read(refusal(status, 'ODD', 'x', fcmError('ODD_CODE')));
      assert.match(String(warning), /no row/);
      return `${status} ${outcome.kind}`;
    });
    assert.deepEqual(kinds, [
      '400 rejected',
      '401 misconfigured',
      '403 misconfigured',
      '404 misconfigured',
      '410 rejected',
      '429 throttled',
      '500 unavailable',
      '503 unavailable',
    ]);
  });
});

describe('what people read', () => {
  test('is our words, with Google’s behind them', () => {
    const { outcome } = read(refusal(403, 'PERMISSION_DENIED', 'Denied by policy', info('SERVICE_DISABLED')));
    assert.ok(outcome.kind === 'misconfigured');
    assert.match(outcome.detail, /enable the Firebase Cloud Messaging API .*: Denied by policy$/);
  });

  test('has no token in it', () => {
    const reply = refusal(
      400,
      'INVALID_ARGUMENT',
      'Bad\n  token abc:123 of abc:123',
      fcmError('INVALID_ARGUMENT'),
    );
    const { outcome } = read(reply, ['abc:123']);
    assert.equal(
      'detail' in outcome && outcome.detail,
      'FCM refused the message: Bad token [hidden] of [hidden]',
    );
  });

  test('blames the APNs key where FCM’s own words blame the service account', () => {
    const words =
      'Request is missing required authentication credential. Expected OAuth 2 access token, login cookie';
    const apns = {
      '@type': 'type.googleapis.com/google.firebase.fcm.v1.ApnsError',
      statusCode: 403,
      reason: 'InvalidProviderToken',
    };
    const { outcome, warning } = read(
      refusal(401, 'UNAUTHENTICATED', words, fcmError('THIRD_PARTY_AUTH_ERROR'), apns),
    );
    assert.ok(outcome.kind === 'rejected');
    assert.match(outcome.detail, /kept in Firebase.*APNs said InvalidProviderToken \(403\)$/);
    assert.doesNotMatch(outcome.detail, /OAuth/);
    assert.match(String(warning), /service account is not at fault/);
  });
});

test('a Retry-After is seconds or a date, by the clock of whoever sent it', () => {
  const delayOf = (value: string, date?: string) =>
    retryDelay(
      answered({ status: 503, headers: { 'retry-after': value, ...(date ? { date } : {}) }, body: '' }),
      now,
    );
  assert.equal(delayOf('30'), 30_000);
  assert.equal(delayOf('Wed, 21 Oct 2026 07:28:00 GMT'), 60_000);
  assert.equal(delayOf('Wed, 21 Oct 2026 07:28:00 GMT', 'Wed, 21 Oct 2026 07:27:50 GMT'), 10_000);
  assert.equal(delayOf('999999'), 3_600_000);
  for (const value of ['soon', '-1', 'Wed, 21 Oct 2020 07:28:00 GMT'])
    assert.equal(delayOf(value), undefined);
});

test('a yes is JSON, and its name ends in the id of the message', () => {
  const yes = readTaken(answered({ status: 200, body: '{\n  "name": "projects/p/messages/0:17%a"\n}' }));
  assert.equal(yes.outcome.kind, 'accepted');
  assert.equal(takenId(yes.fields ?? {}), '0:17%a');
  const odd = readTaken(answered({ status: 200, body: '<html>' }));
  assert.partialDeepStrictEqual(odd.outcome, { kind: 'unavailable', mayHaveArrived: true });
});
