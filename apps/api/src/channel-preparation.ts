import { isDeepStrictEqual } from 'node:util';
import { CredentialError, type FieldProblem } from '@pushmill/core';
import type { PublicCredential, Vendor } from '@pushmill/vendors';
import { Value } from 'typebox/value';
import { addressesIn, checkAddresses } from './address-check.ts';
import { policyProblems } from './channel-policy.ts';
import { PolicySchema } from './channel-schema.ts';
import { fieldsProblem, ProblemError } from './problem.ts';
import { type Check, createCheck } from './validation.ts';

type Settings = Record<string, unknown>;

export interface Preparation {
  /**
   * A channel's settings, checked, with the vendor's defaults filled in.
   * @throws ProblemError  naming the settings that cannot be used
   */
  settings(vendorName: string, given: Settings): Settings;
  /**
   * A whole policy, checked.
   * @throws ProblemError  naming the parts that cannot be used
   */
  policy(given: Record<string, unknown>): Record<string, unknown>;
  /**
   * What is kept of a credential, and what may be told of it.
   * @throws ProblemError  with the vendor's plain sentence, when it cannot work
   */
  credential(
    vendorName: string,
    given: unknown,
    settings: Settings,
  ): Promise<{ credential: unknown; shown: PublicCredential }>;
}

/** Checks what operators hand in against the vendors' own schemas and rules. */
export function createPreparation(
  vendors: Readonly<Record<string, Vendor>>,
  now: () => Date = () => new Date(),
): Preparation {
  const checks = new Map<string, { settings: Check; credential: Check }>(
    Object.values(vendors).map((vendor) => [
      vendor.name,
      { settings: createCheck(vendor.settingsSchema), credential: createCheck(vendor.credentialSchema) },
    ]),
  );
  const vendorOf = (name: string) => vendors[name] as Vendor;
  const checksOf = (name: string) => checks.get(name) as { settings: Check; credential: Check };

  const checkPolicy = createCheck(PolicySchema);

  return {
    policy(given) {
      refuse('invalid-request', checkPolicy(given, '/policy'));
      refuse('invalid-request', policyProblems(given));
      return given;
    },

    settings(vendorName, given) {
      // Default works in place; the caller's object stays as it is.
      const settings = Value.Default(vendorOf(vendorName).settingsSchema, structuredClone(given)) as Settings;
      refuse('invalid-request', checksOf(vendorName).settings(settings, '/settings'));
      refuse('invalid-channel', checkAddresses(settings));
      return settings;
    },

    async credential(vendorName, given, settings) {
      const problems = checksOf(vendorName).credential(given, '/credential');
      refuse('invalid-request', problems);
      try {
        return await vendorOf(vendorName).prepareCredential(given, settings, now());
      } catch (error) {
        if (!(error instanceof CredentialError)) throw error;
        const { pointer, code, message: detail } = error;
        throw new ProblemError('invalid-credential', detail, { errors: [{ pointer, code, detail }] });
      }
    },
  };
}

function refuse(code: 'invalid-request' | 'invalid-channel', problems: readonly FieldProblem[]): void {
  if (problems.length > 0) throw fieldsProblem(code, problems);
}

/** JSON Merge Patch of one level: what is given replaces, null takes out. */
export function mergeSettings(current: Settings, change: Settings): Settings {
  const merged = { ...current, ...change };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
}

/**
 * A stored credential must not be sent to a new address by someone who does not have it: whoever changes where
 * a channel connects to, or whom it trusts there, brings the credential along.
 */
export function requireCredentialForNewAddress(current: Settings, next: Settings): void {
  if (isDeepStrictEqual(addressesIn(current).sort(), addressesIn(next).sort())) return;
  const detail = 'A change of address, ca or emulator needs the credential again, in credential.';
  throw new ProblemError('invalid-channel', detail, {
    errors: [{ pointer: '/credential', code: 'required', detail }],
  });
}
