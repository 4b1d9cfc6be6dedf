import { table } from '../../table.ts';
import { type Machine, machineText } from '../machine.ts';
import { type Spread, spreadText } from '../rounds.ts';
import type { LoadFigure } from './load.ts';
import { BULK_CONNECTIONS, contenderNames, type PipelineMeasurement, type PipelineOptions } from './run.ts';

export interface Contender {
  name: string;
  figures: Record<LoadFigure, Spread>;
}

export interface Bar {
  what: string;
  /** Round by round. */
  times: Spread;
  atLeast: number;
  holds: boolean;
}

export interface PipelineReport extends Omit<PipelineMeasurement, 'rounds'> {
  options: Pick<PipelineOptions, 'bulk' | 'perRequest' | 'single' | 'connections' | 'rounds'>;
  contenders: Contender[];
  bars: Bar[];
  /** For comparison, without a bar. */
  ratios: { what: string; times: Spread }[];
  limits: string[];
  holds: boolean;
}

export function reportPipeline(
  { rounds, ...rest }: PipelineMeasurement,
  { bulk, perRequest, single, connections, rounds: count }: PipelineReport['options'],
): PipelineReport {
  const { bare, bulk: ours, plainBulk, single: ourSingle, plainSingle } = contenderNames;
  const bar = (what: string, times: Spread, atLeast: number): Bar => ({
    what,
    times,
    atLeast,
    holds: times.median >= atLeast,
  });
  const bars = [
    bar('bulk, pushes/s by those of bare node:http2', rounds.ratio('perSecond', ours, bare), 0.6),
    bar(
      'single, pushes/s by those of one job per push',
      rounds.ratio('perSecond', ourSingle, plainSingle),
      3,
    ),
  ];
  const ratios = [
    {
      what: 'bulk, pushes/s by those of one job per push',
      times: rounds.ratio('perSecond', ours, plainBulk),
    },
    {
      what: 'bulk, CPU a push by that of one job per push',
      times: rounds.ratio('totalCpu', ours, plainBulk),
    },
    {
      what: 'single, CPU a push by that of one job per push',
      times: rounds.ratio('totalCpu', ourSingle, plainSingle),
    },
  ];
  return {
    ...rest,
    options: { bulk, perRequest, single, connections, rounds: count },
    contenders: rounds.contenders,
    bars,
    ratios,
    limits: limitsOf(rounds.contenders, rest.machine),
    holds: bars.every(({ holds }) => holds),
  };
}

/** A machine or a process this busy is what was waited for. */
const FULL = 0.92;
/** Of the machine's cores: what the system needs of them is less. */
const FOREIGN = 0.15;

/**
 * In a sentence each: what limited whom, as far as it was measured.
 * @param oneSender  whether a contender's pushes all leave from one process
 */
export function limitsOf(
  contenders: readonly Contender[],
  { cores }: Pick<Machine, 'cores'>,
  oneSender: (contender: Contender) => boolean = () => true,
): string[] {
  const foreign = contenders.filter(
    ({ figures }) => figures.busyCores.median - ownCores(figures) > cores * FOREIGN,
  );
  const full = contenders.filter(
    (each) => each.figures.busyCores.median >= cores * FULL && !foreign.includes(each),
  );
  const busyWithin = (kind: 'sinkCpu' | 'workerCpu' | 'apiCpu') =>
    contenders.filter(({ figures }) => (figures[kind].median * figures.perSecond.median) / 1e6 >= FULL);
  const sentence = (those: readonly Contender[], words: string) =>
    those.length > 0 ? [`${words}: ${those.map(({ name }) => name).join('; ')}.`] : [];
  return [
    ...sentence(
      foreign,
      'Something else used the machine meanwhile, and what is said here of speeds is not the machine’s alone',
    ),
    ...sentence(full, `All ${cores} cores of the machine were busy, with bench and sink on them too`),
    ...sentence(busyWithin('sinkCpu'), 'The sink kept a whole core busy and may have been waited for'),
    ...sentence(
      busyWithin('workerCpu').filter(oneSender),
      'One process, the one that sends, kept a whole core busy',
    ),
    ...sentence(busyWithin('apiCpu'), 'The api kept a whole core busy'),
  ];
}

/** How many the bench and all that it measures kept busy. */
function ownCores({ totalCpu, sinkCpu, loadCpu, perSecond }: Contender['figures']): number {
  const load = Number.isNaN(loadCpu.median) ? 0 : loadCpu.median;
  return ((totalCpu.median + sinkCpu.median + load) * perSecond.median) / 1e6;
}

export function pipelineText(report: PipelineReport): string {
  const { machine, options, contenders, bars, ratios, limits, insteadOfNginx } = report;
  return [
    machineText(machine),
    ...(insteadOfNginx === undefined
      ? []
      : [`The sink is a Node server, which takes more CPU than nginx would: ${insteadOfNginx}`]),
    `bulk: ${options.bulk} pushes (a fifth for one job per push) in requests of ${options.perRequest}, ${BULK_CONNECTIONS} at a time; single: ${options.single} requests of one push, ${options.connections} at a time; ${options.rounds} rounds, medians (least–most)`,
    '',
    speedTable(contenders),
    '',
    costTable(contenders),
    '',
    ...bars.map(
      ({ what, times, atLeast, holds }) =>
        `${what}: ${spreadText(times, 2)}; the bar is ${atLeast}: it ${holds ? 'holds' : 'does NOT hold'}.`,
    ),
    ...ratios.map(({ what, times }) => `${what}: ${spreadText(times, 2)}`),
    ...limits,
  ].join('\n');
}

/** How fast, and which process spends how much CPU. */
export function speedTable(contenders: readonly Contender[]): string {
  return table(
    [
      'contender',
      'pushes/s',
      'CPU µs/push: api',
      'worker',
      'Redis',
      'Postgres',
      'all four',
      'sink',
      'load',
      'busy cores',
    ],
    contenders.map(({ name, figures }) => [
      name,
      spreadText(figures.perSecond),
      ...columns(
        figures,
        ['apiCpu', 'workerCpu', 'redisCpu', 'postgresCpu', 'totalCpu', 'sinkCpu', 'loadCpu'],
        1,
      ),
      ...columns(figures, ['busyCores'], 2),
    ]),
  );
}

/** What a push costs besides CPU. */
export function costTable(contenders: readonly Contender[]): string {
  return table(
    [
      'a push',
      'Redis commands',
      'writing transactions',
      'rows inserted',
      'updated',
      'deleted',
      'WAL bytes',
      'database bytes',
    ],
    contenders.map(({ name, figures }) => [
      name,
      ...columns(
        figures,
        ['redisCommands', 'writeTransactions', 'rowsInserted', 'rowsUpdated', 'rowsDeleted'],
        3,
      ),
      ...columns(figures, ['walBytes', 'databaseBytes'], 0),
    ]),
  );
}

function columns(
  figures: Record<LoadFigure, Spread>,
  names: readonly LoadFigure[],
  digits: number,
): (string | null)[] {
  return names.map((name) => {
    const { median } = figures[name];
    if (Number.isNaN(median)) return null;
    return median.toLocaleString('en', { maximumFractionDigits: digits });
  });
}
