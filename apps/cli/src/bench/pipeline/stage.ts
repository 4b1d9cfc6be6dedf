import { mkdir, readFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { join } from 'node:path';
import type { Cluster } from '../../cluster.ts';
import { describeMachine, type Machine } from '../machine.ts';
import { newTarget, type Target } from '../send/load.ts';
import { type Sink, startSink } from '../send/sink.ts';
import { serverVersions } from '../server-versions.ts';
import type { Destination } from './destination.ts';

/** The sink that stands in for APNs, and what all of it runs on. */
export interface Stage {
  machine: Machine;
  sink: Sink;
  target: Target;
  destination: Destination;
}

export async function setStage(cluster: Cluster, signal: AbortSignal): Promise<Stage> {
  const folder = join(cluster.dataDir, 'sink');
  await mkdir(folder, { recursive: true });
  const machine = describeMachine({ ...(await serverVersions(cluster)), BullMQ: await bullmqVersion() });
  const sink = await startSink('auto', folder, signal);
  const target = newTarget(sink.port, sink.ca);
  const { ca, apns } = target;
  return {
    machine: { ...machine, versions: { ...machine.versions, [`${sink.kind} (the sink)`]: sink.version } },
    sink,
    target,
    destination: { origin: `https://localhost:${sink.port}`, ca, topic: apns.topic },
  };
}

async function bullmqVersion(): Promise<string> {
  const file = findPackageJSON('bullmq', import.meta.url);
  return file ? (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version : 'unknown';
}
