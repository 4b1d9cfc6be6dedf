import { type Command, InvalidArgumentError, Option } from 'commander';
import { onOwnCluster } from '../bench/own-cluster.ts';
import { wholeNumber } from '../option-values.ts';
import type { Context } from '../program.ts';

interface ScaleBenchOptions {
  workers: number[];
  pushes: number;
  perRequest: number;
  rounds: number;
  json?: true;
}

export function addScaleBench(bench: Command, context: Context): void {
  bench
    .command('scale')
    .description('Measure the same bulk load with one, two and four worker processes, beside the bare client')
    .addOption(
      new Option('--workers <list>', 'numbers of worker processes')
        .argParser(workerCounts)
        .default([1, 2, 4], '1,2,4'),
    )
    .option('--pushes <n>', 'of a round', wholeNumber(1, 1_000_000), 50_000)
    .option('--per-request <n>', 'recipients of a request', wholeNumber(2, 10_000), 5_000)
    .option('--rounds <n>', 'how often all take their turn, after a warm-up', wholeNumber(1, 1_000), 5)
    .option('--json', 'print the figures as JSON')
    .addHelpText(
      'after',
      '\nIt says where the machine was full: more workers help only where cores are idle.',
    )
    .action((options: ScaleBenchOptions) => scale(context, options));
}

async function scale(context: Context, options: ScaleBenchOptions): Promise<void> {
  const { measureScale, scaleText } = await import('../bench/scale.ts');
  const { benchEnvironment } = await import('../own-environment.ts');
  const { env, terminal } = context;
  await onOwnCluster(context, async (cluster, signal) => {
    const found = await measureScale(cluster, {
      ...options,
      env: benchEnvironment(env),
      say: (line) => terminal.note(line),
      progress: (line) => terminal.progress(line),
      signal,
    });
    if (options.json) terminal.json(found);
    else terminal.out(scaleText(found));
  });
}

/** `1,2,4` */
function workerCounts(text: string): number[] {
  const counts = text.split(',').map((count) => wholeNumber(1, 64)(count.trim()));
  if (new Set(counts).size < counts.length) throw new InvalidArgumentError('Each number must be there once.');
  return counts;
}
