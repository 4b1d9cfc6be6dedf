import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 2;
const LOOK_EVERY_MS = 100;

/** How late this process comes to what is to be done, as a mean over the last tenth of a second. */
export class LoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;
  #ms = 0;

  constructor() {
    this.#histogram.enable();
    this.#timer = setInterval(() => {
      // The histogram holds the intervals of a timer, its own included.
      this.#ms = Math.max(0, this.#histogram.mean / 1e6 - RESOLUTION_MS) || 0;
      this.#histogram.reset();
    }, LOOK_EVERY_MS).unref();
  }

  get ms(): number {
    return this.#ms;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }
}
