/** Thrown out of a start that somebody stopped; no failure. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

export interface Interruption {
  /** Aborts at the first Ctrl-C, SIGTERM or hang-up. */
  readonly signal: AbortSignal;
  /** Resolves then. */
  readonly requested: Promise<void>;
  /** Gives the signals back to the system. */
  release(): void;
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Takes over the signals that ask to stop: the first one asks for an orderly end, a second one ends the process
 * at once. Children notice by their closed pipes then, so that even so none stays.
 */
export function takeInterruption(say: (line: string) => void): Interruption {
  const controller = new AbortController();
  const requested = new Promise<void>((resolve) => {
    controller.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(130);
    say('Stopping. Again to stop at once.');
    controller.abort(new Interrupted('It was stopped.'));
  };
  for (const name of signals) process.on(name, onSignal);
  return {
    signal: controller.signal,
    requested,
    release() {
      for (const name of signals) process.off(name, onSignal);
    },
  };
}
