import { cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError } from '../../failure.ts';
import { type PushCosts, startCosts } from '../costs.ts';
import type { Figures } from '../rounds.ts';
import { planPushes } from '../send/load.ts';
import type { Sink } from '../send/sink.ts';
import { requestBytes, sendAll } from './http-load.ts';
import type { Pipeline } from './pipeline.ts';

/** What is asked of a pipeline. */
export interface Shape {
  pushes: number;
  perRequest: number;
  /** Keep-alive connections, each with one request at a time. */
  connections: number;
}

const figureNames = [
  /** Pushes, from the first request to the last recorded outcome. */
  'perSecond',
  /** Microseconds a push of the processes of a kind; `totalCpu` is of these four, `loadCpu` is the bench's own. */
  'apiCpu',
  'workerCpu',
  'redisCpu',
  'postgresCpu',
  'totalCpu',
  'sinkCpu',
  'loadCpu',
  /** Cores of the machine that were busy, whoever kept them so. */
  'busyCores',
  /** A push, as in `PushCosts`. */
  'redisCommands',
  'writeTransactions',
  'rowsInserted',
  'rowsUpdated',
  'rowsDeleted',
  'walBytes',
  'databaseBytes',
] as const;

export type LoadFigure = (typeof figureNames)[number];

const POLL_MS = 20;
/** Far more than the slowest contender takes. */
const PATIENCE_MS = 60_000;
const PATIENCE_A_PUSH_MS = 20;

/** Nothing is known. */
export function noFigures(): Figures<LoadFigure> {
  return Object.fromEntries(figureNames.map((name) => [name, Number.NaN])) as Figures<LoadFigure>;
}

/**
 * Gives a pipeline a load and waits until all of it is recorded.
 * @throws CommandError  when a request is refused, or a push is not accepted in the end
 */
export async function measureLoad(
  pipeline: Pipeline,
  { pushes, perRequest, connections }: Shape,
  sink: Sink,
  signal: AbortSignal,
): Promise<Figures<LoadFigure>> {
  const requests = requestsOf(pipeline, pushes, perRequest);
  await pipeline.begin();
  const costs = await startCosts(pipeline.sources);
  try {
    const busy = startBusy();
    const sinkBefore = await sink.cpuUs();
    const own = process.cpuUsage();
    const startedAt = performance.now();
    await sendAll(pipeline.url, requests, connections, signal);
    const deadline = performance.now() + PATIENCE_MS + pushes * PATIENCE_A_PUSH_MS;
    while (!(await pipeline.isRecorded(pushes))) {
      if (performance.now() > deadline) throw new CommandError('Pushes were not recorded in all this time.');
      await delay(POLL_MS, undefined, { signal });
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(own);
    const busyCores = busy();
    const sinkAfter = await sink.cpuUs();
    const spent = await costs.perPush(pushes);
    const accepted = await pipeline.accepted();
    if (accepted !== pushes) {
      throw new CommandError(`${accepted} of ${pushes} pushes were accepted in the end.`);
    }
    return {
      ...figuresOf(spent),
      perSecond: pushes / seconds,
      sinkCpu: ((sinkAfter ?? Number.NaN) - (sinkBefore ?? Number.NaN)) / pushes,
      loadCpu: (user + system) / pushes,
      busyCores,
    };
  } finally {
    await costs.close();
  }
}

function requestsOf({ path, headers, body }: Pipeline, pushes: number, perRequest: number): Buffer[] {
  const tokens = planPushes(pushes).map(({ token }) => token);
  const requests: Buffer[] = [];
  for (let from = 0; from < pushes; from += perRequest) {
    requests.push(requestBytes(path, headers, body(tokens.slice(from, from + perRequest))));
  }
  return requests;
}

/** @returns a function that tells how many cores were busy since, on average */
export function startBusy(): () => number {
  const before = coreTimes();
  return () => {
    const after = coreTimes();
    return (cpus().length * (after.busy - before.busy)) / (after.all - before.all);
  };
}

/** Of all cores together. */
function coreTimes(): { busy: number; all: number } {
  const times = cpus().map(({ times: { user, nice, sys, irq, idle } }) => ({
    busy: user + nice + sys + irq,
    idle,
  }));
  const busy = times.reduce((sum, core) => sum + core.busy, 0);
  return { busy, all: busy + times.reduce((sum, core) => sum + core.idle, 0) };
}

/** Those of `PushCosts`, by their flat names; what is not known is NaN. */
export function figuresOf(costs: PushCosts): Figures<LoadFigure> {
  const { cpuMicros, rows } = costs;
  const cpuOf = (kind: string) =>
    Object.entries(cpuMicros)
      .filter(([name]) => name === kind || name.startsWith(`${kind}-`))
      .reduce((sum, [, micros]) => sum + (micros ?? Number.NaN), 0);
  const [apiCpu, workerCpu, redisCpu, postgresCpu] = ['api', 'worker', 'redis', 'postgres'].map(cpuOf) as [
    number,
    number,
    number,
    number,
  ];
  return {
    ...noFigures(),
    apiCpu,
    workerCpu,
    redisCpu,
    postgresCpu,
    totalCpu: apiCpu + workerCpu + redisCpu + postgresCpu,
    redisCommands: costs.redisCommands,
    writeTransactions: costs.writeTransactions,
    rowsInserted: rows?.inserted ?? Number.NaN,
    rowsUpdated: rows?.updated ?? Number.NaN,
    rowsDeleted: rows?.deleted ?? Number.NaN,
    walBytes: costs.walBytes,
    databaseBytes: costs.databaseBytes,
  };
}
