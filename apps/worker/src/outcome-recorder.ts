import type { ClaimedBatch, OutcomeRecord, Standing } from '@pushmill/store';
import { writePatiently } from './ledger-patience.ts';

export interface RecorderOptions {
  batch: ClaimedBatch;
  /** When the claim was asked for, which its answer is news of. */
  heardAt: number;
  /** Writes one group; false in `held` means that the batch has another holder. */
  record: (outcomes: readonly OutcomeRecord[], isRepeat: boolean) => Promise<Standing>;
  /** Milliseconds, of a clock that is never set. */
  now: () => number;
  /** Whether an error says that the ledger is away, so that the same group is worth another try. */
  isLedgerAway: (error: unknown) => boolean;
  warn: (fields: Record<string, unknown>, message: string) => void;
}

/** Outcomes are written when this many are known … */
const GROUP_SIZE = 100;
/** … or when the first of them is this old: what a killed worker sends again is at most that much. */
const GROUP_AGE_MS = 25;
/** Past this many unwritten outcomes no more calls are started. */
const MAX_UNWRITTEN = 4 * GROUP_SIZE;

/**
 * Writes a batch's outcomes to the ledger in groups while the batch runs, one group at a time. An outcome is
 * knowledge that cannot be had again, so while the ledger is away the group is kept and tried until it is back.
 */
export class OutcomeRecorder {
  readonly #options: RecorderOptions;
  #waiting: OutcomeRecord[] = [];
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #unwritten = 0;
  #failure: unknown;
  /** False as soon as another holder has the batch. */
  held = true;
  /** Messages of the batch that are cancelled, or paused, as far as is known. */
  readonly cancelled = new Set<string>();
  readonly paused = new Set<string>();

  /** When the ledger was last asked how the batch stands, and answered. */
  heardAt: number;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.heardAt = options.heardAt;
  }

  add(outcome: OutcomeRecord): void {
    this.#waiting.push(outcome);
    this.#unwritten += 1;
    if (this.#waiting.length >= GROUP_SIZE) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), GROUP_AGE_MS);
  }

  /** Undefined while there is room for more outcomes. */
  room(): Promise<void> | undefined {
    if (this.#unwritten < MAX_UNWRITTEN) return undefined;
    this.#start();
    return this.#writing;
  }

  /** @throws what the ledger threw, when it was not merely away */
  async flush(): Promise<void> {
    while (this.#waiting.length > 0 || this.#writing) {
      this.#start();
      await this.#writing;
    }
    clearTimeout(this.#timer);
    if (this.#failure) throw this.#failure;
  }

  /** Takes to heart how the batch stands. */
  heed(standing: Standing, askedAt: number): void {
    this.held &&= standing.held;
    this.heardAt = Math.max(this.heardAt, askedAt);
    for (const id of standing.cancelled) this.cancelled.add(id);
    this.paused.clear();
    for (const id of standing.paused) this.paused.add(id);
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing || this.#waiting.length === 0) return;
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined;
      if (this.#waiting.length > 0) this.#start();
    });
  }

  async #write(): Promise<void> {
    const group = this.#waiting;
    this.#waiting = [];
    const { batch, record, isLedgerAway, now, warn } = this.#options;
    const onAway = () => warn({ batchId: batch.id, outcomes: group.length }, 'ledger.away');
    try {
      let askedAt = now();
      const standing = await writePatiently(
        (isRepeat) => {
          askedAt = now();
          return record(group, isRepeat);
        },
        { isLedgerAway, onAway },
      );
      this.heed(standing, askedAt);
    } catch (error) {
      this.#failure = error;
      this.held = false;
    }
    this.#unwritten -= group.length;
  }
}
