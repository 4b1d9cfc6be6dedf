import { AsyncResource } from 'node:async_hooks';
import { after } from 'node:test';
import { makeTemporaryDataDir, startPostgres, startRedis } from '@pushmill/embedded';
import { containerServers, hasEngine } from './servers-containers.ts';

/*
 * Real servers for tests. A run of many files shares one pair: its runner calls startTestServers() and gives
 * `env` to the test processes. A file run alone finds no such names in its environment and starts a pair of its
 * own, stopped after its tests. REDIS_URL and DATABASE_URL are not looked at: tests make and drop databases, and
 * those names may mean somebody's real data.
 *
 * Settings: PUSHMILL_TEST_SERVERS=embedded|containers|auto (default auto), PUSHMILL_TEST_REDIS_IMAGE,
 * PUSHMILL_TEST_POSTGRES_IMAGE, TESTCONTAINERS_RYUK_DISABLED.
 */

export interface TestServers {
  redisUrl: string;
  /** Of the database `postgres`, as a role that may create databases; see createTestDatabase. */
  databaseUrl: string;
  /** `shared`: started by the runner of all test files. */
  kind: 'embedded' | 'containers' | 'shared';
  /** Process id of the embedded Redis, for tests that kill it; undefined for the other kinds. */
  redisPid(): number | undefined;
  postgresPid(): number | undefined;
  /** What the runner adds to the environment of test processes so that they share these servers. */
  env: { PUSHMILL_TEST_REDIS_URL: string; PUSHMILL_TEST_DATABASE_URL: string };
  /** Stops what was started here and deletes its files; nothing for `shared`. */
  stop(): Promise<void>;
}

// Long enough to pull both images over a slow line, short enough not to look hung.
const containersWithinMs = 120_000;

/**
 * Starts a Redis and a Postgres for tests, without durability: in containers where a Docker engine answers and
 * the images start in time, otherwise embedded. Says which in one line.
 * @param o.say  default: stderr, so that reporters' output stays clean
 * @throws       if PUSHMILL_TEST_SERVERS asks for containers and there are none to be had
 */
export async function startTestServers(
  o: { env?: NodeJS.ProcessEnv; say?: (line: string) => void } = {},
): Promise<TestServers> {
  const env = o.env ?? process.env;
  const say = o.say ?? ((line: string) => void process.stderr.write(`${line}\n`));
  const wanted = env.PUSHMILL_TEST_SERVERS || 'auto';
  if (!['embedded', 'containers', 'auto'].includes(wanted)) {
    throw new Error(`PUSHMILL_TEST_SERVERS is "${wanted}": use embedded, containers or auto.`);
  }
  if (wanted === 'containers') return startContainers(env, say);
  if (wanted === 'embedded') return startEmbedded(env, say, 'as asked');
  if (!(await hasEngine(env))) return startEmbedded(env, say, 'no Docker engine answers');
  return startContainers(env, say).catch((error: Error) =>
    startEmbedded(env, say, `containers did not start: ${error.message.split('\n')[0]}`),
  );
}

let own: Promise<TestServers> | undefined;

// A hook belongs to the test during which it is made. Called from within a test, ours would stop the servers
// after that one; made in the context of this module's loading, it belongs to the whole file.
const afterAll = AsyncResource.bind((stop: () => Promise<void>) => after(stop));

/**
 * The servers of this test process: the runner's if it shares some, else started here at the first call and
 * stopped after the last test.
 */
export function testServers(): Promise<TestServers> {
  own ??= (async () => {
    const { PUSHMILL_TEST_REDIS_URL: redisUrl, PUSHMILL_TEST_DATABASE_URL: databaseUrl } = process.env;
    if (redisUrl && databaseUrl) {
      return asTestServers('shared', redisUrl, databaseUrl, { stop: async () => {} });
    }
    const servers = await startTestServers();
    afterAll(() => servers.stop());
    return servers;
  })();
  return own;
}

async function startEmbedded(
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
  why: string,
): Promise<TestServers> {
  say(`Test servers: embedded Redis and Postgres (${why}).`);
  const folder = await makeTemporaryDataDir();
  const options = {
    dataDir: folder.path,
    env: { ...env, REDIS_URL: undefined, DATABASE_URL: undefined },
    say,
    durable: false,
  };
  const started = await Promise.allSettled([
    startRedis(options),
    startPostgres({ ...options, database: 'postgres' }),
  ]);
  const stop = async () => {
    await Promise.all(
      started.map((result) => (result.status === 'fulfilled' ? result.value.stop() : undefined)),
    );
    await folder.remove();
  };
  const [redis, postgres] = started;
  if (redis.status === 'rejected' || postgres.status === 'rejected') {
    await stop();
    throw redis.status === 'rejected' ? redis.reason : (postgres as PromiseRejectedResult).reason;
  }
  return asTestServers('embedded', redis.value.url, postgres.value.url, {
    redisPid: redis.value.pid,
    postgresPid: postgres.value.pid,
    stop,
  });
}

async function startContainers(env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<TestServers> {
  const servers = await containerServers(env, containersWithinMs);
  say(`Test servers: containers of ${servers.images.join(' and ')}.`);
  return asTestServers('containers', servers.redisUrl, servers.databaseUrl, { stop: servers.stop });
}

function asTestServers(
  kind: TestServers['kind'],
  redisUrl: string,
  databaseUrl: string,
  o: Pick<TestServers, 'stop'> & Partial<Pick<TestServers, 'redisPid' | 'postgresPid'>>,
): TestServers {
  return {
    redisUrl,
    databaseUrl,
    kind,
    redisPid: o.redisPid ?? (() => undefined),
    postgresPid: o.postgresPid ?? (() => undefined),
    env: { PUSHMILL_TEST_REDIS_URL: redisUrl, PUSHMILL_TEST_DATABASE_URL: databaseUrl },
    stop: o.stop,
  };
}
