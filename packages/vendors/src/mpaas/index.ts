import type { Vendor } from '../vendor.ts';
import { createSender } from './client.ts';
import { credentialSchema, type MpaasCredential, prepareCredential } from './credential.ts';
import { overridesSchema } from './overrides.ts';
import { checkMessage, maxTargets } from './payload.ts';
import { readCallback } from './receipt.ts';
import { checkToken, type MpaasSettings, settingsSchema } from './settings.ts';

/** Ant mPaaS Message Push Service; the facts and their sources are in README.md. */
export const mpaas: Vendor<MpaasSettings, MpaasCredential> = {
  name: 'mpaas',
  title: 'mPaaS MPS',
  settingsSchema,
  credentialSchema,
  overridesSchema,
  // The msgKey: the receiving client is said to drop a second message that carries the same one.
  hasIdentity: true,
  maxTokensPerCall: maxTargets,
  prepareCredential: async (input, settings) => prepareCredential(input, settings),
  checkToken,
  checkMessage,
  createSender,
  readCallback,
};
