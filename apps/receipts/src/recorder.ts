import { GroupCommit } from '@pushmill/core';
import { type IncomingReceipt, isLedgerAway, type RecordedReceipt, type Store } from '@pushmill/store';

/** The receipts of one callback: they are stored together, before it is answered. */
type Callback = readonly IncomingReceipt[];

/** Stores the receipts of many callbacks in one statement. */
export class ReceiptRecorder {
  readonly #group: GroupCommit<Callback, RecordedReceipt[]>;

  constructor(store: { receipts: Pick<Store['receipts'], 'record'> }, observe?: (receipts: number) => void) {
    this.#group = new GroupCommit({
      async commit(callbacks: readonly Callback[]) {
        const results = await store.receipts.record(callbacks.flat());
        observe?.(results.length);
        let taken = 0;
        return callbacks.map((receipts) => {
          taken += receipts.length;
          return results.slice(taken - receipts.length, taken);
        });
      },
      weigh: (receipts) => receipts.length,
      isAway: isLedgerAway,
      maxItems: 1_000,
      maxWeight: 2_000,
      maxWaitingItems: 10_000,
      maxWaitingWeight: 20_000,
      // One after another: two at a time could each hold a push that the other one waits for.
      maxRunning: 1,
    });
  }

  /**
   * @returns what became of each receipt, once it is stored
   * @throws OverloadedError  when too much waits
   */
  record(receipts: Callback): Promise<RecordedReceipt[]> {
    return receipts.length === 0 ? Promise.resolve([]) : this.#group.add(receipts);
  }

  drained(): Promise<void> {
    return this.#group.drained();
  }
}
