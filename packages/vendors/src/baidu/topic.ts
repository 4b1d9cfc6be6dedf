import type { OutgoingPush } from '../vendor.ts';

/** `[A-Za-z0-9_]{1,128}` at Baidu. */
export const maxTopicChars = 128;

/**
 * The `topic_id` of a call, which is the only free place in it that no device sees: the message's id without
 * dashes, then the numbers of its pushes in the order of the channel ids, runs as `<first>t<last>`.
 * A topic found in Baidu's console names the pushes that were in the call, and the emulator can tell a repeated
 * push by it. Baidu itself only groups statistics by topic and drops no second copy.
 * @param pushes  of one message
 * @returns       e.g. `01983a0c5f2e7c3d8a41b6d2e9f01234_0t499_612`; longer than 128 when the runs are many
 */
export function topicOf(pushes: readonly OutgoingPush[]): string {
  const runs: [first: number, last: number][] = [];
  for (const push of pushes) {
    const n = numberOf(push);
    const run = runs.at(-1);
    if (run !== undefined && n === run[1] + 1) run[1] = n;
    else runs.push([n, n]);
  }
  const id = (pushes[0] as OutgoingPush).message.id.replaceAll('-', '');
  return [id, ...runs.map(([first, last]) => (first === last ? `${first}` : `${first}t${last}`))].join('_');
}

/** The n of `<messageId>.<n>`. */
function numberOf(push: OutgoingPush): number {
  return Number(push.id.slice(push.id.lastIndexOf('.') + 1));
}

/**
 * Cuts pushes of one message into calls: no channel id twice in one (a set at Baidu, most likely, so that the
 * second push would be lost), no more than `maxDevices`, and no topic that is too long. Almost always one call.
 * @param namesPushes  false when the topic is a fixed word that has no length to watch
 */
export function cutCalls(
  pushes: readonly OutgoingPush[],
  maxDevices: number,
  namesPushes: boolean,
): OutgoingPush[][] {
  const rounds: Map<string, OutgoingPush>[] = [];
  for (const push of pushes.toSorted((a, b) => numberOf(a) - numberOf(b))) {
    const free = rounds.find((round) => !round.has(push.token));
    if (free === undefined) rounds.push(new Map([[push.token, push]]));
    else free.set(push.token, push);
  }
  return rounds.flatMap((round) => {
    const calls: OutgoingPush[][] = [];
    // Length of the topic up to the run that is still growing, and where that run began.
    let closedChars = 0;
    let first = 0;
    let last = 0;
    for (const push of round.values()) {
      const n = numberOf(push);
      const call = calls.at(-1);
      if (call !== undefined && n !== last + 1) {
        closedChars += runChars(first, last);
        first = n;
      }
      const fits = !namesPushes || closedChars + runChars(first, n) <= maxTopicChars;
      if (call !== undefined && call.length < maxDevices && fits) call.push(push);
      else {
        calls.push([push]);
        closedChars = idChars;
        first = n;
      }
      last = n;
    }
    return calls;
  });
}

/** A UUID without its dashes. */
const idChars = 32;

function runChars(first: number, last: number): number {
  return 1 + String(first).length + (first === last ? 0 : 1 + String(last).length);
}
