import type { Command } from 'commander';
import { nameList, wholeNumber } from '../option-values.ts';
import type { Context } from '../program.ts';

const ORPHAN_GRACE_MS = 45_000;

/** One role each, for production: settings from the environment, JSON lines on standard output. */
export function addRoleCommands(program: Command, context: Context): void {
  const { env } = context;
  program
    .command('api')
    .description('Run the HTTP API and the dashboard')
    .action(async () => {
      endWithParent();
      const { run } = await import('@pushmill/api');
      await run(env);
    });
  program
    .command('worker')
    .description('Run a worker, which sends')
    .option(
      '--vendors <names>',
      'only these, e.g. apns,mpaas (default: PUSHMILL_WORKER_VENDORS, else all)',
      nameList,
    )
    .option(
      '--concurrency <n>',
      'pushes of one channel in flight at once (default: PUSHMILL_WORKER_CONCURRENCY)',
      wholeNumber(1, 10_000),
    )
    .option(
      '--processes <n>',
      'workers in processes of their own, started again when one dies; the first serves health and metrics on PUSHMILL_METRICS_PORT, each further one on the next port',
      wholeNumber(1, 64),
      1,
    )
    .action(async (options: { vendors?: string[]; concurrency?: number; processes: number }) => {
      const { processes, ...own } = options;
      if (own.vendors) await checkVendors(own.vendors);
      if (processes > 1) return runSeveral(processes, own, context);
      endWithParent();
      const { run } = await import('@pushmill/worker');
      await run(env, own);
    });
  program
    .command('receipts')
    .description("Run the receipts service, which takes and verifies the vendors' callbacks")
    .action(async () => {
      endWithParent();
      const { run } = await import('@pushmill/receipts');
      await run(env);
    });
}

async function runSeveral(
  count: number,
  { vendors, concurrency }: { vendors?: string[]; concurrency?: number },
  { env, terminal }: Context,
): Promise<void> {
  const { loadConfig } = await import('@pushmill/config');
  const { runWorkerProcesses } = await import('../worker-processes.ts');
  const ending = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const)
    process.once(signal, () => ending.abort());
  await runWorkerProcesses({
    count,
    env,
    args: [
      ...(vendors ? ['--vendors', vendors.join(',')] : []),
      ...(concurrency === undefined ? [] : ['--concurrency', String(concurrency)]),
    ],
    metricsPort: loadConfig(env).metricsPort,
    say: (line) => terminal.note(line),
    signal: ending.signal,
    ready: () => process.send?.({ kind: 'ready', role: 'worker' }),
  });
  if (process.connected) process.disconnect?.();
}

/** A role closes by itself when its supervisor dies. One that hangs while it does must not stay for ever. */
function endWithParent(): void {
  if (!process.connected) return;
  process.once('disconnect', () => setTimeout(() => process.exit(1), ORPHAN_GRACE_MS).unref());
}

async function checkVendors(names: readonly string[]): Promise<void> {
  const { isVendorName, vendors } = await import('@pushmill/vendors');
  const unknown = names.find((name) => !isVendorName(name));
  if (unknown === undefined) return;
  const { CommandError } = await import('../failure.ts');
  throw new CommandError(`"${unknown}" is not a vendor: there are ${Object.keys(vendors).join(', ')}.`);
}
