/* What stands in for APNs: answers every push with 200 once it has read it, and nothing else. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { answerQuestions } from '../script-process.ts';
import { nginxConfig } from './nginx.ts';

export type SinkKind = 'nginx' | 'node';

export type SinkQuestion =
  /** The certificate's file holds its key too; the folder is the sink's to write in. */
  { kind: 'start'; sink: SinkKind; certificate: string; folder: string } | { kind: 'cpu' };

export interface StartedSink {
  port: number;
  version: string;
}

/** Streams that a connection may have open, as APNs allows. */
const STREAMS = 1_000;
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
  const port = await freePort();
  const config = join(about.folder, 'nginx.conf');
  await writeFile(config, nginxConfig({ ...about, port, streams: STREAMS }));
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
  while (!(await answers(port))) {
    const isLate = Date.now() > deadline;
    if (isLate || child.exitCode !== null) {
      child.kill('SIGKILL');
      nginx = undefined;
      throw new Error(`nginx did not start: ${words.trim() || 'without a word'}`);
    }
    await delay(10);
  }
  return { port, version: /nginx\/(\S+)/.exec(told)?.[1] ?? 'unknown' };
}

async function startNode(certificate: string): Promise<StartedSink> {
  const pem = await readFile(certificate);
  const server = createSecureServer({ cert: pem, key: pem, settings: { maxConcurrentStreams: STREAMS } });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const id = headers['apns-id'] ?? crypto.randomUUID();
    stream.on('error', () => {});
    stream.on('end', () => stream.respond({ ':status': 200, 'apns-id': id }, { endStream: true }));
    stream.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, version: process.versions.node };
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
