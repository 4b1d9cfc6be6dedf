import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PushState } from '@pushmill/core';
import type { Emulator } from '@pushmill/vendors';
import { arrivedLate, compareAll } from './chaos-findings.ts';
import type { LedgerAudit, RecordedCalls } from './ledger-audit.ts';
import { startWatch } from './watch.ts';

const message = '0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee';

describe('compareAll', () => {
  const compared = async (
    state: PushState,
    taken: boolean,
    about: { unanswered?: true; inHand?: true } = {},
  ) => {
    const id = `${message}.0`;
    const audit = {
      async *pushes() {
        yield { id, channelId: 'c', state };
      },
      hasUnanswered: async (ids: readonly string[]) => new Set(about.unanswered ? ids : []),
    } as unknown as LedgerAudit;
    const emulator = { hasTaken: () => taken } as unknown as Emulator;
    const inHand = [{ worker: 'worker-1', byVendor: { v: about.inHand ? [id] : [] }, count: 1 }];
    const { neverTaken, takenUnknown } = await compareAll(audit, () => emulator, inHand);
    return [neverTaken.count, takenUnknown.count];
  };

  it('agrees with the emulator, or says how not', async () => {
    assert.deepEqual(await compared('delivered', true), [0, 0]);
    assert.deepEqual(await compared('failed', false), [0, 0]);
    assert.deepEqual(await compared('accepted', false), [1, 0]);
    assert.deepEqual(await compared('expired', true), [0, 1]);
    assert.deepEqual(await compared('queued', true), [0, 1]);
  });

  it('knows what explains a push that was taken and ended otherwise', async () => {
    assert.deepEqual(await compared('unknown', true), [0, 0]);
    assert.deepEqual(await compared('failed', true, { unanswered: true }), [0, 0]);
    assert.deepEqual(await compared('cancelled', true, { inHand: true }), [0, 0]);
  });
});

describe('arrivedLate', () => {
  const endsAt = 1_000_000;
  const late = async (takenAt: number | undefined, calls: RecordedCalls['calls']) => {
    const push = { id: `${message}.0`, emulator: { hasTaken: () => true }, takenAt };
    const audit = {
      recordedCalls: async () => new Map([[push.id, { endsAt, calls }]]),
    } as unknown as LedgerAudit;
    return (await arrivedLate(audit, [{ push }], 'expiry')).count;
  };

  it('lets pass what was never taken, or in time', async () => {
    assert.equal(await late(undefined, []), 0);
    assert.equal(await late(endsAt - 1, []), 0);
  });

  it('lets pass what was on its way when it ended', async () => {
    assert.equal(await late(endsAt + 5_000, [{ from: endsAt - 10, to: endsAt + 5_100 }]), 0);
  });

  it('finds what was sent after its end', async () => {
    assert.equal(await late(endsAt + 5_000, []), 1);
    assert.equal(await late(endsAt + 5_000, [{ from: endsAt + 4_900, to: endsAt + 5_100 }]), 1);
    assert.equal(await late(endsAt + 5_000, [{ from: endsAt - 900, to: endsAt - 800 }]), 1);
  });
});

describe('a watch', () => {
  it('sees when an emulator has a push, and asks for it by both its names', async () => {
    const asked: unknown[] = [];
    let taken = false;
    const hasTaken = (push: { id: string; identity: string }) => {
      asked.push(push);
      return taken;
    };
    const watch = startWatch();
    const before = Date.now();
    const push = watch.add(`${message}.1`, { hasTaken });
    taken = true;
    watch.stop();
    assert.ok(push.takenAt !== undefined && push.takenAt >= before && push.takenAt <= Date.now());
    assert.deepEqual(asked, [{ id: `${message}.1`, identity: '0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeef' }]);
  });
});
