import { setTimeout as delay } from 'node:timers/promises';
import {
  type Client,
  createClient,
  type MessageRequest,
  type PushWithTimeline,
  type Recipient,
  type TimelineEntry,
} from '@pushmill/client';
import type { Cluster } from './cluster.ts';
import { CommandError } from './failure.ts';

/** A new token of one of the demo's channels. */
export type TokenMaker = (channelName: string) => string;

export function tokenMaker(cluster: Cluster): TokenMaker {
  const byChannel = new Map(
    cluster.channels.map((channel) => [channel.name, cluster.emulators.get(channel.vendor)]),
  );
  return (name) => {
    const emulator = byChannel.get(name);
    if (!emulator) throw new CommandError(`The channel ${name} reaches no emulator.`);
    return emulator.newToken();
  };
}

export function demoMessage(to: Recipient[], title = 'Parcel', body = 'Delivered at 10:42'): MessageRequest {
  return { class: 'transactional', notification: { title, body }, data: { orderId: '1' }, to };
}

/** The client that a producer would have. */
export function producerOf(cluster: Cluster): Client {
  return createClient({ url: cluster.url, apiKey: cluster.producerKey });
}

/** One message to one token of every demo channel. */
export async function sendDemoPushes(cluster: Cluster): Promise<string[]> {
  const newToken = tokenMaker(cluster);
  const producer = producerOf(cluster);
  const accepted = await producer.messages.send(
    demoMessage(cluster.channels.map(({ name }) => ({ channel: name, token: newToken(name) }))),
  );
  const ids: string[] = [];
  for await (const push of producer.messages.pushes(accepted.id)) ids.push(push.id);
  return ids;
}

/**
 * Waits until these pushes are settled, those of channels that call back with a receipt.
 * @returns  them as they are then, or as they are when the time is over
 */
export async function awaitPushes(
  cluster: Cluster,
  ids: readonly string[],
  waitMs: number,
  signal?: AbortSignal,
): Promise<{ pushes: PushWithTimeline[]; complete: boolean }> {
  const callsBack = new Set(
    cluster.channels.filter((channel) => channel.receipts).map((channel) => channel.name),
  );
  const isComplete = (push: PushWithTimeline) =>
    push.state !== 'queued' &&
    (!callsBack.has(push.channel) || push.state !== 'accepted' || push.timeline.some(isReceipt));
  const isReceipt = (entry: TimelineEntry) => entry.type === 'receipt';
  const producer = producerOf(cluster);
  const deadline = Date.now() + waitMs;
  for (;;) {
    const pushes = await Promise.all(ids.map((id) => producer.pushes.get(id)));
    const complete = pushes.every(isComplete);
    if (complete || Date.now() > deadline) return { pushes, complete };
    await delay(100, undefined, signal ? { signal } : {});
  }
}

const RECIPIENTS_A_MESSAGE = 200;
const IN_FLIGHT = 256;

/**
 * Sends `count` pushes over all demo channels: one half as messages to many, the other as messages to one,
 * the two ways in which producers call.
 * @param onProgress  told how many are handed in
 * @returns           how many the api took
 */
export async function sendLoad(
  cluster: Cluster,
  count: number,
  onProgress: (sent: number) => void,
  signal: AbortSignal,
): Promise<number> {
  const newToken = tokenMaker(cluster);
  const producer = producerOf(cluster);
  const names = cluster.channels.map((channel) => channel.name);
  const recipient = (index: number): Recipient => {
    const name = names[index % names.length] as string;
    return { channel: name, token: newToken(name) };
  };

  function* messages(): Generator<MessageRequest> {
    const many = Math.ceil(count / 2);
    for (let start = 0; start < many; start += RECIPIENTS_A_MESSAGE) {
      const size = Math.min(RECIPIENTS_A_MESSAGE, many - start);
      const to = Array.from({ length: size }, (_, offset) => recipient(start + offset));
      yield { ...demoMessage(to, 'Offer', 'Ten per cent off'), class: 'marketing' };
    }
    for (let index = many; index < count; index++) yield demoMessage([recipient(index)]);
  }

  let taken = 0;
  // One generator shared by all senders: each takes the next message when its own is answered.
  const waiting = messages();
  const sender = async () => {
    for (const message of waiting) {
      signal.throwIfAborted();
      const accepted = await producer.messages.send(message, { signal });
      if (accepted.rejected.length > 0) {
        throw new CommandError(`The api refused a recipient of the demo: ${accepted.rejected[0]?.detail}`);
      }
      taken += accepted.pushes;
      onProgress(taken);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, sender));
  return taken;
}
