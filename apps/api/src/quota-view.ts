import { calendarDay, classOf, messageClasses, type QuotaPolicy, quotaRuleOf } from '@pushmill/core';
import type { ChannelRow, NewMessage, Store } from '@pushmill/store';
import { type Static, Type } from 'typebox';
import { nullable, oneOf, strict } from './schema.ts';

const Use = nullable(
  strict({
    used: Type.Integer({ description: 'Sent, or about to be' }),
    perDay: Type.Integer(),
  }),
);

export const QuotaTodaySchema = nullable(
  strict(
    { transactional: Use, marketing: Use },
    { description: 'On this day of the vendor’s calendar; null where nothing is bounded' },
  ),
);

export const ForecastSchema = strict({
  channel: Type.String(),
  class: oneOf(messageClasses),
  day: Type.String({ description: 'Of the vendor’s calendar, e.g. 2026-11-22' }),
  perDay: Type.Integer(),
  used: Type.Integer({ description: 'Sent on that day, or about to be' }),
  waiting: Type.Integer({ description: 'At most so many others will be sent before it, or beside it' }),
  wouldFit: Type.Integer(),
  wouldNotFit: Type.Integer(),
});
export type Forecast = Static<typeof ForecastSchema>;

interface Deps {
  quotas: Pick<Store['quotas'], 'usedOn' | 'waiting'>;
  /** Milliseconds since the epoch. */
  now: number;
}

/** By channel id; one question for all, and none where no channel has a quota. */
export async function quotasToday(
  rows: readonly ChannelRow[],
  { quotas, now }: Pick<Deps, 'now'> & { quotas: Pick<Store['quotas'], 'usedOn'> },
): Promise<Map<string, NonNullable<Static<typeof QuotaTodaySchema>>>> {
  const bounded = rows.flatMap((row) => {
    const quota = quotaOf(row);
    return quota && messageClasses.some((one) => quotaRuleOf(quota, one)?.perDay !== undefined)
      ? [{ channelId: row.id, quota, day: calendarDay(now, quota.timeZone).name }]
      : [];
  });
  const uses = await quotas.usedOn(bounded);
  return new Map(
    bounded.map(({ channelId, quota }) => {
      const [transactional = null, marketing = null] = messageClasses.map((one) => {
        const perDay = quotaRuleOf(quota, one)?.perDay;
        const use = uses.find((each) => each.channelId === channelId && each.class === one);
        return perDay === undefined ? null : { used: use?.used ?? 0, perDay };
      });
      return [channelId, { transactional, marketing }];
    }),
  );
}

/**
 * What of a message would fit into the quotas of its channels, on the day when it would be sent. What waits may
 * still be cancelled or expire, and other messages may come first: it is what can be said now.
 * @returns an entry for each channel with a quota for the class
 */
export async function forecastQuotas(
  { lane, sendAt, recipients }: Pick<NewMessage, 'lane' | 'sendAt' | 'recipients'>,
  channels: ReadonlyMap<string, ChannelRow>,
  { quotas, now }: Deps,
): Promise<{ quota: Forecast[]; detail: string } | undefined> {
  const messageClass = classOf(lane);
  const counts = new Map<string, number>();
  for (const { channelId } of recipients) counts.set(channelId, (counts.get(channelId) ?? 0) + 1);
  const bounded = [...channels.values()].flatMap((channel) => {
    const pushes = counts.get(channel.id);
    const rule = quotaRuleOf(quotaOf(channel), messageClass);
    if (pushes === undefined || rule?.perDay === undefined) return [];
    const { timeZone, perDay, whenSpent } = rule;
    const day = calendarDay(sendAt?.getTime() ?? now, timeZone);
    return [{ channelId: channel.id, channel: channel.name, pushes, perDay, timeZone, whenSpent, day }];
  });
  if (bounded.length === 0) return undefined;
  const uses = await quotas.usedOn(bounded.map(({ channelId, day }) => ({ channelId, day: day.name })));
  const forecasts = await Promise.all(
    bounded.map(async (one) => {
      // What is late is sent today.
      const after = one.day.startsAt <= now ? undefined : new Date(one.day.startsAt);
      const waiting = await quotas.waiting(one.channelId, lane, new Date(one.day.endsAt), after);
      const used =
        uses.find((use) => use.channelId === one.channelId && use.class === messageClass)?.used ?? 0;
      const fits = Math.min(one.pushes, Math.max(0, one.perDay - used - waiting));
      const forecast: Forecast = {
        channel: one.channel,
        class: messageClass,
        day: one.day.name,
        perDay: one.perDay,
        used,
        waiting,
        wouldFit: fits,
        wouldNotFit: one.pushes - fits,
      };
      return { forecast, sentence: sentenceOf(forecast, one) };
    }),
  );
  return {
    quota: forecasts.map(({ forecast }) => forecast),
    detail: forecasts.map(({ sentence }) => sentence).join(' '),
  };
}

function sentenceOf(
  forecast: Forecast,
  { pushes, timeZone, whenSpent }: { pushes: number; timeZone: string; whenSpent: 'hold' | 'drop' },
): string {
  const { channel, class: of, day, perDay, used, waiting, wouldFit, wouldNotFit } = forecast;
  const standing = `of its ${perDay} ${of} pushes for ${day} (${timeZone}) ${used} are used, and at most ${waiting} others wait`;
  if (wouldNotFit === 0) return `${channel}: all ${pushes} fit; ${standing}.`;
  const rest = whenSpent === 'hold' ? 'would wait for the next day' : 'would be dropped';
  return `${channel}: ${wouldFit} of ${pushes} fit and ${wouldNotFit} ${rest}; ${standing}.`;
}

function quotaOf(row: ChannelRow): QuotaPolicy | undefined {
  return row.policy.quota as QuotaPolicy | undefined;
}
