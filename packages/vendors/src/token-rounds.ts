import type { OutgoingPush } from './vendor.ts';

/**
 * Splits pushes so that no token is twice in a call: a vendor may take such a token once or twice without saying
 * so, or have tokens as keys, of which the second replaces the first. Almost always one round.
 */
export function tokenRounds(pushes: readonly OutgoingPush[]): OutgoingPush[][] {
  const rounds: Map<string, OutgoingPush>[] = [];
  for (const push of pushes) {
    const free = rounds.find((round) => !round.has(push.token));
    if (free === undefined) rounds.push(new Map([[push.token, push]]));
    else free.set(push.token, push);
  }
  return rounds.map((round) => [...round.values()]);
}
