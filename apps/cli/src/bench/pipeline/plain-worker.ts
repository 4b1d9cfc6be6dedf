import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { Worker } from 'bullmq';
import pg from 'pg';
import { answerQuestions } from '../script-process.ts';
import { type PlainJob, plainQueue, redisOptions } from './plain-queue.ts';

export type PlainWorkerQuestion =
  | { kind: 'start'; databaseUrl: string; redisUrl: string; origin: string; ca: string; topic: string }
  | { kind: 'count' };

export interface PlainWorkerAnswer {
  /** Pushes whose row was updated, since the start. */
  recorded: number;
  pid: number;
}

interface PushRow {
  token: string;
  content: { notification: object; data: object };
  state: string;
}

const CONCURRENCY = 400;

/** As long as a provider token, which is made once an hour; the sink reads none. */
const authorization = `bearer ${'x'.repeat(184)}`;

let recorded = 0;

answerQuestions<PlainWorkerQuestion>(async (question) => {
  if (question.kind === 'start') await start(question);
  return { recorded, pid: process.pid } satisfies PlainWorkerAnswer;
});

async function start(options: Extract<PlainWorkerQuestion, { kind: 'start' }>): Promise<void> {
  const pool = new pg.Pool({ connectionString: options.databaseUrl, max: 20 });
  pool.on('error', () => undefined);
  const session = connect(options.origin, { ca: options.ca });
  await once(session, 'remoteSettings');

  async function work(pushId: string): Promise<void> {
    const { rows } = await pool.query<PushRow>({
      name: 'load',
      text: 'SELECT token, content, state FROM pushes WHERE id = $1',
      values: [pushId],
    });
    const [push] = rows;
    if (push?.state !== 'queued') return;
    const { notification, data } = push.content;
    const body = JSON.stringify({ aps: { alert: notification, sound: 'default' }, ...data });
    const status = await send(session, { id: pushId, token: push.token, topic: options.topic, body });
    if (status !== 200) throw new Error(`APNs answered ${status}`);
    await pool.query({
      name: 'record',
      text: `UPDATE pushes SET state = 'accepted', attempts = attempts + 1, updated_at = now() WHERE id = $1`,
      values: [pushId],
    });
    recorded++;
  }

  const worker = new Worker<PlainJob>(plainQueue, ({ data }) => work(data.pushId), {
    connection: redisOptions(options.redisUrl),
    concurrency: CONCURRENCY,
  });
  worker.on('error', () => undefined);
  await worker.waitUntilReady();
}

/** @returns  the status */
function send(
  session: ClientHttp2Session,
  push: { id: string; token: string; topic: string; body: string },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/3/device/${push.token}`,
      authorization,
      'apns-id': push.id,
      'apns-topic': push.topic,
      'apns-push-type': 'alert',
      'apns-priority': '5',
      'apns-expiration': String(Math.floor(Date.now() / 1_000) + 3_600),
      'apns-collapse-id': push.id,
    });
    let status = 0;
    stream.on('response', (headers) => {
      status = headers[':status'] ?? 0;
    });
    stream.on('error', reject);
    stream.on('close', () => resolve(status));
    stream.resume();
    stream.end(push.body);
  });
}
