import { type VendorName, vendors } from '@pushmill/vendors';
import { vendorSuite } from './vendor-suite.ts';

for (const name of Object.keys(vendors) as VendorName[]) vendorSuite(name);
