import { type Command, InvalidArgumentError } from 'commander';
import { onOwnCluster, onOwnFolder } from '../bench/own-cluster.ts';
import { wholeNumber } from '../option-values.ts';
import type { Context } from '../program.ts';
import { addBacklogBench } from './bench-backlog.ts';
import { addLatencyBench } from './bench-latency.ts';
import { addPipelineBench } from './bench-pipeline.ts';
import { addReceiptsBench } from './bench-receipts.ts';
import { addScaleBench } from './bench-scale.ts';
import { addSendBench } from './bench-send.ts';
import { addSoakBench } from './bench-soak.ts';

interface ChaosCommandOptions {
  pushes: number;
  seed?: number;
  minutes?: number;
  data?: string;
  json?: true;
}

interface FairnessCommandOptions {
  hang: string;
  rate: number;
  seconds: number;
  json?: true;
}

interface LanesCommandOptions extends Omit<FairnessCommandOptions, 'hang'> {
  backlog: number;
}

/** Pushes a minute, where nobody says for how long: about half of what two cores get through with everything on them. */
const PUSHES_A_MINUTE = 30_000;

export function addBenchCommand(program: Command, context: Context): void {
  const bench = program
    .command('bench')
    .description('Measure and break a pushmill of its own, on servers of its own');
  bench
    .command('chaos')
    .description(
      'Kill, freeze, stall and empty everything while pushes go through every emulator, and account for each',
    )
    .option('--pushes <n>', 'how many pushes', wholeNumber(1, 10_000_000), 200_000)
    .option(
      '--seed <n>',
      'of what is done, when and to whom (default: by the clock)',
      wholeNumber(0, 2 ** 31),
    )
    .option(
      '--minutes <n>',
      'for how long they are handed in and things are broken (default: a minute for 30,000, and half a one at least)',
      minutes,
    )
    .option('--data <dir>', 'an empty folder that keeps the data and the logs of the run')
    .option('--json', 'print the findings as JSON')
    .addHelpText('after', '\nExits with 0 only if everything held. docs/chaos.md tells how to read it.')
    .action((options: ChaosCommandOptions) => chaos(context, options));
  bench
    .command('fairness')
    .description(
      "Show the channels' latencies side by side, without and with one vendor that answers nothing",
    )
    .option('--hang <vendor>', 'which one', 'mpaas')
    .option('--rate <n>', 'urgent pushes a second to each channel', wholeNumber(1, 10_000), 20)
    .option('--seconds <n>', 'of each of the three phases', wholeNumber(1, 3_600), 30)
    .option('--json', 'print the figures as JSON')
    .addHelpText('after', '\nExits with 0 only if the others were delayed by no more than noise.')
    .action((options: FairnessCommandOptions) => fairness(context, options));
  bench
    .command('lanes')
    .description('Measure how soon urgent pushes reach the vendor while bulk ones wait on the same channel')
    .option('--backlog <n>', 'how many bulk pushes wait', wholeNumber(1, 20_000_000), 1_000_000)
    .option('--rate <n>', 'urgent pushes a second', wholeNumber(1, 10_000), 20)
    .option('--seconds <n>', 'for how long they are sent', wholeNumber(1, 3_600), 30)
    .option('--json', 'print the figures as JSON')
    .addHelpText('after', '\nExits with 0 only if p99 is under 250 ms and bulk still waited at the end.')
    .action((options: LanesCommandOptions) => lanes(context, options));
  addSendBench(bench, context);
  addPipelineBench(bench, context);
  addReceiptsBench(bench, context);
  addLatencyBench(bench, context);
  addBacklogBench(bench, context);
  addScaleBench(bench, context);
  addSoakBench(bench, context);
}

async function chaos({ env, terminal }: Context, options: ChaosCommandOptions): Promise<void> {
  const { runChaos } = await import('../bench/chaos.ts');
  const { chaosText, judge } = await import('../bench/chaos-verdict.ts');
  const { benchEnvironment } = await import('../own-environment.ts');
  const { pushes, seed = Math.floor(Date.now() / 1000) % 1_000_000 } = options;
  const forMinutes = options.minutes ?? Math.max(0.5, pushes / PUSHES_A_MINUTE);
  await onOwnFolder(
    options.data,
    (line) => terminal.note(line),
    async (dataDir, signal) => {
      terminal.note(`seed ${seed}: ${pushes} pushes over ${forMinutes.toFixed(1)} minutes`);
      const findings = await runChaos({
        pushes,
        seed,
        durationMs: forMinutes * 60_000,
        dataDir,
        env: benchEnvironment(env),
        note: (line) => terminal.note(line),
        progress: (line) => terminal.progress(line),
        signal,
      });
      const judgements = judge(findings);
      const everythingHeld = judgements.every(({ holds }) => holds);
      if (options.json) terminal.json({ ...findings, judgements, everythingHeld });
      else terminal.out(chaosText(findings, judgements));
      if (!everythingHeld) process.exitCode = 1;
    },
  );
}

async function fairness(context: Context, options: FairnessCommandOptions): Promise<void> {
  const { fairnessText, runFairness } = await import('../bench/fairness.ts');
  const { terminal } = context;
  await onOwnCluster(context, async (cluster, signal) => {
    const progress = (line: string) => terminal.progress(line);
    const found = await runFairness(cluster, { ...options, perSecond: options.rate, progress, signal });
    if (options.json) terminal.json(found);
    else terminal.out(fairnessText(found));
    if (!found.isFair) process.exitCode = 1;
  });
}

async function lanes(context: Context, options: LanesCommandOptions): Promise<void> {
  const { lanesText, runLanes } = await import('../bench/lanes.ts');
  const { terminal } = context;
  await onOwnCluster(context, async (cluster, signal) => {
    const progress = (line: string) => terminal.progress(line);
    const found = await runLanes(cluster, { ...options, perSecond: options.rate, progress, signal });
    if (options.json) terminal.json(found);
    else terminal.out(lanesText(found));
    if (!found.holds) process.exitCode = 1;
  });
}

/** The freeze alone takes 20 seconds. */
function minutes(text: string): number {
  const number = Number(text);
  if (number >= 0.4 && number <= 1_440) return number;
  throw new InvalidArgumentError('It must be a number from 0.4 to 1440.');
}
