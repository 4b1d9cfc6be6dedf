import { readFile } from 'node:fs/promises';

/** What the kernel counts CPU time in, whatever it ticks in itself: 100 a second on every Linux. */
const TICK_MICROS = 10_000;

/**
 * CPU that a process has used since its start, user and system, to 10 ms; undefined where there is no /proc, and when
 * the process has gone.
 */
export async function processCpuMicros(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat === undefined ? undefined : readStat(stat).own;
}

/**
 * The same of a server that works in processes of its own, such as Postgres: it, its children, and those that it had.
 */
export async function familyCpuMicros(pid: number): Promise<number | undefined> {
  const [stat, list] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined),
    readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => undefined),
  ]);
  if (stat === undefined || list === undefined) return undefined;
  const { own, gone } = readStat(stat);
  const children = await Promise.all(list.split(' ').filter(Boolean).map(Number).map(processCpuMicros));
  return own + gone + children.reduce<number>((sum, micros) => sum + (micros ?? 0), 0);
}

/**
 * Reads `/proc/<pid>/stat`.
 * @returns  microseconds of the process itself, and of its children that have ended
 */
export function readStat(stat: string): { own: number; gone: number } {
  // The second field is the program's name in parentheses, and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = (field: number) => Number(fields[field - 3]);
  return { own: (ticks(14) + ticks(15)) * TICK_MICROS, gone: (ticks(16) + ticks(17)) * TICK_MICROS };
}
