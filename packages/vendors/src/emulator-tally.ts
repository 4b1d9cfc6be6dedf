import type { EmulatorAccount } from './emulator.ts';

/** What an emulator took and refused so far: the figures of its account. */
export class EmulatorTally {
  requests = 0;
  readonly #taken = new Set<string>();
  readonly #refused: Record<string, number> = {};
  #duplicates = 0;

  /** @param identity  what tells this push from every other */
  take(identity: string): void {
    if (this.#taken.has(identity)) this.#duplicates += 1;
    else this.#taken.add(identity);
  }

  hasTaken(identity: string): boolean {
    return this.#taken.has(identity);
  }

  refuse(code: string | number, pushes = 1): void {
    this.#refused[code] = (this.#refused[code] ?? 0) + pushes;
  }

  /** @param receipts  of a vendor that calls back */
  account(receipts?: { sent: number; taken: number; forged: number }): EmulatorAccount {
    return {
      requests: this.requests,
      accepted: this.#taken.size,
      duplicates: this.#duplicates,
      refused: { ...this.#refused },
      receiptsSent: receipts?.sent ?? 0,
      receiptsTaken: receipts?.taken ?? 0,
      ...(receipts === undefined ? {} : { receiptsForged: receipts.forged }),
    };
  }
}
