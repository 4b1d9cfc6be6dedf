import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { makeTemporaryDataDir, type Server, startPostgres, startRedis } from '@pushmill/embedded';
import pg from 'pg';
import { askRedis } from '../redis-dialog.ts';
import { commandsIn, costsBetween, costsText, type Reading, startCosts } from './costs.ts';

const start: Reading = {
  cpu: { api: { pid: 1, micros: 1_000 }, worker: { pid: 2, micros: 5_000 } },
  commands: { set: 4, info: 1 },
  nextTransaction: 700,
  lsn: '0/100',
  walBytes: 256,
  databaseBytes: 8_192,
  databaseOid: 5,
};

describe('costsBetween', () => {
  const end: Reading = {
    cpu: { api: { pid: 1, micros: 3_000 }, worker: { pid: 2, micros: 6_000 } },
    commands: { set: 8, info: 2, evalsha: 6 },
    nextTransaction: 704,
    lsn: '0/200',
    walBytes: 512,
    databaseBytes: 16_384,
    databaseOid: 5,
  };
  const records = [
    { table: 'pushes', kind: 'INSERT', count: 3 },
    { table: 'pushes', kind: 'INSERT+INIT', count: 1 },
    { table: 'pushes', kind: 'HOT_UPDATE', count: 4 },
    { table: 'batches', kind: 'UPDATE', count: 2 },
  ];
  const none = { inserted: 0, updated: 0, updatedInPlace: 0, deleted: 0, locked: 0 };

  it('divides what was spent by the pushes, and leaves out what asking costs', () => {
    assert.deepEqual(costsBetween(start, end, records, 2), {
      cpuMicros: { api: 1_000, worker: 500 },
      totalCpuMicros: 1_500,
      redisCommands: 5,
      redisCommandsByName: { evalsha: 3, set: 2 },
      writeTransactions: 2,
      rows: { ...none, inserted: 2, updated: 3, updatedInPlace: 2 },
      rowsByTable: {
        pushes: { ...none, inserted: 2, updated: 2, updatedInPlace: 2 },
        batches: { ...none, updated: 1 },
      },
      walBytes: 128,
      databaseBytes: 4_096,
    });
  });

  it('does not know the CPU of a process that was started again, nor rows without the log', () => {
    const restarted = { ...end, cpu: { ...end.cpu, worker: { pid: 3, micros: 10 } } };
    const costs = costsBetween(start, restarted, null, 2);
    assert.deepEqual(costs.cpuMicros, { api: 1_000, worker: null });
    assert.equal(costs.totalCpuMicros, null);
    assert.match(costsText(costs), /CPU µs: api 1,000, worker unknown\n/);
    assert.match(costsText(costs), /rows: unknown/);
  });
});

describe('commandsIn', () => {
  it('reads calls by name', () => {
    const info = '# Commandstats\r\ncmdstat_set:calls=3,usec=9\r\ncmdstat_client|setinfo:calls=2,usec=1\r\n';
    assert.deepEqual(commandsIn(info), { set: 3, 'client|setinfo': 2 });
  });
});

describe('startCosts', () => {
  let folder: Awaited<ReturnType<typeof makeTemporaryDataDir>>;
  let redis: Server;
  let postgres: Server;

  before(async () => {
    folder = await makeTemporaryDataDir();
    const options = { dataDir: folder.path, env: { PATH: process.env.PATH }, durable: false, say: () => {} };
    [redis, postgres] = await Promise.all([startRedis(options), startPostgres(options)]);
  });

  after(async () => {
    await Promise.all([redis.stop(), postgres.stop()]);
    await folder.remove();
  });

  it('counts what was written and asked, to the row', async () => {
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    await client.query('CREATE TABLE notes_2026_11_22 (id integer PRIMARY KEY, text text)');
    const self = { pid: () => process.pid };
    const costs = await startCosts({ roles: new Map([['self', self]]), redis, postgres });
    try {
      await client.query(`INSERT INTO notes_2026_11_22 SELECT n, 'first' FROM generate_series(1, 40) n`);
      await client.query(`UPDATE notes_2026_11_22 SET text = 'second' WHERE id <= 20`);
      await client.query('DELETE FROM notes_2026_11_22 WHERE id > 30');
      await askRedis(redis.url, [
        ['SET', 'a', '1'],
        ['SET', 'b', '1'],
        ['GET', 'a'],
      ]);
      const found = await costs.perPush(10);
      assert.deepEqual(found.redisCommandsByName, { set: 0.2, get: 0.1 });
      assert.equal(found.writeTransactions, 0.3);
      const rows = { inserted: 4, updated: 2, updatedInPlace: 2, deleted: 1, locked: 0 };
      assert.deepEqual(found.rows, rows);
      // A day's partition is counted with its table.
      assert.deepEqual(found.rowsByTable, { notes: rows });
      assert.ok(found.walBytes > 0);
      assert.ok(found.databaseBytes >= 0);
      if (process.platform === 'linux') assert.ok((found.cpuMicros.self ?? -1) >= 0);
    } finally {
      await costs.close();
      await client.end();
    }
  });
});
