import {
  type FieldProblem,
  knownZone,
  type LocalTime,
  momentOf,
  quietUntil,
  readWallClock,
} from '@pushmill/core';
import type { NewMessage, Recipient } from '@pushmill/store';
import { defaultTtlSeconds, type MessageBody } from './message-schema.ts';

/** When a recipient gets its message; empty where that is as the message says. */
export type Slot = Pick<Recipient, 'dueAt' | 'expiresAt' | 'timeZone'>;

export interface Timetable {
  /**
   * When recipients in a zone get the message; undefined where the time that their clocks should show is over.
   * @param timeZone  null and undefined for the message's
   */
  slotOf(timeZone?: string | null): Slot | undefined;
  /** What the message itself says of it, once its recipients are known. */
  whole(recipients: readonly Recipient[]): Pick<NewMessage, 'sendAt' | 'expiresAt' | 'localTime'>;
}

const HOUR_MS = 3_600_000;
const MAX_AHEAD_MS = 30 * 24 * HOUR_MS;
/** Clocks differ, and a request may be repeated: a moment just past still means "now". */
const MAX_PAST_MS = 10 * 60_000;
/** The last zone on earth shows a time so long after UTC. */
const LAST_ZONE_MS = 12 * HOUR_MS;

/** When the recipients of a message get it, or what is wrong with what it says of time. */
export function planTime(body: MessageBody, now: number): Timetable | { problems: FieldProblem[] } {
  const problems = [...contradictionsOf(body), ...checkMoments(body, now)];
  if (problems.length > 0) return { problems };
  return body.sendAtLocal || body.quietHours ? byLocalClocks(body, now) : byOneClock(body, now);
}

function byOneClock(body: MessageBody, now: number): Timetable {
  const start = startOf(body, now);
  const times = { sendAt: start > now ? new Date(start) : null, expiresAt: new Date(start + lifeMs(body)) };
  return { slotOf: () => ({}), whole: () => times };
}

function byLocalClocks(body: MessageBody, now: number): Timetable {
  const localTime: LocalTime = {
    sendAtLocal: body.sendAtLocal ?? null,
    timeZone: body.timeZone ?? 'UTC',
    quietHours: body.quietHours ?? null,
  };
  const slots = new Map<string, Slot | undefined>();
  return {
    slotOf(timeZone) {
      const asked = timeZone ?? localTime.timeZone;
      if (!slots.has(asked)) {
        // What an older runtime took for a zone may be none any more.
        slots.set(asked, localSlot(body, localTime, knownZone(asked) ?? localTime.timeZone, now));
      }
      return slots.get(asked);
    },
    whole(recipients) {
      const starts = recipients.map(({ dueAt }) => dueAt?.getTime() ?? now);
      const first = starts.reduce((one, other) => Math.min(one, other), Number.POSITIVE_INFINITY);
      const sendAt = first > now ? new Date(first) : null;
      return { sendAt, expiresAt: new Date(first + lifeMs(body)), localTime };
    },
  };
}

function localSlot(body: MessageBody, local: LocalTime, timeZone: string, now: number): Slot | undefined {
  const { sendAtLocal, quietHours } = local;
  let start = sendAtLocal === null ? startOf(body, now) : momentOf(sendAtLocal, timeZone);
  if (start < now - MAX_PAST_MS && body.ifPassed !== 'send-now') return undefined;
  start = Math.max(start, now);
  if (quietHours) start = quietUntil(start, quietHours, timeZone) ?? start;
  return {
    dueAt: start > now ? new Date(start) : null,
    expiresAt: new Date(start + lifeMs(body)),
    ...(quietHours ? { timeZone } : {}),
  };
}

function startOf(body: MessageBody, now: number): number {
  return body.sendAt ? Math.max(Date.parse(body.sendAt), now) : now;
}

function lifeMs(body: MessageBody): number {
  return (body.ttlSeconds ?? defaultTtlSeconds) * 1_000;
}

function checkMoments(body: MessageBody, now: number): FieldProblem[] {
  const local = body.sendAtLocal ?? undefined;
  return [
    ...(body.sendAt ? checkMoment('sendAt', Date.parse(body.sendAt), now - MAX_PAST_MS, now) : []),
    // It is in the past once it is so everywhere, or a wrong year would have it sent at once with `ifPassed`.
    ...(local ? checkMoment('sendAtLocal', readWallClock(local), now - MAX_PAST_MS - LAST_ZONE_MS, now) : []),
  ];
}

function checkMoment(field: string, at: number | undefined, earliest: number, now: number): FieldProblem[] {
  const problem = (code: string, says: string) => [
    { pointer: `/${field}`, code, detail: `${field} ${says}.` },
  ];
  if (at === undefined || Number.isNaN(at)) return problem('wrong-format', 'is not a moment that exists');
  if (at < earliest) return problem('too-small', 'is in the past');
  return at > now + MAX_AHEAD_MS ? problem('too-large', 'is more than 30 days ahead') : [];
}

function contradictionsOf(body: MessageBody): FieldProblem[] {
  const { sendAt, sendAtLocal, timeZone, ifPassed, quietHours } = body;
  const problems: FieldProblem[] = [];
  const refuse = (field: string, detail: string, code = 'not-allowed') => {
    problems.push({ pointer: `/${field}`, code, detail });
  };
  if (sendAt && sendAtLocal) refuse('sendAtLocal', 'sendAtLocal does not go with sendAt.');
  if (timeZone && !sendAtLocal && !quietHours) {
    refuse('timeZone', 'timeZone goes with sendAtLocal or quietHours only.');
  } else if (timeZone && !knownZone(timeZone)) {
    refuse('timeZone', 'timeZone is not a zone of the IANA database, such as Asia/Shanghai.', 'wrong-format');
  }
  if (ifPassed && !sendAtLocal) refuse('ifPassed', 'ifPassed goes with sendAtLocal only.');
  if (quietHours && body.class !== 'marketing') {
    refuse('quietHours', 'quietHours is for the class marketing only; what is transactional cannot wait.');
  }
  if (quietHours && quietHours.from === quietHours.to) {
    refuse('quietHours/to', 'quietHours.to must differ from quietHours.from.');
  }
  return problems;
}
