import { setTimeout as delay } from 'node:timers/promises';
import type { Recipient } from '@pushmill/client';
import type { Emulator } from '@pushmill/vendors';
import type { Producer } from './producer.ts';
import { startWatch, steadyMs, type WatchedPush } from './watch.ts';

export interface SoakChannel {
  name: string;
  emulator: Emulator;
}

/** A load that has been handed in, or is being. */
export interface SoakLoad {
  /** Pushes that were accepted by the api. */
  requested(): number;
  /** How far behind its timetable the load has ever been. */
  latestMs(): number;
  /** Latencies of the urgent pushes that reached their vendor since the last call, in milliseconds. */
  takeLatencies(): number[];
  /** Resolves when everything is handed in and answered. */
  finished: Promise<void>;
  stop(): void;
}

const TICK_MS = 50;
const TICKS_A_SECOND = 1_000 / TICK_MS;
/** Requests that may wait for their answers; more would only hide that the api does not keep up. */
const MAX_UNDER_WAY = 1_000;

/**
 * Hands in the same every second, spread evenly over the channels: half of the pushes alone and urgent, evenly through the
 * second, and half as bulk in one message.
 */
export function startSoakLoad(options: {
  channels: readonly SoakChannel[];
  perSecond: number;
  seconds: number;
  producer: Producer;
  signal: AbortSignal;
}): SoakLoad {
  const { channels, perSecond, seconds, producer, signal } = options;
  const watch = startWatch(steadyMs);
  let out: { askedAt: number; push: WatchedPush }[] = [];
  let requested = 0;
  let latestMs = 0;
  let next = 0;
  let underWay = 0;
  const failed = new AbortController();

  const nextChannel = () => channels[next++ % channels.length] as SoakChannel;
  const recipient = ({ name, emulator }: SoakChannel): Recipient => ({
    channel: name,
    token: emulator.newToken(name),
  });

  async function send(kind: 'one' | 'many', size: number, key: string): Promise<void> {
    underWay++;
    try {
      const to = Array.from({ length: size }, nextChannel);
      const askedAt = steadyMs();
      const accepted = await producer.send(
        {
          class: kind === 'one' ? 'transactional' : 'marketing',
          notification: { title: 'Parcel', body: 'Delivered at 10:42' },
          data: { orderId: '1' },
          to: to.map(recipient),
        },
        key,
      );
      requested += accepted.pushes;
      const [first] = to;
      if (kind === 'one' && first) out.push({ askedAt, push: watch.add(`${accepted.id}.0`, first.emulator) });
    } catch (error) {
      failed.abort(error);
    } finally {
      underWay--;
    }
  }

  async function run(): Promise<void> {
    const until = AbortSignal.any([signal, failed.signal]);
    const startedAt = steadyMs();
    for (let tick = 0; tick < seconds * TICKS_A_SECOND; tick++) {
      const behindMs = steadyMs() - (startedAt + tick * TICK_MS);
      latestMs = Math.max(latestMs, behindMs);
      if (behindMs < 0) await delay(-behindMs, undefined, { signal: until });
      while (underWay >= MAX_UNDER_WAY) await delay(TICK_MS, undefined, { signal: until });
      const { singles, bulk } = shareOf(perSecond, tick % TICKS_A_SECOND);
      for (let n = 0; n < singles; n++) void send('one', 1, `soak-${tick}-${n}`);
      if (bulk > 0) void send('many', bulk, `soak-${tick}-bulk`);
    }
    while (underWay > 0) await delay(TICK_MS, undefined, { signal: until });
    until.throwIfAborted();
  }

  return {
    requested: () => requested,
    latestMs: () => Math.round(latestMs),
    takeLatencies() {
      const taken = out.flatMap(({ askedAt, push }) =>
        push.takenAt === undefined ? [] : [push.takenAt - askedAt],
      );
      out = out.filter(({ push }) => push.takenAt === undefined);
      return taken;
    },
    finished: run(),
    stop: () => watch.stop(),
  };
}

/**
 * What is handed in at one of a second's twenty moments: of single pushes as many as bring them up to their half by then,
 * and of bulk the other half at the first.
 */
export function shareOf(perSecond: number, moment: number): { singles: number; bulk: number } {
  const singlesASecond = Math.ceil(perSecond / 2);
  const by = (moments: number) => Math.floor((singlesASecond * moments) / TICKS_A_SECOND);
  return { singles: by(moment + 1) - by(moment), bulk: moment === 0 ? perSecond - singlesASecond : 0 };
}
