/**
 * Abort signals by how many unsettled requests carry them. A worker gives all pushes of a batch the same
 * signal: one listener a signal, not one a request, and none left behind on a signal that lives for ever.
 */
export class AbortWatch {
  readonly #watched = new Map<AbortSignal, { count: number; listener: () => void }>();
  readonly #onAbort: (signal: AbortSignal) => void;

  constructor(onAbort: (signal: AbortSignal) => void) {
    this.#onAbort = onAbort;
  }

  add(signal: AbortSignal): void {
    const entry = this.#watched.get(signal);
    if (entry !== undefined) {
      entry.count += 1;
      return;
    }
    const listener = () => this.#onAbort(signal);
    signal.addEventListener('abort', listener, { once: true });
    this.#watched.set(signal, { count: 1, listener });
  }

  readonly release = (signal: AbortSignal): void => {
    const entry = this.#watched.get(signal);
    if (entry === undefined) return;
    entry.count -= 1;
    if (entry.count > 0) return;
    signal.removeEventListener('abort', entry.listener);
    this.#watched.delete(signal);
  };
}
