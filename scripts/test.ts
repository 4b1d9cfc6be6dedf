/*
 * What `npm test` runs: types, lint, unit, integration, e2e, one after another, with one Redis and one Postgres for
 * the last two. A step that fails does not stop the later ones. `npm test -- unit e2e` runs only those.
 *
 * Every process of the run has its temporary folder inside the run's own and a mark in its environment, so that at
 * the end what was left behind is found, removed, and counted as a failure.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, globSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { startTestServers } from '@pushmill/testkit';
import { removeLeftovers } from './leftovers.ts';
import { type ProgramResult, runProgram } from './program.ts';
import { readCounts, withoutTasks } from './test-counts.ts';

const stepNames = ['types', 'lint', 'unit', 'integration', 'e2e'] as const;
type StepName = (typeof stepNames)[number];

interface StepResult {
  name: string;
  ok: boolean;
  durationMs: number;
  passed: number;
  failed: number;
  skipped: number;
  note?: string;
}

const root = join(import.meta.dirname, '..');
/** A run that hangs must end and say where. */
const stepLimitMs = 8 * 60_000;
const testTimeoutMs = 180_000;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const unknown = args.filter((arg) => !(stepNames as readonly string[]).includes(arg));
  if (unknown.length > 0) {
    console.error(`Unknown step ${unknown.join(', ')}. Steps: ${stepNames.join(', ')}.`);
    return 2;
  }
  const wanted = new Set<string>(args.length > 0 ? args : stepNames);
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => interrupted.abort(signal));
  }

  const run = { id: randomUUID(), folder: await mkdtemp(join(tmpdir(), 'pushmill-run-')) };
  // The embedded Postgres of a root user runs as another one, who must be able to pass.
  await chmod(run.folder, 0o711);
  process.env.TMPDIR = run.folder;
  process.env.PUSHMILL_TEST_RUN = run.id;
  process.env.TURBO_TELEMETRY_DISABLED = '1';
  // Caches that tools would put into the temporary folder.
  process.env.NODE_DISABLE_COMPILE_CACHE = '1';
  process.env.JITI_FS_CACHE = 'false';
  process.env.PATH = `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH ?? ''}`;
  const turboFolder = join(root, '.turbo');
  const hadTurboFolder = existsSync(turboFolder);

  const startedAt = Date.now();
  const results: StepResult[] = [];
  try {
    await runSteps(wanted, interrupted.signal, results);
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
  } finally {
    if (!hadTurboFolder) await rm(turboFolder, { recursive: true, force: true });
    const left = await removeLeftovers(run);
    if (left.length > 0) {
      results.push({ ...failure('leftovers', 0), note: left.join('\n    ') });
    }
  }
  report(results, Date.now() - startedAt);
  if (interrupted.signal.aborted) {
    console.log(`Interrupted by ${interrupted.signal.reason}.`);
    return 130;
  }
  return results.every((result) => result.ok) ? 0 : 1;
}

async function runSteps(wanted: Set<string>, signal: AbortSignal, results: StepResult[]): Promise<void> {
  const step = async (name: StepName, work: () => Promise<Omit<StepResult, 'name' | 'durationMs'>>) => {
    if (!wanted.has(name) || signal.aborted) return;
    console.log(`\n── ${name} ${'─'.repeat(70 - name.length)}`);
    const startedAt = Date.now();
    const result = { name, ...(await work()), durationMs: Date.now() - startedAt };
    results.push(result);
    console.log(`${name}: ${result.ok ? 'ok' : 'FAILED'} in ${seconds(result.durationMs)}`);
  };
  const program = (args: string[], env: NodeJS.ProcessEnv, show: 'live' | 'quiet') =>
    runProgram({ args, cwd: root, env, show, signal, limitMs: stepLimitMs });

  await step('types', async () =>
    ofCheck(await program([bin('typescript', 'tsc'), '--noEmit', '-p', '.'], process.env, 'live')),
  );
  await step('lint', async () =>
    ofCheck(await program([bin('@biomejs/biome', 'biome'), 'check', '.'], process.env, 'live')),
  );
  await step('unit', async () => {
    const turbo = [
      bin('turbo', 'turbo'),
      'run',
      'test:unit',
      '--continue',
      '--concurrency=2',
      '--ui=stream',
      '--env-mode=loose',
    ];
    const result = await program(
      [...turbo, '--output-logs=full', '--log-order=grouped'],
      process.env,
      'quiet',
    );
    const counts = readCounts(result.output);
    if (result.code !== 0) console.log(withoutTasks(result.output, counts.passing));
    for (const [name, count] of counts.byTask) {
      console.log(`  ${name}: ${count.passed} passed, ${count.failed} failed`);
    }
    return ofTests(result, counts.total);
  });

  const integration = globSync('test/integration/**/*.test.ts', { cwd: root }).sort();
  const e2e = globSync('test/e2e/**/*.test.ts', { cwd: root }).sort();
  const needServers =
    (wanted.has('integration') && integration.length > 0) || (wanted.has('e2e') && e2e.length > 0);
  if (!needServers && (wanted.has('integration') || wanted.has('e2e'))) {
    console.log('\nThere are no integration or e2e tests yet.');
  }
  if (!needServers || signal.aborted) return;
  const servers = await startTestServers({ say: (line) => console.log(`\n${line}`) });
  try {
    const env = { ...process.env, ...servers.env };
    const tests = async (files: string[], concurrency: number) => {
      if (files.length === 0) {
        console.log('No test files: skipped.');
        return { ok: true, passed: 0, failed: 0, skipped: 0, note: 'no test files' };
      }
      const result = await program(
        [
          '--test',
          `--test-concurrency=${concurrency}`,
          `--test-timeout=${testTimeoutMs}`,
          '--test-reporter=spec',
          ...files,
        ],
        env,
        'live',
      );
      return ofTests(result, readCounts(result.output).total);
    };
    await step('integration', () => tests(integration, 2));
    await step('e2e', () => tests(e2e, 1));
  } finally {
    await servers.stop();
  }
}

/** A dependency's program as a script of ours, run by this Node and not by the one on the PATH. */
function bin(dependency: string, name: string): string {
  return join(root, 'node_modules', dependency, 'bin', name);
}

function ofCheck(result: ProgramResult): Omit<StepResult, 'name' | 'durationMs'> {
  const ok = result.code === 0;
  return { ok, passed: 0, failed: ok ? 0 : 1, skipped: 0, ...noteOf(result) };
}

function ofTests(
  result: ProgramResult,
  counts: { passed: number; failed: number; skipped: number } | undefined,
): Omit<StepResult, 'name' | 'durationMs'> {
  if (!counts) return { ok: false, passed: 0, failed: 1, skipped: 0, note: 'no counts in its output' };
  const ok = result.code === 0 && counts.failed === 0;
  return { ok, ...counts, failed: ok ? 0 : Math.max(1, counts.failed), ...noteOf(result) };
}

function noteOf(result: ProgramResult): { note?: string } {
  return result.ended === 'overdue'
    ? { note: `ended by force after ${seconds(stepLimitMs)}: a test or what it opened hangs` }
    : {};
}

function failure(name: string, durationMs: number): StepResult {
  return { name, ok: false, durationMs, passed: 0, failed: 1, skipped: 0 };
}

function report(results: readonly StepResult[], durationMs: number): void {
  const sum = (field: 'passed' | 'failed' | 'skipped') =>
    results.reduce((total, result) => total + result[field], 0);
  console.log(`\n── summary ${'─'.repeat(63)}`);
  for (const result of results) {
    const counts = `${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped`;
    const what = result.passed + result.skipped > 0 ? counts : (result.note ?? '');
    console.log(
      `${result.ok ? 'ok    ' : 'FAILED'}  ${result.name.padEnd(12)} ${seconds(result.durationMs).padStart(7)}  ${what}`,
    );
    if (!result.ok && result.note && what !== result.note) console.log(`    ${result.note}`);
  }
  console.log(`in ${seconds(durationMs)}`);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
