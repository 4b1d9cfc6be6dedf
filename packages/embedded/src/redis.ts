import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { openDataDir } from './data-dir.ts';
import { type Guarded, guard, stopProcess, tail } from './guardian.ts';
import { lockFolder } from './lock.ts';
import { freePort, keptPort } from './port.ts';
import { commandLine } from './process-state.ts';
import { redisBinary } from './redis-binary.ts';
import { loadOrCreateSecrets, newPassword } from './secrets.ts';
import { EmbeddedError, type Server, type ServerOptions, withoutPassword } from './server.ts';
import { supervise } from './supervision.ts';

export interface RedisOptions extends ServerOptions {
  /** How often the append-only file is forced to disk. Default `everysec`; `no` if `durable` is false. */
  fsync?: 'everysec' | 'always' | 'no';
}

// A large append-only file is read before the first command is answered.
const readyWithinMs = 300_000;

/**
 * Redis for BullMQ: `REDIS_URL` if set, else a child with an append-only file, `noeviction`, a password, on
 * loopback, in `<dataDir>/redis`, on the same port every time. One that an earlier life left running there is
 * stopped first; the data stays.
 * @throws  EmbeddedError, one sentence with the remedy
 */
export async function startRedis(o: RedisOptions): Promise<Server> {
  if (o.env.REDIS_URL) return wrapRedis(o.env.REDIS_URL, o.say);

  await openDataDir(o.dataDir);
  const folder = resolve(o.dataDir, 'redis');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const lock = await lockFolder(folder, "Redis's folder");
  try {
    const program = await redisBinary(o);
    const { redisPassword } = await loadOrCreateSecrets(o.dataDir, { redisPassword: newPassword });
    await stopLeftover(folder);

    const logFile = join(folder, 'redis.log');
    const fsync = o.fsync ?? (o.durable === false ? 'no' : 'everysec');
    const start = (port: number) =>
      launch({ program, folder, logFile, port, password: redisPassword, fsync, searchPath: o.env.PATH });
    let port = await keptPort(join(folder, 'port'));
    const first = await start(port).catch(async (error: Error) => {
      // Somebody took the port between the look and the start.
      if (!tail(logFile).includes('Address already in use')) throw error;
      port = await freePort();
      await writeFile(join(folder, 'port'), `${port}\n`);
      return start(port);
    });

    const supervised = supervise(first, {
      name: 'Redis',
      logFile,
      restart: o.restart ?? true,
      start: () => start(port),
      say: o.say,
      onExit: o.onExit,
      ended: () => lock.release(),
    });
    return { url: redisUrl(port, redisPassword), origin: 'embedded', ...supervised };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function launch(o: {
  program: string;
  folder: string;
  logFile: string;
  port: number;
  password: string;
  fsync: string;
  searchPath: string | undefined;
}): Promise<Guarded> {
  const configuration = join(o.folder, 'redis.conf');
  // A file, not arguments: everybody on the machine can read a command line.
  await writeFile(configuration, redisConfiguration(o), { mode: 0o600 });
  const server = await guard({
    name: 'Redis',
    program: o.program,
    args: [configuration],
    signal: 'TERM',
    logFile: o.logFile,
    cwd: o.folder,
    env: { PATH: o.searchPath, LANG: 'C' },
  });
  try {
    const died = server.exited.then((how) => {
      throw new EmbeddedError(`Redis ${how} while starting. The end of ${o.logFile}:\n${tail(o.logFile)}`);
    });
    await Promise.race([died, untilAnswering(redisUrl(o.port, o.password))]);
    server.background();
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** The text of redis.conf. Exported for its test: what the promises of the product rest on is in here. */
export function redisConfiguration(o: {
  folder: string;
  port: number;
  password: string;
  fsync: string;
}): string {
  const lines = [
    '# Written by pushmill at each start.',
    'bind 127.0.0.1',
    `port ${o.port}`,
    'protected-mode yes',
    `requirepass ${o.password}`,
    `dir "${o.folder.replaceAll(/["\\]/g, '\\$&')}"`,
    'pidfile redis.pid',
    'daemonize no',
    'logfile ""',
    // Jobs must survive Redis being killed; the ledger covers the second that everysec may lose.
    'appendonly yes',
    `appendfsync ${o.fsync}`,
    'save ""',
    // BullMQ's keys are not a cache: full memory must be an error, never a lost job.
    'maxmemory-policy noeviction',
    'tcp-keepalive 60',
  ];
  return `${lines.join('\n')}\n`;
}

/** Waits until Redis answers a command, also while it is still reading its file. */
async function untilAnswering(url: string): Promise<void> {
  const deadline = Date.now() + readyWithinMs;
  for (;;) {
    try {
      await ask(url, (client) => client.ping());
      return;
    } catch (error) {
      if (Date.now() > deadline) {
        throw new EmbeddedError(
          `Redis has not answered for ${readyWithinMs / 1000} s: ${(error as Error).message}`,
        );
      }
      await delay(10);
    }
  }
}

async function ask<T>(url: string, question: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, {
    lazyConnect: true,
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 5_000,
    commandTimeout: 5_000,
    // After a refused connection ioredis keeps the program alive for this long.
    disconnectTimeout: 100,
    retryStrategy: () => null,
  });
  // The reason comes as an event, the rejection only says "Connection is closed".
  let reason: Error | undefined;
  client.on('error', (error: Error) => {
    reason = error;
  });
  try {
    await client.connect();
    return await question(client);
  } catch (error) {
    throw reason ?? error;
  } finally {
    client.disconnect();
  }
}

async function wrapRedis(url: string, say: (line: string) => void): Promise<Server> {
  // INFO, because managed services often forbid CONFIG.
  const info = await ask(url, (client) => client.info('memory')).catch((error: Error) => {
    throw new EmbeddedError(
      `REDIS_URL (${withoutPassword(url)}) does not answer: ${error.message}. ` +
        'Start that Redis, correct REDIS_URL, or unset it to have one started here.',
    );
  });
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy !== undefined && policy !== 'noeviction') {
    say(
      `Warning: the Redis at ${withoutPassword(url)} has maxmemory-policy ${policy} and will drop jobs when it is ` +
        'full; set it to noeviction.',
    );
  }
  return { url, origin: 'environment', pid: () => undefined, stop: async () => {} };
}

/** Stops a server that an earlier life of this folder left running because its guardian was killed too. */
async function stopLeftover(folder: string): Promise<void> {
  const pid = Number(await readFile(join(folder, 'redis.pid'), 'utf8').catch(() => ''));
  const port = Number(await readFile(join(folder, 'port'), 'utf8').catch(() => ''));
  if (!(pid > 1) || !(port > 0)) return;
  // A running Redis calls itself "redis-server 127.0.0.1:<port>".
  const title = await commandLine(pid);
  if (!title.includes(`:${port}`) && !title.includes(folder)) return;
  await stopProcess(pid, 'TERM');
}

function redisUrl(port: number, password: string): string {
  return `redis://:${password}@127.0.0.1:${port}`;
}
