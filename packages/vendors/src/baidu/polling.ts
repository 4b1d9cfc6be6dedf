import type { Outcome } from '@pushmill/core';
import { isObject, type JsonObject, textOf } from '../answer-reading.ts';
import type { PollAnswer, PollingPlan, VendorTask } from '../vendor.ts';
import type { Params } from './sign.ts';
import type { Answer } from './transport.ts';

/** REST 3.0 only: the others have no such question, or none whose form is known. */
export const polling: PollingPlan = {
  afterMs: [2 * 60_000, 30 * 60_000, 6 * 3_600_000, 24 * 3_600_000],
  everyMs: 10_000,
  // Unsure: no page says how many ids one question may hold.
  tasksPerCall: 50,
};

type Ask = (path: string, params: Params) => Promise<Answer>;

const timerPrefix = 'timer:';

/** A push with a timer is known by the timer until it was sent: its message may have another id by then. */
export function timerTask(timerId: string): string {
  return timerPrefix + timerId;
}

/** `status` of a message in the vendor's reports. */
const words: Readonly<Record<string, string>> = { 0: 'sent', 1: 'waiting', 2: 'sending', 3: 'failed' };

/**
 * Asks what became of batch, tag and all pushes; single ones are in no report.
 * @see push.baidu.com/doc/restapi/restapi, "report/query_msg_status" and "report/query_timer_records"
 */
export async function pollTasks(tasks: readonly VendorTask[], ask: Ask): Promise<readonly PollAnswer[]> {
  const answers = new Map<VendorTask, PollAnswer>();
  const byMessage = new Map<string, VendorTask[]>();
  for (const task of tasks) {
    const found = task.id.startsWith(timerPrefix) ? await findMessage(task, ask) : task.id;
    if (typeof found !== 'string') answers.set(task, found);
    else byMessage.set(found, [...(byMessage.get(found) ?? []), task]);
  }
  const told = await queryStatus([...byMessage.keys()], ask);
  for (const [messageId, asked] of byMessage) {
    const status = told.get(messageId);
    for (const task of asked) answers.set(task, status === undefined ? untold : read(status, task));
  }
  return tasks.map((task) => answers.get(task) as PollAnswer);
}

const untold: PollAnswer = {
  kind: 'failed',
  outcome: { kind: 'unavailable', code: 'not-in-report', mayHaveArrived: false },
};

/** What is said of one message: a row of the report, or why there is none. */
type Status = { row: JsonObject } | { outcome: Outcome };

/** The message that a timer has sent, or what to tell while there is none. */
async function findMessage(task: VendorTask, ask: Ask): Promise<string | PollAnswer> {
  const timerId = task.id.slice(timerPrefix.length);
  const { outcome, result } = await ask('/rest/3.0/report/query_timer_records', { timer_id: timerId });
  if (outcome.kind !== 'accepted') return { kind: 'failed', outcome };
  const [record] = rowsOf(result);
  const messageId = textOf(record?.msg_id);
  if (messageId !== undefined) return messageId;
  const detail = 'waiting for its send_time';
  return { kind: 'told', state: undefined, code: 'timer', detail, counts: {}, final: false };
}

/**
 * One question for all. Where it is refused, its halves are asked: whether one forgotten id spoils the others is
 * not documented, and it would keep them all in the dark.
 */
async function queryStatus(messageIds: readonly string[], ask: Ask): Promise<Map<string, Status>> {
  if (messageIds.length === 0) return new Map();
  const { outcome, result } = await ask('/rest/3.0/report/query_msg_status', {
    msg_id: JSON.stringify(messageIds),
  });
  if (outcome.kind === 'accepted') {
    return new Map(
      rowsOf(result).flatMap((row) => {
        const id = textOf(row.msg_id);
        return id === undefined ? [] : [[id, { row }] as const];
      }),
    );
  }
  if (outcome.kind !== 'rejected' || messageIds.length === 1) {
    return new Map(messageIds.map((id) => [id, { outcome }]));
  }
  const middle = messageIds.length >> 1;
  const first = await queryStatus(messageIds.slice(0, middle), ask);
  const second = await queryStatus(messageIds.slice(middle), ask);
  return new Map([...first, ...second]);
}

function rowsOf(result: JsonObject | undefined): JsonObject[] {
  return Array.isArray(result?.result) ? result.result.filter(isObject) : [];
}

function read(status: Status, task: VendorTask): PollAnswer {
  if ('outcome' in status) return { kind: 'failed', outcome: status.outcome };
  const code = textOf(status.row.status) ?? 'none';
  const success = Number(textOf(status.row.success) ?? Number.NaN);
  const counts: Record<string, number> = Number.isSafeInteger(success) ? { success } : {};
  const detail = words[code] ?? 'a status that has no row';
  if (code === '3') return { kind: 'told', state: 'dropped', code, detail, counts, final: true };
  // One push in a report is an audience, and how many devices that meant only Baidu knows.
  const allArrived = code === '0' && task.pushes > 1 && success === task.pushes;
  return {
    kind: 'told',
    state: allArrived ? 'delivered' : undefined,
    code,
    detail,
    counts,
    final: allArrived,
  };
}
