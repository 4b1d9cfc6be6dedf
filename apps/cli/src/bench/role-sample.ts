import type { Cluster } from '../cluster.ts';
import { CommandError } from '../failure.ts';
import { readLocalFile } from '../local-file.ts';

export interface RoleSample {
  rssBytes: number;
  heapBytes: number;
  /** Since it was last asked; about 10 ms at rest, which is how often it is looked at. */
  loopDelayP99Ms: number;
}

export function workerUrlOf({ dataDir }: Pick<Cluster, 'dataDir'>): string {
  const local = readLocalFile(dataDir);
  if (!local) throw new CommandError('The cluster has left no word of where its worker listens.');
  return local.workerUrl;
}

/** By what a role says of itself under `/metrics`. */
export async function readRole(url: string): Promise<RoleSample> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return {
    rssBytes: metricIn(text, 'process_resident_memory_bytes'),
    heapBytes: metricIn(text, 'nodejs_heap_size_used_bytes'),
    loopDelayP99Ms: Math.round(metricIn(text, 'nodejs_eventloop_lag_p99_seconds') * 1_000),
  };
}

/** One value out of what `/metrics` answers; NaN when it is not there. */
export function metricIn(text: string, name: string): number {
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'm').exec(text)?.[1] ?? Number.NaN);
}
