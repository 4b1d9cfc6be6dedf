import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import type { MessageContent } from '@pushmill/core';
import { messageWith, pushesTo } from '../fixtures.ts';
import { checkMessage } from './check.ts';
import { settingsWith, vectors } from './fixtures.ts';
import { expiredSeconds, openApiCall, planOf, restCall } from './payload.ts';

const settings = settingsWith();
const rest = settingsWith({ interface: 'rest' });

test('the rest body is the vector, byte for byte', () => {
  const message = messageWith({
    notification: { title: '测试', body: '测试正文', click: { type: 'url', url: 'http://127.0.0.1' } },
    data: { k: 'v' },
    vendor: { mpaas: { taskName: 'simpleTest', deliveryType: 3 } },
  });
  const push = { ...pushesTo(['user1024'], message)[0], id: '1578807462788' };
  const { method, body } = restCall([push as never], rest, 0);
  assert.equal(method, 'pushsimple');
  assert.equal(body.toString('utf8'), vectors.restRequests[0]?.body);
  assert.equal(
    createHash('sha256').update(body).digest('hex'),
    'c1690c9c726d529312935bf37bb4c0c2a442bfe89367ed1b36914718f8ca8ec0',
  );
});

test('a simple push of the OpenAPI', () => {
  const message = messageWith({
    notification: {
      title: 'Parcel',
      body: 'Here.',
      imageUrl: 'https://x.example/a.png',
      click: { type: 'screen', name: 'app://parcels' },
    },
    data: { parcel: '4711' },
  });
  const pushes = pushesTo(['t-1', 't-2'], message);
  const { action, params } = openApiCall(pushes, settings, 0);
  assert.equal(action, 'PushSimple');
  assert.deepEqual(params, {
    AppId: 'ONEX570DA89211721',
    WorkspaceId: 'test',
    TaskName: message.id,
    Title: 'Parcel',
    Content: 'Here.',
    DeliveryType: '1',
    TargetMsgkey: `{"t-1":"${message.id}.0","t-2":"${message.id}.1"}`,
    ExpiredSeconds: '600',
    Silent: '0',
    Classification: '1',
    PushStyle: '2',
    Uri: 'app://parcels',
    PushAction: '1',
    ImageUrls: '{"defaultUrl":"https://x.example/a.png"}',
    ExtendedParams: '{"parcel":"4711"}',
  });
});

test('a push by template, with every override that it has', () => {
  const mpaas = {
    deliveryType: 2,
    taskName: 'task',
    templateName: 'code',
    templateKeyValue: { code: '1234' },
    silent: true,
    notifyType: 'transparent',
    classification: 0,
    channelId: 'c',
    miChannelId: 'm',
    thirdChannelCategory: { hms: 9, harmony: 3 },
    notifyLevel: { hms: 2 },
    extendedParams: { b: '2' },
    transparentMessagePayload: { any: 1 },
    transparentMessageUrgency: 'HIGH',
  };
  const message = messageWith({ notification: null, data: { a: '1', b: '1' }, vendor: { mpaas } });
  assert.deepEqual(checkMessage(message, settings), []);
  const { action, params } = openApiCall(pushesTo(['t'], message), settingsWith({ tenantId: 'tenant' }), 0);
  assert.equal(action, 'PushTemplate');
  assert.deepEqual(params, {
    AppId: 'ONEX570DA89211721',
    WorkspaceId: 'test',
    TaskName: 'task',
    TemplateName: 'code',
    TemplateKeyValue: '{"code":"1234"}',
    DeliveryType: '2',
    TargetMsgkey: `{"t":"${message.id}.0"}`,
    ExpiredSeconds: '600',
    Silent: '1',
    Classification: '0',
    TenantId: 'tenant',
    ExtendedParams: '{"a":"1","b":"2"}',
    NotifyType: 'transparent',
    ChannelId: 'c',
    MiChannelId: 'm',
    ThirdChannelCategory: '{"hms":"9","harmony":"3"}',
    NotifyLevel: '{"hms":"2"}',
    TransparentMessagePayload: '{"any":1}',
    TransparentMessageUrgency: 'HIGH',
  });
  const restMessage = messageWith({
    notification: null,
    vendor: { mpaas: { templateName: 'code', templateKeyValue: { code: '1' } } },
  });
  const { method, body } = restCall(pushesTo(['t'], restMessage), rest, 0);
  assert.equal(method, 'pushtemplate');
  assert.deepEqual(JSON.parse(body.toString()), {
    deliveryType: 1,
    expiredSeconds: 600,
    silent: 0,
    target_msgkey: { t: `${restMessage.id}.0` },
    taskName: restMessage.id,
    templateName: 'code',
    templatekv: { code: '1' },
  });
});

describe('a batch with values of their own', () => {
  const mpaas = {
    templateName: 'code',
    templateKeyValue: { code: '0', shop: 'Corner' },
    templateValuesByTarget: { 't-1': { code: '1' }, ['__proto__']: { code: '2' } },
  };
  // As JSON.parse makes it: an own key, whatever its name.
  const own = JSON.parse('{"t-1": {"code": "1"}, "__proto__": {"code": "2"}}');
  const vendor = { mpaas: { ...mpaas, templateValuesByTarget: own } };
  const message = messageWith({ notification: null, data: { a: '1' }, vendor });
  const pushes = pushesTo(['t-1', 't-2', '__proto__', 'constructor'], message);

  test('goes to the OpenAPI as a list', () => {
    const { action, params } = openApiCall(pushes, settings, 0);
    assert.equal(action, 'PushMultiple');
    assert.deepEqual(params, {
      AppId: 'ONEX570DA89211721',
      WorkspaceId: 'test',
      TaskName: message.id,
      TemplateName: 'code',
      DeliveryType: '1',
      'TargetMsg.1.Target': 't-1',
      'TargetMsg.1.MsgKey': `${message.id}.0`,
      'TargetMsg.1.TemplateKeyValue': '{"code":"1","shop":"Corner"}',
      'TargetMsg.2.Target': 't-2',
      'TargetMsg.2.MsgKey': `${message.id}.1`,
      'TargetMsg.2.TemplateKeyValue': '{"code":"0","shop":"Corner"}',
      'TargetMsg.3.Target': '__proto__',
      'TargetMsg.3.MsgKey': `${message.id}.2`,
      'TargetMsg.3.TemplateKeyValue': '{"code":"2","shop":"Corner"}',
      'TargetMsg.4.Target': 'constructor',
      'TargetMsg.4.MsgKey': `${message.id}.3`,
      'TargetMsg.4.TemplateKeyValue': '{"code":"0","shop":"Corner"}',
      ExpiredSeconds: '600',
      Silent: '0',
      Classification: '1',
      ExtendedParams: '{"a":"1"}',
    });
  });

  test('goes to the rest interface as a map', () => {
    const { method, body } = restCall(pushes.slice(0, 3), rest, 0);
    assert.equal(method, 'pushmultiple');
    const common = { code: '0', shop: 'Corner' };
    assert.equal(
      body.toString(),
      JSON.stringify({
        deliveryType: 1,
        expiredSeconds: 600,
        extended_params: { a: '1' },
        silent: 0,
        target_msginfo: Object.fromEntries([
          ['t-1', { msgkey: `${message.id}.0`, templatekv: { ...common, code: '1' } }],
          ['t-2', { msgkey: `${message.id}.1`, templatekv: common }],
          ['__proto__', { msgkey: `${message.id}.2`, templatekv: { ...common, code: '2' } }],
        ]),
        taskName: message.id,
        templateName: 'code',
      }),
    );
  });

  test('may have more targets than another', () => {
    const [push] = pushes as [(typeof pushes)[0]];
    assert.deepEqual(planOf(push, settings), { ownValues: true, maxTargets: 100 });
    const plain = pushesTo(['t'], messageWith())[0] as typeof push;
    assert.deepEqual(planOf(plain, settings), { ownValues: false, maxTargets: 10 });
  });

  test('is checked value by value, and no problem names a target', () => {
    const problemsOf = (changes: Record<string, unknown>, of = settings) =>
      checkMessage(messageWith({ vendor: { mpaas: { ...mpaas, ...changes } } }), of);
    assert.deepEqual(problemsOf({}), []);
    const pointer = '/vendor/mpaas/templateValuesByTarget';
    const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`t-${n}`, {}]));
    const cases: [string, Record<string, unknown>, typeof settings?][] = [
      ['invalid', { templateValuesByTarget: many }],
      ['invalid', { templateValuesByTarget: { t: { code: 1 } } }],
      ['excluded', { templateName: undefined }],
      ['excluded', { deliveryType: 5, activityEvent: 'end', activityContentState: {} }],
      ['wrong-token-form', { templateValuesByTarget: { 'secret token': {} } }],
      ['wrong-token-form', { deliveryType: 2 }],
      [
        'too-large',
        { templateValuesByTarget: { 'secret-token': { code: 'x'.repeat(1_000), b: 'x'.repeat(1_000) } } },
      ],
    ];
    for (const [code, changes, of] of cases) {
      const problems = problemsOf(changes, of);
      const found = problems.some((problem) => problem.code === code && problem.pointer.startsWith(pointer));
      assert.ok(found, `${code}: ${JSON.stringify(problems)}`);
      if (code !== 'invalid') assert.ok(!JSON.stringify(problems).includes('secret'));
    }
  });
});

test('the numbers of action are a setting of the rest interface', () => {
  const message = messageWith({
    notification: { title: 'a', body: 'b', click: { type: 'url', url: 'https://x.example' } },
  });
  const turned = settingsWith({ interface: 'rest', actionCodes: { web: 1, intent: 0 } });
  const action = (of: typeof rest) =>
    JSON.parse(restCall(pushesTo(['t'], message), of, 0).body.toString()).action;
  assert.deepEqual([action(rest), action(turned)], [0, 1]);
});

test('a target named like a part of every object is a target', () => {
  const message = messageWith();
  const { params } = openApiCall(pushesTo(['__proto__', 'constructor'], message), settings, 0);
  assert.equal(params.TargetMsgkey, `{"__proto__":"${message.id}.0","constructor":"${message.id}.1"}`);
});

test('ExpiredSeconds is what is left, capped, whole and never 0', () => {
  assert.equal(expiredSeconds(10_999, 0, settings), 10);
  assert.equal(expiredSeconds(500, 0, settings), 1);
  assert.equal(expiredSeconds(0, 500, settings), 1);
  assert.equal(expiredSeconds(1e12, 0, settings), 259_200);
  assert.equal(expiredSeconds(1e12, 0, settingsWith({ maxExpiredSeconds: 604_800 })), 604_800);
});

test('a message that would be refused is refused here', () => {
  const plain = { title: 'Title', body: 'Body' };
  const cases: [string, string, Partial<MessageContent>, typeof settings?][] = [
    ['/notification/title', 'required', { notification: { body: 'x' } }],
    ['/notification/body', 'required', { notification: { title: 'x', body: '  ' } }],
    ['/notification/title', 'too-long', { notification: plain }, settingsWith({ maxTitleChars: 4 })],
    ['/notification/body', 'too-long', { notification: plain }, settingsWith({ maxBodyChars: 3 })],
    ['/notification/body', 'too-large', { notification: { title: 'x', body: '中'.repeat(700) } }],
    ['/data', 'too-many', { data: Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`k${n}`, ''])) }],
    ['/vendor/mpaas/templateName', 'invalid', { vendor: { mpaas: { templateName: 'a,b' } } }],
    ['/vendor/mpaas/deliveryType', 'invalid', { vendor: { mpaas: { deliveryType: 4 } } }],
    ['/vendor/mpaas/more', 'invalid', { vendor: { mpaas: { more: 1 } } }],
    ['/vendor/mpaas/uri', 'excluded', { vendor: { mpaas: { templateName: 't', uri: 'x' } } }],
    ['/vendor/mpaas/templateKeyValue', 'excluded', { vendor: { mpaas: { templateKeyValue: {} } } }],
    ['/vendor/mpaas/activityEvent', 'required', { vendor: { mpaas: { deliveryType: 5 } } }],
    ['/vendor/mpaas/dismissalDate', 'excluded', { vendor: { mpaas: { dismissalDate: 5 } } }],
    ['/vendor/mpaas/channelId', 'unsupported', { vendor: { mpaas: { channelId: 'c' } } }, rest],
  ];
  for (const [pointer, code, changes, of] of cases) {
    const content = {
      class: 'marketing',
      priority: 'normal',
      notification: plain,
      ...changes,
    } as MessageContent;
    const problems = checkMessage(content, of ?? settings);
    assert.ok(
      problems.some((problem) => problem.pointer === pointer && problem.code === code),
      `${pointer} ${code}: ${JSON.stringify(problems)}`,
    );
  }
});
