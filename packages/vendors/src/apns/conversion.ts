import type { X509Certificate } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import type { PushCertificate } from './certificate.ts';
import { bestPair } from './pair.ts';
import { readFilesApart } from './reader.ts';

export interface ClientCertificate {
  leaf: PushCertificate;
  /** Leaf first, root left out. */
  chain: X509Certificate[];
  /** PEM: leaf first. */
  certificate: string;
  /** PEM; PKCS#8. */
  privateKey: string;
  /** Why no channel would take it: expired, not for push. */
  problem: CredentialError | undefined;
}

/**
 * The one key and certificate that files hold together, in any form and order.
 * @throws CredentialError  when they cannot be read, hold no key with its certificate, or several
 */
export async function openClientCertificate(
  files: readonly Uint8Array[],
  password: string,
  now: Date,
): Promise<ClientCertificate> {
  const content = await readFilesApart({
    files: files.map((bytes) => ({ pointer: '/credential', bytes })),
    password,
    passphrase: password,
  });
  const { pair, problem } = bestPair(content, {}, now);
  return {
    leaf: pair.leaf,
    chain: pair.chain,
    certificate: pair.chain.map((each) => each.toString()).join(''),
    privateKey: pair.key.export({ format: 'pem', type: 'pkcs8' }) as string,
    problem,
  };
}

/**
 * The certificates of a file, for those whom a connection is to trust.
 * @throws CredentialError  when it holds none
 */
export async function openAuthorities(file: Uint8Array): Promise<string> {
  const { certificates } = await readFilesApart({
    files: [{ pointer: '/ca', bytes: file }],
    password: '',
    passphrase: undefined,
  });
  if (certificates.length > 0) return certificates.join('');
  throw new CredentialError(
    'no-certificate',
    'The file holds no certificate: give the certificate of the authority.',
    '/ca',
  );
}
