import { setTimeout as delay } from 'node:timers/promises';
import type { MessageRequest, Recipient } from '@pushmill/client';
import type { Emulator } from '@pushmill/vendors';
import { type Chance, seededChance } from './chance.ts';
import type { Producer } from './producer.ts';
import type { Watch, WatchedPush } from './watch.ts';

/** What was handed in, and what of it is looked at closely. */
export interface ChaosLoad {
  requested: number;
  /** Sent alone and urgent, while bulk waited: how long from the request to the vendor. */
  urgent: { push: WatchedPush; askedAt: number }[];
  /** Too short-lived for the trouble that their vendor makes. */
  brief: WatchedPush[];
  cancelled: { push: WatchedPush; acknowledgedAt: number }[];
}

export interface LoadChannel {
  name: string;
  emulator: Emulator;
}

type Kind = 'many' | 'one' | 'scheduled' | 'brief' | 'cancelled';

const IN_FLIGHT = 256;
/** The load comes in waves, so that there are always pushes that wait and workers that have something in hand. */
const WAVE_MS = 2_500;

/** Of a thousand pushes: in what company they travel, and how many such messages there are. */
const mixture: readonly [kind: Kind, recipients: number, messages: number][] = [
  ['many', 200, 2],
  ['scheduled', 20, 2],
  ['cancelled', 20, 2],
  ['brief', 10, 3],
  ['one', 1, 490],
];

/** Hands in `count` pushes over `durationMs`, in waves, and cancels some of them as soon as they are accepted. */
export async function sendChaosLoad(options: {
  count: number;
  durationMs: number;
  seed: number;
  channels: readonly LoadChannel[];
  producer: Producer;
  watch: Watch;
  onProgress: (requested: number) => void;
  signal: AbortSignal;
}): Promise<ChaosLoad> {
  const { producer, watch, signal } = options;
  const load: ChaosLoad = { requested: 0, urgent: [], brief: [], cancelled: [] };
  const startedAt = Date.now();
  const waiting = messages(options);

  const sender = async () => {
    for (const { kind, number, from, to } of waiting) {
      const wave = Math.floor(((from / options.count) * options.durationMs) / WAVE_MS);
      await delay(Math.max(0, startedAt + wave * WAVE_MS - Date.now()), undefined, { signal });
      const askedAt = Date.now();
      const accepted = await producer.send(to.message(), `chaos-${options.seed}-${number}`);
      load.requested += accepted.pushes;
      const watched = () => to.channels.map(({ emulator }, n) => watch.add(`${accepted.id}.${n}`, emulator));
      if (kind === 'brief') load.brief.push(...watched());
      if (kind === 'one') load.urgent.push(...watched().map((push) => ({ push, askedAt })));
      if (kind === 'cancelled') {
        const acknowledgedAt = await producer.cancel(accepted.id);
        load.cancelled.push(...watched().map((push) => ({ push, acknowledgedAt })));
      }
      options.onProgress(load.requested);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, sender));
  return load;
}

interface Planned {
  kind: Kind;
  /** Of the message, and of its first push. */
  number: number;
  from: number;
  to: { channels: LoadChannel[]; message: () => MessageRequest };
}

function* messages(options: {
  count: number;
  seed: number;
  channels: readonly LoadChannel[];
}): Generator<Planned> {
  const chance = seededChance(options.seed + 2);
  let number = 0;
  let from = 0;
  while (from < options.count) {
    for (const [kind, recipients] of shuffled(mixture, chance)) {
      const size = Math.min(recipients, options.count - from);
      if (size <= 0) return;
      const channels = Array.from(
        { length: size },
        (_, offset) => options.channels[(from + offset) % options.channels.length] as LoadChannel,
      );
      const draw = {
        ttlSeconds: chance.between(2, 5),
        aheadMs: chance.between(1_000, 6_000),
        first: chance.next(),
      };
      yield { kind, number, from, to: { channels, message: () => messageOf(kind, channels, draw) } };
      number++;
      from += size;
    }
  }
}

function shuffled(of: typeof mixture, chance: Chance): [Kind, number][] {
  const all = of.flatMap(([kind, recipients, count]) =>
    Array.from({ length: count }, (): [Kind, number] => [kind, recipients]),
  );
  for (let last = all.length - 1; last > 0; last--) {
    const other = chance.between(0, last);
    [all[last], all[other]] = [all[other], all[last]] as [(typeof all)[0], (typeof all)[0]];
  }
  return all;
}

function messageOf(
  kind: Kind,
  channels: readonly LoadChannel[],
  draw: { ttlSeconds: number; aheadMs: number; first: number },
): MessageRequest {
  const to = channels.map(({ name, emulator }): Recipient => {
    const token = emulator.newToken(name);
    // Backing off from these takes most of them past their end.
    if (kind === 'brief') emulator.plan(token, 'unavailable', 'unavailable', 'unavailable');
    return { channel: name, token };
  });
  const isLater = kind === 'scheduled' || (kind === 'cancelled' && draw.first < 0.5);
  return {
    class: kind === 'one' || kind === 'brief' ? 'transactional' : 'marketing',
    notification: { title: 'Parcel', body: 'Delivered at 10:42' },
    data: { orderId: '1' },
    ...(kind === 'brief' ? { ttlSeconds: draw.ttlSeconds } : {}),
    ...(isLater ? { sendAt: new Date(Date.now() + draw.aheadMs).toISOString() } : {}),
    to,
  };
}
