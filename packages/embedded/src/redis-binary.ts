import { spawn } from 'node:child_process';
import { access, constants, mkdir, readFile, rm } from 'node:fs/promises';
import { availableParallelism, homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { installRedis } from './apt.ts';
import { waitForLock } from './lock.ts';
import { EmbeddedError } from './server.ts';

interface Request {
  env: NodeJS.ProcessEnv;
  say: (line: string) => void;
}

// Both speak the same protocol; Valkey is the one distributions keep free.
const names = ['valkey-server', 'redis-server'];

/**
 * A Redis or Valkey server program: on the PATH, else built earlier, else (root on Debian or Ubuntu) installed
 * from the distribution, else built once from source. Says what it does where that takes long.
 * @returns  absolute path
 * @throws   EmbeddedError naming the remedy
 */
export async function redisBinary(o: Request): Promise<string> {
  const found = (await findOnPath(names, o.env)) ?? (await builtEarlier(o.env));
  if (found !== undefined) return found;
  if (await isDebianRoot(o.env)) {
    // Inside the lock, what another process installed meanwhile is found before anything is done.
    const installed = await installRedis({ ...o, find: () => findOnPath(names, o.env) });
    if (installed !== undefined) return installed;
  }
  return buildRedis(o);
}

/** The first of the programs that lies on the PATH, absolute; names in order of preference. */
export async function findOnPath(
  programs: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  // Services and cron get a PATH without the folders of Homebrew and of locally built software.
  const folders = [...(env.PATH ?? '').split(delimiter), '/usr/local/bin', '/usr/bin', '/opt/homebrew/bin'];
  for (const program of programs) {
    for (const folder of folders) {
      if (folder === '') continue;
      const path = join(folder, program);
      if (await isExecutable(path)) return path;
    }
  }
  return undefined;
}

/**
 * Builds Redis from source into the user's cache folder with redis-memory-server (two minutes on two cores;
 * needs a C compiler, make and the network). A second process waits for the first.
 */
export async function buildRedis(o: Request): Promise<string> {
  const cache = cacheDir(o.env);
  const lock = await waitForLock(join(cache, 'lock'), 1_800_000, () =>
    o.say('Redis is being built by another process: waiting for it…'),
  );
  try {
    const ready = await builtEarlier(o.env);
    if (ready !== undefined) return ready;
    o.say(`Redis is not installed: building it once from source into ${cache} (a minute or two)…`);
    // What a killed build left behind; the library would wait two minutes for its own lock file.
    const version = o.env.REDISMS_VERSION || 'stable';
    await rm(join(cache, `${version}.lock`), { force: true });
    await rm(join(cache, version, 'extracted'), { recursive: true, force: true });
    await mkdir(cache, { recursive: true });
    return await runBuild(cache, version, o);
  } finally {
    await lock.release();
  }
}

// A child, because the library prints to the console of whoever loads it.
async function runBuild(cache: string, version: string, o: Request): Promise<string> {
  const startedAt = Date.now();
  const child = spawn(process.execPath, [fileURLToPath(new URL('redis-build.ts', import.meta.url))], {
    env: {
      ...o.env,
      REDISMS_DOWNLOAD_DIR: cache,
      MAKEFLAGS: o.env.MAKEFLAGS ?? `-j${availableParallelism()}`,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let binary: string | undefined;
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString('utf8')).slice(-4_000);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('binary ')) binary = line.slice('binary '.length);
    else if (line.trim() !== '') o.say(line.trim());
  });
  const progress = setInterval(() => {
    o.say(`Building Redis… ${Math.round((Date.now() - startedAt) / 1000)} s`);
  }, 15_000);
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', resolve);
  });
  clearInterval(progress);
  await rm(join(cache, `redis-${version}.tar.gz.downloading`), { force: true });
  if (code === 0 && binary !== undefined) {
    o.say(`Redis is built (${Math.round((Date.now() - startedAt) / 1000)} s).`);
    return binary;
  }
  const why = errors.trim().split('\n').at(-1) || `the build ended with code ${code}`;
  throw new EmbeddedError(
    `Redis could not be built from source (${why}): install redis-server or set REDIS_URL.`,
  );
}

async function builtEarlier(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const path = join(cacheDir(env), env.REDISMS_VERSION || 'stable', 'redis-server');
  return (await isExecutable(path)) ? path : undefined;
}

function cacheDir(env: NodeJS.ProcessEnv): string {
  const home = env.HOME || homedir();
  const caches = process.platform === 'darwin' ? join(home, 'Library', 'Caches') : join(home, '.cache');
  return join(env.XDG_CACHE_HOME || caches, 'pushmill', 'redis');
}

async function isDebianRoot(env: NodeJS.ProcessEnv): Promise<boolean> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  if (!/^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release)) return false;
  return (await findOnPath(['apt-get'], env)) !== undefined;
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
