import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedError } from './server.ts';

/*
 * Node has no flock(). A file with a pid in it goes stale when its owner is killed, and telling "stale" from
 * "just created" between two starters is a race that cannot be won with plain files. SQLite takes a kernel
 * lock (fcntl), which the kernel drops with the process however it dies, and which other connections of the
 * same process respect too. So the lock is an exclusive transaction on an empty database, and the file
 * beside it only says who holds it, for the message.
 */

export interface Lock {
  release(): Promise<void>;
}

// A lock must not end because its handle was garbage collected.
const held = new Set<DatabaseSync>();

const sqliteBusy = 5;

/**
 * Takes the lock at `path` (parent folders are made), or returns undefined if another holder, in this process
 * or any other on this machine, has it. The kernel frees it when the process dies.
 */
export async function tryLock(path: string): Promise<Lock | undefined> {
  await mkdir(dirname(path), { recursive: true });
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === sqliteBusy) return undefined;
    throw error;
  }
  held.add(database);
  return {
    async release() {
      if (held.delete(database)) database.close();
    },
  };
}

/**
 * Waits for the lock at `path`.
 * @param waitMs     give up after this long
 * @param onWait     called once if somebody else still holds it after a second
 * @throws           EmbeddedError when the time is over
 */
export async function waitForLock(path: string, waitMs: number, onWait?: () => void): Promise<Lock> {
  const deadline = Date.now() + waitMs;
  const sayAt = Date.now() + 1_000;
  for (let said = false; ; ) {
    const lock = await tryLock(path);
    if (lock !== undefined) return lock;
    if (!said && Date.now() > sayAt) {
      onWait?.();
      said = true;
    }
    if (Date.now() > deadline) {
      throw new EmbeddedError(
        `Another process has held ${path} for ${Math.round(waitMs / 1000)} s; end it and try again.`,
      );
    }
    await delay(50);
  }
}

/**
 * Locks a folder for one owner, and leaves a note who it is.
 * @param folder  what is locked; the lock lies in it as `lock`, the note as `owner.json`
 * @param what    how the folder is called in the sentence for the second comer
 * @throws        EmbeddedError with the owner's process id if the folder is in use
 */
export async function lockFolder(folder: string, what: string): Promise<Lock> {
  const lock = await tryLock(join(folder, 'lock'));
  const note = join(folder, 'owner.json');
  if (lock === undefined) {
    const owner = await readFile(note, 'utf8').then(
      (text) => JSON.parse(text) as { pid?: number; since?: string },
      () => ({ pid: undefined, since: undefined }),
    );
    const who = owner.pid === undefined ? 'another process' : `process ${owner.pid} (since ${owner.since})`;
    throw new EmbeddedError(`${what} ${folder} is in use by ${who}: stop it, or choose another folder.`);
  }
  // Renamed into place: a second comer never reads half a note.
  const draft = `${note}.${randomBytes(4).toString('hex')}`;
  await writeFile(draft, `${JSON.stringify({ pid: process.pid, since: new Date().toISOString() })}\n`);
  await rename(draft, note);
  return lock;
}
