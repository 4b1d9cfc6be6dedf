import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Redis } from 'ioredis';
import pg from 'pg';
import { createTestDatabase, startTestServers, testServers, uniquePrefix } from './servers.ts';

async function sql(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

describe('test servers', { timeout: 400_000 }, () => {
  it('are a Redis that never evicts and a Postgres, the same at every call', async () => {
    const servers = await testServers();
    assert.equal(await testServers(), servers);
    const redis = new Redis(servers.redisUrl);
    assert.match(await redis.info('memory'), /maxmemory_policy:noeviction/);
    await redis.quit();
    assert.deepEqual(await sql(servers.databaseUrl, 'SELECT 1 AS one'), [{ one: 1 }]);
  });

  it('give each caller a database of its own, migrated once', async () => {
    let migrations = 0;
    const schemaVersion = uniquePrefix();
    const create = () =>
      createTestDatabase({
        schemaVersion,
        migrate: async (url) => {
          migrations++;
          await sql(url, 'CREATE TABLE pushes (id int)');
        },
      });
    const [a, b] = await Promise.all([create(), create()]);
    assert.equal(migrations, 1);
    await sql(a.url, 'INSERT INTO pushes VALUES (1)');
    assert.deepEqual(await sql(b.url, 'SELECT id FROM pushes'), []);
    await Promise.all([a.drop(), b.drop()]);
    await assert.rejects(sql(a.url, 'SELECT 1'), { code: '3D000' });
  });

  it('migrate again after a migration that failed half-way', async () => {
    const schemaVersion = uniquePrefix();
    const failing = async (url: string) => {
      await sql(url, 'CREATE TABLE half (id int)');
      throw new Error('half-way');
    };
    await assert.rejects(createTestDatabase({ schemaVersion, migrate: failing }), /half-way/);
    const whole = await createTestDatabase({
      schemaVersion,
      migrate: async (url) => void (await sql(url, 'CREATE TABLE half (id int)')),
    });
    await whole.drop();
  });

  it('fail the test that leaks a connection, naming it', async () => {
    const database = await createTestDatabase({ schemaVersion: 'empty', migrate: async () => {} });
    const leaked = new pg.Client({ connectionString: database.url, application_name: 'leaky' });
    leaked.on('error', () => {});
    await leaked.connect();
    await assert.rejects(database.drop(), /1 connection\(s\) .* left open: leaky/);
    await leaked.end().catch(() => {});
  });

  it('refuse a kind they do not know', async () => {
    await assert.rejects(
      startTestServers({ env: { PUSHMILL_TEST_SERVERS: 'cloud' } }),
      /use embedded, containers/,
    );
  });
});
