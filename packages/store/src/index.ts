export type { LaneBacklog } from './backlog.ts';
export type {
  ClaimedBatch,
  ClaimedPush,
  HeldBatch,
  RemainingGroup,
} from './batches.ts';
export type { Database } from './database.ts';
export { isLedgerAway } from './database.ts';
export type { DeadLetterFilter, DeadLetterSelection, DroppedLetters, ReplayResult } from './dead-letters.ts';
export { hindrances } from './dead-letters.ts';
export type {
  DeviceFilter,
  DeviceQuery,
  DeviceRegistration,
  DeviceRow,
  DeviceState,
  ResolvedDevice,
  ResolvedDevices,
} from './devices.ts';
export { deviceStates } from './devices.ts';
export { type DatabaseInspection, inspectDatabase } from './inspection.ts';
export { migrate } from './migrate.ts';
export type { TakenOperation } from './operations.ts';
export type { OutcomeRecord, Standing } from './outcomes.ts';
export type { QuotaGrant, QuotaRequest, QuotaUse } from './quotas.ts';
export type { IncomingReceipt, RecordedReceipt, StrayReceipt } from './receipts.ts';
export type * from './rows.ts';
export { Sealing } from './sealing.ts';
export type { Store, StoreOptions } from './store.ts';
export { openStore } from './store.ts';
export type { DueTask, ToldTask } from './tasks.ts';
