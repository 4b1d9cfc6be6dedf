import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/**
 * Whether a process runs, also one of another user. A dead one that nobody has reaped (containers whose first
 * process does not) still takes signals; it counts as gone.
 */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  if (process.platform !== 'linux') return true;
  try {
    // "<pid> (<name>) <state> …"; a name may hold blanks and brackets, so from the last one.
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/\) [ZX]/.test(state.slice(state.lastIndexOf(')')));
  } catch {
    return false;
  }
}

/**
 * The command line of a process, arguments parted by blanks; empty if there is no such process. Tells a server
 * of ours from an unrelated process that was given the same id later.
 */
export async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    const raw = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return raw.replaceAll('\0', ' ').trim();
  }
  return new Promise((resolve) => {
    execFile('ps', ['-o', 'args=', '-p', String(pid)], (error, stdout) =>
      resolve(error ? '' : stdout.trim()),
    );
  });
}
