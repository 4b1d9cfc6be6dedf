import { type Command, Option } from 'commander';
import { onOwnFolder } from '../bench/own-cluster.ts';
import { type SendVendor, sendVendors } from '../bench/send/contenders.ts';
import type { SinkKind } from '../bench/send/sink-process.ts';
import { wholeNumber } from '../option-values.ts';
import type { Context } from '../program.ts';

interface SendBenchOptions {
  pushes: number;
  warmup: number;
  rounds: number;
  inFlight: number;
  sink: SinkKind | 'auto';
  vendor?: SendVendor;
  json?: true;
}

export function addSendBench(bench: Command, context: Context): void {
  bench
    .command('send')
    .description(
      "Measure a push's CPU on the way to APNs and FCM beside bare node:http2 and the vendors' usual clients",
    )
    .option('--pushes <n>', 'of each contender in each round', wholeNumber(100, 10_000_000), 50_000)
    .option('--warmup <n>', 'pushes that each process sends first', wholeNumber(1, 10_000_000), 40_000)
    .option('--rounds <n>', 'how often all take their turn', wholeNumber(1, 1_000), 5)
    .option('--in-flight <n>', 'pushes that a contender is given at a time', wholeNumber(1, 500), 400)
    .addOption(new Option('--vendor <name>', 'only this one').choices(sendVendors))
    .addOption(
      new Option('--sink <kind>', 'what answers: nginx where it is installed, else a Node server')
        .choices(['auto', 'nginx', 'node'])
        .default('auto'),
    )
    .option('--json', 'print the figures as JSON')
    .addHelpText(
      'after',
      '\nExits with 0 only if no bar is broken. @parse/node-apn, apns2 and firebase-admin are measured where they are installed.',
    )
    .action((options: SendBenchOptions) => send(context, options));
}

async function send({ terminal }: Context, options: SendBenchOptions): Promise<void> {
  const { measureSend } = await import('../bench/send/measurement.ts');
  const { reportSend, sendText } = await import('../bench/send/report.ts');
  await onOwnFolder(
    undefined,
    (line) => terminal.note(line),
    async (folder, signal) => {
      const progress = (line: string) => terminal.progress(line);
      const vendors = options.vendor === undefined ? sendVendors : [options.vendor];
      const wanted = { ...options, warmUp: options.warmup, vendors };
      const report = reportSend(await measureSend({ ...wanted, folder, progress, signal }), wanted);
      if (options.json) terminal.json(report);
      else terminal.out(sendText(report));
      if (!report.holds) process.exitCode = 1;
    },
  );
}
