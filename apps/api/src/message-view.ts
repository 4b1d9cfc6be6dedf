import { timeOfId } from '@pushmill/core';
import type { MessageRow } from '@pushmill/store';
import type { AcceptedAnswer, MessageView } from './message-schema.ts';

/** A message as the api shows it. */
export function viewMessage(row: MessageRow, now: number = Date.now()): MessageView {
  const { content } = row;
  return {
    id: row.id,
    state: stateOf(row, now),
    class: content.class,
    priority: content.priority,
    notification: (content.notification ?? null) as MessageView['notification'],
    data: (content.data ?? null) as MessageView['data'],
    collapseKey: content.collapseKey ?? null,
    vendor: { ...content.vendor },
    pushes: row.pushCount,
    counts: row.counts,
    sendAt: row.sendAt?.toISOString() ?? null,
    sendAtLocal: row.localTime?.sendAtLocal ?? null,
    quietHours: row.localTime?.quietHours ?? null,
    timeZone: row.localTime?.timeZone ?? null,
    expiresAt: row.expiresAt.toISOString(),
    cancelledAt: row.cancelledAt?.toISOString() ?? null,
    pausedAt: row.pausedAt?.toISOString() ?? null,
    createdAt: timeOfId(row.id).toISOString(),
  };
}

function stateOf(row: MessageRow, now: number): MessageView['state'] {
  if (row.cancelledAt) return 'cancelled';
  if (!row.counts.queued) return 'settled';
  if (row.pausedAt) return 'paused';
  return row.sendAt && row.sendAt.getTime() > now ? 'scheduled' : 'queued';
}

/** The ledger keeps the answer as jsonb, which forgets the order of the fields; a replay should look the same. */
export function replayedAnswer(stored: unknown): AcceptedAnswer {
  const { id, state, pushes, rejected, createdAt } = stored as AcceptedAnswer;
  return {
    id,
    state,
    pushes,
    rejected: rejected.map(({ index, pointer, code, detail }) => ({ index, pointer, code, detail })),
    createdAt,
  };
}
