import { table } from '../../table.ts';
import { machineText } from '../machine.ts';
import { type Spread, spreadText } from '../rounds.ts';
import type { ContenderName } from './contenders.ts';
import type { FigureName, SendMeasurement, SendOptions } from './measurement.ts';

/** What the design asks of pushmill's CPU per push, as a multiple of another's in the same round. */
const bars: readonly { other: ContenderName; words: string; holds: (times: number) => boolean }[] = [
  { other: 'node:http2', words: 'at most 1.25', holds: (times) => times <= 1.25 },
  { other: '@parse/node-apn', words: 'below 1', holds: (times) => times < 1 },
  { other: 'apns2', words: 'below 1', holds: (times) => times < 1 },
];

/** A process this busy may have been what was waited for. */
const BUSY_CORES = 0.9;

export interface Bar {
  other: ContenderName;
  /** pushmill's CPU per push by the other's, round by round; null when the other is not installed. */
  times: Spread | null;
  bar: string;
  /** By the median; null when the other is not installed. */
  holds: boolean | null;
}

export interface SendReport extends Omit<SendMeasurement, 'rounds'> {
  options: Pick<SendOptions, 'pushes' | 'warmUp' | 'rounds' | 'inFlight'>;
  contenders: { name: string; figures: Record<FigureName, Spread> }[];
  bars: Bar[];
  /** No bar that could be judged is broken. */
  holds: boolean;
}

export function reportSend(measurement: SendMeasurement, options: SendReport['options']): SendReport {
  const { rounds, ...rest } = measurement;
  const judged = bars.map(({ other, words, holds }): Bar => {
    if (rest.absent.includes(other)) return { other, times: null, bar: words, holds: null };
    const times = rounds.ratio('cpuUs', 'pushmill', other);
    return { other, times, bar: words, holds: holds(times.median) };
  });
  const { pushes, warmUp, inFlight } = options;
  return {
    ...rest,
    options: { pushes, warmUp, rounds: options.rounds, inFlight },
    contenders: rounds.contenders,
    bars: judged,
    holds: judged.every(({ holds }) => holds !== false),
  };
}

export function sendText(report: SendReport): string {
  const { machine, sink, options, contenders, absent } = report;
  return [
    machineText(machine),
    `${options.rounds} rounds; in each, a new process a contender sends ${options.pushes} pushes to distinct tokens after ${options.warmUp} to warm up, ${options.inFlight} handed over at a time`,
    `the sink is ${sink.kind === 'nginx' ? `nginx ${sink.version}` : 'a Node server'} in a process of its own, over TLS${sink.insteadOfNginx ? ` (${sink.insteadOfNginx})` : ''}`,
    ...absent.map((name) => `${name} is not installed and was not measured`),
    '',
    table(
      ['contender', 'CPU µs/push', 'pushes/s', 'cores', 'connections', 'sink CPU µs/push', 'sink cores'],
      contenders.map(({ name, figures }) => [
        name,
        cell(figures.cpuUs, 1),
        cell(figures.perSecond),
        cell(figures.cores, 2),
        figures.connections.median,
        cell(figures.sinkCpuUs, 1),
        cell(figures.sinkCores, 2),
      ]),
    ),
    '',
    ...report.bars.map(barText),
    limitText(contenders),
    'apns2 sends no apns-id; the other headers of APNs and the payload are the same for all.',
  ].join('\n');
}

function barText({ other, times, bar, holds }: Bar): string {
  if (!times) return `CPU beside ${other}: not measured; the bar is ${bar}.`;
  return `CPU is ${spreadText(times, 2)} times that of ${other}; the bar, ${bar}, ${holds ? 'holds' : 'does NOT hold'}.`;
}

/** What kept pushes/s from being higher, as far as the figures tell. CPU a push does not depend on it. */
function limitText(contenders: SendReport['contenders']): string {
  const limits = { 'its own CPU': [] as string[], 'the sink': [] as string[], neither: [] as string[] };
  for (const { name, figures } of contenders) {
    if (figures.sinkCores.most >= BUSY_CORES) limits['the sink'].push(name);
    else if (figures.cores.median >= BUSY_CORES) limits['its own CPU'].push(name);
    else limits.neither.push(name);
  }
  const found = Object.entries(limits).filter(([, names]) => names.length > 0);
  const unknown = contenders.some(({ figures }) => Number.isNaN(figures.sinkCores.median));
  return [
    `What kept a core busy, and so limited pushes/s: ${found.map(([what, names]) => `${what} (${names.join(', ')})`).join('; ')}.`,
    ...(unknown ? ['The CPU of the sink could not be measured here.'] : []),
  ].join(' ');
}

function cell(spread: Spread, digits = 0): string | undefined {
  return Number.isNaN(spread.median) ? undefined : spreadText(spread, digits);
}
