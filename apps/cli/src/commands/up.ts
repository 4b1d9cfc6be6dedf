import type { Command } from 'commander';
import type { Cluster } from '../cluster.ts';
import { Interrupted, takeInterruption } from '../interruption.ts';
import { wholeNumber } from '../option-values.ts';
import type { Context } from '../program.ts';

interface UpOptions {
  demo?: true;
  data?: string;
  port?: number;
}

const DEMO_WAIT_MS = 30_000;

export function addUpCommand(program: Command, context: Context): void {
  program
    .command('up')
    .description(
      'Run everything on this machine: Redis, Postgres (or REDIS_URL, DATABASE_URL), api, worker, receipts',
    )
    .option('--demo', "with every vendor's emulator, channels that reach them, and a first set of pushes")
    .option('--data <dir>', 'data folder (default: PUSHMILL_DATA_DIR, else ./.pushmill)')
    .option(
      '--port <n>',
      'port of the api and dashboard; the receipts service takes the next one, the worker the one after',
      wholeNumber(0, 65_533),
    )
    .action((options: UpOptions) => up(context, options));
}

async function up({ env, terminal }: Context, options: UpOptions): Promise<void> {
  const { defaultDataDir } = await import('@pushmill/embedded');
  const { startCluster } = await import('../cluster.ts');
  const say = (line: string) => terminal.note(line);
  const interruption = takeInterruption(say);
  let cluster: Cluster | undefined;
  try {
    cluster = await startCluster({
      dataDir: options.data ?? defaultDataDir(env),
      env,
      ...(options.port === undefined ? {} : { ports: portsFrom(options.port) }),
      ...(options.demo ? { demo: { seed: 1 } } : {}),
      say,
      progress: (line) => terminal.progress(line),
      signal: interruption.signal,
    });
    terminal.out(addresses(cluster));
    if (options.demo) await showDemo(cluster, { env, terminal }, interruption.signal);
    terminal.out('\nready\nCtrl-C stops everything.');
    await interruption.requested;
  } catch (error) {
    if (!(error instanceof Interrupted || interruption.signal.aborted)) throw error;
    // Whoever waited for "ready" must not take this for it.
    process.exitCode = 130;
  } finally {
    await cluster?.stop();
    interruption.release();
  }
}

function portsFrom(port: number) {
  return port === 0
    ? { api: 0, receipts: 0, metrics: 0 }
    : { api: port, receipts: port + 1, metrics: port + 2 };
}

function addresses(cluster: Cluster): string {
  return [
    '',
    `Dashboard          ${cluster.url}/`,
    `  user             operator`,
    `  password         ${cluster.operatorPassword}`,
    `API                ${cluster.url}/v1, described at ${cluster.url}/docs`,
    `API key            ${cluster.producerKey}`,
    `Receipts           ${cluster.receiptsUrl}`,
    `Data and logs      ${cluster.dataDir}`,
  ].join('\n');
}

async function showDemo(cluster: Cluster, { terminal }: Context, signal: AbortSignal): Promise<void> {
  const { awaitPushes, demoMessage, sendDemoPushes, tokenMaker } = await import('../demo-pushes.ts');
  const { timelineText } = await import('../timeline.ts');
  const first = cluster.channels[0];
  if (first) {
    const body = JSON.stringify(
      demoMessage([{ channel: first.name, token: tokenMaker(cluster)(first.name) }]),
    );
    terminal.out(`\nSend a push (to ${first.vendor}'s emulator):\n`);
    terminal.out(
      `curl -sS ${cluster.url}/v1/messages -H 'Authorization: Bearer ${cluster.producerKey}' -H 'Content-Type: application/json' -d '${body}'`,
    );
  }
  const ids = await sendDemoPushes(cluster);
  const { pushes, complete } = await awaitPushes(cluster, ids, DEMO_WAIT_MS, signal);
  terminal.out('\nThe demo pushes, each to an emulator:');
  for (const push of pushes) terminal.out(`\n${timelineText(push)}`);
  if (!complete) {
    terminal.note(
      `\nNot all of them were settled with their receipts after ${DEMO_WAIT_MS / 1000} s; the logs in ${cluster.dataDir}/logs say why.`,
    );
  }
}
