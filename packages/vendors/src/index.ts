import * as all from './all.ts';
import type { Vendor } from './vendor.ts';

export { certificates } from './apns/index.ts';
export type * from './emulator.ts';
export type * from './vendor.ts';

export type VendorName = keyof typeof all;
export const vendors = all as unknown as Readonly<Record<VendorName, Vendor>>;

export function isVendorName(name: string): name is VendorName {
  return Object.hasOwn(vendors, name);
}
