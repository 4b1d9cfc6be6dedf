export type { PoolErrorKind } from './error.ts';
export { PoolError } from './error.ts';
export type { PoolOptions, TlsOptions } from './options.ts';
export type { Pool, PoolStats } from './pool.ts';
export { createPool } from './pool.ts';
export type { PoolRequest, PoolResponse } from './request.ts';
