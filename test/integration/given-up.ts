import type { Lane, ReplayableState } from '@pushmill/core';
import type { ChannelRow, ClaimedBatch, NewMessage, OutcomeRecord, Store } from '@pushmill/store';
import type { Ledger } from './ledger-setup.ts';

export interface GivenUp {
  state?: ReplayableState;
  code?: string;
  lane?: Lane;
  /** While the pushes are with the worker. */
  beforeRecord?: (message: NewMessage) => Promise<void>;
  /** What the same holder says once more afterwards. */
  lateWord?: 'accepted';
}

/** A message whose pushes a worker has given up, as the worker would record it. */
export async function giveUp(
  ledger: Pick<Ledger, 'message'> & { store: Store },
  channel: ChannelRow,
  count: number,
  { state = 'failed', code = 'BadTopic', lane = 'urgent', beforeRecord, lateWord }: GivenUp,
): Promise<NewMessage> {
  const { batches, messages } = ledger.store;
  const message = ledger.message(channel.id, count, { lane });
  await messages.accept([message]);
  for (const due of await batches.takeDue(200, [channel.id])) {
    const batch = await batches.claim(due.id, due.run, 60_000);
    if (!batch) throw new Error('somebody else has the batch');
    await beforeRecord?.(message);
    await batches.record(batch, outcomesOf(batch, state, code), 60_000);
    if (lateWord) await batches.record(batch, outcomesOf(batch, lateWord, null), 60_000);
    await batches.settle(batch, []);
  }
  return message;
}

function outcomesOf(
  batch: ClaimedBatch,
  state: ReplayableState | 'accepted',
  code: string | null,
): OutcomeRecord[] {
  const isGivenUp = state !== 'accepted';
  return batch.pushes.map((push) => ({
    messageId: push.messageId,
    n: push.n,
    place: push.place,
    state,
    code,
    detail: isGivenUp ? 'the detail' : null,
    vendorMessageId: null,
    attempt: {
      at: batch.ledgerNow,
      durationMs: 5,
      kind: state === 'failed' ? 'rejected' : state === 'unknown' ? 'unavailable' : 'accepted',
      action: isGivenUp ? 'bury' : 'finish',
      delayMs: null,
      spent: true,
    },
    ...(isGivenUp ? { deadLetter: true } : {}),
  }));
}
