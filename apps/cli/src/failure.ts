/** A command that cannot do what was asked; the message is a plain sentence that names the remedy. */
export class CommandError extends Error {
  override name = 'CommandError';
}

/**
 * What a person is told when a command fails: the error's own sentence. The stack is for those who ask for it
 * with `PUSHMILL_LOG_LEVEL=debug`.
 */
export function failureSentence(error: unknown, env: NodeJS.ProcessEnv): string {
  if (!(error instanceof Error)) return String(error);
  const wantsStack = env.PUSHMILL_LOG_LEVEL === 'debug' || env.PUSHMILL_LOG_LEVEL === 'trace';
  if (wantsStack && error.stack) return error.stack;
  if (error instanceof AggregateError && !error.message) return failureSentence(error.errors[0], env);
  return error.message || error.name;
}
