import { createHash } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { wrongField } from '../schema-problems.ts';
import type { PreparedCredential } from '../vendor.ts';
import type { TpnsSettings } from './settings.ts';

/** Every field is secret; the Access ID is not, it ships inside the app and is a setting. */
export const credentialSchema = Type.Object(
  {
    secretKey: Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'SecretKey of the Access ID: 32 hexadecimal digits; not the AccessKey',
    }),
  },
  { additionalProperties: false },
);

export type TpnsCredential = Static<typeof credentialSchema>;

/**
 * Checks the secret, and that the settings fit the kind of Access ID.
 * @param input  `credentialSchema`
 * @throws CredentialError  one sentence for the operator, without any part of the secret
 * @see    cloud.tencent.com 548/41046 "签名认证"; 548/41611 for the two kinds of Access ID
 */
export function prepareCredential(
  input: unknown,
  settings: TpnsSettings,
): PreparedCredential<TpnsCredential> {
  if (!Value.Check(credentialSchema, input)) {
    throw new CredentialError(
      'credential-shape',
      'A TPNS credential is an object with one text, the secretKey that the console shows beside the Access ID.',
      wrongField(credentialSchema, input),
    );
  }
  const secretKey = input.secretKey.trim();
  if (!/^[0-9a-f]{32}$/.test(secretKey)) {
    throw new CredentialError(
      'secret-key-form',
      'A SecretKey is 32 lower-case hexadecimal digits; the AccessKey of the console is for the app and does not sign calls.',
      '/credential/secretKey',
    );
  }
  const made = platformOf(settings.accessId);
  if (made !== undefined && made !== settings.platform) {
    // Otherwise the first push would find out, with a body of the wrong platform.
    throw new CredentialError(
      'access-id-platform',
      `An Access ID that begins with ${settings.accessId.slice(0, 4)} belongs to ${made === 'ios' ? 'an iOS' : 'an Android'} app, but the platform of this channel is ${settings.platform}.`,
      '/settings/platform',
    );
  }
  const keyFingerprint = createHash('sha256').update(secretKey).digest('hex').slice(0, 16);
  return { credential: { secretKey }, shown: { kind: 'secret-key', keyFingerprint } };
}

function platformOf(accessId: string): TpnsSettings['platform'] | undefined {
  if (accessId.startsWith('1500')) return 'android';
  return accessId.startsWith('1600') || accessId.startsWith('1680') ? 'ios' : undefined;
}
