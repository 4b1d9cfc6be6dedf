import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, realpath, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openMachineDir } from './machine.ts';
import { run, type User } from './postgres-user.ts';
import { EmbeddedError } from './server.ts';

/**
 * The folder of this data folder's database: lock, log, port, and in `data` the cluster, which alone belongs to
 * the user Postgres runs as (root writes the rest, and must not write where another user could plant a link).
 *
 * Normally `<dataDir>/postgres`. Where root's data folder lies under a folder other users may not pass (a clone
 * in /root), Postgres could not reach it; then it is `/var/lib/pushmill/<hash>/postgres`, and
 * `<dataDir>/postgres/location` names it, so that it is found again whatever is changed about the folders later.
 * @throws  EmbeddedError if neither place can be used
 */
export async function postgresHome(
  dataDir: string,
  user: User | undefined,
  say: (line: string) => void,
): Promise<string> {
  const here = join(await realpath(dataDir), 'postgres');
  await makePassable(here, user);
  const note = join(here, 'location');
  const noted = (await readFile(note, 'utf8').catch(() => '')).trim();
  if (noted !== '') return makePassable(noted, user);
  if (user === undefined || (await canReach(here, user))) return here;

  if (await stat(join(here, 'data')).catch(() => undefined)) {
    throw new EmbeddedError(
      `The database in ${here} cannot be reached by the user ${user.name}: a folder above it was closed to others. ` +
        'Open that folder (chmod o+x) or move the data folder.',
    );
  }
  const hash = createHash('sha256').update(here).digest('hex').slice(0, 12);
  const parent = join(await openMachineDir(), hash);
  await makePassable(parent, user);
  const there = await makePassable(join(parent, 'postgres'), user);
  if (!(await canReach(there, user))) {
    throw new EmbeddedError(
      `The user ${user.name} can reach neither ${here} nor ${there}: set DATABASE_URL.`,
    );
  }
  say(`The user ${user.name}, whom Postgres runs as, cannot reach ${here}: the database goes to ${there}.`);
  await writeFile(note, `${there}\n`);
  return there;
}

/** Asked as that user, so that every parent counts. */
async function canReach(folder: string, user: User): Promise<boolean> {
  return (await run('/bin/sh', ['-c', 'cd "$1"', 'check', folder], user)) === 0;
}

async function makePassable(folder: string, user: User | undefined): Promise<string> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (made !== undefined && user !== undefined) await chmod(folder, 0o711);
  return folder;
}
