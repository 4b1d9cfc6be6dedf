import type { Cluster } from '../cluster.ts';
import { CommandError } from '../failure.ts';
import { table } from '../table.ts';
import { type Latency, type MeasuredChannel, measureLatency } from './latency.ts';
import { createProducer } from './producer.ts';

export interface FairnessOptions {
  /** Whose emulator answers nothing in the last phase. */
  hang: string;
  /** Urgent pushes a second, to each channel. */
  perSecond: number;
  /** Of each phase. */
  seconds: number;
  progress: (line: string) => void;
  signal: AbortSignal;
}

export interface Fairness {
  hang: string;
  channels: { name: string; calm: Latency; calmAgain: Latency; hanging: Latency; isFair: boolean }[];
  isFair: boolean;
}

/** What is more than the worse of two calm phases, and this much more, is no noise. */
const NOISE_FACTOR = 1.5;
const NOISE_MS = 20;

/**
 * One channel of each vendor under the same load, three times: twice calm, which shows the noise, and once while one
 * vendor takes every request and answers none.
 */
export async function runFairness(cluster: Cluster, options: FairnessOptions): Promise<Fairness> {
  const { hang, signal } = options;
  const hung = cluster.emulators.get(hang);
  if (!hung) {
    throw new CommandError(
      `There is no emulator of "${hang}"; there is one of ${[...cluster.emulators.keys()].join(', ')}.`,
    );
  }
  const channels = [...cluster.emulators.values()].map(
    (emulator): MeasuredChannel => ({ name: emulator.channels[0]?.name ?? '', emulator }),
  );
  const hungChannel = hung.channels[0]?.name;
  const producer = createProducer({ urls: [cluster.url], apiKey: cluster.producerKey, signal });
  const phase = (name: string) => {
    options.progress(`${name}: ${options.seconds} s`);
    return measureLatency({ ...options, channels, ignored: hungChannel, producer, name });
  };
  // The first seconds of connections and of code that was never run are nobody's latency.
  await measureLatency({ ...options, seconds: 2, channels, ignored: hungChannel, producer, name: 'warm' });
  const calm = await phase('calm');
  const calmAgain = await phase('calm again');
  hung.setFaults({ timeout: 1 });
  const hanging = await phase(`${hang} hangs`);
  hung.setFaults({});

  const rows = channels
    .filter(({ name }) => name !== hungChannel)
    .map(({ name }) => {
      const of = (found: Map<string, Latency>) => found.get(name) as Latency;
      const [one, two, three] = [of(calm), of(calmAgain), of(hanging)];
      const isFair =
        three.missing === 0 &&
        isNoise(three.p50Ms, one.p50Ms, two.p50Ms) &&
        isNoise(three.p99Ms, one.p99Ms, two.p99Ms);
      return { name, calm: one, calmAgain: two, hanging: three, isFair };
    });
  return { hang, channels: rows, isFair: rows.every(({ isFair }) => isFair) };
}

function isNoise(found: number | null, ...calm: (number | null)[]): boolean {
  if (found === null) return false;
  return found <= Math.max(...calm.map((ms) => ms ?? 0)) * NOISE_FACTOR + NOISE_MS;
}

export function fairnessText({ hang, channels, isFair }: Fairness): string {
  const both = ({ p50Ms, p99Ms, missing }: Latency) =>
    `${p50Ms} / ${p99Ms} ms${missing > 0 ? `, ${missing} missing` : ''}`;
  return [
    `from the request until the vendor has it, p50 / p99; in the last column ${hang} answers nothing`,
    '',
    table(
      ['channel', 'calm', 'calm again', `${hang} hangs`, ''],
      channels.map((row) => [
        row.name,
        both(row.calm),
        both(row.calmAgain),
        both(row.hanging),
        row.isFair ? 'ok' : 'DELAYED',
      ]),
    ),
    '',
    isFair ? 'The others did not move by more than noise.' : 'A hanging vendor delayed others.',
  ].join('\n');
}
