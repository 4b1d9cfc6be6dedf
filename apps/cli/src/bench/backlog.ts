import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { neededBytes, requireFreeBytes } from './backlog-disk.ts';
import { type BacklogSite, openSite, waitingAtStart } from './backlog-site.ts';
import type { BacklogFill, BacklogRun } from './backlog-verdict.ts';
import { describeMachine, type Machine, machineAfterwards } from './machine.ts';
import { alternate, type Contender, type Rounds } from './rounds.ts';
import { startSink } from './send/sink.ts';
import { serverVersions } from './server-versions.ts';

export interface BacklogOptions {
  /** Pushes that still wait when the last one that is counted has gone. */
  sizes: readonly number[];
  /** How many are counted. */
  pushes: number;
  rounds: number;
  /** An empty folder; each size has one of its own in it. */
  dataDir: string;
  env: NodeJS.ProcessEnv;
  say: (line: string) => void;
  progress: (line: string) => void;
  signal: AbortSignal;
}

export interface BacklogMeasures {
  machine: Machine;
  sizes: readonly number[];
  pushes: number;
  rounds: number;
  /** By size. */
  fills: ReadonlyMap<number, BacklogFill>;
  found: Rounds<keyof BacklogRun>;
}

/**
 * How fast pushes leave, by how many wait behind them. Each size has a pushmill of its own, filled once; then they work
 * in turn, the others' channels paused, and what went is put back. The vendor is a server that answers every push at
 * once.
 */
export async function runBacklog(options: BacklogOptions): Promise<BacklogMeasures> {
  const { sizes, pushes, rounds, progress, signal, dataDir } = options;
  await requireFreeBytes(dataDir, neededBytes(sizes.map((size) => everHeld(size, options))));
  const machine = describeMachine();
  const sinkFolder = join(dataDir, 'sink');
  await mkdir(sinkFolder, { recursive: true });
  const sink = await startSink('auto', sinkFolder, signal);
  const sites = new Map<number, BacklogSite>();
  try {
    for (const size of sizes) sites.set(size, await openSite(options, sink, size));
    const contenders: Contender<keyof BacklogRun>[] = [];
    const fills = new Map<number, BacklogFill>();
    for (const [size, { cluster, fill, run }] of sites) {
      const servers = await serverVersions(cluster);
      machine.versions = { ...servers, [`${sink.kind} (the vendor)`]: sink.version };
      fills.set(size, fill);
      contenders.push({ name: String(size), run });
    }
    const found = await alternate(contenders, { rounds, progress, signal });
    return { machine: machineAfterwards(machine), sizes, pushes, rounds, fills, found };
  } finally {
    await Promise.all([...sites.values()].map((site) => site.close()));
    await sink.stop();
  }
}

/** The warm-up is a round too, and some more go before a channel that is paused has come to rest: reckoned as half as many. */
function everHeld(size: number, { pushes, rounds }: BacklogOptions): number {
  return waitingAtStart(size, pushes) + 1.5 * (rounds + 1) * waitingAtStart(0, pushes);
}
