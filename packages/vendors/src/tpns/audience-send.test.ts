import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Outcome } from '@pushmill/core';
import { Value } from 'typebox/value';
import { createAuthority } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import { startServer } from '../emulator-server.ts';
import { messageWith, pushesTo, ValuesInMemory } from '../fixtures.ts';
import type { Audience, OutgoingMessage, OutgoingPush } from '../vendor.ts';
import { type Bench, type BenchOptions, openBench } from './bench.ts';
import { startTpnsEmulator } from './emulator.ts';
import { tpns } from './index.ts';

let authority: Authority;
before(async () => {
  authority = await createAuthority(new Date());
});

const signal = new AbortController().signal;
let clock = Date.UTC(2026, 0, 2);
const now = () => clock;

/** An emulator of its own, whose clock and ours are moved by hand: calls to many have to wait. */
async function withBench(about: BenchOptions, run: (bench: Bench) => Promise<void>): Promise<void> {
  const of = await startTpnsEmulator({ port: 0, authority, seed: 4, now });
  const bench = openBench(of, { now, ...about });
  try {
    await run(bench);
  } finally {
    await bench.sender.close(1_000);
    await of.close();
  }
}

function pushTo(audience: Audience, changes: Partial<OutgoingMessage> = {}): OutgoingPush {
  const [push] = pushesTo([''], messageWith({ expiresAt: clock + 3_600_000, ...changes }));
  return { ...(push as OutgoingPush), audience };
}

async function send({ sender }: Bench, push: OutgoingPush): Promise<Outcome> {
  const outcomes = await sender.send([push], signal);
  assert.equal(outcomes.length, 1);
  return outcomes[0] as Outcome;
}

const text = (title: string) => ({ notification: { title, body: 'b' } });

describe('everybody', () => {
  test('is one call with one outcome, and is asked about afterwards', async () => {
    await withBench({}, async (bench) => {
      const push = pushTo({ kind: 'all' });
      const outcome = await send(bench, push);
      assert.ok(outcome.kind === 'accepted' && outcome.poll === true);
      assert.match(String(outcome.vendorMessageId), /^\d{16}$/);
      assert.equal(bench.requests(), 1);
      assert.ok(bench.of.hasTaken(push));
    });
  });

  test('is sent to once a second: sooner is too fast for the channel', async () => {
    await withBench({}, async (bench) => {
      await send(bench, pushTo({ kind: 'all' }, text('one')));
      const second = pushTo({ kind: 'all' }, text('two'));
      assert.deepEqual(await send(bench, second), {
        kind: 'throttled',
        code: '1008028',
        detail: 'calls come too fast: too frequent',
        scope: 'channel',
        retryAfterMs: 1_000,
      });
      clock += 1_000;
      assert.equal((await send(bench, second)).kind, 'accepted');
    });
  });

  test('is asked about only where statistics are wanted, and in a loop not at all', async () => {
    await withBench({ settings: { statistics: 'off' } }, async (bench) => {
      const outcome = await send(bench, pushTo({ kind: 'all' }));
      assert.ok(outcome.kind === 'accepted' && outcome.poll === undefined && outcome.vendorMessageId);
      clock += 1_000;
    });
    await withBench({}, async (bench) => {
      const loop = {
        startDate: '2026-01-05',
        endDate: '2026-01-07',
        every: 'day',
        times: ['09:00:00', '18:00:00'],
      };
      const outcome = await send(bench, pushTo({ kind: 'all', loop }));
      assert.ok(outcome.kind === 'accepted' && outcome.poll === undefined);
      assert.match(String(outcome.vendorMessageId), /^\d{16}$/);
      assert.match(String(outcome.detail), /loop/);
    });
  });

  test('who would get it after it expires does not', async () => {
    await withBench({}, async (bench) => {
      const push = pushTo({ kind: 'all', sendTime: new Date(clock + 7_200_000).toISOString() });
      const outcome = await send(bench, push);
      assert.ok(outcome.kind === 'rejected' && outcome.code === 'send-time-after-expiry');
      assert.equal(bench.requests(), 0);
    });
  });

  test('more than 90 days ahead is refused by TPNS', async () => {
    await withBench({}, async (bench) => {
      const at = clock + 91 * 86_400_000;
      const push = pushTo(
        { kind: 'all', sendTime: new Date(at).toISOString() },
        { expiresAt: at + 3_600_000 },
      );
      const outcome = await send(bench, push);
      assert.ok(outcome.kind === 'rejected' && outcome.code === '10010012');
    });
  });
});

describe('the same content within the hour', () => {
  test('is refused to another message', async () => {
    await withBench({}, async (bench) => {
      await send(bench, pushTo({ kind: 'all' }));
      clock += 1_000;
      const outcome = await send(bench, pushTo({ kind: 'all' }));
      assert.ok(outcome.kind === 'rejected' && outcome.code === '10010018');
      clock += 3_600_000;
      assert.equal((await send(bench, pushTo({ kind: 'all' }))).kind, 'accepted');
    });
  });

  for (const [name, trouble] of [
    ['answer was lost', 'reset'],
    ['answer never came', 'timeout'],
  ] as const) {
    test(`is our own where the ${name}, whichever worker tries again`, async () => {
      const shared = new ValuesInMemory();
      await withBench({ shared, settings: { requestTimeoutMs: 300 } }, async (bench) => {
        bench.of.plan('all', trouble);
        const push = pushTo({ kind: 'all' });
        const first = await send(bench, push);
        assert.ok(first.kind === 'unavailable' && first.mayHaveArrived);
        clock += 2_000;
        const another = openBench(bench.of, { now, shared });
        const second = await send(another, push);
        clock += 2_000;
        assert.equal(second.kind, 'accepted');
        // Reset: TPNS had taken it. Time-out: it had not, and takes it now.
        assert.equal('vendorMessageId' in second, trouble === 'timeout');
        assert.deepEqual([bench.of.account().accepted, bench.of.account().duplicates], [1, 0]);
        await another.sender.close(1_000);
      });
    });
  }

  test('is no proof of ours where the first attempt was refused', async () => {
    await withBench({}, async (bench) => {
      await send(bench, pushTo({ kind: 'all' }));
      const second = pushTo({ kind: 'all' });
      assert.equal((await send(bench, second)).kind, 'throttled');
      clock += 1_000;
      assert.equal((await send(bench, second)).kind, 'rejected');
    });
  });
});

describe('tags', () => {
  const tagged = async ({ sender }: Bench, token: string, tags: string[]) => {
    const input = { operation: 'overwrite', tokens: [token], tags };
    assert.equal((await sender.operate?.('tag-devices', input, signal))?.outcome.kind, 'accepted');
  };

  test('reach the devices that have them', async () => {
    await withBench({}, async (bench) => {
      const [tea, both] = [bench.of.newToken(), bench.of.newToken()];
      await tagged(bench, tea, ['tea']);
      await tagged(bench, both, ['tea', 'milk']);
      const rules = [
        { tagItems: [{ tags: ['tea'] }, { tags: ['milk'], isNot: true, itemsOperator: 'AND' }] },
      ];
      const reached: number[] = [];
      for (const audience of [
        { kind: 'tag', tags: ['tea', 'milk'], operator: 'OR' },
        { kind: 'tag', tags: ['tea', 'milk'], operator: 'AND' },
        { kind: 'tag', rules },
      ]) {
        const outcome = await send(bench, pushTo(audience));
        assert.ok(outcome.kind === 'accepted' && outcome.poll);
        clock += 1_000;
        const task = { id: String(outcome.vendorMessageId), pushes: 1, acceptedAt: clock };
        const [answer] = (await bench.sender.poll?.([task], signal)) ?? [];
        reached.push(answer?.kind === 'told' ? Number(answer.counts.planned) : -1);
      }
      assert.deepEqual(reached, [2, 1, 1]);
    });
  });

  test('that nobody has are no target, which is no fault of a token', async () => {
    await withBench({}, async (bench) => {
      const outcome = await send(bench, pushTo({ kind: 'tag', tags: ['nobody'], operator: 'OR' }));
      assert.deepEqual(outcome, {
        kind: 'rejected',
        code: '10010005',
        detail: 'the push target does not exist: inner server error',
      });
    });
  });
});

test('accounts are one call, of which no account is condemned', async () => {
  await withBench({}, async (bench) => {
    const push = pushTo({ kind: 'accounts', accounts: ['ann', 'bob'] });
    assert.equal((await send(bench, push)).kind, 'accepted');
    // No limit of one a second, and none on the same content.
    assert.equal((await send(bench, push)).kind, 'accepted');
    assert.deepEqual(
      [bench.requests(), bench.of.account().accepted, bench.of.account().duplicates],
      [2, 1, 1],
    );
    bench.of.plan('account_list', 'token-dead');
    const outcome = await send(bench, push);
    assert.ok(outcome.kind === 'rejected' && outcome.code === '10010005');
  });
});

describe('a package', () => {
  test('is uploaded and then sent to, tokens or accounts', async () => {
    await withBench({}, async (bench) => {
      const tokens = Array.from({ length: 5_000 }, () => bench.of.newToken());
      for (const audience of [
        { kind: 'package', tokens },
        { kind: 'package', accounts: ['安娜', 'bob@example.com'] },
      ]) {
        const before = bench.requests();
        const push = pushTo(audience);
        const outcome = await send(bench, push);
        assert.ok(outcome.kind === 'accepted' && outcome.poll, JSON.stringify(outcome));
        assert.equal(bench.requests() - before, 2);
        assert.ok(bench.of.hasTaken(push));
        clock += 1_000;
        const task = { id: String(outcome.vendorMessageId), pushes: 1, acceptedAt: clock };
        const [answer] = (await bench.sender.poll?.([task], signal)) ?? [];
        const expected = 'tokens' in audience ? 5_000 : 2;
        assert.ok(answer?.kind === 'told' && answer.counts.planned === expected, JSON.stringify(answer));
      }
    });
  });

  test('of 50,000 tokens goes through', async () => {
    await withBench({}, async (bench) => {
      const tokens = Array.from({ length: 50_000 }, () => bench.of.newToken());
      assert.equal((await send(bench, pushTo({ kind: 'package', tokens }))).kind, 'accepted');
    });
  });

  test('that lies there already is not uploaded', async () => {
    await withBench({}, async (bench) => {
      await send(bench, pushTo({ kind: 'package', tokens: [bench.of.newToken()] }));
      clock += 1_000;
      const before = bench.requests();
      assert.equal(
        (await send(bench, pushTo({ kind: 'package', uploadId: 1_001, of: 'tokens' }))).kind,
        'accepted',
      );
      assert.equal(bench.requests() - before, 1);
      clock += 1_000;
      const unknown = await send(bench, pushTo({ kind: 'package', uploadId: 4_711, of: 'tokens' }));
      assert.ok(unknown.kind === 'rejected' && unknown.code === '10010005');
    });
  });

  test('whose upload has no answer was sent to nobody', async () => {
    const silent = await startServer({ port: 0, authority, now }, () => 'silence');
    await withBench({ settings: { host: silent.origin, requestTimeoutMs: 100 } }, async (bench) => {
      const outcome = await send(bench, pushTo({ kind: 'package', tokens: [bench.of.newToken()] }));
      assert.ok(outcome.kind === 'unavailable' && !outcome.mayHaveArrived, JSON.stringify(outcome));
    });
    await silent.close();
  });

  test('is stamped by the vendor’s clock like any other call', async () => {
    const wrong = () => clock - 3_600_000;
    await withBench({ now: wrong }, async (bench) => {
      const push = pushTo({ kind: 'package', tokens: [bench.of.newToken()] });
      assert.equal((await send(bench, push)).kind, 'accepted');
      assert.equal(bench.requests(), 3, 'the upload twice, the push once');
      assert.equal(bench.warnings.length, 1);
    });
  });
});

test('trouble with a call to many is told like any other, and without a target in it', async () => {
  await withBench({}, async (bench) => {
    for (const kind of ['rejected', 'misconfigured', 'throttled', 'unavailable'] as const) {
      bench.of.plan('account_list', kind);
      const outcome = await send(bench, pushTo({ kind: 'accounts', accounts: ['ann', 'harmful content'] }));
      assert.equal(outcome.kind, kind);
      assert.ok(!JSON.stringify(outcome).includes('harmful content'));
    }
  });
});

test('an iOS channel has the same audiences', async () => {
  await withBench({ channelName: 'tpns-ios' }, async (bench) => {
    const push = pushTo({ kind: 'all' });
    assert.equal((await send(bench, push)).kind, 'accepted');
    assert.ok(bench.of.hasTaken(push));
  });
});

test('what the emulator offers is of the schema, and served', async () => {
  await withBench({}, async (bench) => {
    const offered = bench.of.channels.flatMap((channel) => channel.audiences ?? []);
    assert.deepEqual([...new Set(offered.map((audience) => audience.kind))], ['accounts', 'all']);
    for (const audience of bench.of.channels[0]?.audiences ?? []) {
      assert.ok(Value.Check(tpns.audiences?.schema ?? {}, audience));
      assert.equal((await send(bench, pushTo(audience))).kind, 'accepted');
    }
  });
});
