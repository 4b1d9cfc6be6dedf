import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createAuthority } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import { messageWith, pushesTo } from '../fixtures.ts';
import type { OutgoingPush } from '../vendor.ts';
import { type Bench, type BenchOptions, kindsOf, openBench } from './bench.ts';
import { startTpnsEmulator, type TpnsEmulator, type TpnsEmulatorOptions } from './emulator.ts';

let authority: Authority;
let emulator: TpnsEmulator;

before(async () => {
  authority = await createAuthority(new Date());
  emulator = await startTpnsEmulator({ port: 0, authority, seed: 1 });
});
after(() => emulator.close());

const signal = new AbortController().signal;

/** A sender for one test, against the common emulator or one of its own. */
async function withSender(
  about: BenchOptions & { emulator?: Partial<TpnsEmulatorOptions> },
  run: (bench: Bench) => Promise<void>,
): Promise<void> {
  const of = about.emulator
    ? await startTpnsEmulator({ port: 0, authority, seed: 3, ...about.emulator })
    : emulator;
  const bench = openBench(of, about);
  try {
    await run(bench);
  } finally {
    await bench.sender.close(1_000);
    if (of !== emulator) await of.close();
  }
}

function pushes(count: number, of = emulator): OutgoingPush[] {
  const tokens = Array.from({ length: count }, () => of.newToken());
  return pushesTo(tokens, messageWith({ expiresAt: Date.now() + 600_000 }));
}

describe('a refused signature', () => {
  const anotherSecret = 'f'.repeat(32);

  for (const refusalStatus of [200, 403] as const) {
    test(`is the clock’s fault when the vendor’s time is taken (HTTP ${refusalStatus})`, async () => {
      const hourAgo = () => Date.now() - 3_600_000;
      await withSender(
        { now: hourAgo, emulator: { refusalStatus } },
        async ({ of, sender, warnings, requests }) => {
          const [first, ...later] = pushes(4, of);
          assert.deepEqual(kindsOf(await sender.send([first as OutgoingPush], signal)), ['accepted']);
          assert.equal(requests(), 2, 'stamped again once');
          assert.equal(warnings.length, 1);
          assert.match(String(warnings[0]?.message), /clock/);
          const off = Number(warnings[0]?.fields.offBySeconds);
          assert.ok(off <= -3_590 && off >= -3_610, `${off} s`);
          // What was learnt is kept: later calls are right at once, and nobody is told again.
          for (const push of later)
            assert.deepEqual(kindsOf(await sender.send([push], signal)), ['accepted']);
          assert.equal(requests(), 5);
          assert.equal(warnings.length, 1);
        },
      );
    });

    test(`is the secret’s fault when the vendor’s time is refused too (HTTP ${refusalStatus})`, async () => {
      const emulatorOptions = { emulator: { refusalStatus }, credential: { secretKey: anotherSecret } };
      await withSender(emulatorOptions, async ({ of, sender, warnings, requests }) => {
        const [outcome] = await sender.send(pushes(1, of), signal);
        assert.equal(requests(), 2);
        assert.ok(outcome?.kind === 'misconfigured');
        assert.equal(outcome.code, refusalStatus === 200 ? '1008003' : 'http-403');
        assert.match(outcome.detail, /authentication failed.*stamped by the vendor’s clock, was refused too/);
        assert.ok(!outcome.detail.includes(anotherSecret));
        assert.deepEqual(warnings, []);
      });
    });
  }

  test('of a machine with both faults is the secret’s', async () => {
    await withSender(
      { now: () => Date.now() + 7_200_000, credential: { secretKey: anotherSecret } },
      async ({ sender, warnings }) => {
        assert.deepEqual(kindsOf(await sender.send(pushes(3), signal)), Array(3).fill('misconfigured'));
        assert.deepEqual(warnings, []);
      },
    );
  });

  test('a clock that is put right is believed again', async () => {
    let offsetMs = 3_600_000;
    await withSender({ now: () => Date.now() + offsetMs }, async ({ sender, requests }) => {
      const [one, two, three] = pushes(3) as [OutgoingPush, OutgoingPush, OutgoingPush];
      await sender.send([one], signal);
      offsetMs = 0;
      assert.deepEqual(kindsOf(await sender.send([two], signal)), ['accepted']);
      assert.equal(requests(), 4);
      assert.deepEqual(kindsOf(await sender.send([three], signal)), ['accepted']);
      assert.equal(requests(), 5);
    });
  });

  test('with a password instead, no clock matters and nothing is asked twice', async () => {
    const basic = { authentication: 'basic' } as const;
    await withSender({ settings: basic, now: () => 0 }, async ({ sender, requests }) => {
      assert.deepEqual(kindsOf(await sender.send(pushes(2), signal)), ['accepted', 'accepted']);
      assert.equal(requests(), 1);
    });
    await withSender(
      { settings: basic, credential: { secretKey: anotherSecret } },
      async ({ sender, requests }) => {
        assert.deepEqual(kindsOf(await sender.send(pushes(1), signal)), ['misconfigured']);
        assert.equal(requests(), 1);
      },
    );
  });

  test('of an app that lives elsewhere is about the access point, and final', async () => {
    await withSender({ settings: { accessId: '1500000001' } }, async ({ sender, requests }) => {
      const [outcome] = await sender.send(pushes(1), signal);
      assert.ok(outcome?.kind === 'misconfigured');
      assert.equal(outcome.code, '1008035');
      assert.match(outcome.detail, /access point/);
      assert.equal(requests(), 1);
    });
  });
});

describe('a call of many', () => {
  test('has 1,000 tokens, of which the dead are named and the others taken', async () => {
    await withSender({}, async ({ of, sender, requests }) => {
      const many = pushes(1_000);
      const dead = new Set([0, 17, 999]);
      for (const index of dead) of.plan((many[index] as OutgoingPush).token, 'token-dead');
      const before = of.account();
      const outcomes = await sender.send(many, signal);
      assert.equal(requests(), 1);
      outcomes.forEach((outcome, index) => {
        assert.equal(outcome.kind, dead.has(index) ? 'token-dead' : 'accepted', String(index));
        assert.equal(of.hasTaken(many[index] as OutgoingPush), !dead.has(index), String(index));
      });
      assert.equal(of.account().accepted - before.accepted, 997);
      assert.equal(of.account().duplicates, before.duplicates);
      assert.deepEqual(outcomes[17], {
        kind: 'token-dead',
        code: 'invalid_targe_list',
        detail: 'TPNS took the call and left this token out as invalid',
      });
      const ids = new Set(outcomes.map((outcome) => outcome.kind === 'accepted' && outcome.vendorMessageId));
      assert.deepEqual([ids.size, ids.has(false)], [2, true], 'one push id for the whole call');
    });
  });

  test('of dead tokens only is taken and has no one left', async () => {
    await withSender({}, async ({ of, sender }) => {
      const three = pushes(3);
      for (const push of three) of.plan(push.token, 'token-dead');
      assert.deepEqual(kindsOf(await sender.send(three, signal)), Array(3).fill('token-dead'));
    });
  });

  test('that was refused for one unnamed token is asked again one by one', async () => {
    await withSender({ emulator: { allInvalidCode: 1008029 } }, async ({ of, sender, requests }) => {
      const bad = pushesTo(['bad-1', 'bad-2', 'bad-3'], messageWith({ expiresAt: Date.now() + 600_000 }));
      const outcomes = await sender.send(bad, signal);
      assert.deepEqual(
        outcomes.map((outcome) => 'code' in outcome && outcome.code),
        Array(3).fill('1008029'),
      );
      assert.deepEqual(kindsOf(outcomes), Array(3).fill('token-dead'));
      assert.equal(requests(), 4);
      assert.equal(of.account().accepted, 0);
    });
  });

  test('shares every other answer', async () => {
    await withSender({}, async ({ of, sender, requests }) => {
      for (const kind of ['throttled', 'rejected', 'misconfigured', 'unavailable'] as const) {
        const three = pushes(3);
        of.plan((three[1] as OutgoingPush).token, kind);
        assert.deepEqual(kindsOf(await sender.send(three, signal)), Array(3).fill(kind));
      }
      assert.equal(requests(), 4);
    });
  });

  test('sends two pushes to one token in two calls', async () => {
    await withSender({}, async ({ of, sender, requests }) => {
      const [token, other] = [of.newToken(), of.newToken()];
      const twice = pushesTo([token, other, token], messageWith({ expiresAt: Date.now() + 600_000 }));
      assert.deepEqual(kindsOf(await sender.send(twice, signal)), Array(3).fill('accepted'));
      assert.equal(requests(), 2);
      for (const push of twice) assert.ok(of.hasTaken(push));
    });
  });
});

describe('accounts', () => {
  const settings = { audience: 'account' } as const;

  test('are asked for one by one, so that each has its own outcome', async () => {
    await withSender({ settings }, async ({ of, sender, requests }) => {
      const three = pushesTo(['ann', 'bob', 'cat'], messageWith({ expiresAt: Date.now() + 600_000 }));
      of.plan('bob', 'token-dead');
      const outcomes = await sender.send(three, signal);
      assert.deepEqual(kindsOf(outcomes), ['accepted', 'token-dead', 'accepted']);
      assert.ok(outcomes[1]?.kind === 'token-dead' && outcomes[1].code === '10010005');
      assert.equal(requests(), 3);
      assert.deepEqual(
        three.map((push) => of.hasTaken(push)),
        [true, false, true],
      );
    });
  });

  test('are kept where 10010005 is not trusted', async () => {
    await withSender({ settings: { ...settings, missingTargetIsDead: false } }, async ({ of, sender }) => {
      of.plan('dan', 'token-dead');
      const [outcome] = await sender.send(pushesTo(['dan'], messageWith()), signal);
      assert.ok(outcome?.kind === 'rejected' && outcome.code === '10010005');
    });
  });
});

test('a gateway’s page of HTML is no refusal: the push may have been taken', async () => {
  await withSender({ emulator: {} }, async ({ of, sender, warnings }) => {
    const [push] = pushes(1, of) as [OutgoingPush];
    of.setOutage('gateway');
    of.plan(push.token, 'unavailable');
    const [outcome] = await sender.send([push], signal);
    assert.ok(outcome?.kind === 'unavailable' && outcome.mayHaveArrived);
    assert.equal(outcome.code, 'http-502');
    of.setOutage('api');
    of.plan(push.token, 'unavailable');
    const [second] = await sender.send([push], signal);
    assert.ok(second?.kind === 'unavailable' && !second.mayHaveArrived);
    assert.equal(second.code, '1008004');
    assert.deepEqual(warnings, []);
  });
});

test('a push after a reset is known again: it was taken twice', async () => {
  await withSender({ emulator: {} }, async ({ of, sender }) => {
    const three = pushes(3, of);
    of.plan((three[0] as OutgoingPush).token, 'reset');
    for (const outcome of await sender.send(three, signal)) {
      assert.ok(outcome.kind === 'unavailable' && outcome.mayHaveArrived);
    }
    assert.deepEqual(kindsOf(await sender.send(three, signal)), Array(3).fill('accepted'));
    const { accepted, duplicates } = of.account();
    assert.deepEqual([accepted, duplicates], [3, 3]);
  });
});

test('only an emulator is told which pushes a call carries', async () => {
  await withSender({ settings: { emulator: false }, emulator: {} }, async ({ of, sender }) => {
    const [push] = pushes(1, of) as [OutgoingPush];
    assert.deepEqual(kindsOf(await sender.send([push], signal)), ['accepted']);
    assert.equal(of.hasTaken(push), false);
    assert.equal(of.account().accepted, 1);
  });
});
