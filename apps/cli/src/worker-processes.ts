import { type RoleProcess, startRole } from './role-process.ts';

export interface WorkerProcessesOptions {
  count: number;
  env: NodeJS.ProcessEnv;
  /** Of each worker. */
  args: readonly string[];
  /** The first worker's; each further one has the next. 0 lets the system choose for all. */
  metricsPort: number;
  say: (line: string) => void;
  /** Ends them all. */
  signal: AbortSignal;
  /** Told once all are up. */
  ready?: () => void;
  /** What the role is an argument of; tests bring their own. */
  launcher?: string;
}

/**
 * Several workers, each a process with an event loop of its own, since one fills no more than one processor. They share
 * the channels as workers on several machines do, and write to this process's output. One that dies is started again.
 * @returns  when all have closed in order, after the signal
 * @throws CommandError  when one does not come up the first time; then none is left
 */
export async function runWorkerProcesses(options: WorkerProcessesOptions): Promise<void> {
  const { count, env, metricsPort, signal, launcher, ...rest } = options;
  const starts = await Promise.allSettled(
    Array.from({ length: count }, (_, index) =>
      startRole({
        ...rest,
        name: 'worker',
        env: { ...env, PUSHMILL_METRICS_PORT: String(metricsPort && metricsPort + index) },
        ...(launcher === undefined ? {} : { launcher }),
      }),
    ),
  );
  const workers = starts.flatMap((start): RoleProcess[] =>
    start.status === 'fulfilled' ? [start.value] : [],
  );
  const failed = starts.find((start) => start.status === 'rejected');
  try {
    if (failed) throw failed.reason;
    options.ready?.();
    if (!signal.aborted)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
  }
}
