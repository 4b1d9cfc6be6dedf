import { type Command, InvalidArgumentError } from 'commander';
import { onOwnFolder } from '../bench/own-cluster.ts';
import { wholeNumber } from '../option-values.ts';
import type { Context } from '../program.ts';

interface BacklogCommandOptions {
  sizes: number[];
  pushes: number;
  rounds: number;
  json?: true;
}

export function addBacklogBench(bench: Command, context: Context): void {
  bench
    .command('backlog')
    .description('Measure whether pushes leave as fast when millions wait, and what those take')
    .option('--sizes <list>', 'how many wait, two or more', sizes, [10_000, 1_000_000])
    .option(
      '--pushes <n>',
      'how many are sent and counted in each round',
      wholeNumber(1_000, 1_000_000),
      50_000,
    )
    .option('--rounds <n>', 'rounds of each size after the warm-up', wholeNumber(1, 100), 3)
    .option('--json', 'print the figures as JSON')
    .addHelpText(
      'after',
      '\nExits with 0 only if the rate with the most is at least 90 % of that with the fewest, and Redis stays under its' +
        '\nbound. Every size has servers of its own, which are up at once and work in turn; ten million take about 5 GB of' +
        '\ndisk while they wait.',
    )
    .action((options: BacklogCommandOptions) => backlog(context, options));
}

async function backlog({ env, terminal }: Context, options: BacklogCommandOptions): Promise<void> {
  const { runBacklog } = await import('../bench/backlog.ts');
  const { backlogText, judgeBacklog } = await import('../bench/backlog-verdict.ts');
  const { benchEnvironment } = await import('../own-environment.ts');
  const say = (line: string) => terminal.note(line);
  await onOwnFolder(undefined, say, async (dataDir, signal) => {
    const measures = await runBacklog({
      ...options,
      dataDir,
      env: benchEnvironment(env),
      say,
      progress: (line) => terminal.progress(line),
      signal,
    });
    const found = judgeBacklog(measures);
    if (options.json) terminal.json(found);
    else terminal.out(backlogText(found));
    if (!found.holds) process.exitCode = 1;
  });
}

/** `10000,1000000` → the numbers, each once. */
export function sizes(text: string): number[] {
  const numbers = [...new Set(text.split(',').map((part) => wholeNumber(1, 100_000_000)(part.trim())))];
  if (numbers.length < 2)
    throw new InvalidArgumentError('It must be two or more numbers separated by commas.');
  return numbers;
}
