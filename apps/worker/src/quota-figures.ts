import { calendarDay, messageClasses, quotaRuleOf } from '@pushmill/core';
import type { Store } from '@pushmill/store';
import type { ActiveChannel } from './active-channel.ts';

export interface QuotaGauge {
  reset(): void;
  set(labels: { vendor: string; channel: string; class: string }, value: number): void;
}

export interface QuotaFigureDeps {
  quotas: Pick<Store['quotas'], 'usedOn'>;
  used: QuotaGauge;
  perDay: QuotaGauge;
  /** Milliseconds since the epoch. */
  now: () => number;
}

/** What each channel with a quota has used of today's, by class; nothing is asked when no channel has one. */
export async function measureQuotas(
  channels: readonly Pick<ActiveChannel, 'row' | 'vendor' | 'policy'>[],
  { quotas, used, perDay, now }: QuotaFigureDeps,
): Promise<void> {
  const bounded = channels.flatMap(({ row, vendor, policy: { quota } }) =>
    quota ? [{ row, vendor, quota, day: calendarDay(now(), quota.timeZone).name }] : [],
  );
  const uses = await quotas.usedOn(bounded.map(({ row, day }) => ({ channelId: row.id, day })));
  used.reset();
  perDay.reset();
  for (const { row, vendor, quota } of bounded) {
    for (const messageClass of messageClasses) {
      const limit = quotaRuleOf(quota, messageClass)?.perDay;
      if (limit === undefined) continue;
      const use = uses.find((one) => one.channelId === row.id && one.class === messageClass);
      const labels = { vendor: vendor.name, channel: row.name, class: messageClass };
      used.set(labels, use?.used ?? 0);
      perDay.set(labels, limit);
    }
  }
}
