/* One contender: warms up, then measures itself. */

import { answerQuestions } from '../script-process.ts';
import type { Client } from './client.ts';
import { contenders, type SendVendor } from './contenders.ts';
import { type PlannedPush, planPushes, type Target } from './load.ts';

export type ContenderQuestion =
  | { kind: 'warm-up'; name: string; target: Target; vendor: SendVendor; pushes: number; inFlight: number }
  | { kind: 'measure'; pushes: number; inFlight: number };

/** What it says of the pushes that it measured. */
export interface OwnFigures {
  /** User and system, of all its threads. */
  cpuUs: number;
  wallUs: number;
  /** Answered 200. */
  taken: number;
  /** TCP connections that were open at the end. */
  connections: number;
}

let client: Client | undefined;
let vendor: SendVendor = 'apns';

answerQuestions<ContenderQuestion>(async (question) => {
  if (question.kind === 'warm-up') {
    vendor = question.vendor;
    const contender = contenders[vendor].find(({ name }) => name === question.name);
    client = await contender?.open(question.target);
  }
  if (!client) throw new Error('A contender has to be warmed up first.');
  const pushes = planPushes(question.pushes, vendor);
  const [startedAt, cpu] = [performance.now(), process.cpuUsage()];
  const taken = await sendAll(client, pushes, question.inFlight);
  const used = process.cpuUsage(cpu);
  return {
    cpuUs: used.user + used.system,
    wallUs: (performance.now() - startedAt) * 1_000,
    taken,
    connections: openConnections(),
  } satisfies OwnFigures;
});

/** Node's report knows also those that do not keep the process alive. */
function openConnections(): number {
  const { libuv } = process.report.getReport() as { libuv: { type: string; is_active: boolean }[] };
  return libuv.filter(({ type, is_active }) => type === 'tcp' && is_active).length;
}

/** @returns how many were answered 200 */
async function sendAll(sender: Client, pushes: readonly PlannedPush[], inFlight: number): Promise<number> {
  let next = 0;
  let taken = 0;
  if (sender.sendTogether) {
    for (; next < pushes.length; next += inFlight) {
      taken += await sender.sendTogether(pushes.slice(next, next + inFlight));
    }
    return taken;
  }
  const sendNext = async () => {
    while (next < pushes.length) {
      const push = pushes[next] as PlannedPush;
      next += 1;
      if (await sender.send(push)) taken += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, sendNext));
  return taken;
}
