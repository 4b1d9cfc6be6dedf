export { apns } from './apns/index.ts';
export { mpaas } from './mpaas/index.ts';
