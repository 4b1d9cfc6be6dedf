import type { PollAnswer, PollingPlan, VendorTask } from '../vendor.ts';
import type { Fields, Verdict } from './answer.ts';
import type { TpnsSettings } from './settings.ts';
import type { Transport } from './transport.ts';

/**
 * An app may make 200 statistics calls an hour, and a task takes two: 90 tasks an hour leave 20 calls to the
 * operator. A message lives three days at most, but what arrives mostly does so on the first.
 * @see  intl 1024/33773, 1024/33774 (calling frequency limit)
 */
export const polling: PollingPlan = {
  afterMs: [5 * 60_000, 3_600_000, 6 * 3_600_000, 24 * 3_600_000],
  everyMs: 40_000,
  tasksPerCall: 1,
};

export const recordPath = '/v3/statistics/get_push_record';
const countsPath = '/v3/statistics/get_push_task_stat_channel';

/** Nothing was sent yet, so there is nothing to count. */
const waiting = new Set(['PUSH_INIT', 'PUSH_WAIT']);
/** Ended before it began, if nothing was sent. */
const notSent = new Set(['PUSH_FAILED', 'PUSH_CANCELED']);
/** TPNS does no more for these. */
const ended = new Set([
  ...notSent,
  'PUSH_DELETED',
  'PUSH_REVOKED',
  'PUSH_COLLAPSED',
  'PUSH_DELETED_PUSH_MSG',
]);

/** Asks for a task's status and then, once it has been sent, for its counts. */
export async function pollTask(
  task: VendorTask,
  transport: Transport,
  settings: TpnsSettings,
  signal: AbortSignal,
): Promise<PollAnswer> {
  const ask = (path: string) =>
    transport.ask({ path, body: () => JSON.stringify({ pushId: task.id }), hidden: [] }, signal);
  const record = await ask(recordPath);
  if (record.outcome.kind !== 'accepted') return failed(record);
  const status = rowsOf(record.fields.pushRecordData).find((row) => row.pushId === task.id)?.status;
  if (typeof status !== 'string' || status === '') {
    const detail = 'TPNS has no record of this push id, or none with a status';
    return { kind: 'failed', outcome: { kind: 'rejected', code: 'no-record', detail } };
  }
  if (waiting.has(status)) {
    return { kind: 'told', state: undefined, code: status, detail: 'not sent yet', counts: {}, final: false };
  }
  const counted = await ask(countsPath);
  if (counted.outcome.kind !== 'accepted') return failed(counted);
  return readCounts(status, countsOf(counted.fields, settings.platform), task.pushes);
}

export interface TaskCounts {
  /** Devices that the task was meant for and that TPNS thinks reachable. */
  planned: number;
  /** Taken by a vendor channel or APNs, or handed to an online device. */
  sent: number;
  arrived: number;
  clicked: number;
  dismissed: number;
}

/**
 * What TPNS counted over all channels: its row `all`, else the sum of the others.
 * @see  intl 1024/33774: on Android `arrivalUv` is the one to use, on iOS there is only `verifySvcUv`
 */
export function countsOf(fields: Fields, platform: TpnsSettings['platform']): TaskCounts | undefined {
  const rows = rowsOf(fields.pushStatDataAll);
  const total = rows.filter((row) => row.channel === 'all');
  const used = total.length > 0 ? total : rows;
  if (used.length === 0) return undefined;
  const sum = (name: string) =>
    used.reduce((all, row) => all + numberOf((row.pushState as Fields | undefined)?.[name]), 0);
  return {
    planned: sum('pushActiveUv'),
    sent: sum('pushOnlineUv'),
    arrived: sum(platform === 'ios' ? 'verifySvcUv' : 'arrivalUv'),
    clicked: sum('clickUv'),
    dismissed: sum('cleanupUv'),
  };
}

/**
 * Counts say something of every single push only where they say it of all: as many arrived as were planned, and
 * not fewer than our pushes, of which TPNS plans none for devices that it thinks unreachable. While a task is
 * being sent the plan still grows.
 */
export function readCounts(status: string, counts: TaskCounts | undefined, pushes: number): PollAnswer {
  const code = status.slice(0, 64);
  if (counts === undefined) {
    const state = status === 'PUSH_FAILED' ? 'dropped' : undefined;
    return { kind: 'told', state, code, detail: 'nothing was counted', counts: {}, final: ended.has(status) };
  }
  const { planned, sent, arrived, clicked } = counts;
  const every = Math.max(pushes, planned, 1);
  let state: 'delivered' | 'clicked' | 'dropped' | undefined;
  if (notSent.has(status) && sent === 0 && arrived === 0) state = 'dropped';
  else if (status === 'PUSH_FINISHED' && clicked >= every) state = 'clicked';
  else if (status === 'PUSH_FINISHED' && arrived >= every) state = 'delivered';
  return {
    kind: 'told',
    state,
    code,
    detail: `of ${planned} planned ${sent} sent, ${arrived} arrived, ${clicked} clicked`,
    counts: { ...counts },
    final: ended.has(status) || state === 'clicked',
  };
}

/** A question that got no answer sent nobody anything. */
function failed({ outcome }: Verdict): PollAnswer {
  const harmless = outcome.kind === 'unavailable' ? { ...outcome, mayHaveArrived: false } : outcome;
  return { kind: 'failed', outcome: harmless };
}

export function rowsOf(value: unknown): Fields[] {
  const rows = Array.isArray(value) ? value : [];
  return rows.filter((row) => typeof row === 'object' && row !== null && !Array.isArray(row));
}

function numberOf(value: unknown): number {
  const number = typeof value === 'string' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number > 0 ? number : 0;
}
