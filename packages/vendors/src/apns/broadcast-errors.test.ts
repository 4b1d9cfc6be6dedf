import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { outcomeOf } from './answer.ts';
import { broadcastReasons } from './broadcast-errors.ts';

const warnings: Record<string, unknown>[] = [];
const outcome = (status: number, reason: string, environment: 'production' | 'sandbox' = 'production') =>
  outcomeOf(
    { status, headers: {}, body: Buffer.from(JSON.stringify({ reason })) },
    {
      reasons: broadcastReasons,
      environment,
      ownTopic: true,
      warn: (fields) => void warnings.push(fields),
    },
  );

describe('every reason of Apple’s table for broadcasts', () => {
  const table: [status: number, reason: string, kind: string, more?: Record<string, unknown>][] = [
    [400, 'FeatureNotEnabled', 'rejected'],
    [400, 'MissingChannelId', 'rejected'],
    [400, 'BadChannelId', 'rejected'],
    [400, 'BadRequestParams', 'rejected'],
    [400, 'BadRequestPayload', 'rejected'],
    [400, 'PayloadEmpty', 'rejected'],
    [400, 'BadMessageId', 'rejected'],
    [400, 'MissingPushType', 'rejected'],
    [400, 'InvalidPushType', 'rejected'],
    [400, 'BadExpirationDate', 'rejected'],
    [400, 'BadPriority', 'rejected'],
    [400, 'MissingChannelQueueSize', 'rejected'],
    [400, 'ChannelNotRegistered', 'rejected'],
    [400, 'CannotCreateChannelConfig', 'rejected'],
    [400, 'TopicDisallowed', 'rejected'],
    [403, 'BadCertificate', 'misconfigured'],
    [403, 'BadCertificateEnvironment', 'misconfigured'],
    [403, 'TopicMismatch', 'rejected'],
    [403, 'MissingProviderToken', 'misconfigured'],
    [403, 'InvalidProviderToken', 'misconfigured'],
    [403, 'ExpiredProviderToken', 'unavailable', { mayHaveArrived: false }],
    [403, 'UnrelatedKeyIdInToken', 'misconfigured'],
    [403, 'BadEnvironmentKeyIdInToken', 'misconfigured'],
    [403, 'BadEnvironmentKeyInToken', 'misconfigured'],
    [403, 'Forbidden', 'misconfigured'],
    [404, 'BadPath', 'rejected'],
    [405, 'MethodNotAllowed', 'rejected'],
    [413, 'PayloadTooLarge', 'rejected'],
    [429, 'TooManyRequests', 'throttled', { scope: 'token' }],
    [429, 'TooManyProviderTokenUpdates', 'throttled', { scope: 'channel' }],
    [500, 'InternalServerError', 'unavailable', { mayHaveArrived: true }],
    [503, 'ServiceUnavailable', 'unavailable', { mayHaveArrived: false }],
    [503, 'Service Unavailable', 'unavailable', { mayHaveArrived: false }],
    [503, 'Shutdown', 'unavailable', { mayHaveArrived: false }],
  ];
  for (const [status, reason, kind, more] of table) {
    it(`${status} ${reason} is ${kind}`, () => {
      warnings.length = 0;
      const got = outcome(status, reason);
      assert.equal(got.kind, kind);
      assert.partialDeepStrictEqual(got, { code: reason, ...more });
      assert.ok((got.detail ?? '').length > 20, 'a sentence');
      // There is no device token that could be filed elsewhere.
      assert.ok(!('misfiled' in got));
      assert.equal(warnings.length, 0);
    });
  }

  it('has a row here', () => {
    assert.deepEqual(new Set(table.map(([, reason]) => reason)), new Set(broadcastReasons.keys()));
  });

  it('that is unknown is told', () => {
    warnings.length = 0;
    assert.equal(outcome(400, 'DeviceTokenNotForTopic').kind, 'rejected');
    assert.deepEqual(warnings, [{ status: 400, reason: 'DeviceTokenNotForTopic' }]);
  });

  it('names the environment that does not know the channel', () => {
    const got = outcome(400, 'ChannelNotRegistered', 'sandbox') as { detail: string };
    assert.match(got.detail, /in the sandbox environment/);
  });
});
