import { apnsContenders } from './apns-contenders.ts';
import type { Contender } from './client.ts';
import { fcmContenders } from './fcm-contenders.ts';

/** In the order of the report: the floor, ours, the others. */
export const contenders = {
  apns: apnsContenders,
  fcm: fcmContenders,
} as const satisfies Record<string, readonly Contender[]>;

export type SendVendor = keyof typeof contenders;
export const sendVendors = Object.keys(contenders) as SendVendor[];
