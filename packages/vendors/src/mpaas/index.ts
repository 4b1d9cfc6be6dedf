import type { Vendor } from '../vendor.ts';
import { audiences } from './audience.ts';
import { checkMessage } from './check.ts';
import { createSender } from './client.ts';
import { credentialSchema, type MpaasCredential, prepareCredential } from './credential.ts';
import { operations } from './operations.ts';
import { overridesSchema } from './overrides.ts';
import { maxOwnValues } from './payload.ts';
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
  // Of the largest kind of call; the sender cuts for the others.
  maxTokensPerCall: maxOwnValues,
  prepareCredential: async (input, settings) => prepareCredential(input, settings),
  checkToken,
  checkMessage,
  audiences,
  operations,
  createSender,
  readCallback,
};
