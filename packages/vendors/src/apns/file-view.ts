import { createPublicKey, verify } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import { printable } from './certificate.ts';
import type { FileKind } from './file-kind.ts';
import { sniff } from './file-kind.ts';
import { maxFileBytes, readFiles } from './files.ts';
import type { Node } from './p12-cipher.ts';
import { childAt, childrenOf, oidOf, parse, toDer } from './p12-cipher.ts';
import type { Protection } from './p12-protection.ts';
import { readProtection } from './p12-protection.ts';

export interface ViewRequest {
  bytes: Uint8Array;
  /** Of a .p12 or of an encrypted key. */
  password: string;
}

/** What a signing request asks for. */
export interface RequestView {
  /** `CN=…, C=…` */
  subject: string;
  /** PEM. */
  publicKey: string;
  /** Whether it is signed with the key that it names, as Apple demands. */
  signatureValid: boolean;
}

/** Everything that one file shows, and what keeps it from showing more. Plain data: it crosses a thread. */
export interface FileView {
  kind: FileKind;
  /** Of a .p12; needs no password. */
  protection?: Protection;
  /** Whether a PEM text holds an encrypted key. */
  encryptedKey: boolean;
  /** PEM; PKCS#8. */
  keys: string[];
  /** PEM. */
  certificates: string[];
  requests: RequestView[];
  problem?: { code: string; message: string };
}

/** Looks into a file. Never fails for what is wrong with it. Runs on a thread of its own, as `readFiles` does. */
export function viewFile({ bytes, password }: ViewRequest): FileView {
  const file = Buffer.from(bytes);
  const view: FileView = { kind: 'unknown', encryptedKey: false, keys: [], certificates: [], requests: [] };
  try {
    Object.assign(view, readFiles({ files: [{ pointer: '', bytes: file }], password, passphrase: password }));
  } catch (error) {
    if (!(error instanceof CredentialError)) throw error;
    view.problem = { code: error.code, message: error.message };
  }
  if (file.length > maxFileBytes) return view;
  const outer = sniff(file);
  const sniffed = outer.kind === 'base64' ? sniff(Buffer.from(file.toString('latin1'), 'base64')) : outer;
  view.kind = sniffed.kind;
  if (sniffed.kind === 'pkcs12') {
    const protection = readProtection(sniffed.bytes);
    if (protection !== undefined) view.protection = protection;
  }
  if (sniffed.kind === 'encrypted-private-key') view.encryptedKey = true;
  if (sniffed.kind === 'pem') view.encryptedKey = sniffed.bytes.includes('ENCRYPTED');
  addRequests(view, sniffed.kind, sniffed.bytes);
  return view;
}

const requestBlock =
  /-----BEGIN (NEW )?CERTIFICATE REQUEST-----([\s\S]*?)-----END (?:NEW )?CERTIFICATE REQUEST-----/g;

/** A request is the wrong thing to hand in as a credential, but one that can be shown. */
function addRequests(view: FileView, kind: FileKind, bytes: Buffer): void {
  const found =
    kind === 'csr'
      ? [bytes]
      : kind === 'pem'
        ? [...bytes.toString('latin1').matchAll(requestBlock)].map(([, , text = '']) =>
            Buffer.from(text, 'base64'),
          )
        : [];
  if (found.length === 0) return;
  try {
    view.requests = found.map(readRequest);
    if (view.problem?.code === 'signing-request') delete view.problem;
  } catch {
    view.problem ??= { code: 'damaged', message: 'The signing request cannot be read: copy it again.' };
  }
}

const digests: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.5': 'sha1',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
};

const nameParts: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '1.2.840.113549.1.9.1': 'emailAddress',
  '0.9.2342.19200300.100.1.1': 'UID',
};

/** @see RFC 2986 */
function readRequest(der: Buffer): RequestView {
  const [info, algorithm, signature] = childrenOf(parse(der));
  if (info === undefined) throw new Error('The request is empty');
  const publicKey = createPublicKey({
    key: toDer(childAt(info, 2) as Node),
    format: 'der',
    type: 'spki',
  });
  const digest = digests[oidOf(childAt(algorithm, 0))];
  // The first octet of a BIT STRING counts the unused bits of its last.
  const octets = Buffer.from(String(signature?.value ?? ''), 'latin1').subarray(1);
  return {
    subject: childrenOf(childAt(info, 1)).flatMap(childrenOf).map(namePart).join(', '),
    publicKey: publicKey.export({ format: 'pem', type: 'spki' }) as string,
    signatureValid: digest !== undefined && verify(digest, toDer(info), publicKey, octets),
  };
}

function namePart(pair: Node): string {
  const oid = oidOf(childAt(pair, 0));
  const value = Buffer.from(String(childAt(pair, 1)?.value ?? ''), 'latin1').toString('utf8');
  return `${nameParts[oid] ?? oid}=${printable(value)}`;
}
