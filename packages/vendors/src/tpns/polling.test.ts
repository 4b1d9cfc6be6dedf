import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Outcome } from '@pushmill/core';
import { createAuthority } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import { startServer } from '../emulator-server.ts';
import { messageWith, pushesTo } from '../fixtures.ts';
import type { PollAnswer, VendorTask } from '../vendor.ts';
import { type Bench, type BenchOptions, openBench } from './bench.ts';
import { startTpnsEmulator, type TpnsEmulator } from './emulator.ts';
import { countsOf, polling, readCounts } from './polling.ts';

let authority: Authority;
let emulator: TpnsEmulator;
let clock = Date.UTC(2026, 0, 2);
const now = () => clock;

before(async () => {
  authority = await createAuthority(new Date());
  emulator = await startTpnsEmulator({ port: 0, authority, seed: 6, now });
});
after(() => emulator.close());

const signal = new AbortController().signal;

async function withBench(about: BenchOptions, run: (bench: Bench) => Promise<void>): Promise<void> {
  const bench = openBench(emulator, { now, ...about });
  await run(bench).finally(() => bench.sender.close(1_000));
}

/** Sends to new tokens and returns what is kept of the call. */
async function sent({ sender, of }: Bench, tokens: readonly string[]): Promise<VendorTask> {
  const outcomes = await sender.send(pushesTo(tokens, messageWith({ expiresAt: clock + 600_000 })), signal);
  const ids = new Set(outcomes.map((outcome) => outcome.kind === 'accepted' && outcome.vendorMessageId));
  const accepted = outcomes.filter((outcome) => outcome.kind === 'accepted').length;
  ids.delete(false);
  assert.equal(ids.size, 1);
  assert.ok(of.account().accepted >= accepted);
  return { id: String([...ids][0]), pushes: accepted, acceptedAt: clock };
}

async function poll({ sender }: Bench, task: VendorTask): Promise<PollAnswer> {
  const answers = (await sender.poll?.([task], signal)) ?? [];
  assert.equal(answers.length, 1);
  return answers[0] as PollAnswer;
}

const tokensOf = (count: number) => Array.from({ length: count }, () => emulator.newToken());
const pollOf = (outcomes: readonly Outcome[]) =>
  outcomes.map((outcome) => outcome.kind === 'accepted' && outcome.poll === true);

test('the plan stays below the 200 calls an hour, two a task, and leaves some to the operator', () => {
  const calls = (2 * 3_600_000 * polling.tasksPerCall) / polling.everyMs;
  assert.ok(calls <= 190, `${calls} calls an hour`);
  assert.ok((polling.afterMs.at(-1) ?? 0) < 30 * 86_400_000, 'tasks are known for a month');
});

test('calls to many are asked about, single ones where that is set, none where it is off', async () => {
  for (const [statistics, single, many] of [
    ['many', false, true],
    ['all', true, true],
    ['off', false, false],
  ] as const) {
    await withBench({ settings: { statistics } }, async ({ sender }) => {
      const message = messageWith({ expiresAt: clock + 600_000 });
      assert.deepEqual(
        pollOf(await sender.send(pushesTo(tokensOf(1), message), signal)),
        [single],
        statistics,
      );
      assert.deepEqual(
        pollOf(await sender.send(pushesTo(tokensOf(2), message), signal)),
        [many, many],
        statistics,
      );
    });
  }
});

describe('a task', () => {
  test('of which everything arrived is delivered, on either platform', async () => {
    for (const channelName of ['tpns', 'tpns-ios']) {
      await withBench({ channelName }, async (bench) => {
        const answer = await poll(bench, await sent(bench, tokensOf(5)));
        assert.deepEqual(answer, {
          kind: 'told',
          state: 'delivered',
          code: 'PUSH_FINISHED',
          detail: 'of 5 planned 5 sent, 5 arrived, 0 clicked',
          counts: { planned: 5, sent: 5, arrived: 5, clicked: 0, dismissed: 0 },
          final: false,
        });
      });
    }
  });

  test('of which something is missing is counted, and says nothing of any one push', async () => {
    await withBench({}, async (bench) => {
      const tokens = tokensOf(5);
      emulator.plan(tokens[0] as string, 'dropped');
      const answer = await poll(bench, await sent(bench, tokens));
      assert.ok(answer.kind === 'told' && answer.state === undefined && !answer.final);
      assert.deepEqual([answer.counts.planned, answer.counts.sent, answer.counts.arrived], [5, 5, 4]);
    });
  });

  test('of one token is followed to the click', async () => {
    await withBench({ settings: { statistics: 'all' } }, async (bench) => {
      const task = await sent(bench, tokensOf(1));
      emulator.amend(task.id, { clicked: 1 });
      const answer = await poll(bench, task);
      assert.ok(answer.kind === 'told' && answer.state === 'clicked' && answer.final);
    });
  });

  test('without the dead tokens of its call is whole', async () => {
    await withBench({}, async (bench) => {
      const tokens = tokensOf(4);
      emulator.plan(tokens[2] as string, 'token-dead');
      const task = await sent(bench, tokens);
      assert.equal(task.pushes, 3);
      const answer = await poll(bench, task);
      assert.ok(answer.kind === 'told' && answer.state === 'delivered');
    });
  });

  test('that was stopped before it began is dropped, and no longer asked for', async () => {
    await withBench({}, async (bench) => {
      for (const status of ['PUSH_FAILED', 'PUSH_CANCELED']) {
        const task = await sent(bench, tokensOf(2));
        emulator.amend(task.id, { status });
        const answer = await poll(bench, task);
        assert.ok(answer.kind === 'told' && answer.state === 'dropped' && answer.final, status);
        assert.equal(answer.code, status);
      }
    });
  });

  test('that waits for its time has no counts, and costs one call', async () => {
    await withBench({}, async (bench) => {
      const sendTime = new Date(clock + 1_800_000).toISOString();
      const [push] = pushesTo([''], messageWith({ expiresAt: clock + 3_600_000 }));
      const audience = { kind: 'all', sendTime };
      const [outcome] = await bench.sender.send(
        [{ ...(push as object as NonNullable<typeof push>), audience }],
        signal,
      );
      assert.ok(outcome?.kind === 'accepted');
      const task = { id: String(outcome.vendorMessageId), pushes: 1, acceptedAt: clock };
      const before = bench.requests();
      const waiting = await poll(bench, task);
      assert.deepEqual(waiting, {
        kind: 'told',
        state: undefined,
        code: 'PUSH_WAIT',
        detail: 'not sent yet',
        counts: {},
        final: false,
      });
      assert.equal(bench.requests() - before, 1);
      clock += 1_900_000;
      const later = await poll(bench, task);
      assert.ok(later.kind === 'told' && later.code === 'PUSH_FINISHED');
    });
  });

  test('that TPNS does not know is not told about', async () => {
    await withBench({}, async (bench) => {
      const answer = await poll(bench, { id: '4711', pushes: 1, acceptedAt: clock });
      assert.ok(answer.kind === 'failed' && answer.outcome.kind === 'rejected');
      assert.equal(answer.outcome.code, '1008015');
    });
  });
});

test('the 201st call of an hour is too fast', async () => {
  const own = await startTpnsEmulator({ port: 0, authority, seed: 6, now });
  const bench = openBench(own, { now });
  try {
    const [outcome] = await bench.sender.send(
      pushesTo([own.newToken(), own.newToken()], messageWith()),
      signal,
    );
    const task = {
      id: String(outcome?.kind === 'accepted' && outcome.vendorMessageId),
      pushes: 2,
      acceptedAt: clock,
    };
    for (let n = 0; n < 100; n += 1) assert.equal((await poll(bench, task)).kind, 'told', String(n));
    const refused = await poll(bench, task);
    assert.ok(refused.kind === 'failed' && refused.outcome.kind === 'throttled');
    assert.deepEqual([refused.outcome.code, refused.outcome.scope], ['1008028', 'channel']);
    clock += 3_600_000;
    assert.equal((await poll(bench, task)).kind, 'told');
  } finally {
    await bench.sender.close(1_000);
    await own.close();
  }
});

test('a question that gets no answer fails, and nothing has arrived by it', async () => {
  const silent = await startServer({ port: 0, authority, now }, () => 'silence');
  await withBench({ settings: { host: silent.origin, requestTimeoutMs: 100 } }, async (bench) => {
    const answer = await poll(bench, { id: '1', pushes: 1, acceptedAt: clock });
    assert.ok(answer.kind === 'failed' && answer.outcome.kind === 'unavailable');
    assert.equal(answer.outcome.mayHaveArrived, false);
  });
  await silent.close();
  await withBench({ credential: { secretKey: 'f'.repeat(32) } }, async (bench) => {
    const answer = await poll(bench, { id: '1', pushes: 1, acceptedAt: clock });
    assert.ok(answer.kind === 'failed' && answer.outcome.kind === 'misconfigured');
  });
});

describe('counts', () => {
  const row = (channel: string, pushState: Record<string, unknown>) => ({ channel, pushState });
  const state = { pushActiveUv: 10, pushOnlineUv: 9, verifySvcUv: 8, arrivalUv: 7, clickUv: 2, cleanupUv: 1 };

  test('are those of the row "all", which is not added to the others', () => {
    const fields = { pushStatDataAll: [row('xm', state), row('all', state), row('xg', state)] };
    const expected = { planned: 10, sent: 9, arrived: 7, clicked: 2, dismissed: 1 };
    assert.deepEqual(countsOf(fields, 'android'), expected);
    assert.deepEqual(countsOf(fields, 'ios'), { ...expected, arrived: 8 });
  });

  test('are the sum of the channels where that row is missing, new channels too', () => {
    const fields = { pushStatDataAll: [row('xm', state), row('newest', state)] };
    assert.deepEqual(countsOf(fields, 'android'), {
      planned: 20,
      sent: 18,
      arrived: 14,
      clicked: 4,
      dismissed: 2,
    });
  });

  test('are none where there is no row, and 0 where one cannot be read', () => {
    assert.equal(countsOf({}, 'android'), undefined);
    assert.equal(countsOf({ pushStatDataAll: [] }, 'android'), undefined);
    const odd = {
      pushStatDataAll: [row('all', { pushActiveUv: '12', pushOnlineUv: -1, arrivalUv: null }), 'x'],
    };
    assert.deepEqual(countsOf(odd, 'android'), {
      planned: 12,
      sent: 0,
      arrived: 0,
      clicked: 0,
      dismissed: 0,
    });
  });

  test('become a state only where they speak of every push', () => {
    const told = (
      status: string,
      planned: number,
      sent: number,
      arrived: number,
      clicked: number,
      pushes: number,
    ) => {
      const answer = readCounts(status, { planned, sent, arrived, clicked, dismissed: 0 }, pushes);
      return answer.kind === 'told' ? [answer.state, answer.final] : answer.kind;
    };
    const cases: [unknown[], Parameters<typeof told>][] = [
      [
        ['delivered', false],
        ['PUSH_FINISHED', 1, 1, 1, 0, 1],
      ],
      [
        ['clicked', true],
        ['PUSH_FINISHED', 1, 1, 1, 1, 1],
      ],
      // TPNS leaves devices out of the plan that it thinks unreachable: two of three tokens are not all.
      [
        [undefined, false],
        ['PUSH_FINISHED', 2, 2, 2, 0, 3],
      ],
      // One push to everybody: that it arrived somewhere is not that it arrived.
      [
        [undefined, false],
        ['PUSH_FINISHED', 1_000, 900, 899, 5, 1],
      ],
      [
        ['delivered', false],
        ['PUSH_FINISHED', 1_000, 1_000, 1_000, 5, 1],
      ],
      [
        [undefined, false],
        ['PUSH_FINISHED', 0, 0, 0, 0, 1],
      ],
      // While it is being sent the plan grows.
      [
        [undefined, false],
        ['PUSH_STARTED', 10, 10, 10, 0, 1],
      ],
      [
        ['dropped', true],
        ['PUSH_FAILED', 10, 0, 0, 0, 10],
      ],
      [
        ['dropped', true],
        ['PUSH_CANCELED', 0, 0, 0, 0, 1],
      ],
      [
        [undefined, true],
        ['PUSH_FAILED', 10, 4, 0, 0, 10],
      ],
      // Taken back after it was sent: some have seen it, some have not.
      [
        [undefined, true],
        ['PUSH_REVOKED', 10, 10, 10, 0, 10],
      ],
      [
        [undefined, true],
        ['PUSH_COLLAPSED', 10, 0, 0, 0, 10],
      ],
      [
        [undefined, true],
        ['PUSH_DELETED', 10, 0, 0, 0, 10],
      ],
      [
        [undefined, true],
        ['PUSH_DELETED_PUSH_MSG', 10, 3, 3, 0, 10],
      ],
      [
        [undefined, false],
        ['PUSH_SOMETHING_NEW', 10, 10, 10, 0, 10],
      ],
    ];
    for (const [expected, about] of cases) assert.deepEqual(told(...about), expected, about.join(' '));
    assert.deepEqual(readCounts('PUSH_FAILED', undefined, 2), {
      kind: 'told',
      state: 'dropped',
      code: 'PUSH_FAILED',
      detail: 'nothing was counted',
      counts: {},
      final: true,
    });
  });
});
