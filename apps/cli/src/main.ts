import { failureSentence } from './failure.ts';
import { createProgram } from './program.ts';
import { openTerminal } from './terminal.ts';

/**
 * Runs one command line and sets the exit code. Nothing here ends the process: what is still open keeps it
 * alive, so that a leak shows.
 */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const terminal = openTerminal();
  // `pushmill … | head` closes the pipe early; that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    await createProgram({ env, terminal }).parseAsync(argv);
  } catch (error) {
    terminal.clearProgress();
    const sentence = failureSentence(error, env);
    terminal.note(sentence);
    // To the `up` that supervises this role; its log has the same sentence.
    process.send?.({ kind: 'failed', message: sentence }, () => process.disconnect?.());
    process.exitCode = 1;
  }
}
