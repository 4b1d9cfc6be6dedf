import type { MessageClass } from './message.ts';

/** How many pushes of a class a channel may send on one day. */
export interface ClassQuota {
  perDay: number;
}

/** What a vendor, or whoever pays it, allows a channel a day. A class without a rule is not bounded. */
export interface QuotaPolicy extends Partial<Record<MessageClass, ClassQuota>> {
  /** Where the vendor's day begins and ends, as the IANA database calls it. */
  timeZone: string;
  /** Pushes of a class to one device token a day. */
  perDevicePerDay?: Partial<Record<MessageClass, number>>;
  /** What becomes of pushes that do not fit: they wait for the next day, or end as `suppressed`. */
  whenSpent: 'hold' | 'drop';
}

/** What a channel's quota says of one class. */
export interface QuotaRule {
  timeZone: string;
  perDay: number | undefined;
  perDevice: number | undefined;
  whenSpent: 'hold' | 'drop';
}

/** Undefined when the class is not bounded. */
export function quotaRuleOf(
  quota: QuotaPolicy | undefined,
  messageClass: MessageClass,
): QuotaRule | undefined {
  const perDay = quota?.[messageClass]?.perDay;
  const perDevice = quota?.perDevicePerDay?.[messageClass];
  if (!quota || (perDay === undefined && perDevice === undefined)) return undefined;
  return { timeZone: quota.timeZone, whenSpent: quota.whenSpent, perDay, perDevice };
}

/** A day of a zone's calendar. */
export interface CalendarDay {
  /** `2026-11-22` */
  name: string;
  /** Its first moment, and that of the day after: milliseconds since the epoch. */
  startsAt: number;
  endsAt: number;
}

const DAY_MS = 86_400_000;
/** No change of clocks, and no move over the date line, is larger. */
const LARGEST_CHANGE_MS = 26 * 3_600_000;

const formats = new Map<string, Intl.DateTimeFormat>();
/** The last one asked for of each zone: it is asked for again all day long. */
const latest = new Map<string, CalendarDay>();

/**
 * The day that a moment lies in. Days are as long as the zone makes them: 23 and 25 hours where clocks change, and
 * the first moment is not midnight where midnight is skipped.
 * @param at  milliseconds since the epoch
 * @throws RangeError when the zone is not known
 */
export function calendarDay(at: number, timeZone: string): CalendarDay {
  const known = latest.get(timeZone);
  if (known && known.startsAt <= at && at < known.endsAt) return known;
  const name = dateIn(timeZone, at);
  const day = {
    name,
    startsAt: firstOf(at - DAY_MS - LARGEST_CHANGE_MS, at, (moment) => dateIn(timeZone, moment) >= name),
    endsAt: firstOf(at, at + DAY_MS + LARGEST_CHANGE_MS, (moment) => dateIn(timeZone, moment) > name),
  };
  latest.set(timeZone, day);
  return day;
}

/** Whether the zone is in the runtime's database. An offset such as +08:00 names none: it knows no summer time. */
export function isTimeZone(text: string): boolean {
  if (/^[+-]/.test(text)) return false;
  try {
    formatIn(text);
    return true;
  } catch {
    return false;
  }
}

/** ISO dates, so that later ones are greater as texts too. */
function dateIn(timeZone: string, at: number): string {
  return formatIn(timeZone).format(at);
}

function formatIn(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (!format) {
    // The Swedish way of writing a date is ISO's. The calendar and digits are named, or the zone's users might choose.
    format = new Intl.DateTimeFormat('sv-SE-u-ca-gregory-nu-latn', {
      timeZone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
    });
    formats.set(timeZone, format);
  }
  return format;
}

/** The first millisecond in ]low, high] that `isThere`; all after it must be so too. */
function firstOf(low: number, high: number, isThere: (moment: number) => boolean): number {
  let [before, there] = [low, high];
  while (there - before > 1) {
    const middle = Math.floor((before + there) / 2);
    if (isThere(middle)) there = middle;
    else before = middle;
  }
  return there;
}
