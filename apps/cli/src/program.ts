import { Command } from 'commander';
import { addBenchCommand } from './commands/bench.ts';
import { addCertsCommand } from './commands/certs.ts';
import { addChannelsCommand } from './commands/channels.ts';
import { addDeadLettersCommand } from './commands/dead-letters.ts';
import { addDemoCommand } from './commands/demo.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addEmulateCommand } from './commands/emulate.ts';
import { addKeysCommand } from './commands/keys.ts';
import { addMessageControlCommands } from './commands/message-control.ts';
import { addMigrateCommand } from './commands/migrate.ts';
import { addRoleCommands } from './commands/roles.ts';
import { addSendCommand } from './commands/send.ts';
import { addStatusCommand } from './commands/status.ts';
import { addUpCommand } from './commands/up.ts';
import { addWatchCommand } from './commands/watch.ts';
import type { Terminal } from './terminal.ts';

/** What every command may use; tests hand in their own. */
export interface Context {
  env: NodeJS.ProcessEnv;
  terminal: Terminal;
}

/** The command line. Each command imports what it needs only when it runs, so that `--help` is quick. */
export function createProgram(context: Context): Command {
  const program = new Command('pushmill')
    .description('A self-hosted, queue-backed delivery cluster for push notifications')
    .version('0.1.0')
    .showHelpAfterError('(--help shows how to use it)');
  addUpCommand(program, context);
  addDemoCommand(program, context);
  addBenchCommand(program, context);
  addRoleCommands(program, context);
  addEmulateCommand(program, context);
  addSendCommand(program, context);
  addStatusCommand(program, context);
  addWatchCommand(program, context);
  addMessageControlCommands(program, context);
  addChannelsCommand(program, context);
  addDeadLettersCommand(program, context);
  addCertsCommand(program, context);
  addKeysCommand(program, context);
  addMigrateCommand(program, context);
  addDoctorCommand(program, context);
  return program;
}
