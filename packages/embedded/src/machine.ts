import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Lock, waitForLock } from './lock.ts';

/**
 * Where root keeps what belongs to the machine and not to one data folder: the lock of installations, a copy of
 * Postgres's programs, databases whose data folder other users cannot reach. Passable for every user.
 */
export const machineDir = '/var/lib/pushmill';

/** Makes the machine's folder, passable whatever root's umask is. Root only. */
export async function openMachineDir(): Promise<string> {
  const made = await mkdir(machineDir, { recursive: true });
  if (made !== undefined) await chmod(machineDir, 0o755);
  return machineDir;
}

/** One process at a time may change the machine (packages, users, programs); the others wait up to ten minutes. */
export async function lockMachine(onWait: () => void): Promise<Lock> {
  return waitForLock(join(await openMachineDir(), 'install.lock'), 600_000, onWait);
}
