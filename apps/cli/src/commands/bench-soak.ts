import { type Command, InvalidArgumentError } from 'commander';
import { onOwnCluster } from '../bench/own-cluster.ts';
import { wholeNumber } from '../option-values.ts';
import type { Context } from '../program.ts';

interface SoakCommandOptions {
  minutes: number;
  rate: number;
  json?: true;
}

export function addSoakBench(bench: Command, context: Context): void {
  bench
    .command('soak')
    .description(
      'Keep a steady load on every emulated channel, and watch memory, delays and latencies over the time',
    )
    .option('--minutes <n>', 'for how long', minutes, 60)
    .option('--rate <n>', 'pushes a second, half of them alone and urgent', wholeNumber(2, 100_000), 500)
    .option('--json', 'print the figures as JSON')
    .addHelpText(
      'after',
      '\nExits with 0 only if memory stayed flat, latencies did not grow and nothing was lost. A run of a few minutes shows' +
        '\nthat it works; memory needs longer to tell anything.',
    )
    .action((options: SoakCommandOptions) => soak(context, options));
}

async function soak(context: Context, options: SoakCommandOptions): Promise<void> {
  const { runSoak } = await import('../bench/soak.ts');
  const { judgeSoak, sixthsOf, soakText } = await import('../bench/soak-verdict.ts');
  const { terminal } = context;
  await onOwnCluster(context, async (cluster, signal) => {
    const progress = (line: string) => terminal.progress(line);
    const findings = await runSoak(cluster, { ...options, perSecond: options.rate, progress, signal });
    const judgements = judgeSoak(findings);
    const everythingHeld = judgements.every(({ holds }) => holds);
    if (options.json) {
      terminal.json({ ...findings, sixths: sixthsOf(findings.samples), judgements, everythingHeld });
    } else terminal.out(soakText(findings, judgements));
    if (!everythingHeld) process.exitCode = 1;
  });
}

function minutes(text: string): number {
  const number = Number(text);
  if (number >= 0.1 && number <= 10_080) return number;
  throw new InvalidArgumentError('It must be a number from 0.1 to 10080.');
}
