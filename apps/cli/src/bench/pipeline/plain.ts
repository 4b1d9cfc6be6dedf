import pg from 'pg';
import type { Cluster } from '../../cluster.ts';
import { ScriptProcess } from '../script-process.ts';
import { type Destination, sample } from './destination.ts';
import type { Pipeline } from './pipeline.ts';
import type { PlainApiAnswer, PlainApiQuestion } from './plain-api.ts';
import type { PlainWorkerAnswer, PlainWorkerQuestion } from './plain-worker.ts';

const database = 'plain_pipeline';

/**
 * The pipeline that a team writes in an afternoon: a row and a BullMQ job for each push. It runs on the pushmill's own
 * Redis and Postgres, in a database of its own, with an api and a worker process as pushmill has.
 */
export async function startPlain(
  { redis, postgres }: Pick<Cluster, 'redis' | 'postgres'>,
  { origin, ca, topic }: Destination,
  signal: AbortSignal,
): Promise<Pipeline & { close(): Promise<void> }> {
  const databaseUrl = await createDatabase(postgres.url);
  const rows = new pg.Pool({ connectionString: databaseUrl, max: 1 });
  rows.on('error', () => undefined);
  await rows.query(
    `CREATE TABLE pushes (
       id         uuid PRIMARY KEY DEFAULT uuidv7(),
       token      text NOT NULL,
       content    jsonb NOT NULL,
       state      text NOT NULL DEFAULT 'queued',
       attempts   integer NOT NULL DEFAULT 0,
       created_at timestamptz NOT NULL DEFAULT now(),
       updated_at timestamptz NOT NULL DEFAULT now()
     ) WITH (fillfactor = 75)`,
  );
  const apiProcess = new ScriptProcess(new URL('./plain-api.ts', import.meta.url));
  const workerProcess = new ScriptProcess(new URL('./plain-worker.ts', import.meta.url));
  const askWorker = (question: PlainWorkerQuestion) => workerProcess.ask<PlainWorkerAnswer>(question, signal);
  async function close(): Promise<void> {
    await Promise.all([apiProcess.end(), workerProcess.end(), rows.end()]);
  }
  const servers = { databaseUrl, redisUrl: redis.url };
  try {
    const worker = await askWorker({ kind: 'start', ...servers, origin, ca, topic });
    const api = await apiProcess.ask<PlainApiAnswer>(servers satisfies PlainApiQuestion, signal);
    let before = 0;
    return {
      url: `http://127.0.0.1:${api.port}`,
      path: '/messages',
      headers: {},
      sources: {
        roles: new Map([
          ['api', { pid: () => api.pid }],
          ['worker', { pid: () => worker.pid }],
        ]),
        redis,
        postgres: { url: databaseUrl, pid: () => postgres.pid() },
      },
      body: (tokens) => JSON.stringify({ ...sample, tokens }),
      async begin() {
        await rows.query('TRUNCATE pushes');
        before = (await askWorker({ kind: 'count' })).recorded;
      },
      isRecorded: async (pushes) => (await askWorker({ kind: 'count' })).recorded - before >= pushes,
      async accepted() {
        const { rows: found } = await rows.query<{ count: number }>(
          `SELECT count(*)::int AS count FROM pushes WHERE state = 'accepted'`,
        );
        return found[0]?.count ?? 0;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function createDatabase(beside: string): Promise<string> {
  const client = new pg.Client({ connectionString: beside });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${database}`);
  } finally {
    await client.end();
  }
  const url = new URL(beside);
  url.pathname = `/${database}`;
  return url.href;
}
