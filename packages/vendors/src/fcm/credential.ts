import { createPrivateKey } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { isObject, type JsonObject } from '../answer-reading.ts';
import { wrongField } from '../schema-problems.ts';
import type { PreparedCredential } from '../vendor.ts';
import { kindOfFile } from './file-kind.ts';
import { type FcmSettings, projectPattern } from './settings.ts';

const pointer = '/credential/serviceAccount';
const usualTokenUri = 'https://oauth2.googleapis.com/token';

export const credentialSchema = Type.Object(
  {
    serviceAccount: Type.String({
      minLength: 1,
      maxLength: 20_000,
      description: 'The text of the service account’s key file (JSON), as the console gave it',
    }),
  },
  { additionalProperties: false },
);

/** What is kept of a key file. */
export interface FcmCredential {
  projectId: string;
  clientEmail: string;
  privateKeyId?: string;
  /** PKCS#8 PEM. */
  privateKey: string;
  tokenUri: string;
}

/**
 * Reads the key file of a service account.
 * @param input  `credentialSchema`
 * @throws CredentialError  one sentence for the operator, without any part of the key
 */
export function prepareCredential(input: unknown, settings: FcmSettings): PreparedCredential<FcmCredential> {
  if (!Value.Check(credentialSchema, input)) {
    throw new CredentialError(
      'credential-shape',
      'An FCM credential is an object with one text, serviceAccount: the key file of a service account.',
      wrongField(credentialSchema, input),
    );
  }
  const file = readFile((input as Static<typeof credentialSchema>).serviceAccount);
  const clientEmail = textField(file, 'client_email', /^[^\s@]{1,200}@[^\s@]{1,200}$/);
  const projectId = textField(file, 'project_id', new RegExp(projectPattern));
  const privateKeyId =
    file.private_key_id === undefined ? undefined : textField(file, 'private_key_id', /^[\x21-\x7e]{1,200}$/);
  const credential: FcmCredential = {
    projectId,
    clientEmail,
    ...(privateKeyId === undefined ? {} : { privateKeyId }),
    privateKey: readKey(file.private_key),
    tokenUri: readTokenUri(file.token_uri, settings),
  };
  const keyId = privateKeyId === undefined ? {} : { keyId: privateKeyId };
  return {
    credential,
    shown: { kind: 'service-account', projectId: settings.projectId ?? projectId, clientEmail, ...keyId },
  };
}

function readFile(text: string): JsonObject {
  // Files from Windows begin with a byte order mark.
  const plain = text.replace(/^\uFEFF/, '').trim();
  let value: unknown;
  try {
    value = JSON.parse(plain);
  } catch {
    throw new CredentialError('not-a-key-file', kindOfFile(plain, undefined), pointer);
  }
  if (!isObject(value) || value.type !== 'service_account') {
    throw new CredentialError('not-a-key-file', kindOfFile(plain, value), pointer);
  }
  return value;
}

function textField(file: JsonObject, name: string, form: RegExp): string {
  const value = file[name];
  if (typeof value === 'string' && form.test(value)) return value;
  throw new CredentialError(
    'key-file-field',
    value === undefined
      ? `The key file has no ${name}: it was cut or changed, so download a new key.`
      : `The ${name} of the key file is not what Google writes there: hand the file in as it was downloaded.`,
    pointer,
  );
}

function readKey(value: unknown): string {
  const fault = (code: string, sentence: string) => new CredentialError(code, sentence, pointer);
  if (typeof value !== 'string') throw fault('key-file-field', 'The key file has no private_key.');
  try {
    // A file that went through an environment variable often has its line breaks escaped twice.
    const key = createPrivateKey(value.replaceAll('\\n', '\n'));
    if (key.asymmetricKeyType === 'rsa') return key.export({ format: 'pem', type: 'pkcs8' }) as string;
  } catch {
    throw fault(
      'private-key',
      'The private_key of the key file cannot be read: it was cut or changed, so hand the file in as it was downloaded.',
    );
  }
  throw fault('private-key', 'The private_key of a service account is an RSA key; this one is another.');
}

/** The file says where its key is sent for a token: nobody may make us call any address in this way. */
function readTokenUri(value: unknown, settings: FcmSettings): string {
  if (value === undefined) return usualTokenUri;
  const url = typeof value === 'string' && value.length <= 500 ? URL.parse(value) : null;
  const isAddress = url !== null && url.protocol === 'https:' && url.username === '' && url.password === '';
  const isGoogle = url !== null && url.port === '' && /(?:^|\.)google(?:apis)?\.com$/.test(url.hostname);
  if (isAddress && (isGoogle || settings.emulator || settings.tokenOrigin !== undefined)) {
    return value as string;
  }
  throw new CredentialError(
    'token-uri',
    'The token_uri of the key file is not an address of Google: the settings must name it, in tokenOrigin.',
    pointer,
  );
}
