import type { Command } from 'commander';
import { CommandError } from '../failure.ts';
import type { Context } from '../program.ts';

interface DoctorOptions {
  data?: string;
  json?: true;
}

export function addDoctorCommand(program: Command, { env, terminal }: Context): void {
  program
    .command('doctor')
    .description(
      'Look at settings, Postgres, Redis, clocks, roles, the public receipts URL and the channels, and name the remedy for what is wrong',
    )
    .option('--data <dir>', 'data folder of a "pushmill up" (default: PUSHMILL_DATA_DIR, else ./.pushmill)')
    .option('--json', 'print what was found as JSON')
    .addHelpText(
      'after',
      '\nRuns with the settings of the roles, or beside a running "pushmill up". Changes nothing.\nExits with 1 if something fails; warnings do not count.',
    )
    .action(async (options: DoctorOptions) => {
      const { examine } = await import('../doctor/examination.ts');
      const { countOf, reportText } = await import('../doctor/report.ts');
      const settings = options.data === undefined ? env : { ...env, PUSHMILL_DATA_DIR: options.data };
      const findings = await examine(settings, (line) => !options.json && terminal.progress(line));
      terminal.clearProgress();
      const failures = countOf(findings, 'failed');
      if (options.json) terminal.json({ ok: failures === 0, findings });
      else terminal.out(reportText(findings));
      if (failures > 0) {
        throw new CommandError(`${failures} ${failures === 1 ? 'check has' : 'checks have'} failed.`);
      }
      const warnings = countOf(findings, 'warning');
      if (!options.json) {
        terminal.note(warnings === 0 ? 'All is well.' : `Nothing has failed; warnings: ${warnings}.`);
      }
    });
}
