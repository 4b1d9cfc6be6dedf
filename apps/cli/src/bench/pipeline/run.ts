import type { Cluster } from '../../cluster.ts';
import { CommandError } from '../../failure.ts';
import { type Machine, machineAfterwards } from '../machine.ts';
import { alternate, type Figures, type Rounds } from '../rounds.ts';
import { ScriptProcess } from '../script-process.ts';
import type { ContenderQuestion, OwnFigures } from '../send/contender-process.ts';
import { type LoadFigure, measureLoad, noFigures, startBusy } from './load.ts';
import { startPlain } from './plain.ts';
import { openPushmill } from './pushmill.ts';
import { type Stage, setStage } from './stage.ts';

export interface PipelineOptions {
  /** Pushes of the bulk load. */
  bulk: number;
  perRequest: number;
  /** Requests of one push each. */
  single: number;
  connections: number;
  rounds: number;
  progress: (line: string) => void;
  signal: AbortSignal;
}

export const contenderNames = {
  bare: 'node:http2, bare',
  bulk: 'pushmill, bulk',
  plainBulk: 'a job per push, bulk',
  single: 'pushmill, single',
  plainSingle: 'a job per push, single',
} as const;

export interface PipelineMeasurement {
  machine: Machine;
  /** Why the sink is not nginx. */
  insteadOfNginx?: string;
  rounds: Rounds<LoadFigure>;
}

/** Requests under way at a time in the bulk load. */
export const BULK_CONNECTIONS = 2;
const IN_FLIGHT = 400;

/** Runs both loads through pushmill and through one BullMQ job a push, and the bare client beside them, in turn. */
export async function measurePipeline(
  cluster: Cluster,
  options: PipelineOptions,
): Promise<PipelineMeasurement> {
  const { progress, signal, rounds, perRequest, connections } = options;
  const stage = await setStage(cluster, signal);
  const { sink, machine, destination } = stage;
  const bare = new ScriptProcess(new URL('../send/contender-process.ts', import.meta.url));
  const closing: (() => Promise<void>)[] = [() => sink.stop(), () => bare.end()];
  try {
    progress('Starting the pipeline of a job per push…');
    const plain = await startPlain(cluster, destination, signal);
    closing.push(() => plain.close());
    const ours = await openPushmill(cluster, destination);
    closing.push(() => ours.close());
    const bulk = { pushes: options.bulk, perRequest, connections: BULK_CONNECTIONS };
    const single = { pushes: options.single, perRequest: 1, connections };
    const found = await alternate<LoadFigure>(
      [
        { name: contenderNames.bare, run: (round) => sendBare(bare, stage, options.bulk, round, signal) },
        { name: contenderNames.bulk, run: () => measureLoad(ours, bulk, sink, signal) },
        { name: contenderNames.plainBulk, run: () => measureLoad(plain, bulk, sink, signal) },
        { name: contenderNames.single, run: () => measureLoad(ours, single, sink, signal) },
        { name: contenderNames.plainSingle, run: () => measureLoad(plain, single, sink, signal) },
      ],
      { rounds, progress, signal },
    );
    const { insteadOfNginx } = sink;
    return {
      machine: machineAfterwards(machine),
      ...(insteadOfNginx === undefined ? {} : { insteadOfNginx }),
      rounds: found,
    };
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

/** The same client as in `bench send`, on one session for all rounds. */
async function sendBare(
  child: ScriptProcess,
  { sink, target }: Stage,
  pushes: number,
  round: number,
  signal: AbortSignal,
): Promise<Figures<LoadFigure>> {
  const common = { pushes, inFlight: IN_FLIGHT };
  const question: ContenderQuestion =
    round < 0
      ? { kind: 'warm-up', vendor: 'apns', name: 'node:http2', target, ...common }
      : { kind: 'measure', ...common };
  const sinkBefore = await sink.cpuUs();
  const busy = startBusy();
  const { taken, cpuUs, wallUs } = await child.ask<OwnFigures>(question, signal);
  if (taken !== pushes) throw new CommandError(`${pushes - taken} bare requests were not answered 200.`);
  const busyCores = busy();
  const sinkAfter = await sink.cpuUs();
  return {
    ...noFigures(),
    perSecond: (pushes * 1_000_000) / wallUs,
    workerCpu: cpuUs / pushes,
    totalCpu: cpuUs / pushes,
    sinkCpu: ((sinkAfter ?? Number.NaN) - (sinkBefore ?? Number.NaN)) / pushes,
    busyCores,
  };
}
