export type { ApiOptions } from './main.ts';
export { run, startApi } from './main.ts';
export { buildApi } from './server.ts';
export type { Api, ApiDeps } from './server-types.ts';
