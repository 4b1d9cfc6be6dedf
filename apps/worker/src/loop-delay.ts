import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 2;
const LOOK_EVERY_MS = 100;
/** A thread that had less of a processor than this was kept waiting by others, and is not relieved by doing less. */
const BUSY = 0.6;

/** How late this process comes to what is to be done because it has much to do: a mean over the last tenth of a second. */
export class LoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;
  #lookedAt = performance.now();
  #cpu = process.threadCpuUsage();
  #ms = 0;

  constructor() {
    this.#histogram.enable();
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  get ms(): number {
    return this.#ms;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  #look(): void {
    const [now, cpu] = [performance.now(), process.threadCpuUsage()];
    const usedMs = (cpu.user + cpu.system - this.#cpu.user - this.#cpu.system) / 1_000;
    const isBusy = usedMs / (now - this.#lookedAt) > BUSY;
    // The histogram holds the intervals of a timer, its own included.
    this.#ms = isBusy ? Math.max(0, this.#histogram.mean / 1e6 - RESOLUTION_MS) || 0 : 0;
    this.#histogram.reset();
    [this.#lookedAt, this.#cpu] = [now, cpu];
  }
}
