import type { Vendor } from '../vendor.ts';
import { audienceSchema, checkAudience } from './audience.ts';
import { checkMessage } from './check.ts';
import { createSender } from './client.ts';
import { credentialSchema, prepareCredential, type TpnsCredential } from './credential.ts';
import { operations } from './operations.ts';
import { overridesSchema } from './overrides.ts';
import { maxTargets } from './payload.ts';
import { polling } from './polling.ts';
import { checkToken, settingsSchema, type TpnsSettings } from './settings.ts';

/** Tencent TPNS (移动推送); the facts and their sources are in README.md. It calls nobody back. */
export const tpns: Vendor<TpnsSettings, TpnsCredential> = {
  name: 'tpns',
  title: 'Tencent TPNS',
  settingsSchema,
  credentialSchema,
  overridesSchema,
  // `seq` is only echoed, and nothing else of a call to tokens tells a second copy from a second push.
  hasIdentity: false,
  maxTokensPerCall: maxTargets,
  prepareCredential: async (input, settings) => prepareCredential(input, settings),
  checkToken,
  checkMessage,
  audiences: { schema: audienceSchema, check: checkAudience },
  operations,
  polling,
  createSender,
};
