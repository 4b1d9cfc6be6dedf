import type { Command } from 'commander';
import { onOwnCluster } from '../bench/own-cluster.ts';
import { wholeNumber } from '../option-values.ts';
import type { Context } from '../program.ts';

interface ReceiptsCommandOptions {
  callbacks: number;
  rounds: number;
  connections: number;
  json?: true;
}

export function addReceiptsBench(bench: Command, context: Context): void {
  bench
    .command('receipts')
    .description(
      'Measure signed callbacks from the request until they are recorded, beside bare verification',
    )
    .option('--callbacks <n>', 'how many a round', wholeNumber(100, 1_000_000), 20_000)
    .option('--rounds <n>', 'after the warm-up', wholeNumber(1, 100), 5)
    .option('--connections <n>', 'callbacks under way at a time', wholeNumber(1, 1_000), 64)
    .option('--json', 'print the figures as JSON')
    .addHelpText(
      'after',
      '\nExits with 0 only if one core records 5,000 a second and every push was delivered once. Needs Linux.',
    )
    .action((options: ReceiptsCommandOptions) => receipts(context, options));
}

async function receipts(context: Context, options: ReceiptsCommandOptions): Promise<void> {
  const { runReceipts } = await import('../bench/receipts/receipts.ts');
  const { judgeReceipts, receiptsText } = await import('../bench/receipts/verdict.ts');
  const { terminal } = context;
  await onOwnCluster(context, async (cluster, signal) => {
    const progress = (line: string) => terminal.progress(line);
    const found = await runReceipts(cluster, { ...options, progress, signal });
    const verdict = judgeReceipts(found);
    if (options.json) terminal.json({ ...found, ...verdict });
    else terminal.out(receiptsText(found, verdict));
    if (!verdict.holds) process.exitCode = 1;
  });
}
