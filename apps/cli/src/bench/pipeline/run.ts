import type { Cluster } from '../../cluster.ts';
import { type Machine, machineAfterwards } from '../machine.ts';
import { alternate, type Rounds } from '../rounds.ts';
import { openBare } from './bare.ts';
import { type LoadFigure, measureLoad } from './load.ts';
import { startPlain } from './plain.ts';
import { openPushmill } from './pushmill.ts';
import { setStage } from './stage.ts';

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
/** A job per push takes about five times as long: with a fifth of the pushes its turn is as long as the others'. */
const PLAIN_BULK_SHARE = 1 / 5;

/** Runs both loads through pushmill and through one BullMQ job a push, and the bare client beside them, in turn. */
export async function measurePipeline(
  cluster: Cluster,
  options: PipelineOptions,
): Promise<PipelineMeasurement> {
  const { progress, signal, rounds, perRequest, connections } = options;
  const stage = await setStage(cluster, signal);
  const { sink, machine, destination } = stage;
  const bare = openBare(stage, signal);
  const closing: (() => Promise<void>)[] = [() => sink.stop(), () => bare.close()];
  try {
    progress('Starting the pipeline of a job per push…');
    const plain = await startPlain(cluster, destination, signal);
    closing.push(() => plain.close());
    const ours = await openPushmill(cluster, destination);
    closing.push(() => ours.close());
    const bulk = { pushes: options.bulk, perRequest, connections: BULK_CONNECTIONS };
    const plainBulk = { ...bulk, pushes: Math.ceil(options.bulk * PLAIN_BULK_SHARE) };
    const single = { pushes: options.single, perRequest: 1, connections };
    const found = await alternate<LoadFigure>(
      [
        { name: contenderNames.bare, run: (round) => bare.send(options.bulk, round) },
        { name: contenderNames.bulk, run: () => measureLoad(ours, bulk, sink, signal) },
        { name: contenderNames.plainBulk, run: () => measureLoad(plain, plainBulk, sink, signal) },
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
