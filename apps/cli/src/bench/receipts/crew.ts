import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Callback } from './callback.ts';

/** What a process of the bench did with its callbacks. */
export interface Work {
  durationMs: number;
  /** User and system, of that process alone. */
  cpuMs: number;
  /** Answers by their status, or verifications that held (`true`) and did not (`false`). */
  results: Record<string, number>;
}

export type Order = { kind: 'prepare'; callbacks: readonly Callback[] } | { kind: 'work' };
export type Answer =
  | { kind: 'prepared' }
  | { kind: 'done'; work: Work }
  | { kind: 'failed'; message: string };

/** A process of its own, so that its CPU is counted apart; it stays for all rounds, so that it is warm. */
export interface Hand {
  /** Hands the callbacks over: none of it is measured. */
  prepare(callbacks: readonly Callback[]): Promise<void>;
  work(): Promise<Work>;
  dismiss(): void;
}

/** @param file  a module beside this one that calls `takeOrders` */
export function hire(file: string, args: readonly string[], signal: AbortSignal): Hand {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, {
    serialization: 'advanced',
    execArgv: [],
    // Ctrl-C is ours to hear; without us it ends.
    detached: true,
  });
  const ask = async (order: Order): Promise<Answer> => {
    signal.throwIfAborted();
    const answer = await answerOf(child, order, signal);
    if (answer.kind === 'failed') throw new Error(`${file}: ${answer.message}`);
    return answer;
  };
  return {
    async prepare(callbacks) {
      await ask({ kind: 'prepare', callbacks });
    },
    async work() {
      const answer = await ask({ kind: 'work' });
      if (answer.kind !== 'done') throw new Error(`${file} answered ${answer.kind}`);
      return answer.work;
    },
    dismiss: () => void child.kill(),
  };
}

function answerOf(child: ChildProcess, order: Order, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      child.off('message', onMessage).off('exit', onExit);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onMessage = (answer: Answer) => settle(() => resolve(answer));
    const onExit = (code: number | null) =>
      settle(() => reject(new Error(`a process of the bench ended with code ${code}`)));
    const onAbort = () => settle(() => reject(signal.reason));
    child.on('message', onMessage).on('exit', onExit);
    signal.addEventListener('abort', onAbort);
    child.send(order);
  });
}

/**
 * The other side, in the process itself.
 * @param prepare  makes of the callbacks what is worked on; `work` is what is measured, and answers its results
 */
export function takeOrders<Prepared>(
  prepare: (callbacks: readonly Callback[]) => Prepared,
  work: (prepared: Prepared) => Promise<Record<string, number>>,
): void {
  let prepared: Prepared | undefined;
  const obey = async (order: Order): Promise<Answer> => {
    if (order.kind === 'prepare') {
      // Structured cloning makes plain bytes of a Buffer.
      prepared = prepare(order.callbacks.map(({ query, body }) => ({ query, body: Buffer.from(body) })));
      return { kind: 'prepared' };
    }
    const startedAt = performance.now();
    const before = process.cpuUsage();
    const results = await work(prepared as Prepared);
    const { user, system } = process.cpuUsage(before);
    const durationMs = performance.now() - startedAt;
    return { kind: 'done', work: { durationMs, cpuMs: (user + system) / 1_000, results } };
  };
  process.on('message', async (order: Order) => {
    process.send?.(
      await obey(order).catch((error: Error): Answer => ({ kind: 'failed', message: error.message })),
    );
  });
  process.on('disconnect', () => process.exit());
}

/** One more of this result. */
export function tally(results: Record<string, number>, result: string): void {
  results[result] = (results[result] ?? 0) + 1;
}
