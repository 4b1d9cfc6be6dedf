import { statfs } from 'node:fs/promises';
import { CommandError } from '../failure.ts';
import { byteText } from '../table.ts';

/** Of the ledger, by a push that waits or was sent, with a fifth on top. */
const PUSH_BYTES = 500;
/** An empty pushmill, and of Postgres's log of changes as much as it is allowed (packages/embedded), passed for a while. */
const CLUSTER_BYTES = 3 * 1024 ** 3;

/** @param pushes  of each cluster, all that it will ever hold */
export function neededBytes(pushes: readonly number[]): number {
  return pushes.reduce((sum, count) => sum + CLUSTER_BYTES + count * PUSH_BYTES, 0);
}

/** @throws CommandError  when the folder's disk has less room than that */
export async function requireFreeBytes(folder: string, needed: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= needed) return;
  throw new CommandError(
    `The bench may take ${byteText(needed)} of disk while it runs, and ${folder} has ${byteText(free)} free. Name smaller sizes, or set TMPDIR to a folder on a larger disk.`,
  );
}
