import { readFileSync } from 'node:fs';
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
  /** Share of the processors' time that the hypervisor took for others meanwhile; null where the system does not tell. */
  stolen?: number | null;
  /** Of what was measured and of what it ran on, by name. */
  versions: Record<string, string>;
}

/** When the machine was described; a process measures one thing. */
let before: ProcessorTimes | undefined;

/** Called before the measurement. */
export function describeMachine(versions: Record<string, string> = {}): Machine {
  const [first] = cpus();
  before = processorTimes();
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

/** Called after the measurement: what is only known then. */
export function machineAfterwards(machine: Machine): Machine {
  const now = processorTimes();
  const stolen = before && now ? (now.stolen - before.stolen) / Math.max(1, now.all - before.all) : null;
  return { ...machine, stolen };
}

interface ProcessorTimes {
  all: number;
  stolen: number;
}

/** In ticks, of all processors. Undefined on other systems than Linux. */
function processorTimes(): ProcessorTimes | undefined {
  try {
    return readProcessorTimes(readFileSync('/proc/stat', 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param stat  /proc/stat, whose first line has user, nice, system, idle, iowait, irq, softirq and steal */
export function readProcessorTimes(stat: string): ProcessorTimes | undefined {
  const match = /^cpu +(.+)$/m.exec(stat);
  const times = match?.[1]?.split(/ +/).slice(0, 8).map(Number) ?? [];
  if (times.length < 8) return undefined;
  return { all: times.reduce((sum, time) => sum + time, 0), stolen: times[7] as number };
}

export function machineText(machine: Machine): string {
  const { cpu, cores, memoryGiB, system, node, loadBefore, versions, stolen } = machine;
  const others = Object.entries(versions).map(([name, version]) => `, ${name} ${version}`);
  const meanwhile =
    typeof stolen === 'number'
      ? `; meanwhile the hypervisor took ${(stolen * 100).toFixed(1)} % of its time`
      : '';
  return `${cores} × ${cpu}, ${memoryGiB} GiB, ${system}, Node ${node}${others.join('')}; load before: ${loadBefore}${meanwhile}`;
}
