import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { messageWith, pushesTo } from '../fixtures.ts';
import type { Audience } from '../vendor.ts';
import { audiences } from './audience.ts';
import { settingsWith } from './fixtures.ts';
import { openApiCall, planOf, restCall } from './payload.ts';

const settings = settingsWith();
const rest = settingsWith({ interface: 'rest' });
const byTemplate = messageWith({
  notification: null,
  data: { a: '1' },
  vendor: {
    mpaas: { templateName: 'news', templateKeyValue: { name: 'you' }, templateValuesByTarget: { t: {} } },
  },
});

function pushTo(audience: Audience, message = byTemplate) {
  return pushesTo([''], message).map((push) => ({ ...push, audience }));
}

test('a broadcast of the OpenAPI', () => {
  const { action, params } = openApiCall(pushTo({ kind: 'broadcast' }), settings, 0);
  assert.equal(action, 'PushBroadcast');
  assert.deepEqual(params, {
    AppId: 'ONEX570DA89211721',
    WorkspaceId: 'test',
    TaskName: byTemplate.id,
    TemplateName: 'news',
    TemplateKeyValue: '{"name":"you"}',
    DeliveryType: '1',
    ExpiredSeconds: '600',
    Silent: '0',
    Classification: '1',
    Msgkey: `${byTemplate.id}.0.broadcast`,
    PushStatus: '0',
    BindPeriod: '4',
    ExtendedParams: '{"a":"1"}',
  });
});

test('a broadcast with everything that an audience may say', () => {
  const audience = {
    kind: 'broadcast',
    deliveryType: 1,
    pushStatus: 1,
    bindPeriod: 1,
    unbindPeriod: 3,
    androidChannel: 2,
    strategy: {
      type: 2,
      startTime: 1_625_673_600_000,
      endTime: 1_630_303_126_000,
      circleType: 1,
      circleValue: [1, 7],
      time: '13:45:11',
    },
  };
  assert.ok(Value.Check(audiences.schema, audience));
  assert.deepEqual(audiences.check(audience, byTemplate, settings), []);
  const { params } = openApiCall(pushTo(audience), settings, 0);
  const told = [
    'PushStatus',
    'BindPeriod',
    'UnBindPeriod',
    'AndroidChannel',
    'StrategyType',
    'StrategyContent',
  ].map((name) => params[name]);
  assert.deepEqual(told, [
    '1',
    '1',
    '3',
    '2',
    '2',
    '{"startTime":1625673600000,"endTime":1630303126000,"circleType":1,"circleValue":[1,7],"time":"13:45:11"}',
  ]);
  const once = { kind: 'broadcast', pushStatus: 2, strategy: { type: 1, fixedTime: 1_630_303_126_000 } };
  const later = openApiCall(pushTo(once), settings, 0).params;
  assert.deepEqual(
    [later.StrategyType, later.StrategyContent, later.UnBindPeriod, later.BindPeriod],
    ['1', '{"fixedTime":1630303126000}', '4', undefined],
  );
});

test('a broadcast of the rest interface', () => {
  const { method, body } = restCall(pushTo({ kind: 'broadcast', deliveryType: 2 }), rest, 0);
  assert.equal(method, 'pushbroadcast');
  assert.deepEqual(JSON.parse(body.toString()), {
    deliveryType: 2,
    expiredSeconds: 600,
    extended_params: { a: '1' },
    msgkey: `${byTemplate.id}.0.broadcast`,
    silent: 0,
    taskName: byTemplate.id,
    templateName: 'news',
    templatekv: { name: 'you' },
  });
});

test('a broadcast has no values of a target’s own', () => {
  const [push] = pushTo({ kind: 'broadcast' });
  assert.ok(push && !planOf(push, settings).ownValues);
});

test('the schema knows what an audience may say', () => {
  const wrong = [
    {},
    { kind: 'all' },
    { kind: 'broadcast', more: 1 },
    { kind: 'broadcast', deliveryType: 3 },
    { kind: 'broadcast', pushStatus: 3 },
    { kind: 'broadcast', bindPeriod: 0 },
    { kind: 'broadcast', strategy: { type: 0 } },
    { kind: 'broadcast', strategy: { type: 1 } },
    { kind: 'broadcast', strategy: { type: 2, startTime: 1, endTime: 2, circleType: 1, time: '25:00:00' } },
  ];
  for (const audience of wrong) assert.ok(!Value.Check(audiences.schema, audience), JSON.stringify(audience));
});

test('what the schema cannot say is checked', () => {
  const own = { kind: 'broadcast' };
  assert.deepEqual(audiences.check(own, byTemplate, settings), []);
  const cases: [string, string, Record<string, unknown>, typeof settings?, typeof byTemplate?][] = [
    ['/vendor/mpaas/templateName', 'required', {}, settings, messageWith()],
    ['/deliveryType', 'required', {}, settingsWith({ deliveryType: 3 })],
    ['/bindPeriod', 'excluded', { pushStatus: 2, bindPeriod: 1 }],
    ['/unbindPeriod', 'excluded', { unbindPeriod: 1 }],
    ['/androidChannel', 'excluded', { deliveryType: 2, androidChannel: 1 }],
    [
      '/strategy/endTime',
      'invalid',
      { strategy: { type: 2, startTime: 2, endTime: 2, circleType: 1, time: '01:00:00' } },
    ],
    ['/pushStatus', 'unsupported', { pushStatus: 1 }, rest],
    ['/strategy', 'unsupported', { strategy: { type: 1, fixedTime: 1 } }, rest],
  ];
  for (const [pointer, code, changes, of, message] of cases) {
    const problems = audiences.check({ ...own, ...changes }, message ?? byTemplate, of ?? settings);
    const found = problems.some((problem) => problem.pointer === pointer && problem.code === code);
    assert.ok(found, `${pointer} ${code}: ${JSON.stringify(problems)}`);
  }
});
