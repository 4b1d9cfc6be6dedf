import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accepted, outcomeOf } from './answer.ts';
import { reasons } from './errors.ts';

const warnings: Record<string, unknown>[] = [];
const context = {
  reasons,
  environment: 'production' as const,
  ownTopic: true,
  warn: (fields: Record<string, unknown>) => void warnings.push(fields),
};
const answer = (status: number, body: unknown, headers = {}) => ({
  status,
  headers,
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
});
const outcome = (status: number, body: unknown, headers = {}, over = {}) =>
  outcomeOf(answer(status, body, headers), { ...context, ...over });

describe('every reason of Apple’s table', () => {
  const table: [status: number, reason: string, kind: string, more?: Record<string, unknown>][] = [
    [400, 'BadCollapseId', 'rejected'],
    [400, 'BadDeviceToken', 'rejected', { misfiled: true }],
    [400, 'BadExpirationDate', 'rejected'],
    [400, 'BadMessageId', 'rejected'],
    [400, 'BadPriority', 'rejected'],
    [400, 'BadTopic', 'rejected'],
    [400, 'DeviceTokenNotForTopic', 'rejected'],
    [400, 'DuplicateHeaders', 'rejected'],
    [400, 'IdleTimeout', 'unavailable', { mayHaveArrived: false }],
    [400, 'InvalidPushType', 'rejected'],
    [400, 'MissingDeviceToken', 'rejected'],
    [400, 'MissingTopic', 'rejected'],
    [400, 'PayloadEmpty', 'rejected'],
    [400, 'TopicDisallowed', 'misconfigured'],
    [403, 'BadCertificate', 'misconfigured'],
    [403, 'BadCertificateEnvironment', 'misconfigured'],
    [403, 'ExpiredProviderToken', 'unavailable', { mayHaveArrived: false }],
    [403, 'Forbidden', 'misconfigured'],
    [403, 'InvalidProviderToken', 'misconfigured'],
    [403, 'MissingProviderToken', 'misconfigured'],
    [403, 'UnrelatedKeyIdInToken', 'misconfigured'],
    [403, 'BadEnvironmentKeyIdInToken', 'misconfigured'],
    [403, 'BadEnvironmentKeyInToken', 'misconfigured'],
    [404, 'BadPath', 'rejected'],
    [405, 'MethodNotAllowed', 'rejected'],
    [410, 'ExpiredToken', 'token-dead'],
    [410, 'Unregistered', 'token-dead'],
    [413, 'PayloadTooLarge', 'rejected'],
    [429, 'TooManyProviderTokenUpdates', 'throttled', { scope: 'channel' }],
    [429, 'TooManyRequests', 'throttled', { scope: 'token' }],
    [500, 'InternalServerError', 'unavailable', { mayHaveArrived: true }],
    [503, 'ServiceUnavailable', 'unavailable', { mayHaveArrived: false }],
    [503, 'Shutdown', 'unavailable', { mayHaveArrived: false }],
  ];
  for (const [status, reason, kind, more] of table) {
    it(`${status} ${reason} is ${kind}`, () => {
      warnings.length = 0;
      for (const headers of [{}, { 'content-type': 'application/json' }]) {
        const got = outcome(status, { reason }, headers);
        assert.equal(got.kind, kind);
        assert.partialDeepStrictEqual(got, { code: reason, ...more });
        assert.equal('misfiled' in got, more !== undefined && 'misfiled' in more);
      }
      assert.equal(warnings.length, 0);
    });
  }

  it('has a row here', () => {
    assert.deepEqual(new Set(table.map(([, reason]) => reason)), new Set(reasons.keys()));
  });
});

describe('the answer', () => {
  it('200 is accepted, with the id that APNs echoes', () => {
    assert.deepEqual(accepted({ headers: { 'apns-id': 'X' } }), { kind: 'accepted', vendorMessageId: 'X' });
    assert.deepEqual(accepted({ headers: { 'apns-request-id': 'Y' } }), {
      kind: 'accepted',
      vendorMessageId: 'Y',
    });
    assert.deepEqual(accepted({ headers: {} }), { kind: 'accepted' });
  });

  it('410 says since when, in milliseconds', () => {
    assert.deepEqual(outcome(410, { reason: 'Unregistered', timestamp: 1_700_000_000_000 }), {
      kind: 'token-dead',
      code: 'Unregistered',
      since: new Date('2023-11-14T22:13:20Z'),
    });
    assert.deepEqual(outcome(410, { reason: 'Unregistered', timestamp: 'x' }), {
      kind: 'token-dead',
      code: 'Unregistered',
    });
  });

  it('BadDeviceToken says where the token is not known, and where it may be', () => {
    for (const [environment, other] of [
      ['production', 'sandbox'],
      ['sandbox', 'production'],
    ] as const) {
      const got = outcome(400, { reason: 'BadDeviceToken' }, {}, { environment });
      const { detail } = got as { detail: string };
      assert.match(detail, new RegExp(`not know this token in the ${environment} environment`));
      assert.match(detail, new RegExp(`Register the device under ${other} `));
    }
  });

  it('TopicDisallowed for a topic of the message stops only the message', () => {
    assert.equal(outcome(400, { reason: 'TopicDisallowed' }, {}, { ownTopic: false }).kind, 'rejected');
  });

  it('of an unknown reason is judged by its status, with a warning, and never kills a token', () => {
    for (const [status, kind] of [
      [400, 'rejected'],
      [410, 'rejected'],
      [401, 'misconfigured'],
      [403, 'misconfigured'],
      [429, 'throttled'],
      [500, 'unavailable'],
      [599, 'unavailable'],
    ] as const) {
      warnings.length = 0;
      assert.equal(outcome(status, { reason: 'BrandNew' }).kind, kind);
      assert.deepEqual(warnings, [{ status, reason: 'BrandNew' }]);
    }
  });

  it('of something else than APNs says nothing about credential or token', () => {
    for (const body of ['', '<html>', '[]', 'null', '{"reason":7}', '{"reason":"<script>"}', '{']) {
      for (const [status, mayHaveArrived] of [
        [403, false],
        [410, false],
        [502, true],
        [301, true],
      ] as const) {
        assert.partialDeepStrictEqual(outcome(status, body), {
          kind: 'unavailable',
          code: `http-${status}`,
          mayHaveArrived,
        });
      }
    }
  });

  it('may name a delay', () => {
    assert.partialDeepStrictEqual(outcome(503, { reason: 'ServiceUnavailable' }, { 'retry-after': '7' }), {
      retryAfterMs: 7_000,
    });
    assert.ok(!('retryAfterMs' in outcome(503, { reason: 'ServiceUnavailable' }, { 'retry-after': 'soon' })));
  });
});
