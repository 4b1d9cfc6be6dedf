import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Account } from '../account.ts';
import type { Cluster } from '../cluster.ts';
import { CommandError } from '../failure.ts';
import { Interrupted, takeInterruption } from '../interruption.ts';
import { wholeNumber } from '../option-values.ts';
import { withoutOurs } from '../own-environment.ts';
import type { Context } from '../program.ts';
import type { Terminal } from '../terminal.ts';

interface DemoOptions {
  json?: true;
  pushes: number;
  seed: number;
}

/** Nothing settled and no receipt came for this long: what is missing will not come. */
const STALLED_AFTER_MS = 60_000;
const LOOK_EVERY_MS = 250;

export function addDemoCommand(program: Command, context: Context): void {
  program
    .command('demo')
    .description(
      'Send through every emulator with faults injected, on servers of its own in a temporary folder, and account for every push',
    )
    .option('--json', 'print the account as JSON')
    .option('--pushes <n>', 'how many pushes', wholeNumber(1, 10_000_000), 2_000)
    .option('--seed <n>', 'of the faults', wholeNumber(0, 2 ** 31), 1)
    .addHelpText('after', '\nExits with 0 only if the account balances.')
    .action((options: DemoOptions) => demo(context, options));
}

async function demo({ env, terminal }: Context, options: DemoOptions): Promise<void> {
  const { makeTemporaryDataDir } = await import('@pushmill/embedded');
  const { startCluster } = await import('../cluster.ts');
  const { accountText } = await import('../account.ts');
  const { demoFaults } = await import('../faults.ts');
  const interruption = takeInterruption((line) => terminal.note(line));
  const folder = await makeTemporaryDataDir();
  let cluster: Cluster | undefined;
  try {
    cluster = await startCluster({
      dataDir: folder.path,
      env: withoutOurs(env),
      ports: { api: 0, receipts: 0, metrics: 0 },
      demo: { seed: options.seed },
      say: (line) => terminal.note(line),
      progress: (line) => !options.json && terminal.progress(line),
      signal: interruption.signal,
    });
    for (const emulator of cluster.emulators.values()) emulator.setFaults(demoFaults);
    const account = await run(cluster, options, terminal, interruption.signal);
    if (options.json) terminal.json(account);
    else terminal.out(accountText(account));
    if (!account.balanced) process.exitCode = 1;
  } catch (error) {
    if (!(error instanceof Interrupted || interruption.signal.aborted)) throw error;
    throw new CommandError('The demo was stopped before it was over.');
  } finally {
    await cluster?.stop();
    await folder.remove();
    interruption.release();
  }
}

async function run(
  cluster: Cluster,
  options: DemoOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Account> {
  const { balance } = await import('../account.ts');
  const { sendLoad } = await import('../demo-pushes.ts');
  const { openLedgerView } = await import('../ledger-view.ts');
  const { callbacksRefused, postgresBytes, redisPeakBytes } = await import('../measures.ts');
  const progress = (line: string) => {
    if (!options.json) terminal.progress(line);
  };

  const ledger = await openLedgerView(cluster);
  try {
    const startedAt = Date.now();
    const requested = await sendLoad(
      cluster,
      options.pushes,
      (sent) => progress(`${sent} of ${options.pushes} pushes handed in`),
      signal,
    );

    let settledAt: number | undefined;
    let changedAt = Date.now();
    let last = '';
    for (;;) {
      signal.throwIfAborted();
      const states = await ledger.states();
      const queued = states.queued ?? 0;
      const outstanding = queued > 0 ? 0 : await ledger.receiptsOutstanding();
      const accounts = [...cluster.emulators.values()].map((emulator) => emulator.account());
      const sent = accounts.reduce((sum, account) => sum + account.receiptsSent, 0);
      const taken = accounts.reduce((sum, account) => sum + account.receiptsTaken, 0);
      const forged = accounts.reduce((sum, account) => sum + (account.receiptsForged ?? 0), 0);
      const refused = forged === 0 ? 0 : await callbacksRefused(cluster.receiptsUrl);
      if (queued === 0) settledAt ??= Date.now();
      progress(`${requested - queued} of ${requested} settled, ${taken} of ${sent} receipts in`);
      if (queued === 0 && outstanding === 0 && sent === taken && refused >= forged) break;
      const now = `${queued} ${outstanding} ${sent} ${taken} ${forged} ${refused}`;
      if (now !== last) changedAt = Date.now();
      if (Date.now() - changedAt > STALLED_AFTER_MS) {
        terminal.note(`Nothing has changed for ${STALLED_AFTER_MS / 1000} s: what is missing will not come.`);
        break;
      }
      last = now;
      await delay(LOOK_EVERY_MS, undefined, { signal });
    }
    terminal.clearProgress();

    return balance({
      requested,
      states: await ledger.states(),
      comparison: await ledger.compare(),
      emulators: Object.fromEntries([...cluster.emulators].map(([vendor, one]) => [vendor, one.account()])),
      receiptsOutstanding: await ledger.receiptsOutstanding(),
      receiptsRefused: await callbacksRefused(cluster.receiptsUrl),
      durationMs: (settledAt ?? Date.now()) - startedAt,
      redisPeakBytes: await redisPeakBytes(cluster.redis.url),
      postgresBytes: await postgresBytes(cluster.dataDir),
      seed: options.seed,
    });
  } finally {
    await ledger.close();
  }
}
