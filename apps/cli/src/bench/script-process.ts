import { type ChildProcess, fork } from 'node:child_process';
import { CommandError } from '../failure.ts';

type Reply = { answer: unknown } | { failure: string };

/** A script of ours in a process of its own, so that its CPU time is its own. It ends with us, however we die. */
export class ScriptProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<never>;

  constructor(script: URL, args: readonly string[] = []) {
    // Questions may hold bytes.
    this.#child = fork(script, args, { execArgv: [], serialization: 'advanced' });
    this.#exited = new Promise((_, reject) => {
      const died = (how: unknown) => reject(new CommandError(`A process of the bench ended (${how}).`));
      this.#child.once('exit', (code, by) => died(by ?? code));
      this.#child.once('error', died);
    });
    this.#exited.catch(() => {});
  }

  /**
   * One question at a time.
   * @throws  CommandError with the script's own sentence, or when the process dies; the signal's reason
   */
  async ask<Answer>(question: unknown, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    const stopped = Promise.withResolvers<never>();
    const stop = () => stopped.reject(signal.reason);
    signal.addEventListener('abort', stop);
    try {
      const replied = new Promise<Reply>((resolve) => this.#child.once('message', resolve as () => void));
      this.#child.send(question as object);
      const reply = await Promise.race([replied, this.#exited, stopped.promise]);
      if ('failure' in reply) throw new CommandError(reply.failure);
      return reply.answer as Answer;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** The script closes what it has opened and ends by itself, in the middle of an answer too. */
  async end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#exited.catch(() => {});
  }
}

/** The script's side: answers question by question, and ends when nobody can ask any more. */
export function answerQuestions<Question>(
  answer: (question: Question) => Promise<unknown>,
  end: () => void = () => {},
): void {
  process.on('message', (question: Question) => {
    answer(question).then(
      (value) => process.send?.({ answer: value } satisfies Reply),
      (error: unknown) => {
        const failure = error instanceof Error ? error.message : String(error);
        process.send?.({ failure } satisfies Reply);
      },
    );
  });
  process.once('disconnect', () => {
    end();
    process.exit();
  });
}
