import type { Command } from 'commander';
import { onOwnCluster } from '../bench/own-cluster.ts';
import { wholeNumber } from '../option-values.ts';
import type { Context } from '../program.ts';

interface PipelineBenchOptions {
  bulk: number;
  perRequest: number;
  single: number;
  connections: number;
  rounds: number;
  json?: true;
}

export function addPipelineBench(bench: Command, context: Context): void {
  bench
    .command('pipeline')
    .description(
      'Measure pushes from the request until their outcome is recorded, beside bare node:http2 and beside one BullMQ job per push',
    )
    .option(
      '--bulk <n>',
      'pushes of a round with many recipients a request',
      wholeNumber(1, 1_000_000),
      100_000,
    )
    .option('--per-request <n>', 'recipients of each such request', wholeNumber(2, 10_000), 5_000)
    .option('--single <n>', 'requests of a round with one recipient each', wholeNumber(1, 1_000_000), 10_000)
    .option('--connections <n>', 'of those, how many are under way at a time', wholeNumber(1, 1_000), 256)
    .option('--rounds <n>', 'how often all take their turn, after a warm-up', wholeNumber(1, 1_000), 5)
    .option('--json', 'print the figures as JSON')
    .addHelpText('after', '\nExits with 0 only if both bars hold. CPU of other processes needs Linux.')
    .action((options: PipelineBenchOptions) => pipeline(context, options));
}

async function pipeline(context: Context, options: PipelineBenchOptions): Promise<void> {
  const { measurePipeline } = await import('../bench/pipeline/run.ts');
  const { pipelineText, reportPipeline } = await import('../bench/pipeline/report.ts');
  const { terminal } = context;
  await onOwnCluster(context, async (cluster, signal) => {
    const progress = (line: string) => terminal.progress(line);
    const report = reportPipeline(await measurePipeline(cluster, { ...options, progress, signal }), options);
    if (options.json) terminal.json(report);
    else terminal.out(pipelineText(report));
    if (!report.holds) process.exitCode = 1;
  });
}
