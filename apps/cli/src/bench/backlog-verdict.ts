import { byteText, table } from '../table.ts';
import { type Machine, machineText } from './machine.ts';
import { type Rounds, type Spread, spreadText } from './rounds.ts';

/** One run with one size. Bytes, and microseconds of CPU a push. */
export interface BacklogRun {
  /** Pushes a second that the vendor accepted. */
  perSecond: number;
  redisPeakBytes: number;
  redisBoundBytes: number;
  /** Of roles and servers. */
  totalCpuMicros: number;
  workerCpuMicros: number;
  postgresCpuMicros: number;
  redisCpuMicros: number;
  apiCpuMicros: number;
  vendorCpuMicros: number;
}

/** How the ledger took the pushes that wait. */
export interface BacklogFill {
  perSecond: number;
  /** What a push that waits takes, and of that its row, the indexes on it, and its share of the batch. */
  bytesPerPush: number;
  pushBytes: number;
  pushIndexBytes: number;
  batchBytes: number;
}

export interface BacklogFindings {
  machine: Machine;
  pushes: number;
  rounds: number;
  sizes: { size: number; fill: BacklogFill; figures: Record<keyof BacklogRun, Spread> }[];
  /** The rate of the largest as a share of that of the smallest, round by round. */
  ratio: Spread;
  /** The same of the CPU of roles and servers a push, which a busy machine changes less. */
  cpuRatio: Spread;
  bar: { ratio: number; size: number };
  isRateKept: boolean;
  isRedisBounded: boolean;
  holds: boolean;
}

/** What the design promises: so much of the rate with ten thousand, with so many. */
const bar = { ratio: 0.9, size: 10_000_000 };

export function judgeBacklog(
  measures: Pick<BacklogFindings, 'machine' | 'pushes' | 'rounds'> & {
    sizes: readonly number[];
    fills: ReadonlyMap<number, BacklogFill>;
    found: Rounds<keyof BacklogRun>;
  },
): BacklogFindings {
  const { machine, pushes, rounds, found } = measures;
  const ordered = [...measures.sizes].sort((a, b) => a - b);
  const sizes = ordered.map((size) => {
    const own = found.contenders.find(({ name }) => name === String(size));
    return {
      size,
      fill: measures.fills.get(size) as BacklogFill,
      figures: own?.figures as Record<keyof BacklogRun, Spread>,
    };
  });
  const ratio = found.ratio('perSecond', String(ordered.at(-1)), String(ordered[0]));
  const cpuRatio = found.ratio('totalCpuMicros', String(ordered.at(-1)), String(ordered[0]));
  const isRateKept = ratio.median >= bar.ratio;
  // A figure that is missing is NaN, which is under nothing.
  const isRedisBounded = sizes.every(
    ({ figures }) => figures.redisPeakBytes.most <= figures.redisBoundBytes.least,
  );
  return {
    ...{ machine, pushes, rounds, sizes, ratio, cpuRatio, bar },
    ...{ isRateKept, isRedisBounded, holds: isRateKept && isRedisBounded },
  };
}

export function backlogText(found: BacklogFindings): string {
  const { sizes, ratio } = found;
  const largest = sizes.at(-1)?.size ?? 0;
  const smallest = sizes[0]?.size ?? 0;
  const count = (value: number) => Math.round(value).toLocaleString('en');
  return [
    machineText(found.machine),
    `${count(found.pushes)} pushes counted with so many still waiting on their channel at the end; ${found.rounds} rounds in turn after a warm-up, each size on servers of its own, all up at once`,
    'After it was filled and after each round a ledger was vacuumed, analysed and written to the disk; autovacuum is on.',
    '',
    table(
      ['waiting', 'pushes/s', 'Redis at most', 'bound', 'ledger bytes a push', 'filled at'],
      sizes.map(({ size, fill, figures }) => [
        count(size),
        spreadText(figures.perSecond),
        byteText(figures.redisPeakBytes.most),
        byteText(figures.redisBoundBytes.least),
        `${count(fill.bytesPerPush)}: row ${count(fill.pushBytes)}, its indexes ${count(fill.pushIndexBytes)}, batch ${count(fill.batchBytes)}`,
        `${count(fill.perSecond)}/s`,
      ]),
    ),
    '',
    table(
      ['CPU, µs a push', 'worker', 'Postgres', 'Redis', 'api', 'together', 'vendor'],
      sizes.map(({ size, figures }) => [
        count(size),
        spreadText(figures.workerCpuMicros),
        spreadText(figures.postgresCpuMicros),
        spreadText(figures.redisCpuMicros),
        spreadText(figures.apiCpuMicros),
        spreadText(figures.totalCpuMicros),
        spreadText(figures.vendorCpuMicros),
      ]),
    ),
    '',
    `Rate with ${count(largest)} waiting, as a share of that with ${count(smallest)}: ${spreadText(ratio, 2)}. Bar: at least ${found.bar.ratio} with ${count(found.bar.size)}: ${rateText(found, largest)}.`,
    `CPU of roles and servers a push, the same share: ${spreadText(found.cpuRatio, 2)}.`,
    `Redis ${found.isRedisBounded ? 'stayed under its bound' : 'did NOT stay under its bound'}, whatever waited.`,
  ].join('\n');
}

function rateText({ isRateKept, bar: { size } }: BacklogFindings, largest: number): string {
  const verdict = isRateKept ? 'it holds' : 'it does NOT hold';
  return largest >= size
    ? verdict
    : `${verdict} with ${largest.toLocaleString('en')}; the bar's own size was not run`;
}
