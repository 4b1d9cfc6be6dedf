import { GroupCommit } from '@pushmill/core';
import type { Feeder } from '@pushmill/queue';
import { type Accepted, isLedgerAway, type NewMessage, type Store } from '@pushmill/store';

/** Messages of more pushes than this are stored beside the others, which would wait for them for a second. */
const largeFrom = 1_000;

/** Stores messages, many requests in one transaction, and has their batches fed to Redis. */
export class Acceptance {
  readonly #small: GroupCommit<NewMessage, Accepted>;
  readonly #large: GroupCommit<NewMessage, Accepted>;

  constructor(deps: {
    store: { messages: Pick<Store['messages'], 'accept'> };
    feeder: Pick<Feeder, 'feed' | 'add' | 'room'>;
    /** Told the size of each group. */
    observe?: (group: { messages: number; pushes: number }) => void;
  }) {
    const commit = async (messages: readonly NewMessage[]) => {
      const { answers, enqueued, crowded } = await deps.store.messages.accept(messages, deps.feeder.room());
      if (enqueued.length > 0) deps.feeder.add(enqueued);
      if (crowded.length > 0) deps.feeder.feed(crowded);
      const stored = messages.filter((_, index) => answers[index]?.kind === 'stored');
      deps.observe?.({ messages: messages.length, pushes: pushesOf(stored) });
      return answers;
    };
    const shared = {
      commit,
      weigh: (message: NewMessage) => message.recipients.length,
      isAway: isLedgerAway,
    };
    // One at a time: what arrives meanwhile becomes one larger group, and so fewer and fuller batches. A push of a group
    // of 50 costs a sixth less than one of 30, and the wait is small beside what a full machine makes of it.
    this.#small = new GroupCommit({
      ...shared,
      maxItems: 1_000,
      maxWeight: 10_000,
      maxWaitingItems: 10_000,
      maxWaitingWeight: 100_000,
      maxRunning: 1,
      lingerMs: 4,
    });
    this.#large = new GroupCommit({
      ...shared,
      maxItems: 10,
      maxWeight: 50_000,
      maxWaitingItems: 100,
      maxWaitingWeight: 500_000,
      maxRunning: 2,
    });
  }

  /**
   * @returns once stored; what the ledger said of it
   * @throws OverloadedError  when too much waits
   */
  accept(message: NewMessage): Promise<Accepted> {
    return (message.recipients.length >= largeFrom ? this.#large : this.#small).add(message);
  }

  /** Messages that wait for a commit. */
  get waiting(): number {
    return this.#small.waiting + this.#large.waiting;
  }

  async drained(): Promise<void> {
    await Promise.all([this.#small.drained(), this.#large.drained()]);
  }
}

function pushesOf(messages: readonly NewMessage[]): number {
  return messages.reduce((sum, { recipients }) => sum + recipients.length, 0);
}
