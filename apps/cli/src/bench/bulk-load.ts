import type { Cluster } from '../cluster.ts';
import type { BulkGiven } from './bulk-load-main.ts';
import { type SideProcess, startSideProcess } from './side-process.ts';

/** Hands in bulk to one channel so that some always waits, over HTTP and from a process of its own, until it is stopped. */
export function startBulkLoad(cluster: Cluster, channel: string): Promise<SideProcess<null>> {
  const { url, producerKey, databaseUrl } = cluster;
  const given: BulkGiven = { url, apiKey: producerKey, databaseUrl, channel };
  return startSideProcess<null>(new URL('./bulk-load-main.ts', import.meta.url), given);
}
