import { createHash } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { wrongField } from '../schema-problems.ts';
import type { PreparedCredential } from '../vendor.ts';
import { type Api, apiOf, type BaiduSettings } from './settings.ts';

const key = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 256, description }));

/** Every field is secret. One pair of keys or the other, as the setting `api` asks. */
export const credentialSchema = Type.Object(
  {
    apiKey: key('REST 3.0 and 2.0: API KEY of the app, in the push console (应用详情)'),
    secretKey: key('REST 3.0 and 2.0: SECRET KEY of the app, below it'),
    appKey: key('SPP: appkey of the app, in its console'),
    masterKey: key('SPP: masterkey of the app'),
  },
  { additionalProperties: false },
);

export type BaiduCredential = Static<typeof credentialSchema>;
type Field = keyof BaiduCredential;

/** What names the app, and what signs. */
const fieldsOf: Readonly<Record<Api, readonly [name: Field, secret: Field]>> = {
  'rest-3.0': ['apiKey', 'secretKey'],
  'channel-2.0': ['apiKey', 'secretKey'],
  spp: ['appKey', 'masterKey'],
};

export interface KeyPair {
  name: string;
  secret: string;
}

/** Undefined when the channel was moved to another `api` and its keys were not. */
export function keysOf(
  credential: BaiduCredential,
  settings: Pick<BaiduSettings, 'api'>,
): KeyPair | undefined {
  const [nameField, secretField] = fieldsOf[apiOf(settings)];
  const { [nameField]: name, [secretField]: secret } = credential;
  return name === undefined || secret === undefined ? undefined : { name, secret };
}

/**
 * Checks both keys for what copying does to them.
 * @param input  `credentialSchema`
 * @throws CredentialError  one sentence for the operator, without any part of a key
 */
export function prepareCredential(
  input: unknown,
  settings: Pick<BaiduSettings, 'api'>,
): PreparedCredential<BaiduCredential> {
  const api = apiOf(settings);
  const [nameField, secretField] = fieldsOf[api];
  const refuseShape = (pointer: string) =>
    new CredentialError(
      'credential-shape',
      `A Baidu credential for api ${api} is an object of two texts: ${nameField} and ${secretField}, both from the page of the app in the console.`,
      pointer,
    );
  if (!Value.Check(credentialSchema, input)) {
    throw refuseShape(wrongField(credentialSchema, input));
  }
  const other = Object.keys(input).find((field) => field !== nameField && field !== secretField);
  if (other !== undefined) throw refuseShape(`/credential/${other}`);
  const keys = keysOf(input, settings);
  if (keys === undefined) throw refuseShape('/credential');
  const name = readKey(keys.name, nameField);
  const secret = readKey(keys.secret, secretField);
  if (name === secret) {
    throw new CredentialError(
      'secret-is-api-key',
      `The same text was given for both keys; the console shows the ${secretField} beside the ${nameField}.`,
      `/credential/${secretField}`,
    );
  }
  return {
    credential: { [nameField]: name, [secretField]: secret },
    shown: {
      kind: 'api-key',
      // First 16 hex digits: enough to compare by eye with another installation.
      keyFingerprint: createHash('sha256').update(name).digest('hex').slice(0, 16),
    },
  };
}

function readKey(text: string, field: Field): string {
  const trimmed = text.trim();
  if (/^[\x21-\x7e]+$/.test(trimmed)) return trimmed;
  throw new CredentialError(
    `${field}-form`,
    `The ${field} is one word of printable characters.`,
    `/credential/${field}`,
  );
}
