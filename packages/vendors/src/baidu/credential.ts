import { createHash } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { PreparedCredential } from '../vendor.ts';

/** Every field is secret. Both stand on the app's page of the push console (应用详情). */
export const credentialSchema = Type.Object(
  {
    apiKey: Type.String({ minLength: 1, maxLength: 256, description: 'API KEY of the app' }),
    secretKey: Type.String({ minLength: 1, maxLength: 256, description: 'SECRET KEY of the app' }),
  },
  { additionalProperties: false },
);

export type BaiduCredential = Static<typeof credentialSchema>;

/**
 * Checks both keys for what copying does to them.
 * @param input  `credentialSchema`
 * @throws CredentialError  one sentence for the operator, without any part of a key
 */
export function prepareCredential(input: unknown): PreparedCredential<BaiduCredential> {
  if (!Value.Check(credentialSchema, input)) {
    const field = Value.Errors(credentialSchema, input).find(
      (problem) => problem.instancePath !== '',
    )?.instancePath;
    throw new CredentialError(
      'credential-shape',
      'A Baidu credential is an object of two texts: apiKey and secretKey, both from the page of the app in the push console.',
      `/credential${field ?? ''}`,
    );
  }
  const apiKey = readKey(input.apiKey, 'apiKey');
  const secretKey = readKey(input.secretKey, 'secretKey');
  if (apiKey === secretKey) {
    throw new CredentialError(
      'secret-is-api-key',
      'The same text was given for both keys; the console shows the secret key below the API key.',
      '/credential/secretKey',
    );
  }
  return {
    credential: { apiKey, secretKey },
    shown: {
      kind: 'api-key',
      // First 16 hex digits: enough to compare by eye with another installation.
      keyFingerprint: createHash('sha256').update(apiKey).digest('hex').slice(0, 16),
    },
  };
}

function readKey(text: string, name: 'apiKey' | 'secretKey'): string {
  const trimmed = text.trim();
  if (/^[\x21-\x7e]+$/.test(trimmed)) return trimmed;
  throw new CredentialError(
    `${name}-form`,
    `The ${name} is one word of printable characters.`,
    `/credential/${name}`,
  );
}
