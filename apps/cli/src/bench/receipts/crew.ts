import { answerQuestions, ScriptProcess } from '../script-process.ts';
import type { Callback } from './callback.ts';

/** What a process of the bench did with its callbacks. */
export interface Work {
  durationMs: number;
  /** User and system, of that process alone. */
  cpuMs: number;
  /** Answers by their status, or verifications that held (`true`) and did not (`false`). */
  results: Record<string, number>;
}

type Order = { kind: 'prepare'; callbacks: readonly Callback[] } | { kind: 'work' };

/** A process of its own, so that its CPU is counted apart; it stays for all rounds, so that it is warm. */
export interface Hand {
  /** Hands the callbacks over: none of it is measured. */
  prepare(callbacks: readonly Callback[]): Promise<void>;
  work(): Promise<Work>;
  dismiss(): Promise<void>;
}

/** @param file  a module beside this one that calls `takeOrders` */
export function hire(file: string, args: readonly string[], signal: AbortSignal): Hand {
  const script = new ScriptProcess(new URL(file, import.meta.url), args);
  const ask = <Answer>(order: Order) => script.ask<Answer>(order, signal);
  return {
    prepare: (callbacks) => ask({ kind: 'prepare', callbacks }),
    work: () => ask({ kind: 'work' }),
    dismiss: () => script.end(),
  };
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
  answerQuestions<Order>(async (order) => {
    if (order.kind === 'prepare') {
      // Structured cloning makes plain bytes of a Buffer.
      prepared = prepare(order.callbacks.map(({ query, body }) => ({ query, body: Buffer.from(body) })));
      return;
    }
    const startedAt = performance.now();
    const before = process.cpuUsage();
    const results = await work(prepared as Prepared);
    const { user, system } = process.cpuUsage(before);
    const durationMs = performance.now() - startedAt;
    return { durationMs, cpuMs: (user + system) / 1_000, results } satisfies Work;
  });
}

/** One more of this result. */
export function tally(results: Record<string, number>, result: string): void {
  results[result] = (results[result] ?? 0) + 1;
}
