import type { OutcomeKind } from '@pushmill/core';
import type { DueTask, IncomingReceipt, Store } from '@pushmill/store';
import type { PollAnswer } from '@pushmill/vendors';
import type { ActiveChannel } from './active-channel.ts';

export interface PollerDeps {
  store: Pick<Store, 'tasks' | 'receipts'>;
  log: {
    info: (fields: Record<string, unknown>, message: string) => void;
    warn: (fields: Record<string, unknown>, message: string) => void;
  };
  signal: AbortSignal;
}

type Told = Extract<PollAnswer, { kind: 'told' }>;

/**
 * Asks one channel's vendor what became of calls that it took earlier, if any is due and the channel may be asked
 * now. What the vendor says of a whole call goes to the call's task; what it says of every push of the call goes to
 * the pushes too, as a receipt. A refusal here never pauses the channel: its pushes are going through.
 */
export async function pollChannel(channel: ActiveChannel, deps: PollerDeps): Promise<void> {
  const { polling } = channel.vendor;
  const { sender, row } = channel;
  if (!polling || !sender.poll || channel.paused) return;
  const due = await deps.store.tasks.take({
    channelId: row.id,
    everyMs: polling.everyMs,
    limit: polling.tasksPerCall,
    afterMs: polling.afterMs,
  });
  if (due.length === 0) return;
  const asked = due.map((task) => ({
    id: task.id,
    pushes: task.pushIds.length,
    acceptedAt: task.acceptedAt.getTime(),
  }));
  const answers = await sender.poll(asked, deps.signal);
  const told: { task: DueTask; answer: Told }[] = [];
  const failed: Partial<Record<OutcomeKind, number>> = {};
  due.forEach((task, index) => {
    const answer = answers[index];
    if (answer?.kind === 'told') told.push({ task, answer });
    else if (answer) failed[answer.outcome.kind] = (failed[answer.outcome.kind] ?? 0) + 1;
  });
  await deps.store.receipts.record(told.flatMap(({ task, answer }) => receiptsOf(row.id, task, answer)));
  await deps.store.tasks.told(
    row.id,
    told.map(({ task, answer }) => ({ id: task.id, ...answer })),
  );
  const fields = { channel: row.name, vendor: row.vendor, asked: due.length, told: told.length, failed };
  if (Object.keys(failed).length > 0) deps.log.warn(fields, 'tasks.polled');
  else deps.log.info(fields, 'tasks.polled');
}

function receiptsOf(channelId: string, task: DueTask, answer: Told): IncomingReceipt[] {
  const { state, code, detail, counts } = answer;
  if (state === undefined) return [];
  const rawBody = Buffer.from(JSON.stringify({ task: task.id, code, counts }));
  return task.pushIds.map((pushId) => ({
    channelId,
    pushId,
    token: undefined,
    state,
    code,
    detail,
    tokenDead: false,
    // The same state told again is no news, whatever was counted besides.
    dedupKey: `polled ${task.id} ${state}`,
    proof: 'polled',
    rawQuery: '',
    rawBody,
  }));
}
