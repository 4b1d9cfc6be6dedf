import { readdir, readFile } from 'node:fs/promises';
import { CommandError } from '../../failure.ts';

/** What Linux counts in, on every architecture that Node runs on. */
const TICK_MS = 10;

interface ProcessTimes {
  pid: number;
  parent: number;
  /** User and system, all its threads. */
  ownMs: number;
  /** Of children that have ended and were waited for. */
  endedChildrenMs: number;
}

/**
 * CPU that a process has used since its start, user and system, to 10 ms.
 * @throws CommandError  elsewhere than on Linux
 */
export async function cpuMsOf(pid: number): Promise<number> {
  return (await timesOf(pid)).ownMs;
}

/** The same, of a process and all its children, those that have ended among them. */
export async function familyCpuMsOf(pid: number): Promise<number> {
  const first = await timesOf(pid);
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  // One that ends meanwhile is none of ours, or is counted with its parent next time.
  const all = await Promise.all(pids.map((one) => timesOf(one).catch(() => undefined)));
  const children = all.filter((one) => one?.parent === pid);
  return children.reduce((sum, child) => sum + (child?.ownMs ?? 0), first.ownMs + first.endedChildrenMs);
}

async function timesOf(pid: number): Promise<ProcessTimes> {
  if (process.platform !== 'linux') {
    throw new CommandError('The CPU of another process can be read only on Linux, from /proc.');
  }
  return readTimes(await readFile(`/proc/${pid}/stat`, 'utf8'));
}

/** @param stat  `<pid> (<name>) <state> <parent> …`; a name may hold blanks and brackets. See proc(5) */
export function readTimes(stat: string): ProcessTimes {
  // From the third field of the page on.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const field = (number: number) => Number(fields[number - 3]);
  return {
    pid: Number.parseInt(stat, 10),
    parent: field(4),
    ownMs: (field(14) + field(15)) * TICK_MS,
    endedChildrenMs: (field(16) + field(17)) * TICK_MS,
  };
}
