import { parsePushId } from '@pushmill/core';
import type { Command } from 'commander';
import { CommandError } from '../failure.ts';
import type { Context } from '../program.ts';
import { checkId, countsText } from './status.ts';

const verbs = {
  cancel: 'Cancel what has not been sent of a message',
  pause: 'Hold back what has not been sent of a message; it still expires in its time',
  resume: 'Go on with a paused message',
} as const;

export function addMessageControlCommands(program: Command, { env, terminal }: Context): void {
  for (const [verb, description] of Object.entries(verbs) as [keyof typeof verbs, string][]) {
    program
      .command(verb)
      .description(description)
      .argument('<id>', 'of the message')
      .option('--json', "print the API's answer")
      .action(async (id: string, options: { json?: true }) => {
        checkId(id);
        if (parsePushId(id)) {
          throw new CommandError(`"${id}" names one push; hand in the message's id, without the dot.`);
        }
        const { connect } = await import('../connection.ts');
        const message = await connect(env, 'producer').client.messages[verb](id);
        if (options.json) return terminal.json(message);
        terminal.out(`Message ${message.id}: ${message.state}; ${countsText(message.counts)}`);
      });
  }
}
