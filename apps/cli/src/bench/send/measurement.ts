import { readFile } from 'node:fs/promises';
import { CommandError } from '../../failure.ts';
import { describeMachine, type Machine, machineAfterwards } from '../machine.ts';
import { alternate, type Figures, type Rounds } from '../rounds.ts';
import { ScriptProcess } from '../script-process.ts';
import { type Contender, packageFile } from './client.ts';
import type { ContenderQuestion, OwnFigures } from './contender-process.ts';
import { contenders, type SendVendor } from './contenders.ts';
import { newTarget, type Target } from './load.ts';
import { type Sink, startSink } from './sink.ts';
import type { SinkKind } from './sink-process.ts';

export interface SendOptions {
  /** One after the other. */
  vendors: readonly SendVendor[];
  /** Measured, of each contender in each round. */
  pushes: number;
  /** Sent before by the same process, until the compiler has seen enough. */
  warmUp: number;
  rounds: number;
  inFlight: number;
  sink: SinkKind | 'auto';
  /** Empty; for the sink's files. */
  folder: string;
  progress: (line: string) => void;
  signal: AbortSignal;
}

/** `cpuUs` and `sinkCpuUs` are microseconds a push, `cores` and `sinkCores` how many a process kept busy. */
export type FigureName = 'cpuUs' | 'perSecond' | 'cores' | 'sinkCpuUs' | 'sinkCores' | 'connections';

export interface SendMeasurement {
  machine: Machine;
  sink: Pick<Sink, 'kind' | 'version' | 'insteadOfNginx'>;
  vendors: VendorMeasurement[];
}

export interface VendorMeasurement {
  vendor: SendVendor;
  rounds: Rounds<FigureName>;
  /** Contenders that are not installed. */
  absent: string[];
}

/**
 * Measures of each vendor every contender that is installed in turn, round after round, each time in a new process that
 * is warmed up first.
 * @throws CommandError  when a push was answered otherwise than with 200
 */
export async function measureSend(options: SendOptions): Promise<SendMeasurement> {
  const versions = await installedVersions(options.vendors);
  const sink = await startSink(options.sink, options.folder, options.signal);
  try {
    const { kind, version, insteadOfNginx } = sink;
    const machine = describeMachine({
      ...Object.fromEntries(versions),
      ...(kind === 'nginx' ? { nginx: version } : {}),
    });
    const vendors: VendorMeasurement[] = [];
    for (const vendor of options.vendors) {
      vendors.push(await measureVendor(vendor, (name) => versions.has(name), sink, options));
    }
    return {
      machine: machineAfterwards(machine),
      sink: { kind, version, ...(insteadOfNginx === undefined ? {} : { insteadOfNginx }) },
      vendors,
    };
  } finally {
    await sink.stop();
  }
}

async function measureVendor(
  vendor: SendVendor,
  isInstalled: (packageName: string) => boolean,
  sink: Sink,
  options: SendOptions,
): Promise<VendorMeasurement> {
  const { rounds, signal } = options;
  const isPresent = (contender: Contender) => !contender.package || isInstalled(contender.package);
  const target = newTarget(vendor === 'fcm' ? sink.fcmPort : sink.port, sink.ca);
  const found = await alternate<FigureName>(
    contenders[vendor]
      .filter(isPresent)
      .map(({ name }) => ({ name, run: () => run(vendor, name, target, sink, options) })),
    // Each process warms itself up.
    { rounds, warmUp: false, progress: (line) => options.progress(`${vendor}, ${line}`), signal },
  );
  const absent = contenders[vendor].filter((contender) => !isPresent(contender)).map(({ name }) => name);
  return { vendor, rounds: found, absent };
}

async function run(
  vendor: SendVendor,
  name: string,
  target: Target,
  sink: Sink,
  { pushes, warmUp, inFlight, signal }: SendOptions,
): Promise<Figures<FigureName>> {
  const child = new ScriptProcess(new URL('contender-process.ts', import.meta.url));
  const ask = async (question: ContenderQuestion) => {
    const figures = await child.ask<OwnFigures>(question, signal);
    if (figures.taken !== question.pushes) {
      throw new CommandError(
        `${name}: ${question.pushes - figures.taken} of ${question.pushes} pushes were not answered 200.`,
      );
    }
    return figures;
  };
  try {
    await ask({ kind: 'warm-up', vendor, name, target, pushes: warmUp, inFlight });
    const before = await sink.cpuUs();
    const { cpuUs, wallUs, connections } = await ask({ kind: 'measure', pushes, inFlight });
    const after = await sink.cpuUs();
    const sinkCpuUs = before === null || after === null ? Number.NaN : after - before;
    return {
      cpuUs: cpuUs / pushes,
      perSecond: (pushes * 1_000_000) / wallUs,
      cores: cpuUs / wallUs,
      sinkCpuUs: sinkCpuUs / pushes,
      sinkCores: sinkCpuUs / wallUs,
      connections,
    };
  } finally {
    await child.end();
  }
}

/** Of the contenders' packages, by name; one that is not installed is not there. */
async function installedVersions(vendors: readonly SendVendor[]): Promise<Map<string, string>> {
  const versions = new Map<string, string>();
  for (const { package: name } of vendors.flatMap((vendor): readonly Contender[] => contenders[vendor])) {
    const file = name && packageFile(name);
    if (file) versions.set(name, (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version);
  }
  return versions;
}
