import type { HeldBatch, Standing, Store } from '@pushmill/store';

export interface WatchedRun {
  readonly batch: HeldBatch;
  heed(standing: Standing, askedAt: number): void;
}

export interface BatchWatchDeps {
  store: { batches: Pick<Store['batches'], 'standings'> };
  leaseMs: number;
  /** Milliseconds, of a clock that is never set. */
  now: () => number;
}

/**
 * Keeps the leases of all batches that this worker has in hand, and hears how they stand: one statement for all of
 * them each time, so that a worker with hundreds of slow batches does not drown the ledger in questions.
 */
export class BatchWatch {
  readonly #deps: BatchWatchDeps;
  readonly #runs = new Set<WatchedRun>();
  #prolongedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(deps: BatchWatchDeps) {
    this.#deps = deps;
  }

  add(run: WatchedRun): void {
    this.#runs.add(run);
  }

  remove(run: WatchedRun): void {
    this.#runs.delete(run);
  }

  /** Asks now, or joins the question that is under way. Never rejects: without an answer the leases just run out. */
  ask(): Promise<void> {
    this.#asking ??= this.#ask()
      .catch(() => undefined)
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  async #ask(): Promise<void> {
    const runs = [...this.#runs];
    if (runs.length === 0) return;
    const { store, leaseMs, now } = this.#deps;
    const askedAt = now();
    const prolongs = askedAt - this.#prolongedAt >= leaseMs / 4;
    const standings = await store.batches.standings(
      runs.map(({ batch }) => batch),
      prolongs ? leaseMs : undefined,
    );
    if (prolongs) this.#prolongedAt = askedAt;
    runs.forEach((run, index) => {
      run.heed(standings[index] as Standing, askedAt);
    });
  }
}
