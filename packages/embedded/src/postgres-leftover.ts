import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stopProcess } from './guardian.ts';
import { commandLine, isAlive } from './process-state.ts';

/**
 * Clears the way for a server on the cluster in `data`, whose folder this process has locked. Stops one that an
 * earlier life left running because its guardian was killed too, and waits for what a killed one left behind:
 * its children end by themselves within moments.
 *
 * Then removes a note (postmaster.pid) of a server that is certainly gone. Postgres does so itself, unless a
 * process with the noted id exists; in a container that is likely: ids start over with each life of it, and
 * dead processes may stay unreaped.
 */
export async function clearLeftover(data: string): Promise<void> {
  const note = join(data, 'postmaster.pid');
  const pid = Number((await readFile(note, 'utf8').catch(() => '')).split('\n')[0]);
  if (!(pid > 1)) return;
  if ((await commandLine(pid)).includes(`-D ${data}`)) await stopProcess(pid, 'INT');
  for (const deadline = Date.now() + 15_000; await isInUse(data, pid); await delay(20)) {
    // Postgres will say it better than we can.
    if (Date.now() > deadline) return;
  }
  await rm(note, { force: true });
}

// Every process of Postgres works in the data folder. Only Linux tells; elsewhere the noted process must do.
async function isInUse(data: string, pid: number): Promise<boolean> {
  if (process.platform !== 'linux') return isAlive(pid) && (await commandLine(pid)).includes('postgres');
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const folder = await readlink(`/proc/${entry}/cwd`).catch(() => '');
    if (folder === data) return true;
  }
  return false;
}
