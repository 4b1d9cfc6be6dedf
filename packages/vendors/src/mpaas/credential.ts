import type { KeyObject } from 'node:crypto';
import { createHash, createPublicKey } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { wrongField } from '../schema-problems.ts';
import type { PreparedCredential, PublicCredential } from '../vendor.ts';
import { readCallbackKey, readPrivateKey } from './keys.ts';
import type { MpaasSettings } from './settings.ts';

const secretText = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 16_384, description }));

/** Every field is secret. Which of them are needed follows from the channel's interface. */
export const credentialSchema = Type.Object(
  {
    privateKey: secretText(
      'rest: RSA private key of 2048 bits, PEM or base64 in one line; its public half is in the console',
    ),
    accessKeyId: secretText('openapi: AccessKey id of the account or RAM user'),
    accessKeySecret: secretText('openapi: AccessKey secret'),
    callbackPublicKey: secretText(
      'Public key that the console shows for the push callback, PEM or base64 in one line',
    ),
  },
  { additionalProperties: false },
);

/** As kept: keys as PEM whatever they came as, and nothing that the channel's interface does not use. */
export type MpaasCredential = Static<typeof credentialSchema>;

/**
 * Checks the keys and brings them into one form.
 * @param input     `credentialSchema`
 * @param settings  `interface` decides what is needed
 * @throws CredentialError  one sentence for the operator, without any part of a key
 * @see             help.aliyun.com 134470 "密钥管理" for the two key pairs
 */
export function prepareCredential(
  input: unknown,
  settings: MpaasSettings,
): PreparedCredential<MpaasCredential> {
  if (!Value.Check(credentialSchema, input)) {
    throw new CredentialError(
      'credential-shape',
      'An mPaaS credential is an object of texts: privateKey, or accessKeyId and accessKeySecret, and callbackPublicKey.',
      wrongField(credentialSchema, input),
    );
  }
  const callbackKey =
    input.callbackPublicKey === undefined ? undefined : readCallbackKey(input.callbackPublicKey);
  const callback = callbackKey && { callbackPublicKey: spkiPem(callbackKey) };
  const shownCallback = callbackKey && { callbackKeyFingerprint: fingerprint(callbackKey) };

  if (settings.interface === 'rest') {
    const privateKey = readPrivateKey(input.privateKey);
    const publicHalf = createPublicKey(privateKey);
    if (callbackKey?.equals(publicHalf)) {
      throw new CredentialError(
        'callback-key-is-own',
        'The callback key is the public half of your own key; mPaaS signs callbacks with its own pair, whose public key the console shows under the callback settings.',
        '/credential/callbackPublicKey',
      );
    }
    const shown: PublicCredential = {
      kind: 'rsa',
      keyFingerprint: fingerprint(publicHalf),
      ...shownCallback,
    };
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    return { credential: { privateKey: pem, ...callback }, shown };
  }

  const accessKeyId = readAccessKeyPart(input.accessKeyId, 'accessKeyId');
  const accessKeySecret = readAccessKeyPart(input.accessKeySecret, 'accessKeySecret');
  const shown: PublicCredential = {
    kind: 'access-key',
    keyFingerprint: createHash('sha256').update(accessKeyId).digest('hex').slice(0, 16),
    ...shownCallback,
  };
  return { credential: { accessKeyId, accessKeySecret, ...callback }, shown };
}

function readAccessKeyPart(text: string | undefined, name: 'accessKeyId' | 'accessKeySecret'): string {
  const pointer = `/credential/${name}`;
  if (text === undefined) {
    throw new CredentialError(
      `${name}-missing`,
      `The openapi interface needs ${name} of an AccessKey.`,
      pointer,
    );
  }
  const trimmed = text.trim();
  if (!/^[\x21-\x7e]+$/.test(trimmed)) {
    throw new CredentialError(`${name}-form`, `The ${name} is one word of printable characters.`, pointer);
  }
  return trimmed;
}

function spkiPem(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }) as string;
}

/** First 16 hex digits of the SHA-256 over the public key: enough to compare by eye with another installation. */
function fingerprint(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16);
}
