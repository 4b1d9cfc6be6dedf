import type { KeyObject } from 'node:crypto';
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { PreparedCredential, PublicCredential } from '../vendor.ts';
import type { MpaasSettings } from './settings.ts';

const secretText = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 16_384, description }));

/** Every field is secret. Which of them are needed follows from the channel's interface. */
export const credentialSchema = Type.Object(
  {
    privateKey: secretText(
      'rest: RSA private key, PKCS#8 PEM or its base64 in one line; its public half is in the console',
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
    const field = Value.Errors(credentialSchema, input).find(
      (problem) => problem.instancePath !== '',
    )?.instancePath;
    throw new CredentialError(
      'credential-shape',
      'An mPaaS credential is an object of texts: privateKey, or accessKeyId and accessKeySecret, and callbackPublicKey.',
      `/credential${field ?? ''}`,
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

function readPrivateKey(text: string | undefined): KeyObject {
  const refuse = (code: string, sentence: string) =>
    new CredentialError(code, sentence, '/credential/privateKey');
  if (text === undefined)
    throw refuse('private-key-missing', 'The rest interface needs your RSA private key.');
  if (text.includes('ENCRYPTED')) {
    throw refuse(
      'private-key-encrypted',
      'The private key is protected by a password; hand it in without one.',
    );
  }
  if (text.includes('PUBLIC KEY') || isPublicKey(text)) {
    throw refuse(
      'private-key-is-public',
      'This is a public key; the rest interface signs with the private key.',
    );
  }
  let key: KeyObject;
  try {
    const bare = bareBase64(text);
    key = bare ? createPrivateKey({ key: bare, format: 'der', type: 'pkcs8' }) : createPrivateKey(text);
  } catch {
    throw refuse(
      'private-key-unreadable',
      'The private key is not a PKCS#8 key in PEM or in base64 on one line.',
    );
  }
  if (!isRsa2048(key)) throw refuse('private-key-kind', 'mPaaS takes RSA keys of 2048 bits only.');
  return key;
}

function readCallbackKey(text: string): KeyObject {
  const refuse = (code: string, sentence: string) =>
    new CredentialError(code, sentence, '/credential/callbackPublicKey');
  // createPublicKey() would take a private key and derive the public one, so the mix-up must be asked for.
  if (text.includes('PRIVATE KEY') || isPrivateKey(text)) {
    throw refuse(
      'callback-key-is-private',
      'This is a private key; the callback needs the public key that the console shows.',
    );
  }
  let key: KeyObject;
  try {
    const bare = bareBase64(text);
    key = createPublicKey(bare ? { key: bare, format: 'der', type: 'spki' } : text);
  } catch {
    throw refuse(
      'callback-key-unreadable',
      'The callback key is not a public key in PEM or in base64 on one line.',
    );
  }
  if (!isRsa2048(key))
    throw refuse('callback-key-kind', 'mPaaS signs callbacks with RSA keys of 2048 bits only.');
  return key;
}

/** The console prints keys as base64 without PEM lines, and people wrap it. Undefined when it is PEM. */
function bareBase64(text: string): Buffer | undefined {
  const joined = text.replace(/\s+/g, '');
  return /^[A-Za-z0-9+/]+={0,2}$/.test(joined) ? Buffer.from(joined, 'base64') : undefined;
}

function isPublicKey(text: string): boolean {
  const bare = bareBase64(text);
  return bare !== undefined && succeeds(() => createPublicKey({ key: bare, format: 'der', type: 'spki' }));
}

function isPrivateKey(text: string): boolean {
  const bare = bareBase64(text);
  return bare !== undefined && succeeds(() => createPrivateKey({ key: bare, format: 'der', type: 'pkcs8' }));
}

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

function isRsa2048(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'rsa' && key.asymmetricKeyDetails?.modulusLength === 2048;
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
