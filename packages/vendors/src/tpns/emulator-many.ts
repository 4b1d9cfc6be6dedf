import { readTagTest, type TagTest } from './emulator-tags.ts';
import { type Fields, isIntegerIn, isMap, isTextList, wallClock, wallClockMs } from './emulator-values.ts';

/** What a call to all, to tags or with a package says beside its message. */
export interface ToMany {
  isMeant?: TagTest;
  uploadId: number;
  /** Undefined for now. */
  sendAtMs: number | undefined;
  /** Tasks that the call makes: one, or the turns of a loop. */
  tasks: number;
  collapseId: number | undefined;
}

export interface Fault {
  kind: 'missing' | 'invalid' | 'date' | 'send-time';
  name: string;
}

const dayMs = 86_400_000;
const maxAheadMs = 90 * dayMs;
const maxLateMs = 600_000;

/** @see  cloud.tencent.com 548/39064: tag_rules, upload_id, send_time, loop_param, push_speed, collapse_id */
export function readToMany(fields: Fields, audience: string, nowMs: number): ToMany | Fault {
  const invalid = (name: string): Fault => ({ kind: 'invalid', name });
  const { upload_id: uploadId, send_time: sendTime, push_speed: speed, collapse_id: collapseId } = fields;
  let isMeant: TagTest | undefined;
  if (audience === 'tag') {
    if (fields.tag_rules === undefined && fields.tag_list === undefined)
      return { kind: 'missing', name: 'tag_rules' };
    isMeant = readTagTest(fields);
    if (isMeant === undefined) return invalid(fields.tag_rules === undefined ? 'tag_list' : 'tag_rules');
  }
  if (audience.startsWith('package')) {
    if (uploadId === undefined) return { kind: 'missing', name: 'upload_id' };
    if (!isIntegerIn(uploadId, 1, Number.MAX_SAFE_INTEGER)) return invalid('upload_id');
  }
  if (speed !== undefined && !isIntegerIn(speed, 1_000, 50_000)) return invalid('push_speed');
  if (collapseId !== undefined && !isIntegerIn(collapseId, 0, Number.MAX_SAFE_INTEGER))
    return invalid('collapse_id');
  let sendAtMs: number | undefined;
  if (sendTime !== undefined) {
    const [day = '', time = ''] = String(sendTime).split(' ', 2);
    const at = wallClockMs(day, time);
    if (!(at >= nowMs - maxLateMs && at <= nowMs + maxAheadMs))
      return { kind: 'send-time', name: 'send_time' };
    if (at > nowMs) sendAtMs = at;
  }
  const tasks = fields.loop_param === undefined ? 1 : turnsOf(fields.loop_param, nowMs);
  if (typeof tasks !== 'number') return tasks;
  return {
    ...(isMeant === undefined ? {} : { isMeant }),
    uploadId: typeof uploadId === 'number' ? uploadId : 0,
    sendAtMs,
    tasks,
    // 0 is what the SDKs send for none.
    collapseId: collapseId || undefined,
  };
}

/** How often a loop will send: at times of days, on some days or all. SDKs spell `DayTimes`. */
function turnsOf(loop: unknown, nowMs: number): number | Fault {
  if (!isMap(loop)) return { kind: 'invalid', name: 'loop_param' };
  const { startDate, endDate, loopType, loopDayIndexs: days } = loop;
  const times = loop.dayTimes ?? loop.DayTimes;
  const date = /^\d{4}-\d{2}-\d{2}$/;
  if (!date.test(String(startDate)) || !date.test(String(endDate)))
    return { kind: 'date', name: 'loop_param' };
  const [first, last] = [
    wallClockMs(String(startDate), '00:00:00'),
    wallClockMs(String(endDate), '00:00:00'),
  ];
  const today = wallClockMs(wallClock(nowMs).day, '00:00:00');
  if (!(first >= today && last >= first && last <= today + maxAheadMs))
    return { kind: 'date', name: 'loop_param' };
  const isSound =
    isIntegerIn(loopType, 1, 3) &&
    Array.isArray(days) &&
    days.every((day) => isIntegerIn(day, 0, loopType === 3 ? 31 : 6)) &&
    isTextList(times, 24, 8) &&
    times.every((time) => /^\d{2}:\d{2}:\d{2}$/.test(time));
  if (!isSound) return { kind: 'invalid', name: 'loop_param' };
  let turns = 0;
  for (let at = first; at <= last; at += dayMs) {
    const local = new Date(at + 28_800_000);
    const index = loopType === 3 ? local.getUTCDate() : local.getUTCDay();
    if (loopType === 1 || days.includes(index)) turns += times.length;
  }
  return turns === 0 ? { kind: 'invalid', name: 'loop_param' } : turns;
}
