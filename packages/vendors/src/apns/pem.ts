import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { CredentialError } from '@pushmill/core';

export interface PemContent {
  keys: KeyObject[];
  certificates: X509Certificate[];
  /** Labels of blocks that are neither. */
  others: string[];
}

const block = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

/**
 * Every block of a PEM text, in any order. Text between blocks is ignored: openssl writes bag attributes and
 * localised names there.
 * @param passphrase  for encrypted keys; deriving a key from it blocks
 * @throws CredentialError  with a plain sentence
 * @see RFC 7468
 */
export function readPem(text: string, passphrase: string | undefined, pointer: string): PemContent {
  const content: PemContent = { keys: [], certificates: [], others: [] };
  // Editors and terminals turn line ends and indent blocks.
  const clean = text.replace(/\r\n?/g, '\n').replace(/^[ \t]+/gm, '');
  let found = false;
  for (const [pem, label = ''] of clean.matchAll(block)) {
    found = true;
    if (label === 'CERTIFICATE' || label === 'X509 CERTIFICATE' || label === 'TRUSTED CERTIFICATE') {
      content.certificates.push(readCertificate(pem, pointer));
    } else if (label.endsWith('PRIVATE KEY')) {
      content.keys.push(readKey(pem, label, passphrase, pointer));
    } else if (label !== 'EC PARAMETERS' && label !== 'DH PARAMETERS') {
      content.others.push(label);
    }
  }
  if (!found) {
    throw new CredentialError(
      'pem-incomplete',
      'The text has a BEGIN line without its END line: it was cut off when it was copied. Copy the whole file.',
      pointer,
    );
  }
  return content;
}

function readCertificate(pem: string, pointer: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new CredentialError('damaged', 'The certificate cannot be read: copy or upload it again.', pointer);
  }
}

function readKey(pem: string, label: string, passphrase: string | undefined, pointer: string): KeyObject {
  const encrypted = label.startsWith('ENCRYPTED') || pem.includes('Proc-Type: 4,ENCRYPTED');
  try {
    return createPrivateKey(encrypted ? { key: pem, passphrase: passphrase ?? '' } : pem);
  } catch (error) {
    if (!encrypted) {
      throw new CredentialError(
        'damaged',
        'The private key cannot be read: copy or upload it again.',
        pointer,
      );
    }
    if (passphrase === undefined || passphrase === '') {
      throw new CredentialError(
        'passphrase-missing',
        'The private key is protected by a passphrase: enter it, or remove it with openssl pkey.',
        '/credential/passphrase',
      );
    }
    // Not any "unsupported": one wrong passphrase in 256 seems to fit, and what it brings to light is not a key.
    if (/DEK-Info: DES-CBC,/.test(pem) || /digital envelope routines::unsupported/.test(String(error))) {
      throw new CredentialError(
        'unsupported-encryption',
        'The private key is encrypted in a way that is no longer read: convert it with openssl pkcs8 -topk8.',
        pointer,
      );
    }
    throw new CredentialError(
      'wrong-password',
      'The passphrase of the private key is wrong, or the key is damaged.',
      '/credential/passphrase',
    );
  }
}
