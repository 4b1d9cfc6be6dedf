import type { Command } from 'commander';
import { CommandError } from '../failure.ts';
import type { Context } from '../program.ts';

export function addMigrateCommand(program: Command, { env, terminal }: Context): void {
  program
    .command('migrate')
    .description('Bring the database schema up to date (needs DATABASE_URL, or a running "pushmill up")')
    .option('--json', 'print what was applied as JSON')
    .action(async (options: { json?: true }) => {
      const { databaseUrlOf } = await import('../connection.ts');
      const { isLedgerAway, migrate } = await import('@pushmill/store');
      const { applied } = await migrate(databaseUrlOf(env).reveal()).catch((error: unknown) => {
        if (!isLedgerAway(error)) throw error;
        throw new CommandError('The database does not answer: start it, or correct DATABASE_URL.');
      });
      if (options.json) return terminal.json({ applied });
      for (const name of applied) terminal.out(`applied ${name}`);
      terminal.note(applied.length === 0 ? 'The schema is up to date.' : 'The schema is now up to date.');
    });
}
