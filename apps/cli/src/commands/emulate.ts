import { resolve } from 'node:path';
import type { Emulator } from '@pushmill/vendors';
import type { Command } from 'commander';
import { type FaultPhase, parseFaults } from '../faults.ts';
import { takeInterruption } from '../interruption.ts';
import { wholeNumber } from '../option-values.ts';
import type { Context } from '../program.ts';

interface EmulateOptions {
  port: number;
  fault?: FaultPhase[];
  callback?: string[];
  seed: number;
  json?: true;
}

export function addEmulateCommand(program: Command, context: Context): void {
  program
    .command('emulate')
    .description("Run vendors' emulators, and print what a channel needs to reach them")
    .argument('<vendor...>', 'e.g. apns mpaas')
    .option(
      '--port <n>',
      'of the first; the next ones follow (default: any free ones)',
      wholeNumber(0, 65_535),
      0,
    )
    .option(
      '--fault <spec>',
      'probabilities per push, e.g. throttled=0.01,reset=0.005; or one fault for a time, e.g. status=429,rate=0.1,for=30s or kind=reset,rate=0.1; can be given several times',
      (spec: string, earlier: FaultPhase[] = []) => [...earlier, parseFaults(spec)],
    )
    .option(
      '--callback <channel=url...>',
      'where the receipts of a channel go; the channel shows its callbackUrl',
    )
    .option('--seed <n>', 'of the faults', wholeNumber(0, 2 ** 31), 1)
    .option('--json', 'print one JSON document')
    .action((names: string[], options: EmulateOptions) => emulate(context, names, options));
}

async function emulate({ env, terminal }: Context, names: string[], options: EmulateOptions): Promise<void> {
  const { defaultDataDir } = await import('@pushmill/embedded');
  const { createClosing } = await import('../closing.ts');
  const { emulatedVendor, startEmulator } = await import('../emulation.ts');
  const { callbacksFrom } = await import('../callback-option.ts');
  const { scheduleFaults } = await import('../fault-schedule.ts');
  const vendors = names.map(emulatedVendor);
  const callbacks = callbacksFrom(options.callback ?? []);
  const dataDir = resolve(defaultDataDir(env));

  const say = (line: string) => terminal.note(line);
  const interruption = takeInterruption(say);
  const closing = createClosing(say);
  try {
    const shown: unknown[] = [];
    const running: Emulator[] = [];
    for (const [index, vendor] of vendors.entries()) {
      const port = options.port === 0 ? 0 : options.port + index;
      const emulator = await startEmulator(vendor, { dataDir, seed: options.seed + index, port });
      closing.add(vendor, () => emulator.close());
      running.push(emulator);
      for (const channel of emulator.channels) {
        const url = callbacks.get(channel.name);
        if (url !== undefined) emulator.setCallback(channel.name, url);
      }
      const channels = emulator.channels.map((channel) => ({
        ...channel,
        vendor,
        exampleToken: emulator.newToken(),
      }));
      shown.push({ vendor, origin: emulator.origin, channels });
      if (options.json) continue;
      terminal.out(`${vendor} emulator on ${emulator.origin}`);
      for (const channel of channels) {
        terminal.out(
          `\nChannel ${channel.name}; put this into a file and run "pushmill channels add ${channel.name} --json FILE":\n`,
        );
        terminal.json({ vendor, settings: channel.settings, credential: channel.credential });
        terminal.out(`A token that it takes: ${channel.exampleToken}`);
      }
    }
    const schedule = scheduleFaults(running, options.fault ?? [], ({ faults }) =>
      say(`No more ${Object.keys(faults).join(', ') || 'trouble'}: its time is over.`),
    );
    closing.add('the faults', () => schedule.stop());
    if (options.json) terminal.json(shown);
    else terminal.note('\nCtrl-C stops.');
    await interruption.requested;
  } finally {
    await closing.close();
    interruption.release();
  }
}
