import type { Client, DeadLetterFilter, DeadLetterSelection, ReplayedLetters } from '@pushmill/client';
import { type Command, Option } from 'commander';
import { CommandError } from '../failure.ts';
import { wholeNumber } from '../option-values.ts';
import type { Context } from '../program.ts';
import { table } from '../table.ts';

interface FilterOptions extends DeadLetterFilter {
  json?: true;
}

interface SelectionOptions extends FilterOptions {
  all?: true;
}

const MAX_TTL_SECONDS = 28 * 86_400;

/** Pushes that were given up. Nothing is asked back: what was done is said, and what is left. */
export function addDeadLettersCommand(program: Command, { env, terminal }: Context): void {
  const letters = program.command('dead-letters').description('Pushes that were given up');
  const client = async (): Promise<Client> =>
    (await import('../connection.ts')).connect(env, 'operator').client;

  addFilterOptions(letters.command('list').description('List them, the latest first, and how many there are'))
    .option('--limit <n>', 'of the list; the summary counts all', wholeNumber(0, 100_000), 20)
    .option('--json', 'print {count, groups, items}')
    .action(async (options: FilterOptions & { limit: number }) => {
      const api = await client();
      const filter = filterOf(options);
      const { count, groups } = await api.deadLetters.summary(filter);
      const items = [];
      if (options.limit > 0) {
        const pageSize = Math.min(options.limit, 200);
        for await (const letter of api.deadLetters.list({ ...filter, limit: pageSize })) {
          items.push(letter);
          if (items.length === options.limit) break;
        }
      }
      if (options.json) return terminal.json({ count, groups, items });
      if (count === 0) return terminal.note('There are no such dead letters.');
      terminal.out(
        table(
          ['channel', 'vendor', 'code', 'pushes', 'oldest', 'newest'],
          groups.map((one) => [one.channel, one.vendor, one.code, one.count, one.oldestAt, one.newestAt]),
        ),
      );
      if (items.length > 0) {
        const rows = items.map((one) => [one.at, one.pushId, one.channel, one.state, one.code, one.detail]);
        terminal.out(`\n${table(['given up', 'push', 'channel', 'state', 'code', 'detail'], rows)}`);
      }
      terminal.note(`${count} dead letters; ${items.length} are shown.`);
    });

  addSelectionOptions(letters.command('replay').description('Send them again, once their cause is mended'))
    .option(
      '--ttl <seconds>',
      'to live from now (default: as long as their message had)',
      wholeNumber(1, MAX_TTL_SECONDS),
    )
    .option('--json', "print the API's answer")
    .addHelpText('after', '\nA push in the state unknown may have arrived: sent again, it may arrive twice.')
    .action(async (ids: string[], options: SelectionOptions & { ttl?: number }) => {
      const which = selectionOf(ids, options);
      const lifetime = options.ttl === undefined ? {} : { ttlSeconds: options.ttl };
      const answer = await (await client()).deadLetters.replay(which, lifetime);
      if (options.json) return terminal.json(answer);
      terminal.out(`${answer.replayed} are queued again, ${answer.remaining} are left.`);
      if (answer.more) terminal.note(again);
      for (const sentence of hindranceTexts(answer)) terminal.note(sentence);
    });

  addSelectionOptions(letters.command('drop').description('Forget them; their pushes stay as they are'))
    .option('--json', "print the API's answer")
    .action(async (ids: string[], options: SelectionOptions) => {
      const answer = await (await client()).deadLetters.drop(selectionOf(ids, options));
      if (options.json) return terminal.json(answer);
      terminal.out(`${answer.dropped} are dropped, ${answer.remaining} are left.`);
      if (answer.more) terminal.note(again);
    });
}

const again = 'One run does a part of so many: run it again for the next.';

function addFilterOptions(command: Command): Command {
  return command
    .option('--channel <name>')
    .option('--vendor <name>')
    .option('--code <code>', "the vendor's word, or ours")
    .addOption(new Option('--state <state>').choices(['failed', 'unknown']))
    .option('--from <time>', 'given up since then, e.g. 2026-11-22T03:00:00Z')
    .option('--to <time>', 'given up before then');
}

function addSelectionOptions(command: Command): Command {
  return addFilterOptions(command.argument('[id...]', 'of pushes, in place of a filter')).option(
    '--all',
    'every dead letter there is',
  );
}

function filterOf({ channel, vendor, code, state, from, to }: FilterOptions): DeadLetterFilter {
  const given = Object.entries({ channel, vendor, code, state, from, to });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** A slip of the finger must not be every dead letter there is. */
function selectionOf(ids: readonly string[], options: SelectionOptions): DeadLetterSelection {
  const filter = filterOf(options);
  const isFiltered = Object.keys(filter).length > 0;
  if ([ids.length > 0, isFiltered, options.all === true].filter(Boolean).length !== 1) {
    throw new CommandError('Say which: push ids, or a filter such as --channel, or --all for every one.');
  }
  if (options.all) return { all: true };
  return ids.length > 0 ? { ids } : { filter };
}

function hindranceTexts({ hindered }: ReplayedLetters): string[] {
  const reasons: Readonly<Record<keyof ReplayedLetters['hindered'], string>> = {
    cancelled: 'their message was cancelled',
    'channel-removed': 'their channel was removed',
    suppressed: 'the vendor has called their token dead since',
    gone: 'the push itself is not kept any more',
  };
  return Object.entries(hindered).map(
    ([name, count]) => `${count} cannot be sent again: ${reasons[name as keyof typeof reasons]}.`,
  );
}
