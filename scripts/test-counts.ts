import { stripVTControlCharacters } from 'node:util';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** What each line of node:test's summary counts as. */
const fields = new Map<string, keyof Counts>([
  ['pass', 'passed'],
  ['fail', 'failed'],
  ['cancelled', 'failed'],
  ['skipped', 'skipped'],
  ['todo', 'skipped'],
]);

const TASK = /^([^\s]+):test:unit: /;
const LINE = /^(?:(?<task>[^\s]+):test:unit: )?ℹ (?<field>[a-z]+) (?<count>\d+)$/;

/**
 * Adds up the summaries of node:test's spec reporter in a program's output, also where turbo put the task's name
 * in front of each line. `total` is undefined when there was no summary at all; `passing` are the tasks that came to
 * their end without a failure.
 */
export function readCounts(output: string): {
  total: Counts | undefined;
  byTask: Map<string, Counts>;
  passing: Set<string>;
} {
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const byTask = new Map<string, Counts>();
  let found = false;
  for (const line of stripVTControlCharacters(output).split('\n')) {
    const match = LINE.exec(line.trimEnd())?.groups;
    const field = fields.get(match?.field ?? '');
    if (!match || !field) continue;
    found = true;
    total[field] += Number(match.count);
    if (!match.task) continue;
    const own = byTask.get(match.task) ?? { passed: 0, failed: 0, skipped: 0 };
    own[field] += Number(match.count);
    byTask.set(match.task, own);
  }
  const passing = new Set([...byTask].filter(([, counts]) => counts.failed === 0).map(([task]) => task));
  return { total: found ? total : undefined, byTask, passing };
}

/** What is worth reading of turbo's output when something failed. */
export function withoutTasks(output: string, tasks: ReadonlySet<string>): string {
  return output
    .split('\n')
    .filter((line) => !tasks.has(TASK.exec(stripVTControlCharacters(line))?.[1] ?? ''))
    .join('\n');
}
