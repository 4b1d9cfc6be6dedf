import { createPrivateKey, type KeyObject } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import type { Static } from 'typebox';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { PreparedCredential, PublicCredential } from '../vendor.ts';
import type { CredentialFile } from './files.ts';
import { choosePair } from './pair.ts';
import { readFilesApart } from './reader.ts';
import type { ApnsSettings } from './settings.ts';

const maxText = 200_000;

/**
 * What an operator hands in. One flat object and not a union by kind, so that a form can show every field and a
 * wrong combination gets a sentence that says which field is missing, not one that says "no branch matched".
 * All of it is secret.
 */
export const credentialSchema = Type.Object(
  {
    kind: Type.Union([Type.Literal('token'), Type.Literal('certificate')]),
    keyId: Type.Optional(
      Type.String({ maxLength: 200, description: 'token: 10 characters, shown beside the key.' }),
    ),
    teamId: Type.Optional(
      Type.String({
        maxLength: 200,
        description: 'token: 10 characters, in the membership details of the account.',
      }),
    ),
    p12: Type.Optional(
      Type.String({ maxLength: maxText, description: 'certificate: the .p12 or .pfx file in base64.' }),
    ),
    password: Type.Optional(Type.String({ maxLength: 1_000, description: 'certificate: of the .p12.' })),
    certificate: Type.Optional(
      Type.String({
        maxLength: maxText,
        description: 'certificate: PEM, in place of a .p12; may hold the chain.',
      }),
    ),
    privateKey: Type.Optional(
      Type.String({
        maxLength: maxText,
        description: 'token: the text of the .p8 file. certificate: PEM, in place of a .p12.',
      }),
    ),
    passphrase: Type.Optional(
      Type.String({ maxLength: 1_000, description: 'certificate: of an encrypted key.' }),
    ),
  },
  { additionalProperties: false },
);

type CredentialInput = Static<typeof credentialSchema>;

/** What is kept sealed. PEM throughout; a .p12 and its password are not kept. */
export type ApnsCredential =
  | { kind: 'token'; keyId: string; teamId: string; privateKey: string }
  | {
      kind: 'certificate';
      /** Leaf first. */
      certificate: string;
      privateKey: string;
      /** ISO 8601. */
      expiresAt: string;
    };

const inputCheck = Compile(credentialSchema);

/**
 * Turns what was handed in into what is kept.
 * @throws CredentialError  one sentence that says what is wrong and what to do
 */
export async function prepareCredential(
  input: unknown,
  settings: ApnsSettings,
  now: Date,
): Promise<PreparedCredential<ApnsCredential>> {
  if (!inputCheck.Check(input)) {
    // Path and rule only: the rest of the validator's error quotes the value.
    const [error] = inputCheck.Errors(input);
    throw new CredentialError(
      'schema',
      `The credential has not the expected form: ${error?.instancePath || 'it'} ${error?.message ?? 'is wrong'}.`,
      `/credential${error?.instancePath ?? ''}`,
    );
  }
  return input.kind === 'token' ? prepareToken(input) : prepareCertificate(input, settings, now);
}

function prepareToken(input: CredentialInput): PreparedCredential<ApnsCredential> {
  refuseOthers(input, ['p12', 'password', 'certificate', 'passphrase'], 'token');
  const keyId = readId(input.keyId, 'keyId');
  const teamId = readId(input.teamId, 'teamId');
  if (keyId === teamId) {
    throw new CredentialError(
      'same-ids',
      'Key id and team id are the same: the key id stands beside the key in the developer portal, the team id in the membership details.',
      '/credential/keyId',
    );
  }
  const key = readTokenKey(input.privateKey ?? '');
  return {
    credential: {
      kind: 'token',
      keyId,
      teamId,
      privateKey: key.export({ format: 'pem', type: 'pkcs8' }) as string,
    },
    shown: { kind: 'token', keyId, teamId },
  };
}

function readId(value: string | undefined, field: 'keyId' | 'teamId'): string {
  const pointer = `/credential/${field}`;
  const title = field === 'keyId' ? 'key id' : 'team id';
  const id = value?.trim() ?? '';
  if (/^[A-Z0-9]{10}$/.test(id)) return id;
  const fail = (code: string, sentence: string) => new CredentialError(code, sentence, pointer);
  if (id === '')
    throw fail(`${field}-missing`, `The ${title} is missing: Apple shows it in the developer portal.`);
  const named = /^AuthKey_([A-Z0-9]{10})\.p8$/i.exec(id);
  if (named !== null) {
    throw fail(
      `${field}-form`,
      `This is the name of the key file: the ${title} is the part ${field === 'keyId' ? 'between "AuthKey_" and ".p8"' : 'that Apple shows in the membership details'}.`,
    );
  }
  if (id.includes('.')) {
    throw fail(
      `${field}-form`,
      `This looks like a bundle id: the ${title} has 10 capital letters and digits.`,
    );
  }
  if (/^[a-zA-Z0-9]{10}$/.test(id))
    throw fail(`${field}-form`, `The ${title} is written in capital letters.`);
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-/i.test(id)) {
    throw fail(
      `${field}-form`,
      `This looks like the issuer id of App Store Connect: the ${title} has 10 characters.`,
    );
  }
  throw fail(
    `${field}-form`,
    `The ${title} has 10 capital letters and digits; this has ${id.length} characters.`,
  );
}

function readTokenKey(text: string): KeyObject {
  const pointer = '/credential/privateKey';
  const fail = (code: string, sentence: string) => new CredentialError(code, sentence, pointer);
  if (text.trim() === '')
    throw fail('key-missing', 'The signing key is missing: give the text of the .p8 file.');
  const pem = asPem(text);
  if (pem.includes('ENCRYPTED')) {
    throw fail(
      'encrypted-key',
      'The key is encrypted; a .p8 file of Apple never is: upload the file as it was downloaded.',
    );
  }
  if (pem.includes('BEGIN CERTIFICATE')) {
    throw fail(
      'not-a-key',
      'This is a certificate and no signing key: choose the kind certificate, or upload the .p8 file.',
    );
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw fail(
      'not-a-key',
      'This is no private key: give the whole text of the .p8 file, with its BEGIN and END lines.',
    );
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    const kind =
      key.asymmetricKeyType === 'ec'
        ? `on the curve ${curveName(key)}`
        : `of the type ${key.asymmetricKeyType}`;
    throw fail(
      'not-p256',
      `The key is ${kind}; APNs signs with keys on P-256: make one in the developer portal under Keys.`,
    );
  }
  return key;
}

/** A .p8 also comes as the bare base64 of its middle, or as base64 of the whole file. */
function asPem(text: string): string {
  if (text.includes('-----BEGIN '))
    return text
      .replace(/\r\n?/g, '\n')
      .replace(/^[ \t]+/gm, '')
      .replaceAll('\\n', '\n');
  const bytes = Buffer.from(text, 'base64');
  if (bytes.includes('-----BEGIN ')) return bytes.toString('utf8');
  return `-----BEGIN PRIVATE KEY-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`;
}

function curveName(key: KeyObject): string {
  const curve = key.asymmetricKeyDetails?.namedCurve ?? 'unknown';
  return curve === 'secp384r1' ? 'P-384' : curve === 'secp521r1' ? 'P-521' : curve;
}

async function prepareCertificate(
  input: CredentialInput,
  settings: ApnsSettings,
  now: Date,
): Promise<PreparedCredential<ApnsCredential>> {
  refuseOthers(input, ['keyId', 'teamId'], 'certificate');
  const content = await readFilesApart({
    files: filesOf(input),
    password: input.password ?? '',
    passphrase: input.passphrase,
  });
  const { key, leaf, chain } = choosePair(content, settings, now);
  const expiresAt = leaf.notAfter.toISOString();
  return {
    credential: {
      kind: 'certificate',
      certificate: chain.map((each) => each.toString()).join(''),
      privateKey: key.export({ format: 'pem', type: 'pkcs8' }) as string,
      expiresAt,
    },
    shown: {
      kind: 'certificate',
      subject: leaf.commonName,
      issuer: leaf.issuerName,
      ...(leaf.teamId === undefined ? {} : { teamId: leaf.teamId }),
      topics: leaf.topics,
      environments: leaf.environments,
      fingerprint: leaf.x509.fingerprint256,
      notBefore: leaf.notBefore.toISOString(),
      expiresAt,
    } satisfies PublicCredential,
  };
}

function filesOf(input: CredentialInput): CredentialFile[] {
  const { p12, certificate, privateKey } = input;
  if (given(p12)) {
    if (given(certificate) || given(privateKey)) {
      throw new CredentialError(
        'two-credentials',
        'Both a .p12 and PEM texts are given: give one or the other.',
        '/credential/p12',
      );
    }
    return [{ pointer: '/credential/p12', bytes: decodeFile(p12, '/credential/p12') }];
  }
  const files: CredentialFile[] = [];
  if (given(certificate)) {
    files.push({
      pointer: '/credential/certificate',
      bytes: decodeFile(certificate, '/credential/certificate'),
    });
  }
  if (given(privateKey)) {
    files.push({
      pointer: '/credential/privateKey',
      bytes: decodeFile(privateKey, '/credential/privateKey'),
    });
  }
  if (files.length > 0) return files;
  throw new CredentialError(
    'certificate-missing',
    p12 === undefined
      ? 'The certificate is missing: give a .p12 with its password, or certificate and private key in PEM.'
      : 'The file is empty: upload it again.',
    '/credential/p12',
  );
}

/** PEM as it is; anything else in base64, as a data URL or with line breaks if need be. */
function decodeFile(text: string, pointer: string): Buffer {
  if (text.includes('-----BEGIN ')) return Buffer.from(text, 'utf8');
  const bare = text.replace(/^data:[^,]*;base64,/, '').replace(/\s+/g, '');
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(bare)) {
    throw new CredentialError(
      'not-base64',
      'The file did not arrive in base64: encode its bytes, unchanged, with base64 before sending them.',
      pointer,
    );
  }
  if (bare.replace(/=+$/, '').length % 4 === 1) {
    throw new CredentialError(
      'not-base64',
      'The base64 text of the file is incomplete: a part of it was lost on the way. Send the whole text.',
      pointer,
    );
  }
  return Buffer.from(bare, 'base64');
}

function given(text: string | undefined): text is string {
  return text !== undefined && text.trim() !== '';
}

function refuseOthers(
  input: CredentialInput,
  fields: readonly (keyof CredentialInput)[],
  kind: CredentialInput['kind'],
): void {
  for (const field of fields) {
    if (given(input[field])) {
      throw new CredentialError(
        'two-credentials',
        kind === 'token'
          ? `The field ${field} belongs to a certificate: give either a signing key or a certificate.`
          : `The field ${field} belongs to a signing key (.p8): give either a signing key or a certificate.`,
        `/credential/${field}`,
      );
    }
  }
}
