import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Value } from 'typebox/value';
import { createAuthority } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import { messageWith, pushesTo } from '../fixtures.ts';
import type { OperationAnswer } from '../vendor.ts';
import { type Bench, type BenchOptions, openBench } from './bench.ts';
import { startTpnsEmulator, type TpnsEmulator } from './emulator.ts';
import { operations } from './operations.ts';

let authority: Authority;
let emulator: TpnsEmulator;
let bench: Bench;
let clock = Date.UTC(2026, 0, 2, 20);
const now = () => clock;

before(async () => {
  authority = await createAuthority(new Date());
  emulator = await startTpnsEmulator({ port: 0, authority, seed: 8, now });
  bench = openBench(emulator, { now });
});
after(async () => {
  await bench.sender.close(1_000);
  await emulator.close();
});

const signal = new AbortController().signal;

/** Runs an operation as the api would let it through. */
async function run(name: string, input: Record<string, unknown>, at = bench): Promise<OperationAnswer> {
  assert.ok(Value.Check(operations[name]?.input ?? {}, input), `${name} ${JSON.stringify(input)}`);
  return (await at.sender.operate?.(name, input, signal)) as OperationAnswer;
}

function rows(value: unknown): Record<string, unknown>[] {
  assert.ok(Array.isArray(value));
  return value;
}

async function codeOf(name: string, input: Record<string, unknown>): Promise<string> {
  const { outcome } = await run(name, input);
  return outcome.kind === 'accepted' ? 'accepted' : outcome.code;
}

/** How many devices a tag means now: -1 for none. */
async function devicesWith(tags: string[], operator: 'AND' | 'OR' = 'AND'): Promise<number> {
  const [push] = pushesTo([''], messageWith({ expiresAt: clock + 600_000, data: { at: String(clock) } }));
  if (push === undefined) throw new Error('no push');
  clock += 1_000;
  const audience = { kind: 'tag', tags, operator };
  const [outcome] = await bench.sender.send([{ ...push, audience }], signal);
  if (outcome?.kind !== 'accepted') return -1;
  const task = { id: String(outcome.vendorMessageId), pushes: 1, acceptedAt: clock };
  const [answer] = (await bench.sender.poll?.([task], signal)) ?? [];
  return answer?.kind === 'told' ? (answer.counts.planned ?? -2) : -3;
}

async function withBench(about: BenchOptions, test: (bench: Bench) => Promise<void>): Promise<void> {
  const own = openBench(emulator, { now, ...about });
  await test(own).finally(() => own.sender.close(1_000));
}

describe('verify', () => {
  test('proves the secret, by signature and by password, and sends nothing', async () => {
    const before = emulator.account().accepted;
    for (const authentication of ['sign', 'basic'] as const) {
      await withBench({ settings: { authentication } }, async (own) => {
        assert.deepEqual(await run('verify', {}, own), { outcome: { kind: 'accepted' } });
        assert.equal(own.requests(), 1);
      });
    }
    assert.equal(emulator.account().accepted, before);
  });

  test('finds a wrong secret, a wrong access point and a wrong clock', async () => {
    const verdicts: unknown[] = [];
    for (const about of [
      { credential: { secretKey: 'f'.repeat(32) } },
      { settings: { accessId: '1500000001' } },
      { now: () => clock - 7_200_000 },
    ]) {
      await withBench(about, async (own) => {
        const { outcome } = await run('verify', {}, own);
        verdicts.push('code' in outcome ? [outcome.kind, outcome.code] : [outcome.kind, own.warnings.length]);
      });
    }
    assert.deepEqual(verdicts, [
      ['misconfigured', '1008003'],
      ['misconfigured', '1008035'],
      ['accepted', 1],
    ]);
  });
});

describe('tag-devices', () => {
  test('adds, removes, replaces and clears, in each of the ways that TPNS has', async () => {
    const [a, b, c] = [emulator.newToken(), emulator.newToken(), emulator.newToken()];
    const does = async (input: Record<string, unknown>) =>
      assert.equal(await codeOf('tag-devices', input), 'accepted');
    await does({ operation: 'add', tokens: [a], tags: ['one'] });
    assert.equal(await devicesWith(['one']), 1);
    await does({ operation: 'add', tokens: [a], tags: ['two', 'three'] });
    assert.equal(await devicesWith(['one', 'two', 'three']), 1);
    await does({ operation: 'add', tokens: [b, c], tags: ['one'] });
    assert.equal(await devicesWith(['one']), 3);
    await does({
      operation: 'add',
      pairs: [
        { tag: 'two', token: b },
        { tag: 'four', token: c },
      ],
    });
    assert.equal(await devicesWith(['two', 'four'], 'OR'), 3);
    await does({ operation: 'remove', tokens: [a], tags: ['one'] });
    await does({ operation: 'remove', tokens: [a], tags: ['two', 'three'] });
    assert.equal(await devicesWith(['two', 'three'], 'OR'), 1);
    await does({ operation: 'remove', tokens: [b, c], tags: ['one'] });
    assert.equal(await devicesWith(['one']), -1);
    await does({ operation: 'remove', pairs: [{ tag: 'four', token: c }] });
    assert.equal(await devicesWith(['four']), -1);
    await does({ operation: 'overwrite', tokens: [b], tags: ['five'] });
    assert.equal(await devicesWith(['two']), -1);
    await does({ operation: 'clear', tokens: [b] });
    assert.equal(await devicesWith(['five']), -1);
  });

  test('replaces tags of a category by those of the same, and leaves the rest', async () => {
    const token = emulator.newToken();
    await run('tag-devices', { operation: 'add', tokens: [token], tags: ['level:1', 'team:red', 'plain'] });
    await run('tag-devices', { operation: 'overwrite', tokens: [token], tags: ['level:2'] });
    assert.equal(await devicesWith(['level:2', 'team:red', 'plain']), 1);
    assert.equal(await devicesWith(['level:1']), -1);
  });

  test('does not ask for what TPNS would half ignore', async () => {
    const [a, b] = [emulator.newToken(), emulator.newToken()];
    const before = bench.requests();
    for (const input of [
      { operation: 'add', tokens: [a] },
      { operation: 'add', tags: ['x'] },
      { operation: 'add', tokens: [a, b], tags: ['x', 'y'] },
      { operation: 'add', tokens: [a], tags: ['x'], pairs: [{ tag: 'x', token: a }] },
      { operation: 'overwrite', tokens: [a, b], tags: ['x'] },
      { operation: 'overwrite', tokens: [a] },
      { operation: 'clear', tokens: [a], tags: ['x'] },
      { operation: 'clear', pairs: [{ tag: 'x', token: a }] },
    ]) {
      assert.equal(await codeOf('tag-devices', input), 'invalid-input', JSON.stringify(input));
    }
    assert.equal(bench.requests(), before);
  });

  test('tells of a token that is none, and of a limit', async () => {
    assert.equal(
      await codeOf('tag-devices', { operation: 'add', tokens: ['nonsense'], tags: ['x'] }),
      '1008006',
    );
    const tags = Array.from({ length: 101 }, (_, n) => `tag-${n}`);
    assert.equal(
      await codeOf('tag-devices', { operation: 'add', tokens: [emulator.newToken()], tags }),
      '1008007',
    );
  });
});

test('delete-tag takes a tag off every device', async () => {
  const tokens = [emulator.newToken(), emulator.newToken()];
  await run('tag-devices', { operation: 'add', tokens, tags: ['gone'] });
  assert.equal(await devicesWith(['gone']), 2);
  assert.equal(await codeOf('delete-tag', { tags: ['gone'] }), 'accepted');
  assert.equal(await devicesWith(['gone']), -1);
});

describe('bind-accounts', () => {
  const reach = async (account: string, settings = {}): Promise<number | string> => {
    const own = openBench(emulator, {
      now,
      settings: { audience: 'account', statistics: 'all', ...settings },
    });
    try {
      const [outcome] = await own.sender.send(
        pushesTo([account], messageWith({ expiresAt: clock + 600_000 })),
        signal,
      );
      if (outcome?.kind !== 'accepted') return outcome?.code ?? '';
      const task = { id: String(outcome.vendorMessageId), pushes: 1, acceptedAt: clock };
      const [answer] = (await own.sender.poll?.([task], signal)) ?? [];
      return answer?.kind === 'told' ? (answer.counts.planned ?? -1) : 'failed';
    } finally {
      await own.sender.close(1_000);
    }
  };

  test('binds devices to accounts, and unbinds them', async () => {
    const [a, b] = [emulator.newToken(), emulator.newToken()];
    const accounts = [{ account: 'eve' }];
    const bound = await run('bind-accounts', {
      operation: 'overwrite',
      bindings: [
        { token: a, accounts },
        { token: b, accounts: [...accounts, { account: 'fay', accountType: 2 }] },
      ],
    });
    assert.deepEqual(bound, { outcome: { kind: 'accepted' }, result: { items: ['ok', 'ok'] } });
    assert.equal(await reach('eve', { accountPushType: 1 }), 2);
    assert.equal(await reach('eve', { accountPushType: 0 }), 1, 'the newest device alone');
    assert.equal(await reach('fay', { accountType: 2 }), 1);
    await run('bind-accounts', { operation: 'remove', bindings: [{ token: a, accounts }] });
    assert.equal(await reach('eve', { accountPushType: 1 }), 1);
    await run('bind-accounts', { operation: 'clear-tokens', tokens: [b] });
    assert.equal(await reach('eve'), '10010005');
    await run('bind-accounts', { operation: 'overwrite', bindings: [{ token: a, accounts }] });
    assert.equal(await reach('eve'), 1);
    await run('bind-accounts', { operation: 'clear-accounts', accounts });
    assert.equal(await reach('eve'), '10010005');
  });

  test('says which part of a batch failed', async () => {
    const accounts = [{ account: 'gil' }];
    const part = await run('bind-accounts', {
      operation: 'overwrite',
      bindings: [
        { token: emulator.newToken(), accounts },
        { token: 'nonsense', accounts },
      ],
    });
    assert.ok(part.outcome.kind === 'rejected' && part.outcome.code === '1008026');
    assert.deepEqual(part.result, { items: ['0', '1008006'] });
    const whole = await run('bind-accounts', { operation: 'clear-tokens', tokens: ['nonsense'] });
    assert.ok(whole.outcome.kind === 'rejected' && whole.outcome.code === '1008027');
  });

  test('takes what belongs to the operation and nothing else', async () => {
    const accounts = [{ account: 'eve' }];
    const bindings = [{ token: emulator.newToken(), accounts }];
    for (const input of [
      { operation: 'overwrite' },
      { operation: 'remove', bindings, accounts },
      { operation: 'clear-tokens', bindings },
      { operation: 'clear-accounts', accounts, tokens: ['t'] },
    ]) {
      assert.equal(await codeOf('bind-accounts', input), 'invalid-input', JSON.stringify(input));
    }
  });
});

describe('what was sent', () => {
  test('is shown by its push id, without the tokens', async () => {
    const tokens = [emulator.newToken(), emulator.newToken()];
    const [outcome] = await bench.sender.send(
      pushesTo(tokens, messageWith({ expiresAt: clock + 600_000 })),
      signal,
    );
    const pushId = String(outcome?.kind === 'accepted' && outcome.vendorMessageId);
    const { outcome: verdict, result } = await run('push-record', { pushId });
    assert.equal(verdict.kind, 'accepted');
    const [task] = rows(result?.tasks);
    assert.deepEqual(
      [task?.pushId, task?.status, task?.pushType, task?.targets, task?.expireTime],
      [pushId, 'PUSH_FINISHED', 'token_list', 2, 600],
    );
    assert.ok(!JSON.stringify(result).includes(tokens[0] as string));
    assert.equal(await codeOf('push-record', { pushId: '1' }), '1008015');
  });

  test('is listed by day', async () => {
    const day = new Date(clock + 8 * 3_600_000).toISOString().slice(0, 10);
    const { result } = await run('push-record', {
      startDate: day,
      endDate: day,
      audienceType: 'token',
      limit: 1,
    });
    assert.equal(rows(result?.tasks).length, 1);
    assert.ok(Number(result?.count) >= 1);
    assert.equal(await codeOf('push-record', { startDate: '2025-01-01', endDate: '2025-01-02' }), '1008016');
  });

  test('is asked for in one way at a time', async () => {
    const day = '2026-01-02';
    for (const input of [{}, { startDate: day }, { pushId: '1', startDate: day, endDate: day }]) {
      assert.equal(await codeOf('push-record', input), 'invalid-input');
    }
  });

  test('to one token is listed, with ids that no double holds', async () => {
    const token = emulator.newToken();
    const message = messageWith({ expiresAt: clock + 600_000 });
    const [outcome] = await bench.sender.send(pushesTo([token], message), signal);
    const pushId = outcome?.kind === 'accepted' && outcome.vendorMessageId;
    assert.notEqual(String(Number(pushId)), pushId, 'a double would spoil it');
    const { result } = await run('tasks-of-token', { token });
    const tasks = rows(result?.tasks);
    assert.ok(tasks.some((task) => task.pushId === pushId && task.pushTime === Math.floor(clock / 1000)));
    const other = await run('tasks-of-token', { token: emulator.newToken() });
    assert.ok(!rows(other.result?.tasks).some((task) => task.pushId === pushId));
  });
});

test('every operation is named, and closed to what it does not know', () => {
  assert.deepEqual(Object.keys(operations).sort(), [
    'bind-accounts',
    'delete-tag',
    'push-record',
    'tag-devices',
    'tasks-of-token',
    'verify',
  ]);
  for (const [name, { input, summary }] of Object.entries(operations)) {
    assert.ok(!Value.Check(input, { unknown: 1 }), name);
    assert.match(summary, /^[A-Z][^\n]+[^.]$/);
  }
});

test('an operation that is none is the caller’s mistake', async () => {
  await assert.rejects(async () => bench.sender.operate?.('constructor', {}, signal), TypeError);
});

test('what was asked about is not repeated in a refusal', async () => {
  const { outcome } = await run('tag-devices', { operation: 'add', tokens: ['invalid token'], tags: ['x'] });
  assert.ok(outcome.kind === 'rejected');
  assert.equal(outcome.detail, 'invalid token: [hidden]');
});
