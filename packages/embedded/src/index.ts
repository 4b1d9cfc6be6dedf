export { defaultDataDir, lockDataDir, makeTemporaryDataDir, removeDataDir } from './data-dir.ts';
export type { Lock } from './lock.ts';
export { type PostgresOptions, startPostgres } from './postgres.ts';
export { type RedisOptions, startRedis } from './redis.ts';
export { loadOrCreateSecrets, newPassword } from './secrets.ts';
export { EmbeddedError, type Server, type ServerOptions, withoutPassword } from './server.ts';
