export { type Account, balance, type Findings } from './account.ts';
export { type Cluster, type ClusterOptions, startCluster } from './cluster.ts';
export { awaitPushes, demoMessage, producerOf, sendDemoPushes, sendLoad, tokenMaker } from './demo-pushes.ts';
export { demoFaults, parseFaults } from './faults.ts';
export { type LedgerView, openLedgerView } from './ledger-view.ts';
export { main } from './main.ts';
export { postgresBytes, redisPeakBytes } from './measures.ts';
export type { RoleName, RoleProcess } from './role-process.ts';
