import { cpus, loadavg, release, totalmem, type } from 'node:os';

/** On what something was measured: figures without it say nothing. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  system: string;
  node: string;
  /** Processes that wanted a core during the last minute; what is above ours was somebody else's. */
  loadBefore: number;
  /** Of what was measured and of what it ran on, by name. */
  versions: Record<string, string>;
}

/** Called before the measurement. */
export function describeMachine(versions: Record<string, string> = {}): Machine {
  const [first] = cpus();
  return {
    cpu: first?.model.trim() || 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    system: `${type()} ${release()}`,
    node: process.versions.node,
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    versions,
  };
}

export function machineText({ cpu, cores, memoryGiB, system, node, loadBefore, versions }: Machine): string {
  const others = Object.entries(versions).map(([name, version]) => `, ${name} ${version}`);
  return `${cores} × ${cpu}, ${memoryGiB} GiB, ${system}, Node ${node}${others.join('')}; load before: ${loadBefore}`;
}
