import type { Server } from '@pushmill/embedded';
import pg from 'pg';
import { askRedis } from '../redis-dialog.ts';
import { familyCpuMicros, processCpuMicros } from './process-cpu.ts';

/** Whose costs are counted; a `Cluster` is one. `postgres.url` names the database whose size is measured. */
export interface CostSources {
  roles: ReadonlyMap<string, { pid(): number | undefined }>;
  redis: Pick<Server, 'url' | 'pid'>;
  postgres: Pick<Server, 'url' | 'pid'>;
}

/** What a push costs; everything that was counted, the idle work beside it too, divided by the pushes. */
export interface PushCosts {
  /**
   * Microseconds, user and system, of each role by its name, of `redis` and of `postgres` with all its processes. Null
   * where the system has no /proc, and for a process that was started again meanwhile.
   */
  cpuMicros: Record<string, number | null>;
  /** Sum of those; null if one is. */
  totalCpuMicros: number | null;
  /** Those that scripts call are commands too. */
  redisCommands: number;
  redisCommandsByName: Record<string, number>;
  /**
   * Of all SQL transactions those that wrote or locked rows. Those that only read are not known: Postgres tells of them
   * up to ten seconds late.
   */
  writeTransactions: number;
  /**
   * In the database's own tables. Null where Postgres's log of changes cannot be read back: before Postgres 16, without
   * pg_walinspect, or when it is recycled already, as it is after some gigabytes.
   */
  rows: RowCosts | null;
  /** The same table by table, all days of a table together. */
  rowsByTable: Record<string, RowCosts> | null;
  /** Of Postgres's log of changes (WAL), of the whole server. */
  walBytes: number;
  /** By which the database grew, indexes included. */
  databaseBytes: number;
}

/** Rows by what was done to them. */
export interface RowCosts {
  inserted: number;
  updated: number;
  /** Of the updated: those that touched no index. */
  updatedInPlace: number;
  deleted: number;
  locked: number;
}

export interface Costs {
  /**
   * What was spent since the start. May be asked again and again.
   * @param pushes  that were worked on meanwhile
   */
  perPush(pushes: number): Promise<PushCosts>;
  close(): Promise<void>;
}

/**
 * Counts from now on what a pushmill spends: CPU of its processes, commands to Redis, and what Postgres writes. All
 * counts are exact the moment they are asked for, since they come from the kernel, from Redis, and from Postgres's own
 * log of changes; its statistics views would be up to ten seconds late. Asking costs a little of the same.
 */
export async function startCosts(sources: CostSources): Promise<Costs> {
  const database = new pg.Pool({ connectionString: sources.postgres.url, max: 1 });
  // The log is the whole server's; the extension that reads it stays out of the ledger.
  const log = new pg.Pool({ connectionString: maintenanceUrl(sources.postgres.url), max: 1 });
  for (const pool of [database, log]) pool.on('error', () => undefined);
  const readsLog = await log.query('CREATE EXTENSION IF NOT EXISTS pg_walinspect').then(
    () => true,
    () => false,
  );
  const records = async (after: Reading) =>
    readsLog ? nameTables(database, await recordsBetween(log, before, after)) : null;
  const before = await read();

  async function read(): Promise<Reading> {
    const [cpu, commands, { rows }] = await Promise.all([
      readCpu(sources),
      readCommands(sources.redis.url),
      database.query<Omit<Reading, 'cpu' | 'commands'>>(
        `SELECT pg_snapshot_xmax(pg_current_snapshot())::text::float8 AS "nextTransaction",
           pg_current_wal_insert_lsn() AS lsn, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS "walBytes",
           pg_database_size(oid)::float8 AS "databaseBytes", oid AS "databaseOid"
         FROM pg_database WHERE datname = current_database()`,
      ),
    ]);
    return { cpu, commands, ...(rows[0] as Omit<Reading, 'cpu' | 'commands'>) };
  }

  return {
    async perPush(pushes) {
      const after = await read();
      return costsBetween(before, after, await records(after), pushes);
    },
    async close() {
      await Promise.all([database.end(), log.end()]);
    },
  };
}

/** Everything's counters at one moment. */
export interface Reading {
  /** By name; undefined where it is not known. */
  cpu: Record<string, { pid: number; micros: number } | undefined>;
  commands: Record<string, number>;
  nextTransaction: number;
  /** How far Postgres's log of changes is. */
  lsn: string;
  walBytes: number;
  databaseBytes: number;
  databaseOid: number;
}

/** How often something was done to rows of a table. */
export interface RowRecords {
  table: string;
  /** In the words of Postgres's log of changes: `INSERT`, `HOT_UPDATE`. */
  kind: string;
  count: number;
}

/** @param records  null where they are not known */
export function costsBetween(
  before: Reading,
  after: Reading,
  records: readonly RowRecords[] | null,
  pushes: number,
): PushCosts {
  const cpuMicros = Object.fromEntries(
    Object.entries(after.cpu).map(([name, now]) => {
      const then = before.cpu[name];
      return [name, now && then && now.pid === then.pid ? (now.micros - then.micros) / pushes : null];
    }),
  );
  const all = Object.values(cpuMicros);
  const redisCommandsByName = Object.fromEntries(
    Object.entries(after.commands)
      .map(([name, calls]) => [name, (calls - (before.commands[name] ?? 0)) / pushes] as const)
      .filter(([name, calls]) => calls > 0 && !ours.has(name))
      .sort(([, one], [, other]) => other - one),
  );
  return {
    cpuMicros,
    totalCpuMicros: all.every((micros) => micros !== null) ? sum(all) : null,
    redisCommands: sum(Object.values(redisCommandsByName)),
    redisCommandsByName,
    writeTransactions: (after.nextTransaction - before.nextTransaction) / pushes,
    rows: records && rowsOf(records, pushes),
    rowsByTable: records && rowsByTable(records, pushes),
    walBytes: (after.walBytes - before.walBytes) / pushes,
    databaseBytes: (after.databaseBytes - before.databaseBytes) / pushes,
  };
}

/** What asking costs. */
const ours = new Set(['info', 'auth']);

function rowsOf(records: readonly RowRecords[], pushes: number): RowCosts {
  // The first row of a page is a kind of its own: INSERT+INIT.
  const count = (wanted: string) =>
    sum(records.map(({ kind, count }) => (kind === wanted || kind === `${wanted}+INIT` ? count : 0))) /
    pushes;
  const updatedInPlace = count('HOT_UPDATE');
  return {
    inserted: count('INSERT'),
    updated: count('UPDATE') + updatedInPlace,
    updatedInPlace,
    deleted: count('DELETE'),
    locked: count('LOCK'),
  };
}

function rowsByTable(records: readonly RowRecords[], pushes: number): Record<string, RowCosts> {
  const tables = Map.groupBy(records, ({ table }) => table);
  return Object.fromEntries([...tables].map(([table, own]) => [table, rowsOf(own, pushes)]));
}

interface FileRecords {
  file: number;
  kind: string;
  count: number;
}

/** By the number of the table's file. */
async function recordsBetween(
  log: pg.Pool,
  before: Reading,
  after: Reading,
): Promise<readonly FileRecords[] | null> {
  try {
    // Only what is on the disk can be read back; an empty word to nobody takes all before it there.
    await log.query("SELECT pg_logical_emit_message(false, 'costs', '', true)");
    const { rows } = await log.query<FileRecords>(
      // An update is told of with the page of the new row first.
      `SELECT relfilenode AS file, record_type AS kind, count(*)::float8 AS count
       FROM pg_get_wal_block_info($1, $2, false)
       WHERE block_id = 0 AND resource_manager = 'Heap' AND reldatabase = $3 GROUP BY 1, 2`,
      [before.lsn, after.lsn, after.databaseOid],
    );
    return rows;
  } catch {
    return null;
  }
}

/** Leaves out the system's own tables, and those in which Postgres keeps large values apart. */
async function nameTables(
  database: pg.Pool,
  records: readonly FileRecords[] | null,
): Promise<RowRecords[] | null> {
  if (!records) return null;
  const { rows } = await database.query<{ file: number; name: string }>(
    `SELECT relfilenode AS file, relname AS name FROM pg_class
     WHERE relkind = 'r' AND relnamespace <> 'pg_catalog'::regnamespace AND relfilenode <> 0`,
  );
  const names = new Map(rows.map(({ file, name }) => [file, name.replace(/_\d{4}_\d\d_\d\d$/, '')]));
  return records.flatMap(({ file, kind, count }) => {
    const table = names.get(file);
    return table === undefined ? [] : [{ table, kind, count }];
  });
}

async function readCpu({ roles, redis, postgres }: CostSources): Promise<Reading['cpu']> {
  const named = [
    ...[...roles].map(([name, role]) => [name, role.pid(), processCpuMicros] as const),
    ['redis', redis.pid(), processCpuMicros] as const,
    ['postgres', postgres.pid(), familyCpuMicros] as const,
  ];
  const read = named.map(async ([name, pid, cpuOf]) => {
    const micros = pid === undefined ? undefined : await cpuOf(pid);
    return [name, pid === undefined || micros === undefined ? undefined : { pid, micros }] as const;
  });
  return Object.fromEntries(await Promise.all(read));
}

async function readCommands(redisUrl: string): Promise<Record<string, number>> {
  const [reply] = await askRedis(redisUrl, [['INFO', 'commandstats']]);
  if (reply instanceof Error) throw reply;
  return commandsIn(String(reply));
}

/** Calls by name, out of `INFO commandstats`. */
export function commandsIn(info: string): Record<string, number> {
  const found = info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm);
  return Object.fromEntries([...found].map(([, name, calls]) => [name as string, Number(calls)]));
}

function maintenanceUrl(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.pathname = '/postgres';
  return url.href;
}

function sum(values: readonly (number | null)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}

/** One line for each kind of cost. */
export function costsText(costs: PushCosts): string {
  const number = (value: number, digits = 2) =>
    value.toLocaleString('en', { maximumFractionDigits: value >= 100 ? 0 : digits });
  const cpu = Object.entries(costs.cpuMicros).map(
    ([name, micros]) => `${name} ${micros === null ? 'unknown' : number(micros, 1)}`,
  );
  const total = costs.totalCpuMicros === null ? '' : `, together ${number(costs.totalCpuMicros, 1)}`;
  const commands = Object.entries(costs.redisCommandsByName)
    .filter(([, calls]) => calls >= 0.005)
    .slice(0, 8)
    .map(([name, calls]) => `${name} ${number(calls)}`);
  const { rows } = costs;
  const inserted = Object.entries(costs.rowsByTable ?? {})
    .filter(([, own]) => own.inserted >= 0.005)
    .map(([table, own]) => `${table} ${number(own.inserted)}`);
  return [
    `CPU µs: ${cpu.join(', ')}${total}`,
    `Redis commands: ${number(costs.redisCommands)}${commands.length > 0 ? ` (${commands.join(', ')})` : ''}`,
    `transactions that write: ${number(costs.writeTransactions, 3)}`,
    rows
      ? `rows: ${number(rows.inserted)} inserted${inserted.length > 0 ? ` (${inserted.join(', ')})` : ''}, ${number(rows.updated)} updated (${number(rows.updatedInPlace)} in place), ${number(rows.deleted)} deleted, ${number(rows.locked)} locked`
      : 'rows: unknown, since Postgres’s log of changes cannot be read back here',
    `bytes: ${number(costs.walBytes, 0)} of log (WAL), ${number(costs.databaseBytes, 0)} of database`,
  ].join('\n');
}
