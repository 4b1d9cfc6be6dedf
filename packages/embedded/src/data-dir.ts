import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type Lock, lockFolder, tryLock } from './lock.ts';
import { machineDir } from './machine.ts';
import { isAlive } from './process-state.ts';

/*
 * A data folder holds:
 *   secrets.json       passwords and keys made at first start, 0600
 *   lock, owner.json   who runs on it
 *   redis/             append-only file, log, port, configuration (0600)
 *   postgres/          cluster, log, port; or only `location`, naming where they are (postgres-home.ts)
 */

/** `PUSHMILL_DATA_DIR`, else `.pushmill` in the working folder; absolute. */
export function defaultDataDir(env: NodeJS.ProcessEnv): string {
  return resolve(env.PUSHMILL_DATA_DIR || '.pushmill');
}

/**
 * Makes the data folder if it is missing. Started by root it is passable for others (not readable), because
 * Postgres refuses to be root and must reach its own folder inside; a folder that exists is left as it is.
 */
export async function openDataDir(dataDir: string): Promise<void> {
  const made = await mkdir(dataDir, { recursive: true });
  if (made !== undefined) await chmod(dataDir, process.getuid?.() === 0 ? 0o711 : 0o700);
}

/**
 * Takes a data folder for this process, so that two `up`s never share one. Ends with the process.
 * @throws  EmbeddedError with a plain sentence, naming the process that has it
 */
export async function lockDataDir(dataDir: string): Promise<Lock> {
  await openDataDir(dataDir);
  return lockFolder(dataDir, 'The data folder');
}

const temporaryPrefix = 'pushmill-';
const abandonedAfterMs = 120_000;

/**
 * A data folder of its own for tests and demos.
 * @returns  its path, and `remove()`, to be called once the servers in it are stopped
 */
export async function makeTemporaryDataDir(): Promise<{ path: string; remove(): Promise<void> }> {
  const parent = tmpdir();
  await sweepAbandoned(parent);
  // mkdtemp makes 0700; see openDataDir for why root needs more.
  const path = await mkdtemp(join(parent, `${temporaryPrefix}${process.pid}-`));
  if (process.getuid?.() === 0) await chmod(path, 0o711);
  return { path, remove: () => removeDataDir(path) };
}

/** Deletes a data folder whose servers are stopped, wherever its database was put. */
export async function removeDataDir(dataDir: string): Promise<void> {
  const elsewhere = dirname(
    (await readFile(join(dataDir, 'postgres', 'location'), 'utf8').catch(() => '')).trim(),
  );
  // Whatever the note says, only what postgres-home.ts makes is deleted.
  if (dirname(elsewhere) === machineDir) await rm(elsewhere, { recursive: true, force: true });
  await rm(dataDir, { recursive: true, force: true });
}

// A test run ended by SIGKILL cannot clean up; a later one does. Its servers have a minute to stop. The locks
// are asked too, because a process of another container that shares this folder looks dead from here.
async function sweepAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = new RegExp(`^${temporaryPrefix}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const path = join(parent, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || found.uid !== (process.getuid?.() ?? found.uid)) continue;
    if (Date.now() - found.mtimeMs < abandonedAfterMs) continue;
    const locks = await Promise.all(
      ['redis', 'postgres'].map((server) => tryLock(join(path, server, 'lock'))),
    );
    if (locks.every((lock) => lock !== undefined)) await removeDataDir(path).catch(() => {});
    for (const lock of locks) await lock?.release();
  }
}
