import { table } from '../../table.ts';
import { machineText } from '../machine.ts';
import { type Spread, spreadText } from '../rounds.ts';
import { contenders, type SendVendor } from './contenders.ts';
import type { FigureName, SendMeasurement, SendOptions, VendorMeasurement } from './measurement.ts';

/** What the design asks of pushmill's CPU per push, as a multiple of another's in the same round. */
const rivalBar = { words: 'below 1', holds: (times: number) => times < 1 };
const floorBars: Record<SendVendor, typeof rivalBar | undefined> = {
  apns: { words: 'at most 1.25', holds: (times) => times <= 1.25 },
  // No bar: its answers are JSON to be read, where those of APNs are empty.
  fcm: undefined,
};

/** A process this busy may have been what was waited for. */
const BUSY_CORES = 0.9;

export interface Bar {
  other: string;
  /** pushmill's CPU per push by the other's, round by round; null when the other is not installed. */
  times: Spread | null;
  /** Null when it is shown for comparison only. */
  bar: string | null;
  /** By the median; null without a bar, or when the other is not installed. */
  holds: boolean | null;
}

export interface VendorReport extends Omit<VendorMeasurement, 'rounds'> {
  contenders: { name: string; figures: Record<FigureName, Spread> }[];
  bars: Bar[];
}

export interface SendReport extends Omit<SendMeasurement, 'vendors'> {
  options: Pick<SendOptions, 'pushes' | 'warmUp' | 'rounds' | 'inFlight'>;
  vendors: VendorReport[];
  /** No bar that could be judged is broken. */
  holds: boolean;
}

export function reportSend(measurement: SendMeasurement, options: SendReport['options']): SendReport {
  const { pushes, warmUp, rounds, inFlight } = options;
  const vendors = measurement.vendors.map(reportVendor);
  return {
    ...measurement,
    options: { pushes, warmUp, rounds, inFlight },
    vendors,
    holds: vendors.every(({ bars }) => bars.every(({ holds }) => holds !== false)),
  };
}

function reportVendor({ vendor, rounds, absent }: VendorMeasurement): VendorReport {
  const others = contenders[vendor].map(({ name }) => name).filter((name) => name !== 'pushmill');
  const bars = others.map((other): Bar => {
    const bar = other === 'node:http2' ? floorBars[vendor] : rivalBar;
    const words = bar?.words ?? null;
    if (absent.includes(other)) return { other, times: null, bar: words, holds: null };
    const times = rounds.ratio('cpuUs', 'pushmill', other);
    return { other, times, bar: words, holds: bar?.holds(times.median) ?? null };
  });
  return { vendor, contenders: rounds.contenders, absent, bars };
}

/** How the table of each vendor is headed, and what is to be known of its contenders. */
const words: Record<SendVendor, { title: string; note: string }> = {
  apns: {
    title: 'APNs',
    note: 'apns2 sends no apns-id; the other headers of APNs and the payload are the same for all.',
  },
  fcm: {
    title: 'FCM',
    note: [
      'The message is the same for all. A connection has 100 streams, as Google allows.',
      'firebase-admin’s send goes over HTTP/1.1; its sendEach is given the pushes of one time together and opens a connection a call.',
    ].join(' '),
  },
};

export function sendText(report: SendReport): string {
  const { machine, sink, options } = report;
  return [
    machineText(machine),
    `${options.rounds} rounds; in each, a new process a contender sends ${options.pushes} pushes to distinct tokens after ${options.warmUp} to warm up, ${options.inFlight} handed over at a time`,
    `the sink is ${sink.kind === 'nginx' ? `nginx ${sink.version}` : 'a Node server'} in a process of its own, over TLS${sink.insteadOfNginx ? ` (${sink.insteadOfNginx})` : ''}`,
    ...report.vendors.map(vendorText),
  ].join('\n');
}

function vendorText({ vendor, contenders, absent, bars }: VendorReport): string {
  const { title, note } = words[vendor];
  return [
    '',
    title,
    ...absent.map((name) => `${name} is not installed and was not measured`),
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
    ...bars.map(barText),
    limitText(contenders),
    note,
  ].join('\n');
}

function barText({ other, times, bar, holds }: Bar): string {
  if (!times) return `CPU beside ${other}: not measured${bar ? `; the bar is ${bar}` : ''}.`;
  const judged = bar ? `; the bar, ${bar}, ${holds ? 'holds' : 'does NOT hold'}` : '';
  return `CPU is ${spreadText(times, 2)} times that of ${other}${judged}.`;
}

/** What kept pushes/s from being higher, as far as the figures tell. CPU a push does not depend on it. */
function limitText(contenders: VendorReport['contenders']): string {
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
