import type { Vendor } from '../vendor.ts';
import { audienceSchema, type BaiduAudience, checkAudience } from './audience.ts';
import { checkMessage } from './check.ts';
import { createSender } from './client.ts';
import { type BaiduCredential, credentialSchema, prepareCredential } from './credential.ts';
import { operations } from './operations.ts';
import { overridesSchema } from './overrides.ts';
import { polling } from './polling.ts';
import { readCallback } from './receipt.ts';
import { type BaiduSettings, checkToken, settingsSchema } from './settings.ts';

/** Baidu Cloud Push: REST 3.0, the older channel API 2.0, and SPP. Facts and sources are in README.md. */
export const baidu: Vendor<BaiduSettings, BaiduCredential> = {
  name: 'baidu',
  title: 'Baidu Cloud Push',
  settingsSchema,
  credentialSchema,
  overridesSchema,
  // No idempotency key exists, and the topic that names a push means nothing to the vendor.
  hasIdentity: false,
  maxTokensPerCall: 10_000,
  prepareCredential: async (input, settings) => prepareCredential(input, settings),
  checkToken,
  checkMessage,
  audiences: {
    schema: audienceSchema,
    check: (audience, _content, settings) => checkAudience(audience as BaiduAudience, settings, Date.now()),
  },
  operations,
  polling,
  createSender,
  readCallback,
};
