import { join } from 'node:path';
import type { Cluster } from '../cluster.ts';
import { settlePorts } from '../ports.ts';
import { type RoleProcess, startRole } from '../role-process.ts';
import { type Machine, machineAfterwards, machineText } from './machine.ts';
import { openBare } from './pipeline/bare.ts';
import { type LoadFigure, measureLoad } from './pipeline/load.ts';
import { openPushmill } from './pipeline/pushmill.ts';
import { type Contender, limitsOf, speedTable } from './pipeline/report.ts';
import { BULK_CONNECTIONS, contenderNames } from './pipeline/run.ts';
import { setStage } from './pipeline/stage.ts';
import { alternate, type Spread, spreadText } from './rounds.ts';

export interface ScaleOptions {
  /** Numbers of worker processes; the first is what the others are compared with. */
  workers: readonly number[];
  pushes: number;
  perRequest: number;
  rounds: number;
  /** Of the further workers; the cluster adds what it decides. */
  env: NodeJS.ProcessEnv;
  say: (line: string) => void;
  progress: (line: string) => void;
  signal: AbortSignal;
}

export interface Scale {
  machine: Machine;
  options: Pick<ScaleOptions, 'workers' | 'pushes' | 'perRequest' | 'rounds'>;
  contenders: Contender[];
  /** Of pushes/s, to those of the first number of workers and to those of the bare client, round by round. */
  times: { name: string; times: Spread; bare: Spread }[];
  limits: string[];
}

/** Runs the same bulk load with different numbers of worker processes, and the bare client beside them, in turn. */
export async function measureScale(cluster: Cluster, options: ScaleOptions): Promise<Scale> {
  const { workers, pushes, perRequest, rounds, progress, signal } = options;
  const more = new Map<string, RoleProcess>();
  const stage = await setStage(cluster, signal);
  const { sink, machine, destination } = stage;
  const bare = openBare(stage, signal);
  try {
    const pushmill = await openPushmill(cluster, destination, more);
    try {
      const shape = { pushes, perRequest, connections: BULK_CONNECTIONS };
      const found = await alternate<LoadFigure>(
        [
          { name: contenderNames.bare, run: (round) => bare.send(pushes, round) },
          ...workers.map((count) => ({
            name: nameOf(count),
            run: async () => {
              await setWorkers(cluster, more, count, options);
              return measureLoad(pushmill, shape, sink, signal);
            },
          })),
        ],
        { rounds, progress, signal },
      );
      const first = nameOf(workers[0] ?? 1);
      return {
        machine: machineAfterwards(machine),
        options: { workers, pushes, perRequest, rounds },
        contenders: found.contenders,
        times: workers.map(nameOf).map((name) => ({
          name,
          times: found.ratio('perSecond', name, first),
          bare: found.ratio('perSecond', name, contenderNames.bare),
        })),
        limits: limitsOf(found.contenders, machine, ({ name }) =>
          ([contenderNames.bare, nameOf(1)] as string[]).includes(name),
        ),
      };
    } finally {
      await pushmill.close();
    }
  } finally {
    await Promise.all([...more.values()].map((role) => role.stop()));
    await bare.close();
    await sink.stop();
  }
}

const nameOf = (count: number) => `${count} ${count === 1 ? 'worker' : 'workers'}`;

/** Starts and stops workers until there are so many, the cluster's own among them. */
async function setWorkers(
  cluster: Cluster,
  more: Map<string, RoleProcess>,
  count: number,
  { env, say, signal }: ScaleOptions,
): Promise<void> {
  for (let number = 2; number <= Math.max(count, more.size + 1); number++) {
    const name = `worker-${number}`;
    const running = more.get(name);
    if (number > count) {
      more.delete(name);
      await running?.stop();
    } else if (!running) {
      signal.throwIfAborted();
      more.set(name, await startWorker(cluster, name, env, say));
    }
  }
}

async function startWorker(
  cluster: Cluster,
  name: string,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<RoleProcess> {
  const ports = await settlePorts('127.0.0.1', { api: 0, receipts: 0, metrics: 0 });
  return startRole({
    name: 'worker',
    env: {
      ...env,
      REDIS_URL: cluster.redis.url,
      DATABASE_URL: cluster.databaseUrl,
      PUSHMILL_MASTER_KEY: cluster.masterKey,
      PUSHMILL_OPERATOR_PASSWORD: cluster.operatorPassword,
      PUSHMILL_DATA_DIR: cluster.dataDir,
      PUSHMILL_METRICS_PORT: String(ports.metrics),
      PUSHMILL_PUBLIC_RECEIPTS_URL: cluster.receiptsUrl,
    },
    logFile: join(cluster.dataDir, 'logs', `${name}.log`),
    say,
  });
}

export function scaleText({ machine, options, contenders, times, limits }: Scale): string {
  return [
    machineText(machine),
    `${options.pushes} pushes in requests of ${options.perRequest}, ${BULK_CONNECTIONS} at a time; ${options.rounds} rounds, medians (least–most)`,
    '',
    speedTable(contenders),
    '',
    ...times.map(({ name, times: own, bare }, index) => {
      const beside = index === 0 ? '' : `${spreadText(own, 2)} times the pushes/s of ${times[0]?.name}, `;
      return `${name}: ${beside}${spreadText(bare, 2)} times those of bare node:http2`;
    }),
    ...limits,
  ].join('\n');
}
