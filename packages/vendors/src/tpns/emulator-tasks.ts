import { type Fields, type Refusal, wallClock, wallClockMs } from './emulator-values.ts';

/** One push id: what the vendor's record and statistics tell of it. */
export interface Task {
  /** Beyond what a double holds, as the real ones may be. */
  pushId: string;
  takenMs: number;
  sendMs: number;
  audience: string;
  messageType: string;
  message: Fields;
  environment: string;
  expireTime: number;
  collapseId: number;
  uploadId: number;
  /** As they stood in the call: tokens or accounts. */
  targets: readonly string[];
  /** Tokens of the devices it was for, or undefined for everybody. */
  reached: ReadonlySet<string> | undefined;
  planned: number;
  arrived: number;
  clicked: number;
  /** In place of what follows from the time. */
  status: string | undefined;
}

type Answer = Record<string, unknown> | Refusal;

const maxKept = 200_000;
const monthMs = 31 * 86_400_000;
const hourMs = 3_600_000;
const callsAnHour = 200;

/** The tasks of one app, and the limits on asking for them. */
export class TaskBook {
  readonly #tasks = new Map<string, Task>();
  readonly #platform: 'android' | 'ios';
  readonly #statistics = new HourlyLimit();
  readonly #toolbox = new HourlyLimit();
  #kept = 0;

  constructor(platform: 'android' | 'ios') {
    this.#platform = platform;
  }

  get(pushId: string): Task | undefined {
    return this.#tasks.get(pushId);
  }

  hasCollapseId(id: number): boolean {
    return [...this.#tasks.values()].some((task) => task.collapseId === id);
  }

  add(task: Task): void {
    this.#tasks.set(task.pushId, task);
    this.#kept += weightOf(task);
    for (const [pushId, oldest] of this.#tasks) {
      if (this.#kept <= maxKept) break;
      this.#tasks.delete(pushId);
      this.#kept -= weightOf(oldest);
    }
  }

  /** `/v3/statistics/get_push_record`: of one task, or of days; the last month only. */
  record(fields: Fields, nowMs: number): Answer {
    if (!this.#statistics.take(nowMs)) return tooFast;
    if (fields.pushId !== undefined) {
      const task = this.#find(fields.pushId, nowMs);
      return task === undefined ? unknownTask : { pushRecordData: [recordOf(task, nowMs)], count: 1 };
    }
    const { startDate, endDate, msgType, pushType, offset = 0, limit = 200 } = fields;
    if (startDate === undefined || endDate === undefined)
      return { code: 1008002, words: 'startDate is required' };
    const from = wallClockMs(String(startDate), '00:00:00');
    const to = wallClockMs(String(endDate), '23:59:59');
    if (!(from <= to) || from < nowMs - monthMs - 86_400_000)
      return { code: 1008016, words: 'date format error' };
    if (!(Number(limit) <= 200)) return { code: 1008007, words: 'limit is invalid' };
    const rows = [...this.#tasks.values()].filter(
      (task) =>
        task.sendMs >= from &&
        task.sendMs <= to + 999 &&
        (msgType === undefined || task.messageType === msgType) &&
        (pushType === undefined || task.audience.startsWith(String(pushType))),
    );
    const page = rows.reverse().slice(Number(offset), Number(offset) + Number(limit));
    return { pushRecordData: page.map((task) => recordOf(task, nowMs)), count: rows.length };
  }

  /** `/v3/statistics/get_push_task_stat_channel` */
  counts(fields: Fields, nowMs: number): Answer {
    if (!this.#statistics.take(nowMs)) return tooFast;
    if (fields.pushId === undefined) return { code: 1008002, words: 'pushId is required' };
    const task = this.#find(fields.pushId, nowMs);
    return task === undefined ? unknownTask : { pushStatDataAll: channelRows(task, this.#platform, nowMs) };
  }

  /** `/v3/toolbox/getPushListByToken`: today's, with the ids as bare numbers, as the page shows them. */
  ofToken({ token }: Fields, nowMs: number): Answer {
    if (!this.#toolbox.take(nowMs)) return tooFast;
    if (typeof token !== 'string' || token === '') return { code: 1008002, words: 'token is required' };
    const today = wallClock(nowMs).day;
    const tasks = [...this.#tasks.values()].filter(
      (task) =>
        wallClock(task.sendMs).day === today && (task.reached === undefined || task.reached.has(token)),
    );
    return {
      pushTaskList: tasks.map((task) => ({
        pushId: bareNumber(task.pushId),
        pushTime: Math.floor(task.sendMs / 1000),
        pushTargetType: `${task.audience.toUpperCase()}_PUSH`,
      })),
    };
  }

  #find(pushId: unknown, nowMs: number): Task | undefined {
    const task = typeof pushId === 'string' ? this.#tasks.get(pushId) : undefined;
    return task !== undefined && task.takenMs >= nowMs - monthMs ? task : undefined;
  }
}

/** Targets and devices, which is what fills the memory. */
function weightOf({ targets, reached }: Task): number {
  return 1 + targets.length + (reached?.size ?? 0);
}

const tooFast: Refusal = { code: 1008028, words: 'too frequent' };
const unknownTask: Refusal = { code: 1008015, words: 'push id does not exist' };

/** 200 calls in any hour. @see  intl 1024/33773 "Calling frequency limit" */
class HourlyLimit {
  readonly #calls: number[] = [];

  take(nowMs: number): boolean {
    while (this.#calls[0] !== undefined && this.#calls[0] <= nowMs - hourMs) this.#calls.shift();
    if (this.#calls.length >= callsAnHour) return false;
    this.#calls.push(nowMs);
    return true;
  }
}

function statusOf(task: Task, nowMs: number): string {
  return task.status ?? (task.sendMs > nowMs ? 'PUSH_WAIT' : 'PUSH_FINISHED');
}

function recordOf(task: Task, nowMs: number): Fields {
  const { day, time } = wallClock(task.sendMs);
  return {
    date: `${day} ${time}`,
    pushId: task.pushId,
    title: task.message.title ?? '',
    content: task.message.content ?? '',
    status: statusOf(task, nowMs),
    // Single pushes are lists of one.
    pushType: task.audience.replace(/^(token|account)$/, '$1_list'),
    messageType: task.messageType,
    environment: task.environment,
    expireTime: task.expireTime,
    targetList: task.targets,
    collapseID: task.collapseId,
    uploadId: task.uploadId,
    source: 'api',
  };
}

/**
 * Half of an Android task goes through a maker's channel, the rest over the vendor's own; iOS has APNs alone.
 * @see  intl 1024/33774: `verifySvcUv` of a maker's channel repeats what was handed to it
 */
function channelRows(task: Task, platform: 'android' | 'ios', nowMs: number): Fields[] {
  const isSent = task.sendMs <= nowMs && !['PUSH_FAILED', 'PUSH_CANCELED'].includes(statusOf(task, nowMs));
  const [planned, arrived, clicked] = isSent ? [task.planned, task.arrived, task.clicked] : [0, 0, 0];
  const share = (channel: string, sent: number, came: number, tapped: number) => ({
    channel,
    pushState: {
      pushActiveUv: sent,
      pushOnlineUv: sent,
      verifySvcUv: channel === 'hw' ? sent : came,
      clickUv: tapped,
      ...(platform === 'ios'
        ? {}
        : // Of all channels together the page adds what arrived over the vendor's own to it.
          {
            callbackVerifySvcUv: channel === 'xg' ? 0 : came,
            arrivalUv: came,
            verifyUv: came,
            cleanupUv: 0,
          }),
    },
  });
  if (platform === 'ios') return ['apns', 'all'].map((channel) => share(channel, planned, arrived, clicked));
  const maker = Math.floor(planned / 2);
  const [came, tapped] = [Math.min(maker, arrived), Math.min(maker, clicked)];
  const rows = [
    share('hw', maker, came, tapped),
    share('xg', planned - maker, arrived - came, clicked - tapped),
  ];
  const total = share('all', planned, arrived, clicked);
  total.pushState.verifySvcUv = rows.reduce((sum, row) => sum + row.pushState.verifySvcUv, 0);
  return [...rows, total];
}

/** The digits as they are, in JSON. */
function bareNumber(digits: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(digits);
}
