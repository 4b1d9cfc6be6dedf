import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { lockMachine } from './machine.ts';
import { EmbeddedError } from './server.ts';

/** Whom Postgres runs as, and how to try something as that user. */
export interface User {
  name: string;
  uid: number;
  gid: number;
}

// `postgres` and `nobody` only where no user can be made: sharing a user means sharing its files.
const candidates = ['pushmill', 'postgres', 'nobody'];

/**
 * The user to run Postgres as: undefined for ourselves, or, since Postgres refuses to be root, the system user
 * `pushmill`, made once.
 * @throws  EmbeddedError if this machine has no user at all to be had
 */
export async function postgresUser(say: (line: string) => void): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const own = await findUser('pushmill');
  if (own !== undefined) return own;
  const lock = await lockMachine(() => {});
  try {
    if ((await findUser('pushmill')) === undefined) {
      const made = await run('useradd', [
        '--system',
        '--no-create-home',
        '--shell',
        '/usr/sbin/nologin',
        'pushmill',
      ]);
      // BusyBox (Alpine) has adduser instead.
      if (made !== 0) await run('adduser', ['-S', '-H', '-D', 'pushmill']);
    }
    for (const name of candidates) {
      const user = await findUser(name);
      if (user === undefined) continue;
      say(`Postgres refuses to run as root: it runs as the system user ${name}.`);
      return user;
    }
  } finally {
    await lock.release();
  }
  throw new EmbeddedError(
    'Postgres refuses to run as root and no system user could be made: set DATABASE_URL.',
  );
}

/** Runs a program as a user (ourselves if undefined), output dropped; its exit code, null if it did not run. */
export function run(program: string, args: readonly string[], user?: User): Promise<number | null> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: 'ignore', cwd: '/', uid: user?.uid, gid: user?.gid });
    child.once('error', () => resolve(null));
    child.once('exit', resolve);
  });
}

async function findUser(name: string): Promise<User | undefined> {
  const line = (await readFile('/etc/passwd', 'utf8'))
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined ? undefined : { name, uid: Number(uid), gid: Number(gid) };
}
