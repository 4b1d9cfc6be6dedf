import pg from 'pg';

export type Database = pg.Pool;

/** What queries need: a pool, or one connection inside a transaction. */
export interface Queryable {
  query<Row extends pg.QueryResultRow>(
    config: pg.QueryConfig | string,
    values?: unknown[],
  ): Promise<pg.QueryResult<Row>>;
}

/** Thrown where the ledger could not be asked; nothing is known to have been stored. */
export class LedgerAwayError extends Error {
  constructor(cause: unknown) {
    super('the ledger (Postgres) does not answer', { cause });
    this.name = 'LedgerAwayError';
  }
}

/**
 * Opens the pool lazily: a database that is away is an error of the first query, not of the start.
 * @param settings  statements that each connection begins with
 */
export function openDatabase(
  url: string,
  maxConnections: number,
  settings: readonly string[] = [],
): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 60_000,
    application_name: 'pushmill',
    keepAlive: true,
    // Prepared statements go by the day; those of days long past go with their connection.
    maxLifetimeSeconds: 3_600,
    // One statement for all of them; its promise is waited for, whatever the types say.
    ...(settings.length > 0 ? { onConnect: (client) => client.query(settings.join('; ')) } : {}),
  });
  // An idle connection that breaks is replaced at the next query; without a listener it ends the process.
  pool.on('error', () => undefined);
  // So does one that breaks between two statements of a transaction; the next statement rejects.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/**
 * For statements that are run thousands of times and find each row by its key. Left to itself Postgres plans them anew
 * each time, since the plan for the very lists at hand looks a little cheaper, and the planning costs several times what
 * the statement does. A plan that is kept must not depend on how small a table was when it was made.
 */
export const keyedPlans = [
  'SET plan_cache_mode = force_generic_plan',
  'SET enable_seqscan = off',
  'SET enable_hashjoin = off',
  'SET enable_mergejoin = off',
  'SET enable_material = off',
];

const awayCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'ETIMEDOUT',
  '08000',
  '08001',
  '08003',
  '08006',
  '57P01',
  '57P02',
  '57P03',
  '53300',
  // An old primary after a failover: read-only until the address points at the new one.
  '25006',
  // Lost a deadlock; nothing was stored, and the other one is through.
  '40P01',
]);

/** Whether an error says that Postgres is away, restarting or was in the way of itself: the same call may succeed later. */
export function isLedgerAway(error: unknown): boolean {
  if (error instanceof LedgerAwayError) return true;
  if (!(error instanceof Error)) return false;
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && awayCodes.has(code)) return true;
  return /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/.test(
    error.message,
  );
}

/** The values of a statement whose text is put together piece by piece; `given` takes one and returns its place. */
export function collectValues(): { values: unknown[]; given: (value: unknown) => string } {
  const values: unknown[] = [];
  return { values, given: (value) => `$${values.push(value)}` };
}

export async function inTransaction<T>(db: Database, work: (tx: Queryable) => Promise<T>): Promise<T> {
  return transact(db, 'BEGIN', work);
}

/** Several statements that all read the ledger as it was at the first of them. */
export async function atOneMoment<T>(db: Database, read: (tx: Queryable) => Promise<T>): Promise<T> {
  return transact(db, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', read);
}

async function transact<T>(db: Database, begin: string, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const client = await db.connect();
  try {
    await client.query(begin);
    const result = await work(client);
    await client.query('COMMIT');
    client.release();
    return result;
  } catch (error) {
    // A connection whose rollback fails is in an unknown state: it must not go back to the pool.
    const clean = await client.query('ROLLBACK').then(
      () => true,
      () => false,
    );
    client.release(!clean);
    throw error;
  }
}

const DEADLOCK = '40P01';
const DEADLOCK_TRIES = 5;

/**
 * Runs a statement again when Postgres chose it as the victim of a deadlock. Outcomes and receipts update the same
 * pushes; both bring them in the order of their ids, but a plan may touch them in another.
 */
export async function pastDeadlocks<T>(statement: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await statement();
    } catch (error) {
      if ((error as { code?: string }).code !== DEADLOCK || tries === DEADLOCK_TRIES) throw error;
    }
  }
}

/** The order in which rows of `pushes` are touched. */
export function byPush(a: { messageId: string; n: number }, b: { messageId: string; n: number }): number {
  return a.messageId === b.messageId ? a.n - b.n : a.messageId < b.messageId ? -1 : 1;
}
