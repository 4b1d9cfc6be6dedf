import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { Redis } from 'ioredis';
import pg from 'pg';
import { makeTemporaryDataDir } from './data-dir.ts';
import { startPostgres } from './postgres.ts';
import { postgresSettings } from './postgres-settings.ts';
import { isAlive } from './process-state.ts';
import { redisConfiguration, startRedis } from './redis.ts';
import type { Server } from './server.ts';

const env = { ...process.env, REDIS_URL: undefined, DATABASE_URL: undefined };
const said: string[] = [];
const say = (line: string) => void said.push(line);
let folder: Awaited<ReturnType<typeof makeTemporaryDataDir>>;
const running = new Set<Server>();
before(async () => {
  folder = await makeTemporaryDataDir();
});
afterEach(async () => {
  await Promise.all([...running].map((server) => server.stop()));
  running.clear();
});
after(() => folder.remove());

async function kept<S extends Server>(starting: Promise<S>): Promise<S> {
  const server = await starting;
  running.add(server);
  return server;
}

async function redisAnswer<T>(url: string, question: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, {
    lazyConnect: true,
    enableReadyCheck: false,
    disconnectTimeout: 100,
    retryStrategy: () => null,
  });
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

async function sql(url: string, text: string): Promise<Record<string, string>[]> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

async function until(what: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !what(); ) {
    assert.ok(Date.now() < deadline, 'waited 20 s in vain');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('Redis', { timeout: 200_000 }, () => {
  it('runs as BullMQ needs it, is killed and comes back on its port, and keeps its data over a restart', async () => {
    const o = { dataDir: folder.path, env, say };
    const redis = await kept(startRedis(o));
    assert.equal(redis.origin, 'embedded');
    await redisAnswer(redis.url, async (client) => {
      const wanted = {
        appendonly: 'yes',
        appendfsync: 'everysec',
        'maxmemory-policy': 'noeviction',
        save: '',
      };
      for (const [name, value] of Object.entries({ ...wanted, bind: '127.0.0.1', 'protected-mode': 'yes' })) {
        assert.deepEqual(await client.config('GET', name), [name, value]);
      }
      await client.set('kept', 'yes');
    });
    const { port } = new URL(redis.url);
    await assert.rejects(
      redisAnswer(`redis://127.0.0.1:${port}`, (client) => client.get('kept')),
      /NOAUTH/,
    );
    await assert.rejects(startRedis(o), /Redis's folder .* is in use by process/);

    const first = redis.pid() as number;
    process.kill(first, 'SIGKILL');
    await until(() => ![undefined, first].includes(redis.pid()));
    assert.equal(await redisAnswer(redis.url, (client) => client.get('kept')), 'yes');

    const second = redis.pid() as number;
    await redis.stop();
    assert.equal(isAlive(second), false);
    const again = await kept(startRedis(o));
    assert.equal(again.url, redis.url);
    assert.equal(await redisAnswer(again.url, (client) => client.get('kept')), 'yes');
    assert.equal((await stat(join(folder.path, 'redis', 'redis.conf'))).mode & 0o777, 0o600);
    await again.stop();
  });

  it('at REDIS_URL is checked, warned about when it may drop jobs, and never stopped', async () => {
    const own = await kept(startRedis({ dataDir: folder.path, env, say }));
    const lines: string[] = [];
    const o = {
      dataDir: '/nowhere',
      env: { REDIS_URL: own.url },
      say: (line: string) => void lines.push(line),
    };
    const wrapped = await startRedis(o);
    assert.deepEqual([wrapped.url, wrapped.origin, wrapped.pid()], [own.url, 'environment', undefined]);
    assert.deepEqual(lines, []);
    await redisAnswer(own.url, (client) => client.config('SET', 'maxmemory-policy', 'allkeys-lru'));
    await startRedis(o);
    assert.match(lines.join(), /has maxmemory-policy allkeys-lru and will drop jobs/);
    assert.ok(!lines.join().includes(new URL(own.url).password));
    await wrapped.stop();
    assert.equal(await redisAnswer(own.url, (client) => client.ping()), 'PONG');
    await own.stop();
    await assert.rejects(startRedis(o), (error: Error) => {
      assert.match(error.message, /^REDIS_URL \(redis:.*\) does not answer: .*ECONNREFUSED.* unset it/);
      return !error.message.includes(new URL(own.url).password);
    });
  });

  it('is configured with quoted paths', () => {
    const text = redisConfiguration({ folder: '/a "b" c', port: 1, password: 'p', fsync: 'always' });
    assert.match(text, /^dir "\/a \\"b\\" c"$/m);
    assert.match(text, /^appendfsync always$/m);
  });
});

describe('Postgres', { timeout: 120_000 }, () => {
  it('runs durable on loopback, is killed and comes back, and keeps its data over a restart', async () => {
    const o = { dataDir: folder.path, env, say, database: 'led"ger' };
    const postgres = await kept(startPostgres(o));
    const settings = await sql(
      postgres.url,
      `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes',
         'listen_addresses', 'unix_socket_directories', 'server_encoding', 'password_encryption', 'TimeZone')`,
    );
    assert.deepEqual(Object.fromEntries(settings.map(({ name, setting }) => [name, setting])), {
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      server_encoding: 'UTF8',
      password_encryption: 'scram-sha-256',
      TimeZone: 'UTC',
    });
    await sql(postgres.url, 'CREATE TABLE kept AS SELECT 1 AS one');
    const wrong = new URL(postgres.url);
    wrong.password = 'wrong';
    await assert.rejects(sql(wrong.href, 'SELECT 1'), { code: '28P01' });
    await assert.rejects(startPostgres(o), /Postgres's folder .* is in use by process/);

    const first = postgres.pid() as number;
    process.kill(first, 'SIGKILL');
    await until(() => ![undefined, first].includes(postgres.pid()));
    assert.equal((await sql(postgres.url, 'SELECT one FROM kept')).length, 1);

    await postgres.stop();
    const again = await kept(startPostgres(o));
    assert.equal(again.url, postgres.url);
    assert.equal((await sql(again.url, 'SELECT one FROM kept')).length, 1);
    await again.stop();
  });

  it('starts although a process has the id that a killed server noted', async () => {
    const { writeFile } = await import('node:fs/promises');
    // As after a container's restart, where the same few ids are given out again.
    const note = join(folder.path, 'postgres', 'data', 'postmaster.pid');
    await writeFile(note, `${process.pid}\n`);
    const postgres = await kept(startPostgres({ dataDir: folder.path, env, say, durable: false }));
    assert.equal(Number((await readFile(note, 'utf8')).split('\n')[0]), postgres.pid());
    assert.deepEqual(await sql(postgres.url, 'SHOW fsync'), [{ fsync: 'off' }]);
    await postgres.stop();
  });

  it('at DATABASE_URL is checked and never stopped', async () => {
    const own = await kept(startPostgres({ dataDir: folder.path, env, say }));
    const o = { dataDir: '/nowhere', env: { DATABASE_URL: own.url }, say };
    const wrapped = await startPostgres(o);
    assert.deepEqual([wrapped.url, wrapped.origin, wrapped.pid()], [own.url, 'environment', undefined]);
    await wrapped.stop();
    await sql(own.url, 'SELECT 1');
    await own.stop();
    await assert.rejects(startPostgres(o), (error: Error) => {
      assert.match(error.message, /^DATABASE_URL \(postgres:.*\) does not answer: .*ECONNREFUSED.* unset it/);
      return !error.message.includes(new URL(own.url).password);
    });
  });

  it('waits for the disk unless a test says otherwise', async () => {
    assert.equal((await postgresSettings({ port: 1, durable: true })).synchronous_commit, 'on');
    assert.equal((await postgresSettings({ port: 1, durable: false })).synchronous_commit, 'off');
  });
});

describe('what is said', () => {
  it('holds no password', async () => {
    const secrets = JSON.parse(await readFile(join(folder.path, 'secrets.json'), 'utf8')) as Record<
      string,
      string
    >;
    for (const secret of Object.values(secrets)) assert.ok(!said.join('\n').includes(secret));
  });
});
