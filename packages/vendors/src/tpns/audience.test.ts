import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Value } from 'typebox/value';
import { messageWith } from '../fixtures.ts';
import type { Audience } from '../vendor.ts';
import { audienceSchema, checkAudience, type TpnsAudience } from './audience.ts';
import { audienceBody } from './audience-body.ts';
import { readCall } from './emulator-fields.ts';
import { settingsWith } from './fixtures.ts';
import { pushBody } from './payload.ts';

const settings = settingsWith({ accountType: 2, accountPushType: 1 });
const now = Date.UTC(2026, 0, 2, 3, 4, 5);
const message = (changes = {}) => messageWith({ expiresAt: now + 600_000, ...changes });
const bodyOf = (audience: unknown, uploadId?: number, changes = {}) =>
  JSON.parse(audienceBody(audience as TpnsAudience, uploadId, message(changes), settings, now));
/** What of a body is about whom it is for and how. */
const headOf = (audience: unknown, uploadId?: number, changes = {}) => {
  const { message: _message, message_type, expire_time, ...head } = bodyOf(audience, uploadId, changes);
  return head;
};
const item = (tags: string[], more = {}) => ({ tags, ...more });

describe('on the wire', () => {
  test('everybody is a word', () => {
    assert.deepEqual(headOf({ kind: 'all' }), { audience_type: 'all' });
    const plain = JSON.parse(
      pushBody([{ id: 'm.0', identity: 'i', token: 't', message: message() }], settings, now),
    );
    assert.deepEqual(bodyOf({ kind: 'all' }).message, plain.message, 'the message is that of any push');
  });

  test('tags are a list with an operator', () => {
    assert.deepEqual(headOf({ kind: 'tag', tags: ['a', 'b'], operator: 'AND' }), {
      audience_type: 'tag',
      tag_list: { tags: ['a', 'b'], op: 'AND' },
    });
  });

  test('rules keep their order, and what is left out is said', () => {
    const rules = [
      {
        tagItems: [
          item(['tea', 'milk'], { tagsOperator: 'AND' }),
          item(['5.0'], { tagType: 'xg_auto_version', isNot: true, itemsOperator: 'AND' }),
        ],
      },
      { tagItems: [item(['x'])], operator: 'AND', isNot: true },
    ];
    const user = { is_not: false, tags_operator: 'OR', items_operator: 'OR', tag_type: 'xg_user_define' };
    assert.deepEqual(headOf({ kind: 'tag', rules }), {
      audience_type: 'tag',
      tag_rules: [
        {
          tag_items: [
            { ...user, tags: ['tea', 'milk'], tags_operator: 'AND' },
            { ...user, tags: ['5.0'], is_not: true, items_operator: 'AND', tag_type: 'xg_auto_version' },
          ],
          operator: 'OR',
          is_not: false,
        },
        { tag_items: [{ ...user, tags: ['x'] }], operator: 'AND', is_not: true },
      ],
    });
  });

  test('accounts are typed by the audience, else the message, else the channel', () => {
    const accounts = ['ann', 'bob'];
    const list = { audience_type: 'account_list', account_list: accounts };
    assert.deepEqual(headOf({ kind: 'accounts', accounts }), {
      ...list,
      account_type: 2,
      account_push_type: 1,
    });
    const vendor = { tpns: { account_push_type: 0 } };
    assert.equal(headOf({ kind: 'accounts', accounts }, undefined, { vendor }).account_push_type, 0);
    const own = { kind: 'accounts', accounts, accountType: 0, accountPushType: 1 };
    const { account_type, account_push_type } = headOf(own, undefined, { vendor });
    assert.deepEqual([account_type, account_push_type], [0, 1]);
  });

  test('a package is its number', () => {
    const tokens = { audience_type: 'package_token_push', upload_id: 7 };
    assert.deepEqual(headOf({ kind: 'package', tokens: ['t'] }, 7), tokens);
    assert.deepEqual(headOf({ kind: 'package', uploadId: 7, of: 'tokens' }, 7), tokens);
    const accounts = { audience_type: 'package_account_push', upload_id: 7, account_push_type: 1 };
    assert.deepEqual(headOf({ kind: 'package', accounts: ['ann'] }, 7), accounts);
    assert.deepEqual(headOf({ kind: 'package', uploadId: 7, of: 'accounts' }, 7), accounts);
    assert.equal(headOf({ kind: 'package', accounts: ['ann'], accountPushType: 0 }, 7).account_push_type, 0);
  });

  test('a later time is told in the zone of the access points, and life counts from there', () => {
    const body = bodyOf({ kind: 'all', sendTime: '2026-01-02T04:00:00Z' }, undefined, {
      expiresAt: Date.UTC(2026, 0, 2, 5),
    });
    assert.deepEqual([body.send_time, body.expire_time], ['2026-01-02 12:00:00', 3_600]);
    // A moment that has passed while the push waited means now.
    const late = bodyOf({ kind: 'all', sendTime: '2026-01-02T02:00:00+00:00' });
    assert.deepEqual(['send_time' in late, late.expire_time], [false, 600]);
  });

  test('what only calls to many may have travels with them', () => {
    const loop = {
      startDate: '2026-01-03',
      endDate: '2026-01-20',
      every: 'week',
      days: [1, 5],
      times: ['09:00:00'],
    };
    assert.deepEqual(headOf({ kind: 'all', loop, pushSpeed: 2_000, collapseId: 99 }), {
      audience_type: 'all',
      loop_param: {
        startDate: '2026-01-03',
        endDate: '2026-01-20',
        loopType: 2,
        loopDayIndexs: [1, 5],
        dayTimes: ['09:00:00'],
      },
      push_speed: 2_000,
      collapse_id: 99,
    });
    const daily = headOf({ kind: 'all', loop: { ...loop, every: 'day', days: undefined } });
    assert.deepEqual([daily.loop_param.loopType, daily.loop_param.loopDayIndexs], [1, [0]]);
    assert.equal(headOf({ kind: 'all', loop: { ...loop, every: 'month' } }).loop_param.loopType, 3);
  });
});

describe('the schema', () => {
  const isValid = (audience: unknown) => Value.Check(audienceSchema, audience);

  test('takes every kind', () => {
    const rules = [{ tagItems: [item(['a'])] }];
    for (const audience of [
      { kind: 'all' },
      { kind: 'tag', rules },
      { kind: 'tag', tags: ['a'], operator: 'OR' },
      { kind: 'accounts', accounts: Array.from({ length: 1_000 }, (_, n) => `account-${n}`) },
      { kind: 'package', tokens: Array(50_000).fill('t') },
      { kind: 'package', accounts: ['ann'], accountPushType: 1 },
      { kind: 'package', uploadId: 7, of: 'accounts' },
      { kind: 'all', sendTime: '2026-01-02T04:00:00+08:00', pushSpeed: 1_000, collapseId: 1 },
    ]) {
      assert.ok(isValid(audience), JSON.stringify(audience).slice(0, 80));
    }
  });

  test('refuses what TPNS has not, does not take, or takes from others only', () => {
    for (const audience of [
      {},
      { kind: 'everybody' },
      { kind: 'all', tags: ['a'] },
      { kind: 'all', pushSpeed: 999 },
      { kind: 'all', pushSpeed: 50_001 },
      { kind: 'all', sendTime: 'tomorrow' },
      { kind: 'tag' },
      { kind: 'tag', tags: ['a'] },
      { kind: 'tag', tags: ['x'.repeat(51)], operator: 'OR' },
      { kind: 'tag', rules: [] },
      { kind: 'tag', rules: [{ tagItems: [{ tags: ['a'], tagType: 'colour' }] }] },
      { kind: 'accounts', accounts: [] },
      { kind: 'accounts', accounts: Array(1_001).fill('a') },
      { kind: 'accounts', accounts: ['a'], sendTime: '2026-01-02T04:00:00Z' },
      { kind: 'accounts', accounts: ['a'], collapseId: 1 },
      { kind: 'package', tokens: Array(50_001).fill('t') },
      { kind: 'package', tokens: ['t'], accounts: ['ann'] },
      { kind: 'package', accounts: ['a'] },
      { kind: 'package', accounts: ['ann\nbob'] },
      { kind: 'package', uploadId: 7 },
    ]) {
      assert.ok(!isValid(audience), JSON.stringify(audience).slice(0, 80));
    }
  });
});

test('what no schema says is named with its place', () => {
  const loop = {
    startDate: '2026-01-03',
    endDate: '2026-01-20',
    every: 'week',
    days: [1],
    times: ['09:00:00'],
  };
  const token = 'a'.repeat(36);
  const cases: [string, string, unknown][] = [
    [
      '/rules/1/operator',
      'required',
      { kind: 'tag', rules: [{ tagItems: [item(['a'])] }, { tagItems: [item(['b'])] }] },
    ],
    [
      '/rules/0/tagItems/1/itemsOperator',
      'required',
      { kind: 'tag', rules: [{ tagItems: [item(['a']), item(['b'])] }] },
    ],
    [
      '/rules/0/tagItems/0/tagsOperator',
      'required',
      { kind: 'tag', rules: [{ tagItems: [item(['a', 'b'])] }] },
    ],
    ['/tags', 'too-long', { kind: 'tag', tags: Array(20).fill('x'.repeat(40)), operator: 'OR' }],
    ['/tokens/1', 'invalid', { kind: 'package', tokens: [token, 'two words'] }],
    ['/accountPushType', 'excluded', { kind: 'package', uploadId: 7, of: 'tokens', accountPushType: 1 }],
    ['/loop', 'excluded', { kind: 'all', loop, sendTime: '2026-01-02T04:00:00Z' }],
    ['/loop/endDate', 'invalid', { kind: 'all', loop: { ...loop, endDate: '2026-01-01' } }],
    ['/loop/days', 'excluded', { kind: 'all', loop: { ...loop, every: 'day' } }],
    ['/loop/days', 'required', { kind: 'all', loop: { ...loop, days: undefined } }],
    ['/loop/days', 'invalid', { kind: 'all', loop: { ...loop, days: [7] } }],
    ['/loop/days', 'invalid', { kind: 'all', loop: { ...loop, every: 'month', days: [0] } }],
  ];
  for (const [pointer, code, audience] of cases) {
    const problems = checkAudience(audience as Audience, message(), settings);
    assert.deepEqual(
      problems.map((problem) => [problem.pointer, problem.code]),
      [[pointer, code]],
    );
  }
  const fine = { kind: 'tag', rules: [{ tagItems: [item(['a']), item(['b'], { itemsOperator: 'OR' })] }] };
  assert.deepEqual(checkAudience(fine, message(), settings), []);
  const many = { kind: 'package', tokens: Array(50_000).fill('two words') };
  assert.equal(checkAudience(many, message(), settings).length, 20, 'and not fifty thousand');
});

test('tokens of a package are tokens even where the channel sends to accounts', () => {
  const audience = { kind: 'package', tokens: ['f'.repeat(64)] };
  const problems = checkAudience(audience, message(), settingsWith({ audience: 'account' }));
  assert.match(String(problems[0]?.detail), /APNs token/);
});

test('what we find nothing wrong with, the emulator finds nothing wrong with', () => {
  const tag = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });
  const operator = fc.constantFrom('AND', 'OR');
  const tagItem = fc.record(
    {
      tags: fc.array(tag, { minLength: 1, maxLength: 4 }),
      isNot: fc.boolean(),
      tagsOperator: operator,
      itemsOperator: operator,
    },
    { requiredKeys: ['tags'] },
  );
  const rule = fc.record(
    { tagItems: fc.array(tagItem, { minLength: 1, maxLength: 3 }), operator, isNot: fc.boolean() },
    { requiredKeys: ['tagItems'] },
  );
  const options = fc.record(
    {
      sendTime: fc
        .integer({ min: -3_600_000, max: 89 * 86_400_000 })
        .map((ms) => new Date(now + ms).toISOString()),
      pushSpeed: fc.integer({ min: 1_000, max: 50_000 }),
    },
    { requiredKeys: [] },
  );
  const audience = fc.tuple(
    fc.oneof(
      fc.constant({ kind: 'all' }),
      fc.record({ kind: fc.constant('tag'), rules: fc.array(rule, { minLength: 1, maxLength: 3 }) }),
      fc.record({ kind: fc.constant('tag'), tags: fc.array(tag, { minLength: 1, maxLength: 80 }), operator }),
      fc.record({
        kind: fc.constant('package'),
        uploadId: fc.integer({ min: 1 }),
        of: fc.constantFrom('tokens', 'accounts'),
      }),
    ),
    options,
  );
  let sound = 0;
  fc.assert(
    fc.property(audience, ([whom, how]) => {
      const given = { ...whom, ...how } as unknown as Audience;
      if (!Value.Check(audienceSchema, given) || checkAudience(given, message(), settings).length > 0) return;
      sound += 1;
      const body = audienceBody(
        given as unknown as TpnsAudience,
        5,
        message({ expiresAt: 1e13 }),
        settings,
        now,
      );
      const app = { channelName: 'c', platform: 'android', accessId: '1', secretKey: '2' } as const;
      const call = readCall(Buffer.from(body), app, now);
      assert.ok(!('code' in call), JSON.stringify([given, call]));
    }),
    { numRuns: 500 },
  );
  assert.ok(sound > 100, `only ${sound} audiences were sound`);
});
