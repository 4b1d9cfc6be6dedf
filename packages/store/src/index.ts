export type {
  ClaimedBatch,
  ClaimedPush,
  DueBatch,
  OutcomeRecord,
  Recorded,
  RemainingGroup,
} from './batches.ts';
export type { Database } from './database.ts';
export { isLedgerAway } from './database.ts';
export { migrate } from './migrate.ts';
export type { IncomingReceipt, RecordedReceipt, StrayReceipt } from './receipts.ts';
export type * from './rows.ts';
export { Sealing } from './sealing.ts';
export type { Store, StoreOptions } from './store.ts';
export { openStore } from './store.ts';
