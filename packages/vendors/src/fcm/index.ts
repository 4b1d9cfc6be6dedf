import type { Vendor } from '../vendor.ts';
import { audiences } from './audience.ts';
import { checkMessage } from './check.ts';
import { createSender } from './client.ts';
import { credentialSchema, type FcmCredential, prepareCredential } from './credential.ts';
import { operations } from './operations.ts';
import { overridesSchema } from './overrides.ts';
import { checkToken, type FcmSettings, settingsSchema } from './settings.ts';

/** Firebase Cloud Messaging, HTTP v1; the facts and their sources are in README.md. It calls nobody back. */
export const fcm: Vendor<FcmSettings, FcmCredential> = {
  name: 'fcm',
  title: 'Firebase Cloud Messaging',
  settingsSchema,
  credentialSchema,
  overridesSchema,
  // `message.name` is given by FCM, and only what is shown with a collapse key replaces what came before.
  hasIdentity: false,
  maxTokensPerCall: 1,
  prepareCredential: async (input, settings) => prepareCredential(input, settings),
  checkToken,
  checkMessage,
  audiences,
  operations,
  createSender,
};
