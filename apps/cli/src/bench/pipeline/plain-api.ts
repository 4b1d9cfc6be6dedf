import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Queue } from 'bullmq';
import pg from 'pg';
import { answerQuestions } from '../script-process.ts';
import { jobOptions, type PlainJob, plainQueue, redisOptions } from './plain-queue.ts';

export interface PlainApiQuestion {
  databaseUrl: string;
  redisUrl: string;
}

export interface PlainApiAnswer {
  port: number;
  pid: number;
}

interface Message {
  notification: { title: string; body: string };
  data: Record<string, string>;
  tokens: string[];
}

answerQuestions<PlainApiQuestion>(async (question) => {
  const server = await start(question);
  return { port: (server.address() as AddressInfo).port, pid: process.pid } satisfies PlainApiAnswer;
});

async function start({ databaseUrl, redisUrl }: PlainApiQuestion): Promise<Server> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 20 });
  pool.on('error', () => undefined);
  const queue = new Queue<PlainJob>(plainQueue, { connection: redisOptions(redisUrl) });
  queue.on('error', () => undefined);

  async function accept(message: Message): Promise<{ accepted: number }> {
    const content = JSON.stringify({ notification: message.notification, data: message.data });
    const { rows } = await pool.query<{ id: string }>({
      name: 'store',
      text: 'INSERT INTO pushes (token, content) SELECT token, $2 FROM unnest($1::text[]) token RETURNING id',
      values: [message.tokens, content],
    });
    const jobs = rows.map(({ id }) => ({ name: 'push', data: { pushId: id }, opts: jobOptions }));
    const [only] = jobs;
    if (jobs.length === 1 && only) await queue.add(only.name, only.data, only.opts);
    else await queue.addBulk(jobs);
    return { accepted: rows.length };
  }

  const server = createServer((request, response) => {
    readBody(request)
      .then((body) => {
        const message = readMessage(body);
        return message ? accept(message) : undefined;
      })
      .then(
        (answer) => respond(response, answer ? 202 : 422, answer ?? { error: 'not a message' }),
        (error: Error) => respond(response, 500, { error: error.message }),
      );
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function readMessage(body: string): Message | undefined {
  const message = JSON.parse(body) as Message;
  const isGood =
    typeof message.notification?.title === 'string' &&
    typeof message.notification.body === 'string' &&
    Array.isArray(message.tokens) &&
    message.tokens.every((token) => /^[0-9a-f]{64}$/.test(token));
  return isGood ? message : undefined;
}

function respond(response: ServerResponse, status: number, answer: object): void {
  const text = JSON.stringify(answer);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}
