import type { Vendor } from '../vendor.ts';
import { createSender } from './client.ts';
import { type BaiduCredential, credentialSchema, prepareCredential } from './credential.ts';
import { overridesSchema } from './overrides.ts';
import { checkMessage } from './payload.ts';
import { type BaiduSettings, checkToken, settingsSchema } from './settings.ts';

/** Baidu Cloud Push, REST 3.0; the facts and their sources are in README.md. */
export const baidu: Vendor<BaiduSettings, BaiduCredential> = {
  name: 'baidu',
  title: 'Baidu Cloud Push',
  settingsSchema,
  credentialSchema,
  overridesSchema,
  // No idempotency key exists, and the topic that names a push means nothing to the vendor.
  hasIdentity: false,
  maxTokensPerCall: 10_000,
  prepareCredential: async (input) => prepareCredential(input),
  checkToken,
  checkMessage,
  createSender,
};
