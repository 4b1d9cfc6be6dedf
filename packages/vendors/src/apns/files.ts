import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import type { FileKind } from './file-kind.ts';
import { sniff } from './file-kind.ts';
import { openPkcs12 } from './p12.ts';
import { readPem } from './pem.ts';

export interface CredentialFile {
  /** Where it was handed in, for the error. */
  pointer: string;
  bytes: Uint8Array;
}

export interface FileRequest {
  files: readonly CredentialFile[];
  /** Of a .p12; none and empty are the same question to a person. */
  password: string;
  /** Of an encrypted key. */
  passphrase: string | undefined;
}

/** PEM; keys as PKCS#8. */
export interface FileContent {
  keys: string[];
  certificates: string[];
}

export const maxFileBytes = 64 * 1024;

/** What is wrong with a file that is none of the kinds that hold a key or a certificate. */
export const refusals: Readonly<Partial<Record<FileKind, [code: string, sentence: string]>>> = {
  empty: ['empty', 'The file is empty: upload it again.'],
  csr: [
    'signing-request',
    'This is a certificate signing request: upload it to the Apple developer portal, and upload here the certificate that comes back, with its private key.',
  ],
  'public-key': ['public-key', 'This is a public key: the private key is needed, with its certificate.'],
  jks: [
    'java-keystore',
    'This is a Java key store: convert it with keytool -importkeystore -deststoretype PKCS12, then upload the .p12.',
  ],
  zip: ['not-a-credential', 'This is a ZIP archive: unpack it and upload the .p12 inside.'],
  xml: [
    'not-a-credential',
    'This is a text document and no credential: upload the .p12 that Keychain Access exports.',
  ],
  unknown: [
    'not-a-credential',
    'This is neither a .p12 nor a PEM file nor a certificate: upload the .p12 that Keychain Access exports.',
  ],
};

/**
 * Takes keys and certificates out of whatever was handed in. Runs on a thread of its own, because a file says
 * itself how long its keys take to derive.
 * @throws CredentialError  with a plain sentence
 */
export function readFiles(request: FileRequest): FileContent {
  const content: FileContent = { keys: [], certificates: [] };
  for (const file of request.files) readFile(Buffer.from(file.bytes), file.pointer, request, content, 0);
  return content;
}

function readFile(
  file: Buffer,
  pointer: string,
  request: FileRequest,
  content: FileContent,
  depth: number,
): void {
  if (file.length > maxFileBytes) {
    throw new CredentialError(
      'too-large',
      `The file has ${file.length} bytes; no push credential is larger than ${maxFileBytes}.`,
      pointer,
    );
  }
  const sniffed = sniff(file);
  switch (sniffed.kind) {
    case 'pem': {
      const pem = readPem(sniffed.bytes.toString('utf8'), request.passphrase ?? request.password, pointer);
      for (const key of pem.keys) addKey(content, key);
      for (const certificate of pem.certificates) content.certificates.push(certificate.toString());
      if (pem.keys.length + pem.certificates.length > 0) return;
      throw refusal(
        pem.others.some((label) => label.includes('CERTIFICATE REQUEST')) ? 'csr' : otherKind(pem.others),
        pointer,
      );
    }
    case 'pkcs12': {
      const opened = openPkcs12(sniffed.bytes, request.password);
      for (const der of opened.keys) addKey(content, readKey(der, pointer));
      for (const der of opened.certificates) content.certificates.push(readCertificate(der, pointer));
      return;
    }
    case 'certificate':
      content.certificates.push(readCertificate(sniffed.bytes, pointer));
      return;
    case 'private-key':
      addKey(content, readKey(sniffed.bytes, pointer));
      return;
    case 'encrypted-private-key': {
      // In PEM the same reader serves, with its sentences about passphrases.
      const text = sniffed.bytes.toString('base64').replace(/.{64}/g, '$&\n');
      const pem = `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${text}\n-----END ENCRYPTED PRIVATE KEY-----`;
      for (const key of readPem(pem, request.passphrase ?? request.password, pointer).keys)
        addKey(content, key);
      return;
    }
    case 'cms':
      throw sniffed.bytes.includes('<plist')
        ? new CredentialError(
            'provisioning-profile',
            'This is a provisioning profile, which is for building the app: upload the push certificate with its private key, or use a .p8 key.',
            pointer,
          )
        : new CredentialError(
            'not-a-credential',
            'This is a bundle of certificates without a private key: export the .p12 from Keychain Access.',
            pointer,
          );
    case 'truncated':
      throw new CredentialError(
        'truncated',
        sniffed.declaredBytes === undefined
          ? `The file is incomplete: only ${file.length} bytes arrived. Upload it again.`
          : `The file is incomplete: it declares ${sniffed.declaredBytes} bytes and ${file.length} arrived. Upload it again.`,
        pointer,
      );
    case 'base64':
      if (depth === 0) {
        readFile(Buffer.from(sniffed.bytes.toString('latin1'), 'base64'), pointer, request, content, 1);
        return;
      }
      throw refusal('unknown', pointer);
    default:
      throw refusal(sniffed.kind, pointer);
  }
}

function otherKind(labels: readonly string[]): FileKind {
  return labels.some((label) => label.includes('PUBLIC KEY')) ? 'public-key' : 'unknown';
}

function refusal(kind: FileKind, pointer: string): CredentialError {
  const [code, sentence] = refusals[kind] ?? (refusals.unknown as [string, string]);
  return new CredentialError(code, sentence, pointer);
}

function addKey(content: FileContent, key: KeyObject): void {
  content.keys.push(key.export({ format: 'pem', type: 'pkcs8' }) as string);
}

function readCertificate(der: Buffer, pointer: string): string {
  try {
    return new X509Certificate(der).toString();
  } catch {
    throw new CredentialError(
      'damaged',
      'The certificate cannot be read: export or upload it again.',
      pointer,
    );
  }
}

function readKey(der: Buffer, pointer: string): KeyObject {
  for (const type of ['pkcs8', 'pkcs1', 'sec1'] as const) {
    try {
      return createPrivateKey({ key: der, format: 'der', type });
    } catch {
      // The next form.
    }
  }
  throw new CredentialError('damaged', 'The private key cannot be read: export or upload it again.', pointer);
}
