import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { withoutToken } from '../audience-outcome.ts';
import { messageWith, pushesTo } from '../fixtures.ts';
import type { OutgoingPush } from '../vendor.ts';
import { audienceSchema, type BaiduAudience, checkAudience, missesItsTime, sendTimeOf } from './audience.ts';
import { settingsWith } from './fixtures.ts';
import { audienceCall } from './payload.ts';

const now = 1_800_000_000_000;
const seconds = now / 1000;
const rest = settingsWith();
const v2 = settingsWith({ api: 'channel-2.0' });
const spp = settingsWith({ api: 'spp' });
const day = 86_400;

test('what the schema takes, and what not', () => {
  const good: unknown[] = [
    { kind: 'all' },
    { kind: 'tag', tag: 'news', sendTime: seconds },
    { kind: 'selector', selector: 'a AND b' },
    { kind: 'selector', selector: { or: ['a'] } },
    { kind: 'selector', selector: [{ key: 'tags' }] },
    { kind: 'cuids', cuids: ['c'] },
  ];
  for (const audience of good) assert.ok(Value.Check(audienceSchema, audience), JSON.stringify(audience));
  const bad: unknown[] = [
    {},
    { kind: 'some' },
    { kind: 'all', tag: 'news' },
    { kind: 'tag' },
    { kind: 'tag', tag: '' },
    { kind: 'tag', tag: 'x'.repeat(129) },
    { kind: 'selector', selector: [] },
    { kind: 'cuids', cuids: [] },
    { kind: 'all', sendTime: 1.5 },
  ];
  for (const audience of bad) assert.ok(!Value.Check(audienceSchema, audience), JSON.stringify(audience));
});

test('what a channel of each generation refuses', () => {
  const cases: [BaiduAudience, typeof rest, string, string][] = [
    [{ kind: 'cuids', cuids: ['c'] }, rest, '/kind', 'unsupported'],
    [{ kind: 'selector', selector: 'a' }, v2, '/kind', 'unsupported'],
    [{ kind: 'selector', selector: 'a' }, spp, '/selector', 'form'],
    [{ kind: 'all', sendTime: seconds + 120 }, v2, '/sendTime', 'unsupported'],
    [{ kind: 'all', sendTime: seconds + 60 }, rest, '/sendTime', 'out-of-range'],
    [{ kind: 'all', sendTime: seconds + 365 * day + 1 }, rest, '/sendTime', 'out-of-range'],
    [{ kind: 'all', sendTime: seconds + 3 * day + 1 }, spp, '/sendTime', 'out-of-range'],
    [{ kind: 'tag', tag: 'a\ud83d' }, rest, '', 'lone-surrogate'],
  ];
  for (const [audience, settings, pointer, code] of cases) {
    const problems = checkAudience(audience, settings, now);
    assert.deepEqual(
      problems.map((problem) => [problem.pointer, problem.code]),
      [[pointer, code]],
      JSON.stringify(audience),
    );
  }
  const good: [BaiduAudience, typeof rest][] = [
    [{ kind: 'all', sendTime: seconds + 61 }, rest],
    [{ kind: 'all', sendTime: seconds + 365 * day }, rest],
    [{ kind: 'tag', tag: '新闻', sendTime: seconds + 3 * day }, spp],
    [{ kind: 'tag', tag: 'news' }, v2],
    [{ kind: 'cuids', cuids: ['c'] }, spp],
  ];
  for (const [audience, settings] of good) {
    assert.deepEqual(checkAudience(audience, settings, now), [], JSON.stringify(audience));
  }
});

function to(audience: BaiduAudience, life = 3_600_000): OutgoingPush {
  const [push] = pushesTo([''], messageWith({ expiresAt: now + life })) as [OutgoingPush];
  return { ...push, audience };
}

function callTo(audience: BaiduAudience, life?: number) {
  return audienceCall(to(audience, life), audience, rest, now);
}

test('all, a tag and a selector are calls of their own', () => {
  const all = callTo({ kind: 'all' });
  assert.equal(all.path, '/rest/3.0/push/all');
  assert.match(String(all.params.topic_id), /^[0-9a-f]{32}_0$/);
  assert.deepEqual(
    ['channel_id', 'channel_ids', 'type', 'send_time'].map((name) => all.params[name]),
    [undefined, undefined, undefined, undefined],
  );
  const tag = callTo({ kind: 'tag', tag: 'news' });
  assert.deepEqual([tag.path, tag.params.type, tag.params.tag], ['/rest/3.0/push/tags', '1', 'news']);
  const selector = callTo({ kind: 'selector', selector: { or: ['a'] } });
  assert.deepEqual([selector.params.type, selector.params.selector], ['6', '{"or":["a"]}']);
  assert.equal(callTo({ kind: 'selector', selector: 'a AND b' }).params.selector, 'a AND b');
});

test('a timer is set, and the life of the message is counted from it', () => {
  const { params } = callTo({ kind: 'all', sendTime: seconds + 600 });
  assert.deepEqual([params.send_time, params.msg_expires], [String(seconds + 600), '3000']);
});

test('a time that has come too near is now', () => {
  assert.equal(sendTimeOf({ kind: 'all', sendTime: seconds + 61 }, now), seconds + 61);
  for (const late of [60, 0, -1_000]) {
    assert.equal(sendTimeOf({ kind: 'all', sendTime: seconds + late }, now), undefined);
  }
});

test('a message that is over before its timer is not sent', () => {
  const late: BaiduAudience = { kind: 'all', sendTime: seconds + 3_600 };
  assert.equal(missesItsTime(to(late), late)?.kind, 'rejected');
  assert.equal(missesItsTime(to(late, 3_600_001), late), undefined);
});

test('behind an audience there is no token to forget', () => {
  assert.deepEqual(withoutToken({ kind: 'token-dead', code: '30608', detail: 'd' }), {
    kind: 'rejected',
    code: '30608',
    detail: 'd',
  });
  assert.deepEqual(withoutToken({ kind: 'accepted' }), { kind: 'accepted' });
});
