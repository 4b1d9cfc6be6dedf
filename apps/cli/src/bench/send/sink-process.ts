/* What stands in for the vendors: answers every push with 200 once it has read it, and nothing else. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createSecureServer, type Http2ServerRequest } from 'node:http2';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { answerQuestions } from '../script-process.ts';
import { ACCESS_TOKEN, APNS_STREAMS, FCM_STREAMS } from './load.ts';
import { nginxConfig } from './nginx.ts';

export type SinkKind = 'nginx' | 'node';

export type SinkQuestion =
  /** The certificate's file holds its key too; the folder is the sink's to write in. */
  { kind: 'start'; sink: SinkKind; certificate: string; folder: string } | { kind: 'cpu' };

export interface StartedSink {
  /** For APNs. */
  port: number;
  /** Of its own, since a connection may have fewer streams. */
  fcmPort: number;
  version: string;
}

const NGINX_WITHIN_MS = 5_000;
/** Where a system keeps it that does not list it for everybody. */
const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/usr/local/sbin`;

let nginx: ChildProcess | undefined;

answerQuestions<SinkQuestion>(
  async (question) => {
    if (question.kind === 'cpu') return cpuUs();
    return question.sink === 'nginx' ? startNginx(question) : startNode(question.certificate);
  },
  () => nginx?.kill('SIGKILL'),
);

/** User and system since its start, in microseconds; null where the system does not tell it of another process. */
async function cpuUs(): Promise<number | null> {
  if (!nginx) {
    const { user, system } = process.cpuUsage();
    return user + system;
  }
  const stat = await readFile(`/proc/${nginx.pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return null;
  // After the name, which may hold blanks: state is the first field, user and system time are the 12th and 13th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // In ticks, of which Linux tells programs 100 a second whatever its own are.
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

async function startNginx(about: { certificate: string; folder: string }): Promise<StartedSink> {
  // It tells its version there.
  const { stderr: told } = await promisify(execFile)('nginx', ['-v'], { env: { PATH } }).catch(() => {
    throw new Error('nginx is not installed.');
  });
  const [port, fcmPort] = [await freePort(), await freePort()];
  const config = join(about.folder, 'nginx.conf');
  const servers = [
    { port, streams: APNS_STREAMS },
    { port: fcmPort, streams: FCM_STREAMS },
  ];
  await writeFile(config, nginxConfig({ ...about, servers }));
  const child = spawn('nginx', ['-e', 'stderr', '-p', about.folder, '-c', config], {
    env: { PATH },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  nginx = child;
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words += text;
  });
  const deadline = Date.now() + NGINX_WITHIN_MS;
  while (!(await answers(fcmPort))) {
    const isLate = Date.now() > deadline;
    if (isLate || child.exitCode !== null) {
      child.kill('SIGKILL');
      nginx = undefined;
      throw new Error(`nginx did not start: ${words.trim() || 'without a word'}`);
    }
    await delay(10);
  }
  return { port, fcmPort, version: /nginx\/(\S+)/.exec(told)?.[1] ?? 'unknown' };
}

async function startNode(certificate: string): Promise<StartedSink> {
  const pem = await readFile(certificate);
  const [port, fcmPort] = [await listen(pem, APNS_STREAMS), await listen(pem, FCM_STREAMS)];
  return { port, fcmPort, version: process.versions.node };
}

async function listen(pem: Buffer, maxConcurrentStreams: number): Promise<number> {
  const options = { cert: pem, key: pem, allowHTTP1: true, settings: { maxConcurrentStreams } };
  const server = createSecureServer(options, (request, response) => {
    request.on('error', () => {});
    request.on('end', () => {
      const { headers, body = '' } = answerTo(request);
      response.writeHead(200, headers).end(body);
    });
    request.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function answerTo({ url, headers }: Http2ServerRequest): { headers: Record<string, string>; body?: string } {
  const json = { 'content-type': 'application/json' };
  if (url === '/token') {
    const fields = { access_token: ACCESS_TOKEN, expires_in: 3_599, token_type: 'Bearer' };
    return { headers: json, body: JSON.stringify(fields) };
  }
  const id = headers['apns-id']?.toString() ?? crypto.randomUUID();
  if (url.startsWith('/v1/')) return { headers: json, body: `{"name":"projects/p/messages/${id}"}` };
  return { headers: { 'apns-id': id } };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
