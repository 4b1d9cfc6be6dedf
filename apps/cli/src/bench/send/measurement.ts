import { readFile } from 'node:fs/promises';
import { CommandError } from '../../failure.ts';
import { describeMachine, type Machine } from '../machine.ts';
import { alternate, type Figures, type Rounds } from '../rounds.ts';
import { ScriptProcess } from '../script-process.ts';
import type { ContenderQuestion, OwnFigures } from './contender-process.ts';
import { type ContenderName, contenders, packageFile } from './contenders.ts';
import { newTarget, type Target } from './load.ts';
import { type Sink, startSink } from './sink.ts';
import type { SinkKind } from './sink-process.ts';

export interface SendOptions {
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
  rounds: Rounds<FigureName>;
  /** Contenders that are not installed. */
  absent: ContenderName[];
}

/**
 * Measures every contender that is installed in turn, round after round, each time in a new process that is warmed up
 * first.
 * @throws CommandError  when a push was answered otherwise than with 200
 */
export async function measureSend(options: SendOptions): Promise<SendMeasurement> {
  const { rounds, progress, signal } = options;
  const versions = await installedVersions();
  const names = Object.keys(contenders) as ContenderName[];
  const present = names.filter((name) => versions[name] !== null);
  const sink = await startSink(options.sink, options.folder, signal);
  try {
    const target = newTarget(sink.port, sink.ca);
    const machine = describeMachine({
      ...Object.fromEntries(Object.entries(versions).filter(([, version]) => version !== null)),
      ...(sink.kind === 'nginx' ? { nginx: sink.version } : {}),
    } as Record<string, string>);
    const found = await alternate<FigureName>(
      present.map((name) => ({ name, run: () => run(name, target, sink, options) })),
      // Each process warms itself up.
      { rounds, warmUp: false, progress, signal },
    );
    const { kind, version, insteadOfNginx } = sink;
    return {
      machine,
      sink: { kind, version, ...(insteadOfNginx === undefined ? {} : { insteadOfNginx }) },
      rounds: found,
      absent: names.filter((name) => versions[name] === null),
    };
  } finally {
    await sink.stop();
  }
}

async function run(
  name: ContenderName,
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
    await ask({ kind: 'warm-up', name, target, pushes: warmUp, inFlight });
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

/** Of the contenders that are packages; null for one that is not installed. */
async function installedVersions(): Promise<Partial<Record<ContenderName, string | null>>> {
  const versions: Partial<Record<ContenderName, string | null>> = {};
  for (const name of ['@parse/node-apn', 'apns2'] as const) {
    const file = packageFile(name);
    versions[name] = file ? (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version : null;
  }
  return versions;
}
