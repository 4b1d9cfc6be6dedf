import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { StartedTestContainer } from 'testcontainers';

export interface ContainerServers {
  redisUrl: string;
  databaseUrl: string;
  images: string[];
  stop(): Promise<void>;
}

/**
 * Whether a Docker engine answers. Testcontainers takes half a second to load, so it is only asked where there
 * is a sign of one.
 */
export async function hasEngine(env: NodeJS.ProcessEnv): Promise<boolean> {
  const home = env.HOME || homedir();
  const signs = [
    '/var/run/docker.sock',
    join(env.XDG_RUNTIME_DIR || '/nowhere', 'docker.sock'),
    join(home, '.docker', 'run', 'docker.sock'),
    join(home, '.docker', 'desktop', 'docker.sock'),
    join(home, '.colima', 'default', 'docker.sock'),
    join(home, '.testcontainers.properties'),
  ];
  if (!env.DOCKER_HOST && !env.DOCKER_CONTEXT && !signs.some((path) => existsSync(path))) return false;
  const { getContainerRuntimeClient } = await import('testcontainers');
  return within(20_000, 'asking the Docker engine', getContainerRuntimeClient()).then(
    () => true,
    () => false,
  );
}

/**
 * Redis and Postgres in containers, on ports of the engine's choice, with passwords, without durability.
 * @param limitMs  for pulling and starting both
 * @throws         the engine's reason; nothing is left running
 */
export async function containerServers(env: NodeJS.ProcessEnv, limitMs: number): Promise<ContainerServers> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const password = randomBytes(18).toString('base64url');
  const redisImage = env.PUSHMILL_TEST_REDIS_IMAGE || 'redis:8';
  const postgresImage = env.PUSHMILL_TEST_POSTGRES_IMAGE || 'postgres:18';

  // A log line, because the wait for a port runs a shell in the container and images may have none.
  const redis = new GenericContainer(redisImage)
    .withExposedPorts(6379)
    .withCommand([
      ...['redis-server', '--bind', '0.0.0.0', '--requirepass', password, '--save', ''],
      ...['--appendonly', 'yes', '--appendfsync', 'no', '--maxmemory-policy', 'noeviction'],
    ])
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/));
  const postgres = new GenericContainer(postgresImage)
    .withExposedPorts(5432)
    .withEnvironment({ POSTGRES_USER: 'pushmill', POSTGRES_PASSWORD: password, POSTGRES_DB: 'postgres' })
    .withCommand([
      'postgres',
      ...['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=200'].flatMap(
        (setting) => ['-c', setting],
      ),
    ])
    .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/));

  const starting = [redis.start(), postgres.start()] as const;
  // Also one that comes up after the time is over, or whose sibling failed.
  const stop = async () => {
    await Promise.all(
      starting.map((container) =>
        container.then(
          (c: StartedTestContainer) => c.stop(),
          () => {},
        ),
      ),
    );
  };
  try {
    return await within(
      limitMs,
      `starting ${redisImage} and ${postgresImage}`,
      (async () => {
        const [r, p] = await Promise.all(starting);
        const databaseUrl = `postgres://pushmill:${password}@${p.getHost()}:${p.getMappedPort(5432)}/postgres`;
        await untilAnswering(databaseUrl, limitMs);
        return {
          redisUrl: `redis://:${password}@${r.getHost()}:${r.getMappedPort(6379)}`,
          databaseUrl,
          images: [redisImage, postgresImage],
          stop,
        };
      })(),
    );
  } catch (error) {
    void stop();
    throw error;
  }
}

// The official image logs "ready" first for a server of its own, that only sets up the role and is not
// reachable from outside; only an answer over TCP means the real one.
async function untilAnswering(url: string, limitMs: number): Promise<void> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('SELECT 1');
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await delay(100);
    } finally {
      await client.end().catch(() => {});
    }
  }
}

function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what} took more than ${ms / 1000} s`)), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
