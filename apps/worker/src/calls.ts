import { cut, timeOfId } from '@pushmill/core';
import type { ClaimedBatch, ClaimedPush } from '@pushmill/store';
import type { OutgoingMessage } from '@pushmill/vendors';

/** A batch's pushes by their message, as the vendor's sender wants it. What was replayed has an end of its own. */
export function byMessage(batch: ClaimedBatch): Map<OutgoingMessage, ClaimedPush[]> {
  const groups = new Map<string, { message: OutgoingMessage; pushes: ClaimedPush[] }>();
  for (const push of batch.pushes) {
    const name = `${push.messageId} ${push.expiresAt?.getTime() ?? ''}`;
    const known = groups.get(name);
    if (known) {
      known.pushes.push(push);
      continue;
    }
    const claimed = batch.messages.get(push.messageId);
    if (!claimed) throw new Error(`message ${push.messageId} of batch ${batch.id} is not in the ledger`);
    const message: OutgoingMessage = {
      ...claimed.content,
      id: push.messageId,
      createdAt: timeOfId(push.messageId).getTime(),
      expiresAt: (push.expiresAt ?? claimed.expiresAt).getTime(),
    };
    groups.set(name, { message, pushes: [push] });
  }
  return new Map([...groups.values()].map((group) => [group.message, group.pushes]));
}

/** Pushes that may share a call: of one environment; an audience is a call of its own. */
export function callsOf(pushes: readonly ClaimedPush[], maxTokensPerCall: number): ClaimedPush[][] {
  const calls: ClaimedPush[][] = [];
  const groups = new Map<string | undefined, ClaimedPush[]>();
  for (const push of pushes) {
    const group = groups.get(push.environment);
    if (push.audience) calls.push([push]);
    else if (group) group.push(push);
    else groups.set(push.environment, [push]);
  }
  for (const group of groups.values()) calls.push(...cut(group, maxTokensPerCall));
  return calls;
}
