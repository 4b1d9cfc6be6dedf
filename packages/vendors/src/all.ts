export { apns } from './apns/index.ts';
export { baidu } from './baidu/index.ts';
export { fcm } from './fcm/index.ts';
export { mpaas } from './mpaas/index.ts';
export { tpns } from './tpns/index.ts';
