import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Outcome } from '@pushmill/core';
import { Value } from 'typebox/value';
import { createAuthority } from '../authority.ts';
import type { EmulatorChannel } from '../emulator.ts';
import { messageWith, pushesTo } from '../fixtures.ts';
import type {
  OperationAnswer,
  OutgoingPush,
  PollAnswer,
  Sender,
  VendorOperation,
  VendorTask,
} from '../vendor.ts';
import type { BaiduAudience } from './audience.ts';
import { type BaiduEmulator, startBaiduEmulator } from './emulator.ts';
import { openSender } from './fixtures.ts';
import { operate, operations } from './operations.ts';

/* Audiences, operations and polling of REST 3.0, put to the emulator. */

let clock = Date.now();
let emulator: BaiduEmulator;
let android: EmulatorChannel;
let sender: Sender;

before(async () => {
  const authority = await createAuthority(new Date());
  emulator = await startBaiduEmulator({
    port: 0,
    authority,
    seed: 1,
    now: () => clock,
    maxBroadcastsPerSecond: 100,
  });
  android = emulator.channels[0] as EmulatorChannel;
  sender = openSender(android, { now: () => clock });
});
after(async () => {
  await sender.close(1_000);
  await emulator.close();
});

const signal = new AbortController().signal;
const day = 86_400_000;

function pushesFrom(count: number): OutgoingPush[] {
  const tokens = Array.from({ length: count }, () => emulator.newToken());
  return pushesTo(tokens, messageWith({ expiresAt: clock + day }));
}

function pushTo(audience: BaiduAudience): OutgoingPush {
  const [push] = pushesTo([''], messageWith({ expiresAt: clock + day })) as [OutgoingPush];
  return { ...push, audience };
}

async function sendTo(audience: BaiduAudience): Promise<Outcome> {
  return (await sender.send([pushTo(audience)], signal))[0] as Outcome;
}

function idOf(outcome: Outcome | undefined): string {
  assert.ok(outcome?.kind === 'accepted' && outcome.poll, JSON.stringify(outcome));
  return outcome.vendorMessageId as string;
}

async function pollOne(id: string, pushes: number): Promise<PollAnswer> {
  const task: VendorTask = { id, pushes, acceptedAt: clock };
  return (await sender.poll?.([task], signal))?.[0] as PollAnswer;
}

async function ask(name: string, input: Record<string, unknown> = {}): Promise<OperationAnswer> {
  const operation = operations[name];
  assert.ok(operation && Value.Check(operation.input, input), `${name} takes ${JSON.stringify(input)}`);
  return (await sender.operate?.(name, input, signal)) as OperationAnswer;
}

async function resultOf(name: string, input?: Record<string, unknown>): Promise<Record<string, unknown>> {
  const { outcome, result } = await ask(name, input);
  assert.equal(outcome.kind, 'accepted', JSON.stringify(outcome));
  return result as Record<string, unknown>;
}

async function codeOf(name: string, input?: Record<string, unknown>): Promise<string> {
  const { outcome } = await ask(name, input);
  assert.ok(outcome.kind === 'rejected', JSON.stringify(outcome));
  return outcome.code;
}

describe('an audience', () => {
  test('is one call, known by the id of its push', async () => {
    const before = emulator.account();
    for (const audience of [
      { kind: 'all' },
      { kind: 'tag', tag: 'news' },
      { kind: 'selector', selector: 'news AND sport' },
    ] as const) {
      const push = pushTo(audience);
      const [outcome] = await sender.send([push], signal);
      assert.match(idOf(outcome), /^\d+$/);
      assert.ok(emulator.hasTaken(push));
    }
    const { requests, accepted } = emulator.account();
    assert.deepEqual([requests - before.requests, accepted - before.accepted], [3, 3]);
  });

  test('of a tag that there is not is rejected', async () => {
    const outcome = await sendTo({ kind: 'tag', tag: 'nobody' });
    assert.ok(outcome.kind === 'rejected');
    assert.equal(outcome.code, '30611');
  });

  test('has no token that could be dead', async () => {
    emulator.plan('', 'token-dead');
    assert.deepEqual([(await sendTo({ kind: 'all' })).kind], ['rejected']);
  });

  test('that expires before its timer is not asked for', async () => {
    const before = emulator.account().requests;
    const outcome = await sendTo({ kind: 'all', sendTime: clock / 1000 + 2 * 86_400 });
    assert.ok(outcome.kind === 'rejected');
    assert.equal(outcome.code, 'expires-before-send-time');
    assert.equal(emulator.account().requests, before);
  });
});

describe('a timer', () => {
  const inTen = () => Math.floor(clock / 1000) + 600;

  test('waits, is listed, and is looked through once it has sent', async () => {
    const id = idOf(await sendTo({ kind: 'tag', tag: 'news', sendTime: inTen() }));
    const timerId = /^timer:(\d+)$/.exec(id)?.[1] as string;
    const listed = await resultOf('list-timers', { timerId });
    assert.deepEqual([listed.total_num, (listed.result as unknown[]).length], ['1', 1]);
    const waiting = await pollOne(id, 1);
    assert.deepEqual(waiting.kind === 'told' && [waiting.code, waiting.final], ['timer', false]);
    clock += 601_000;
    const sent = await pollOne(id, 1);
    assert.ok(sent.kind === 'told');
    assert.deepEqual(
      [sent.code, sent.detail, sent.state, sent.counts],
      ['0', 'sent', undefined, { success: 0 }],
    );
    assert.equal((await resultOf('list-timers')).total_num, '0');
  });

  test('is cancelled once, and is unknown afterwards', async () => {
    const id = idOf(await sendTo({ kind: 'all', sendTime: inTen() }));
    const timerId = id.replace('timer:', '');
    assert.deepEqual(await resultOf('cancel-timer', { timerId }), {});
    assert.equal(await codeOf('cancel-timer', { timerId }), '30605');
    assert.equal((await pollOne(id, 1)).kind, 'failed');
  });

  test('is one of ten at most', async () => {
    const outcomes: string[] = [];
    for (let n = 0; n < 11; n += 1) {
      outcomes.push((await sendTo({ kind: 'all', sendTime: inTen() + n })).kind);
    }
    assert.deepEqual(outcomes, [...Array.from({ length: 10 }, () => 'accepted'), 'rejected']);
    clock += 601_000 + 10_000;
    assert.equal((await sendTo({ kind: 'all', sendTime: inTen() })).kind, 'accepted');
  });

  test('that has come too near while the push waited is now', async () => {
    const id = idOf(await sendTo({ kind: 'all', sendTime: Math.floor(clock / 1000) + 30 }));
    assert.match(id, /^\d+$/);
  });
});

describe('polling', () => {
  test('is offered for batches, not for single pushes', async () => {
    const single = await sender.send(pushesFrom(1), signal);
    assert.ok(single[0]?.kind === 'accepted');
    assert.equal(single[0].poll, undefined);
    const batch = await sender.send(pushesFrom(3), signal);
    assert.equal(new Set(batch.map(idOf)).size, 1);
    // What the vendor says to somebody who asks about the single one all the same.
    const answer = await pollOne(single[0].vendorMessageId as string, 1);
    assert.ok(answer.kind === 'failed' && answer.outcome.kind === 'rejected');
    assert.equal(answer.outcome.code, '30605');
  });

  test('tells that all arrived, or how many', async () => {
    const all = await sender.send(pushesFrom(4), signal);
    const some = pushesFrom(4);
    emulator.plan((some[2] as OutgoingPush).token, 'dropped');
    const partly = await sender.send(some, signal);
    const tasks = [all, partly].map(([outcome]) => ({ id: idOf(outcome), pushes: 4, acceptedAt: clock }));
    const before = emulator.account().requests;
    const answers = await sender.poll?.(tasks, signal);
    assert.equal(emulator.account().requests - before, 1);
    assert.deepEqual(
      answers?.map((answer) => answer.kind === 'told' && [answer.state, answer.counts, answer.final]),
      [
        ['delivered', { success: 4 }, true],
        [undefined, { success: 3 }, false],
      ],
    );
  });

  test('tells that a push failed as a whole', async () => {
    emulator.plan('', 'dropped');
    const answer = await pollOne(idOf(await sendTo({ kind: 'all' })), 1);
    assert.deepEqual(answer.kind === 'told' && [answer.state, answer.code, answer.final], [
      'dropped',
      '3',
      true,
    ]);
  });
});

describe('an operation', () => {
  test('verify tells good keys from bad ones, and nothing more', async () => {
    assert.deepEqual(await ask('verify'), { outcome: { kind: 'accepted' } });
    const spoilt: Record<string, string>[] = [{ secretKey: 'another' }, { apiKey: 'another' }];
    for (const credential of spoilt) {
      const stranger = openSender(android, { now: () => clock, credential });
      const answer = await stranger.operate?.('verify', {}, signal);
      assert.equal(answer?.outcome.kind, 'misconfigured');
      await stranger.close(1_000);
    }
  });

  test('makes a tag, fills it, counts it, and takes it away', async () => {
    const tag = '新闻 & *~';
    assert.deepEqual(await resultOf('create-tag', { tag }), { tag, result: '0' });
    assert.equal(await codeOf('create-tag', { tag }), '30610');
    const channelIds = Array.from({ length: 10 }, () => emulator.newToken());
    const added = await resultOf('tag-devices', {
      action: 'add',
      tag,
      channelIds: [...channelIds.slice(1), 'x'],
    });
    assert.deepEqual(
      (added.result as { result: string }[]).map(({ result }) => result),
      [...Array.from({ length: 9 }, () => '0'), '1'],
    );
    assert.deepEqual(await resultOf('tag-size', { tag }), { device_num: '9' });
    await resultOf('tag-devices', { action: 'remove', tag, channelIds: channelIds.slice(1, 3) });
    assert.deepEqual(await resultOf('tag-size', { tag }), { device_num: '7' });
    const poll = await pollOne(idOf(await sendTo({ kind: 'tag', tag })), 1);
    assert.deepEqual(poll.kind === 'told' && poll.counts, { success: 7 });
    const listed = await resultOf('list-tags', { tag });
    assert.equal((listed.result as { tid: string }[])[0]?.tid, '9007199254740993', 'beyond a double');
    assert.equal(((await resultOf('list-tags', { start: 1, limit: 1 })).result as unknown[]).length, 1);
    assert.deepEqual(await resultOf('delete-tag', { tag }), { tag, result: '0' });
    for (const name of ['delete-tag', 'tag-size']) assert.equal(await codeOf(name, { tag }), '30611');
  });

  test('finds what was sent under a topic, and its state', async () => {
    const [push, ...more] = pushesFrom(3) as [OutgoingPush, ...OutgoingPush[]];
    const message = { ...push.message, vendor: { baidu: { topicId: 'winter' } } };
    const batch = [push, ...more].map((one) => ({ ...one, message }));
    const id = idOf((await sender.send(batch, signal))[0]);
    const records = await resultOf('topic-records', { topicId: 'winter', from: 0, to: 99_999_999_999 });
    assert.deepEqual(
      (records.result as { msg_id: string; status: string }[]).map(({ msg_id, status }) => [msg_id, status]),
      [[id, '0']],
    );
    const nothing = await resultOf('topic-records', { topicId: 'winter', to: 1 });
    assert.deepEqual(nothing.result, []);
    const status = await resultOf('message-status', { messageIds: [id] });
    assert.equal((status.result as { success: string }[])[0]?.success, '3');
    const topics = (await resultOf('list-topics', { limit: 100 })).result as Record<string, string>[];
    const winter = topics.find(({ topic_id }) => topic_id === 'winter');
    assert.deepEqual([winter?.push_cnt, winter?.ack_cnt], ['1', '3']);
  });

  test('that this generation has not, or that cannot be written, is not asked for', async () => {
    const before = emulator.account().requests;
    assert.equal(await codeOf('device-status', { pushId: 'push_id1' }), 'not-offered');
    assert.equal(await codeOf('create-tag', { tag: 'a\ud83d' }), 'lone-surrogate');
    for (const name of ['nothing', 'constructor', '__proto__']) {
      const answer = await sender.operate?.(name, {}, signal);
      assert.equal(answer?.outcome.kind === 'rejected' && answer.outcome.code, 'not-offered', name);
    }
    assert.equal(emulator.account().requests, before);
  });

  test('has a closed input', () => {
    const bad: [string, Record<string, unknown>][] = [
      ['verify', { more: 1 }],
      ['create-tag', {}],
      ['create-tag', { tag: 'x'.repeat(129) }],
      ['tag-devices', { action: 'empty', tag: 't', channelIds: ['1'] }],
      ['tag-devices', { action: 'add', tag: 't', channelIds: Array.from({ length: 11 }, String) }],
      ['cancel-timer', { timerId: 'a-b' }],
      ['message-status', { messageIds: [] }],
      ['list-tags', { limit: 101 }],
    ];
    for (const [name, input] of bad) {
      assert.ok(
        !Value.Check((operations[name] as VendorOperation).input, input),
        JSON.stringify([name, input]),
      );
    }
  });

  test('names the tokens that must not come back in what the vendor says', async () => {
    const hidden: (readonly string[])[] = [];
    const listen = async (question: { hidden: readonly string[] }) => {
      hidden.push(question.hidden);
      return { outcome: { kind: 'accepted' }, perTarget: false } as const;
    };
    await operate('rest-3.0', 'tag-devices', { action: 'add', tag: 't', channelIds: ['1', '2'] }, listen);
    await operate('spp', 'device-status', { pushId: 'push_id1' }, listen);
    assert.deepEqual(hidden, [['1', '2'], ['push_id1']]);
  });

  test('that the vendor takes and then fails is no success', async () => {
    const failed = {
      outcome: { kind: 'accepted' },
      perTarget: false,
      result: { tag: 't', result: '1' },
    } as const;
    const { outcome } = await operate('rest-3.0', 'create-tag', { tag: 't' }, async () => failed);
    assert.deepEqual([outcome.kind, 'code' in outcome && outcome.code], ['rejected', 'result-1']);
  });
});

test('all devices may be sent to once a second', async () => {
  const authority = await createAuthority(new Date());
  const limited = await startBaiduEmulator({ port: 0, authority, seed: 1, now: () => clock });
  const own = openSender(limited.channels[0] as EmulatorChannel, { now: () => clock });
  const kinds: string[] = [];
  for (const audience of [{ kind: 'all' }, { kind: 'all' }, { kind: 'tag', tag: 'news' }] as const) {
    kinds.push(...(await own.send([pushTo(audience)], signal)).map(({ kind }) => kind));
  }
  clock += 1_000;
  kinds.push(...(await own.send([pushTo({ kind: 'all' })], signal)).map(({ kind }) => kind));
  assert.deepEqual(kinds, ['accepted', 'throttled', 'accepted', 'accepted']);
  await own.close(1_000);
  await limited.close();
});
