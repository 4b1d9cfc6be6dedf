import { isUuid, parsePushId } from '@pushmill/core';
import type { Command } from 'commander';
import { CommandError } from '../failure.ts';
import type { Context } from '../program.ts';
import { table } from '../table.ts';

const MOST_PUSHES_SHOWN = 50;

export function addStatusCommand(program: Command, context: Context): void {
  program
    .command('status')
    .description('Show a message with its pushes, or one push with its timeline')
    .argument('<id>', 'of a message, or of a push (<message>.<n>)')
    .option('--json', "print the API's answer")
    .action((id: string, options: { json?: true }) => status(context, id, options));
}

async function status({ env, terminal }: Context, id: string, options: { json?: true }): Promise<void> {
  checkId(id);
  const { connect } = await import('../connection.ts');
  const { timelineText } = await import('../timeline.ts');
  const { client } = connect(env, 'producer');

  if (parsePushId(id)) {
    const push = await client.pushes.get(id);
    return options.json ? terminal.json(push) : terminal.out(timelineText(push));
  }
  const message = await client.messages.get(id);
  const pushes = [];
  for await (const push of client.messages.pushes(id, { limit: MOST_PUSHES_SHOWN })) {
    if (pushes.push(push) === MOST_PUSHES_SHOWN) break;
  }
  if (options.json) return terminal.json({ ...message, items: pushes });
  terminal.out(`Message ${message.id}: ${message.state}; ${countsText(message.counts)}`);
  terminal.out(
    table(
      ['push', 'channel', 'vendor', 'state', 'code', 'attempts', 'since'],
      pushes.map((push) => [
        push.id,
        push.channel,
        push.vendor,
        push.state,
        push.code,
        push.attempts,
        push.updatedAt,
      ]),
    ),
  );
  if (message.pushes > pushes.length)
    terminal.note(`The first ${pushes.length} of ${message.pushes} pushes.`);
}

/** @throws CommandError  for what is neither a message's id nor a push's */
export function checkId(id: string): void {
  if (isUuid(id) || parsePushId(id)) return;
  throw new CommandError(
    `"${id}" is not an id: a message's is a UUID, a push's is that with .0, .1, … after it.`,
  );
}

/** `3 accepted, 1 failed` */
export function countsText(counts: Readonly<Partial<Record<string, number>>>): string {
  const parts = Object.entries(counts).filter(([, count]) => count);
  return parts.map(([state, count]) => `${count} ${state}`).join(', ') || 'no pushes';
}
