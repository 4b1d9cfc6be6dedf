import type { Command } from 'commander';
import { onOwnCluster } from '../bench/own-cluster.ts';
import { wholeNumber } from '../option-values.ts';
import type { Context } from '../program.ts';

interface LatencyCommandOptions {
  rate: number;
  seconds: number;
  rounds: number;
  json?: true;
}

export function addLatencyBench(bench: Command, context: Context): void {
  bench
    .command('latency')
    .description(
      'Measure how soon an urgent push reaches the vendor: idle, with bulk on another channel, and on the same one',
    )
    .option('--rate <n>', 'urgent pushes a second', wholeNumber(1, 1_000), 10)
    .option('--seconds <n>', 'of each phase of each round', wholeNumber(1, 3_600), 30)
    .option('--rounds <n>', 'after a short one to warm up', wholeNumber(1, 100), 3)
    .option('--json', 'print the figures as JSON')
    .addHelpText(
      'after',
      '\nExits with 0 only if idle p50 is at most 10 ms and p99 at most 40 ms, and no push is missing.',
    )
    .action((options: LatencyCommandOptions) => latency(context, options));
}

async function latency(context: Context, options: LatencyCommandOptions): Promise<void> {
  const { idleLatencyText, runIdleLatency } = await import('../bench/idle-latency.ts');
  const { terminal } = context;
  await onOwnCluster(context, async (cluster, signal) => {
    const progress = (line: string) => terminal.progress(line);
    const found = await runIdleLatency(cluster, { ...options, perSecond: options.rate, progress, signal });
    if (options.json) terminal.json(found);
    else terminal.out(idleLatencyText(found));
    if (!found.holds) process.exitCode = 1;
  });
}
