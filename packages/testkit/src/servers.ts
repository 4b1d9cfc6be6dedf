export { createTestDatabase, type TestDatabase, uniquePrefix } from './servers-database.ts';
export { startTestServers, type TestServers, testServers } from './servers-pair.ts';
