import { setTimeout as delay } from 'node:timers/promises';
import type { Emulator } from '@pushmill/vendors';
import type { Producer } from './producer.ts';
import { quantile, startWatch, steadyMs, type Taker, type WatchedPush } from './watch.ts';

export interface MeasuredChannel {
  name: string;
  emulator: Pick<Emulator, 'newToken'> & Taker;
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

/** An urgent push, and its times by the steady clock. */
export interface Sent {
  /** Of the push. */
  id: string;
  /** Of the request, by the clock on the wall, which the ledger's times are of. */
  askedOn: number;
  askedAt: number;
  answeredAt: number;
  push: WatchedPush;
}

export interface LatencyOptions {
  channels: readonly MeasuredChannel[];
  /** A channel that gets the same load, and whose pushes nobody waits for. */
  ignored?: string | undefined;
  perSecond: number;
  seconds: number;
  producer: Producer;
  /** Part of the idempotency keys. */
  name: string;
  signal: AbortSignal;
}

/** How long what is under way at the end is waited for. */
const PATIENCE_MS = 10_000;

/**
 * Sends urgent pushes evenly, each alone, to each of the channels, and measures from the request to the api until the
 * vendor has the push: as exactly as it tells, and to about two milliseconds where it must be asked.
 */
export async function measureLatency(options: LatencyOptions): Promise<Map<string, Latency>> {
  return new Map([...(await sendUrgently(options))].map(([name, sent]) => [name, latencyOf(sent)]));
}

/** The same, push by push. */
export async function sendUrgently(options: LatencyOptions): Promise<Map<string, Sent[]>> {
  const { channels, ignored, perSecond, producer, signal } = options;
  const watch = startWatch(steadyMs);
  const seen = new Map(channels.map(({ name }) => [name, [] as Sent[]]));
  const sending: Promise<void>[] = [];
  const startedAt = Date.now();
  const send = async ({ name, emulator }: MeasuredChannel, number: number) => {
    const [askedOn, askedAt] = [Date.now(), steadyMs()];
    const accepted = await producer.send(
      {
        class: 'transactional',
        notification: { title: 'Code', body: '471 102' },
        to: [{ channel: name, token: emulator.newToken(name) }],
      },
      `${options.name}-${name}-${number}`,
    );
    if (name === ignored) return;
    const answeredAt = steadyMs();
    const id = `${accepted.id}.0`;
    seen.get(name)?.push({ id, askedOn, askedAt, answeredAt, push: watch.add(id, emulator) });
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
  return seen;
}

export function latencyOf(sent: readonly Sent[]): Latency {
  const taken = sent.flatMap(({ askedAt, push }) =>
    push.takenAt === undefined ? [] : [push.takenAt - askedAt],
  );
  const [p50Ms, p99Ms] = quantilesOf(taken);
  return {
    sent: sent.length,
    missing: sent.length - taken.length,
    p50Ms,
    p99Ms,
    answeredP99Ms: quantilesOf(sent.map(({ askedAt, answeredAt }) => answeredAt - askedAt))[1],
  };
}

/** The median and the 99th percentile, to a tenth. */
export function quantilesOf(values: readonly number[]): [p50: number | null, p99: number | null] {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => {
    const found = quantile(sorted, share);
    return found === null ? null : Math.round(found * 10) / 10;
  };
  return [at(0.5), at(0.99)];
}
