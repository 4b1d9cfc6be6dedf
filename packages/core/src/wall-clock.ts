/// <reference lib="esnext.temporal" />
// The compiler's edition of the language does not have Temporal yet; the runtime has.
import { isTimeZone } from './quota.ts';

/** Hours of a day at the device, as its clock shows them: `HH:MM`, from `from` on and until `to`, over midnight too. */
export interface QuietHours {
  from: string;
  to: string;
}

/** What of a message goes by the devices' own clocks. */
export interface LocalTime {
  sendAtLocal: string | null;
  /** Of recipients that have none of their own. */
  timeZone: string;
  quietHours: QuietHours | null;
}

/**
 * The zone, if clocks can be told there; else undefined. Names such as `PST`, which formatting takes for old times' sake,
 * are not in the IANA database.
 */
export function knownZone(timeZone: string): string | undefined {
  if (!isTimeZone(timeZone)) return undefined;
  try {
    Temporal.Now.zonedDateTimeISO(timeZone);
    return timeZone;
  } catch {
    return undefined;
  }
}

/** What a clock shows, such as `2026-11-23T09:00`; read as if in UTC. Undefined for a day that no calendar has. */
export function readWallClock(text: string): number | undefined {
  try {
    return momentOf(text, 'UTC');
  } catch {
    return undefined;
  }
}

/**
 * The moment when clocks in the zone show this: milliseconds since the epoch. The first one where they show it twice;
 * where they are put forward over it, the moment when that happens.
 * @throws RangeError when there is no such day or zone
 */
export function momentOf(wallClock: string, timeZone: string): number {
  return inZone(Temporal.PlainDateTime.from(wallClock), timeZone).epochMilliseconds;
}

/**
 * When the quiet hours end that a moment lies in; undefined when it lies in none.
 * @param at  milliseconds since the epoch
 * @throws RangeError when the zone is not known
 */
export function quietUntil(at: number, hours: QuietHours, timeZone: string): number | undefined {
  const end = Temporal.PlainTime.from(hours.to);
  let until = at;
  // Where clocks are put forward over the end, what they show next may be quiet again.
  for (;;) {
    const local = Temporal.Instant.fromEpochMilliseconds(until).toZonedDateTimeISO(timeZone);
    const clock = local.toPlainTime();
    if (!isQuiet(clock, hours)) return until === at ? undefined : until;
    const day = local.toPlainDate().add({ days: Temporal.PlainTime.compare(clock, end) < 0 ? 0 : 1 });
    const ended = inZone(day.toPlainDateTime(end), timeZone).epochMilliseconds;
    // Clocks that were put back show the end a second time, and it is the second one that is still to come.
    until = ended > until ? ended : inZone(day.toPlainDateTime(end), timeZone, 'later').epochMilliseconds;
  }
}

function isQuiet(clock: Temporal.PlainTime, hours: QuietHours): boolean {
  const begun = Temporal.PlainTime.compare(clock, hours.from) >= 0;
  const over = Temporal.PlainTime.compare(clock, hours.to) >= 0;
  return hours.from < hours.to ? begun && !over : begun || !over;
}

function inZone(
  shown: Temporal.PlainDateTime,
  timeZone: string,
  which: 'earlier' | 'later' = 'earlier',
): Temporal.ZonedDateTime {
  const found = shown.toZonedDateTime(timeZone, { disambiguation: which });
  if (found.toPlainDateTime().equals(shown)) return found;
  // Never shown: `earlier` is as far before the change as this is after it.
  const before = shown.toZonedDateTime(timeZone, { disambiguation: 'earlier' });
  return before.getTimeZoneTransition('next') ?? found;
}
