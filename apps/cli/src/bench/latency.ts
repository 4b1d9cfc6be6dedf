import { setTimeout as delay } from 'node:timers/promises';
import type { Emulator } from '@pushmill/vendors';
import type { Producer } from './producer.ts';
import { quantile, startWatch, type WatchedPush } from './watch.ts';

export interface MeasuredChannel {
  name: string;
  emulator: Emulator;
}

export interface Latency {
  sent: number;
  /** Sent, and not at the vendor when the time was over. */
  missing: number;
  p50Ms: number | null;
  p99Ms: number | null;
  /** Until the api had answered: what of it is the api's. */
  answeredP99Ms: number | null;
}

interface Sent {
  askedAt: number;
  answeredAt: number;
  push: WatchedPush;
}

/** How long what is under way at the end is waited for. */
const PATIENCE_MS = 10_000;

/**
 * Sends urgent pushes evenly, each alone, to each of the channels, and measures from the request to the api until the
 * emulator has the push, to about two milliseconds.
 * @param ignored  channels that get the same load, and whose pushes nobody waits for
 */
export async function measureLatency(options: {
  channels: readonly MeasuredChannel[];
  ignored?: string | undefined;
  perSecond: number;
  seconds: number;
  producer: Producer;
  name: string;
  signal: AbortSignal;
}): Promise<Map<string, Latency>> {
  const { channels, ignored, perSecond, producer, signal } = options;
  const watch = startWatch();
  const seen = new Map(channels.map(({ name }) => [name, [] as Sent[]]));
  const sending: Promise<void>[] = [];
  const startedAt = Date.now();
  const send = async ({ name, emulator }: MeasuredChannel, number: number) => {
    const askedAt = Date.now();
    const { id } = await producer.send(
      {
        class: 'transactional',
        notification: { title: 'Code', body: '471 102' },
        to: [{ channel: name, token: emulator.newToken(name) }],
      },
      `${options.name}-${name}-${number}`,
    );
    if (name === ignored) return;
    seen.get(name)?.push({ askedAt, answeredAt: Date.now(), push: watch.add(`${id}.0`, emulator) });
  };
  try {
    for (let number = 0; number < perSecond * options.seconds; number++) {
      await delay(Math.max(0, startedAt + (number * 1_000) / perSecond - Date.now()), undefined, { signal });
      for (const channel of channels) sending.push(send(channel, number));
    }
    await Promise.all(sending);
    const deadline = Date.now() + PATIENCE_MS;
    const isOut = () => [...seen.values()].flat().some(({ push }) => push.takenAt === undefined);
    while (isOut() && Date.now() < deadline) await delay(20, undefined, { signal });
  } finally {
    watch.stop();
  }
  return new Map([...seen].map(([name, pushes]) => [name, latencyOf(pushes)]));
}

function latencyOf(pushes: readonly Sent[]): Latency {
  const taken = pushes.flatMap(({ askedAt, push }) =>
    push.takenAt === undefined ? [] : [push.takenAt - askedAt],
  );
  const sorted = taken.sort((a, b) => a - b);
  const answered = pushes.map(({ askedAt, answeredAt }) => answeredAt - askedAt).sort((a, b) => a - b);
  return {
    sent: pushes.length,
    missing: pushes.length - sorted.length,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    answeredP99Ms: quantile(answered, 0.99),
  };
}
