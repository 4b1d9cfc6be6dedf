import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newId, type QuotaPolicy } from '@pushmill/core';
import type { ClaimedBatch, ClaimedPush, QuotaGrant, QuotaRequest } from '@pushmill/store';
import { Ration } from './quota.ts';

const SHANGHAI_MIDNIGHT = Date.parse('2026-11-22T16:00:00Z');
const quota: QuotaPolicy = { timeZone: 'Asia/Shanghai', marketing: { perDay: 2 }, whenSpent: 'hold' };

/** A ledger that grants the first so many, and remembers what it was asked. */
function ledger(fits: number) {
  const asked: QuotaRequest[] = [];
  let releases = 0;
  return {
    asked,
    get releases() {
      return releases;
    },
    async reserve(_batch: unknown, request: QuotaRequest): Promise<QuotaGrant | undefined> {
      asked.push(request);
      return { granted: request.pushes.slice(0, fits).map((push) => push.place), deviceSpent: [] };
    },
    async release() {
      releases += 1;
    },
  };
}

function batchOf(changes: (Partial<ClaimedPush> & { message?: object })[], own: Partial<ClaimedBatch> = {}) {
  const messages = changes.map(({ message }) => ({
    id: newId(),
    content: { class: 'marketing', priority: 'normal' } as const,
    expiresAt: new Date(SHANGHAI_MIDNIGHT + 3_600_000),
    cancelled: false,
    paused: false,
    ...message,
  }));
  return {
    lane: 'bulk',
    pushes: changes.map(({ message, ...push }, index) => ({
      messageId: messages[index]?.id as string,
      n: 0,
      place: index + 1,
      token: `token-${index}`,
      attempts: 0,
      ...push,
    })),
    messages: new Map(messages.map((message) => [message.id, message])),
    ...own,
  } as ClaimedBatch;
}

async function ration(
  batch: ClaimedBatch,
  quotas: ReturnType<typeof ledger>,
  { policy = quota as QuotaPolicy | null, clock = { at: SHANGHAI_MIDNIGHT - 1 } } = {},
) {
  return Ration.take(batch, policy ?? undefined, { quotas, now: () => clock.at, random: () => 0.5 });
}

describe('a ration', () => {
  it('is asked for what will be sent for the first time, on the day of the zone', async () => {
    const quotas = ledger(9);
    const batch = batchOf([
      {},
      { attempts: 1 },
      { message: { cancelled: true } },
      { message: { paused: true } },
      { message: { expiresAt: new Date(SHANGHAI_MIDNIGHT - 1) } },
      { expiresAt: new Date(SHANGHAI_MIDNIGHT - 1) },
      {},
    ]);
    await ration(batch, quotas);
    assert.deepEqual(
      quotas.asked.map(({ day, perDay, pushes, class: of }) => [day, perDay, of, pushes.map((p) => p.place)]),
      [['2026-11-22', 2, 'marketing', [1, 7]]],
    );
  });

  it('asks nothing where nothing is bounded, or nothing would be sent', async () => {
    const quotas = ledger(9);
    assert.equal(await ration(batchOf([{}]), quotas, { policy: null }), undefined);
    assert.equal(await ration(batchOf([{}], { lane: 'urgent' }), quotas), undefined);
    assert.ok(await ration(batchOf([{ attempts: 2 }]), quotas));
    assert.deepEqual([quotas.asked, quotas.releases], [[], 0]);
  });

  it('refuses what does not fit until the next day, or the end of the push', async () => {
    const batch = batchOf([{}, {}, { attempts: 1 }, { message: { cancelled: true } }]);
    const taken = await ration(batch, ledger(1));
    assert.ok(taken && taken !== 'outdated');
    const [first, second, third, fourth] = batch.pushes as [
      ClaimedPush,
      ClaimedPush,
      ClaimedPush,
      ClaimedPush,
    ];
    const late = SHANGHAI_MIDNIGHT + 3_600_000;
    for (const push of [first, third, fourth]) assert.equal(taken.refusal(push, late), undefined);
    const refusal = taken.refusal(second, late);
    assert.ok(refusal?.action === 'hold');
    assert.equal(refusal.dueAt, SHANGHAI_MIDNIGHT + 150_000, 'in the middle of the first five minutes');
    assert.match(refusal.detail, /channel’s quota of 2 marketing pushes a day is spent for 2026-11-22/);
    const soon = taken.refusal(second, SHANGHAI_MIDNIGHT + 60_001);
    assert.ok(soon?.action === 'hold');
    assert.equal(soon.dueAt, SHANGHAI_MIDNIGHT + 62_000);
  });

  it('drops where the policy says so', async () => {
    const batch = batchOf([{}]);
    const taken = await ration(batch, ledger(0), { policy: { ...quota, whenSpent: 'drop' } });
    assert.ok(taken && taken !== 'outdated');
    assert.equal(taken.refusal(batch.pushes[0] as ClaimedPush, 0)?.action, 'drop');
  });

  it('ends with its day', async () => {
    const clock = { at: SHANGHAI_MIDNIGHT - 1 };
    const batch = batchOf([{}, { attempts: 1 }, { message: { paused: true } }]);
    const taken = await ration(batch, ledger(9), { clock });
    assert.ok(taken && taken !== 'outdated');
    const covered = () => batch.pushes.map((push) => taken.covers(push));
    assert.deepEqual(
      covered(),
      [true, true, false],
      'one that was tried was counted; a paused one was not asked for',
    );
    clock.at = SHANGHAI_MIDNIGHT;
    assert.deepEqual(covered(), [false, true, false]);
  });

  it('is open until an attempt was spent on all of it', async () => {
    const batch = batchOf([{}, {}, {}]);
    const taken = await ration(batch, ledger(2));
    assert.ok(taken && taken !== 'outdated');
    for (const [place, open] of [
      [1, true],
      [2, false],
    ] as const) {
      taken.spend(batch.pushes[place - 1] as ClaimedPush);
      assert.equal(taken.isOpen, open);
    }
  });

  it('takes over what another holder reserved today, and returns what was of another day', async () => {
    const mine = ledger(9);
    const today = batchOf([{}], { reservation: { day: '2026-11-22', places: [1, 2] } });
    const taken = await ration(today, mine);
    assert.ok(taken && taken !== 'outdated');
    taken.spend(today.pushes[0] as ClaimedPush);
    assert.ok(taken.isOpen, 'the ledger knows what became of the second');
    assert.equal(mine.releases, 0);
    const old = ledger(9);
    await ration(batchOf([{}], { reservation: { day: '2026-11-21', places: [1] } }), old);
    assert.deepEqual([old.releases, old.asked.length], [1, 1]);
    const none = ledger(9);
    await ration(batchOf([{}], { reservation: { day: '2026-11-22', places: [1] } }), none, {
      policy: null,
    });
    assert.deepEqual([none.releases, none.asked.length], [1, 0]);
  });
});
