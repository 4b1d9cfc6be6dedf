import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@pushmill/client';
import { parsePushId } from '@pushmill/core';
import { type Command, InvalidArgumentError } from 'commander';
import { CommandError } from '../failure.ts';
import type { Context } from '../program.ts';
import { checkId, countsText } from './status.ts';

interface WatchOptions {
  timeout?: number;
  json?: true;
}

const LOOK_EVERY_MS = 300;

export function addWatchCommand(program: Command, context: Context): void {
  program
    .command('watch')
    .description('Follow a message or a push until it is settled')
    .argument('<id>', 'of a message, or of a push')
    .option('--timeout <seconds>', 'give up after this long (default: never)', seconds)
    .option('--json', 'print one JSON line for each change')
    .action((id: string, options: WatchOptions) => watch(context, id, options));
}

async function watch({ env, terminal }: Context, id: string, options: WatchOptions): Promise<void> {
  checkId(id);
  const { connect } = await import('../connection.ts');
  const { client } = connect(env, 'producer');
  const deadline =
    options.timeout === undefined ? Number.POSITIVE_INFINITY : Date.now() + options.timeout * 1000;
  let last = '';
  // Looked at and not listened to: a look tells the truth after a lost connection too.
  for (;;) {
    const counts = await countsOf(client, id);
    const line = countsText(counts);
    if (line !== last) {
      const at = new Date().toISOString();
      terminal.out(options.json ? JSON.stringify({ at, id, counts }) : `${at}  ${line}`);
      last = line;
    }
    if (!counts.queued) return;
    if (Date.now() > deadline) {
      throw new CommandError(
        `It was not settled within ${options.timeout} s; "pushmill status ${id}" says how far it is.`,
      );
    }
    await delay(LOOK_EVERY_MS);
  }
}

async function countsOf(client: Client, id: string): Promise<Partial<Record<string, number>>> {
  if (parsePushId(id)) return { [(await client.pushes.get(id)).state]: 1 };
  return (await client.messages.get(id)).counts;
}

function seconds(text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new InvalidArgumentError('It must be a number of seconds.');
  return number;
}
