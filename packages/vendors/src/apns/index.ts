import type { Vendor } from '../vendor.ts';
import { audiences } from './broadcast.ts';
import { checkMessage } from './check.ts';
import { createSender } from './client.ts';
import type { ApnsCredential } from './credential.ts';
import { credentialSchema, prepareCredential } from './credential.ts';
import { operations } from './operations.ts';
import { overridesSchema } from './overrides.ts';
import type { ApnsSettings } from './settings.ts';
import { environments, settingsSchema } from './settings.ts';

export * as certificates from './certificates.ts';

export const apns: Vendor<ApnsSettings, ApnsCredential> = {
  name: 'apns',
  title: 'APNs',
  settingsSchema,
  credentialSchema,
  overridesSchema,
  // apns-id is only echoed; it is the collapse id that makes a second copy replace the first on the device.
  hasIdentity: true,
  maxTokensPerCall: 1,
  prepareCredential,
  checkToken,
  checkMessage,
  audiences,
  environments,
  operations,
  createSender,
};

/** Apple promises no length: alert tokens are 64 characters today, those of Live Activities are longer. */
function checkToken(token: string): string | undefined {
  if (token.length < 64 || token.length > 512 || token.length % 2 !== 0 || !/^[0-9a-fA-F]+$/.test(token)) {
    return 'An APNs device token is an even number of hex digits, at least 64.';
  }
  return undefined;
}
