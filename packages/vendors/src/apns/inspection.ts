import { createPrivateKey, createPublicKey, hash, type KeyObject, X509Certificate } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import type { PushCertificate } from './certificate.ts';
import { readPushCertificate } from './certificate.ts';
import type { FileKind } from './file-kind.ts';
import type { FileView, RequestView } from './file-view.ts';
import { refusals } from './files.ts';
import type { Protection } from './p12-protection.ts';
import { choosePair } from './pair.ts';
import { viewFileApart } from './reader.ts';
import type { Environment } from './settings.ts';

export interface NamedFile {
  /** As the person calls it. */
  name: string;
  bytes: Uint8Array;
  /** Of a .p12 or of an encrypted key. */
  password: string;
}

export interface CertificateView {
  commonName: string;
  issuer: string;
  use: 'push' | 'code-signing' | 'authority' | 'other';
  topics: string[];
  environments: Environment[];
  teamId: string | null;
  /** ISO 8601. */
  notBefore: string;
  /** ISO 8601. */
  expiresAt: string;
  /** `expires in 34 days, on 2026-12-26` */
  validity: string;
  /** Whole days; negative once it has expired. */
  daysLeft: number;
  /** SHA-256 of the certificate. */
  fingerprint: string;
  serialNumber: string;
  /** `RSA 2048` */
  keyType: string;
  /** SHA-256 of the public key: equal for a key, its request and its certificate. */
  keyFingerprint: string;
  /** Names of the files that hold its private key. */
  keyIn: string[];
}

export interface KeyView {
  keyType: string;
  keyFingerprint: string;
  /** Whether it can sign provider tokens (a .p8). */
  forTokens: boolean;
  /** Files with a certificate, and files with a signing request, of this key. */
  certificateIn: string[];
  requestIn: string[];
}

export interface SigningRequestView {
  subject: string;
  keyType: string;
  keyFingerprint: string;
  signatureValid: boolean;
  keyIn: string[];
}

/** What a file holds. */
export interface Inspection {
  file: string;
  kind: FileKind;
  /** `PKCS#12 (.p12)` */
  title: string;
  protection: Protection | null;
  certificates: CertificateView[];
  keys: KeyView[];
  requests: SigningRequestView[];
  /** Why the file does not show what it holds; the same sentence as the API's. */
  problem: { code: string; message: string } | null;
  /** Whether a channel would take it, together with the other files, and if not, the API's sentence. */
  credential: { usable: true } | { usable: false; code: string; message: string };
}

/** What files hold, and what of it belongs together. Each is read on a thread of its own, one after the other. */
export async function inspectFiles(files: readonly NamedFile[], now: Date): Promise<Inspection[]> {
  const held: Held[] = [];
  for (const { name, bytes, password } of files) held.push(hold(name, await view(bytes, password)));
  return held.map((one) => describe(one, held, now));
}

async function view(bytes: Uint8Array, password: string): Promise<FileView> {
  try {
    return await viewFileApart({ bytes, password });
  } catch (error) {
    if (!(error instanceof CredentialError)) throw error;
    const { code, message } = error;
    const nothing = { encryptedKey: false, keys: [], certificates: [], requests: [] };
    return { kind: 'unknown', ...nothing, problem: { code, message } };
  }
}

interface Held {
  name: string;
  view: FileView;
  certificates: { leaf: PushCertificate; fingerprint: string }[];
  keys: { key: KeyObject; fingerprint: string }[];
  requests: { request: RequestView; key: KeyObject; fingerprint: string }[];
}

function hold(name: string, view: FileView): Held {
  return {
    name,
    view,
    certificates: view.certificates.map((pem) => {
      const x509 = new X509Certificate(pem);
      return { leaf: readPushCertificate(x509), fingerprint: fingerprintOf(x509.publicKey) };
    }),
    keys: view.keys.map((pem) => {
      const key = createPrivateKey(pem);
      return { key, fingerprint: fingerprintOf(createPublicKey(key)) };
    }),
    requests: view.requests.map((request) => {
      const key = createPublicKey(request.publicKey);
      return { request, key, fingerprint: fingerprintOf(key) };
    }),
  };
}

function describe(one: Held, all: readonly Held[], now: Date): Inspection {
  const filesWith = (part: 'certificates' | 'keys' | 'requests', fingerprint: string) =>
    all.filter((held) => held[part].some((item) => item.fingerprint === fingerprint)).map(({ name }) => name);
  return {
    file: one.name,
    kind: one.view.kind,
    title: titleOf(one),
    protection: one.view.protection ?? null,
    certificates: one.certificates.map(({ leaf, fingerprint }) => ({
      commonName: leaf.commonName,
      issuer: leaf.issuerName,
      use: useOf(leaf),
      topics: leaf.topics,
      environments: leaf.environments,
      teamId: leaf.teamId ?? null,
      notBefore: leaf.notBefore.toISOString(),
      expiresAt: leaf.notAfter.toISOString(),
      validity: validityText(leaf, now),
      daysLeft: Math.floor((leaf.notAfter.getTime() - now.getTime()) / dayMs),
      fingerprint: leaf.x509.fingerprint256,
      serialNumber: leaf.x509.serialNumber,
      keyType: keyTypeOf(leaf.x509.publicKey),
      keyFingerprint: fingerprint,
      keyIn: filesWith('keys', fingerprint),
    })),
    keys: one.keys.map(({ key, fingerprint }) => ({
      keyType: keyTypeOf(key),
      keyFingerprint: fingerprint,
      forTokens: signsTokens(key),
      certificateIn: filesWith('certificates', fingerprint),
      requestIn: filesWith('requests', fingerprint),
    })),
    requests: one.requests.map(({ request, key, fingerprint }) => ({
      subject: request.subject,
      keyType: keyTypeOf(key),
      keyFingerprint: fingerprint,
      signatureValid: request.signatureValid,
      keyIn: filesWith('keys', fingerprint),
    })),
    problem: one.view.problem ?? null,
    credential: judge(one, all, now),
  };
}

/** As the channels API would judge this file with what belongs to it in the others. */
function judge(one: Held, all: readonly Held[], now: Date): Inspection['credential'] {
  const refusal = ({ code, message }: { code: string; message: string }) =>
    ({ usable: false, code, message }) as const;
  if (one.view.problem !== undefined) return refusal(one.view.problem);
  if (one.requests.length > 0 && one.keys.length + one.certificates.length === 0) {
    const [code, message] = refusals.csr as [string, string];
    return refusal({ code, message });
  }
  if (one.keys.length === 0 && one.certificates.length > 0 && one.certificates.every(isAuthority)) {
    return refusal(justAuthority);
  }
  const others = all.filter((held) => held !== one);
  const certificates = [...one.certificates, ...others.flatMap((held) => held.certificates)];
  const keys = [...one.keys, ...others.flatMap((held) => held.keys)];
  const ours = new Set([...one.certificates, ...one.keys].map(({ fingerprint }) => fingerprint));
  try {
    choosePair(
      {
        // Of the other files only what belongs to this one: each is judged by itself.
        keys: keys
          .filter(({ fingerprint, key }) => ours.has(fingerprint) || one.keys.some((own) => own.key === key))
          .map(({ key }) => key.export({ format: 'pem', type: 'pkcs8' }) as string),
        certificates: certificates
          .filter(({ fingerprint, leaf }) => ours.has(fingerprint) || leaf.x509.ca)
          .map(({ leaf }) => leaf.x509.toString()),
      },
      {},
      now,
    );
    return { usable: true };
  } catch (error) {
    if (error instanceof CredentialError) return refusal(error);
    throw error;
  }
}

/** The certificate of an authority alone is not wrong, only not enough. */
const justAuthority = {
  code: 'authority',
  message: 'This is the certificate of an authority: it goes beside a push certificate, and is none itself.',
};

const titles: Readonly<Partial<Record<FileKind, string>>> = {
  pkcs12: 'PKCS#12 (.p12)',
  pem: 'PEM text',
  certificate: 'certificate (.cer, DER)',
  csr: 'certificate signing request (DER)',
  'private-key': 'private key (DER)',
  'encrypted-private-key': 'encrypted private key (DER)',
  'public-key': 'public key',
  cms: 'signed bundle (CMS)',
  jks: 'Java key store',
  zip: 'ZIP archive',
  xml: 'text document',
  empty: 'empty file',
  truncated: 'incomplete file',
};

function titleOf({ view, certificates, keys, requests }: Held): string {
  const [key] = keys;
  if (key !== undefined && keys.length === 1 && certificates.length === 0 && signsTokens(key.key)) {
    return 'signing key for provider tokens (.p8)';
  }
  if (view.kind === 'pem' && keys.length + certificates.length === 0 && requests.length > 0) {
    return 'certificate signing request (PEM)';
  }
  return titles[view.kind] ?? 'unknown file';
}

const isAuthority = ({ leaf }: { leaf: PushCertificate }) => leaf.x509.ca;

function useOf(leaf: PushCertificate): CertificateView['use'] {
  if (leaf.x509.ca) return 'authority';
  if (leaf.forCodeSigning) return 'code-signing';
  return leaf.forPush ? 'push' : 'other';
}

function signsTokens(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
}

const curves: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};

function keyTypeOf(key: KeyObject): string {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa') return `RSA ${modulusLength}`;
  if (key.asymmetricKeyType === 'ec') return `EC ${curves[namedCurve ?? ''] ?? namedCurve}`;
  return key.asymmetricKeyType ?? 'unknown';
}

function fingerprintOf(publicKey: KeyObject): string {
  return hash('sha256', publicKey.export({ format: 'der', type: 'spki' }));
}

const dayMs = 86_400_000;

/** `expires in 34 days, on 2026-12-26` */
export function validityText(leaf: { notBefore: Date; notAfter: Date }, now: Date): string {
  const day = (date: Date) => date.toISOString().slice(0, 10);
  const days = (ms: number) => {
    const count = Math.floor(ms / dayMs);
    return count === 0 ? 'less than a day' : count === 1 ? '1 day' : `${count} days`;
  };
  const [at, start, end] = [now.getTime(), leaf.notBefore.getTime(), leaf.notAfter.getTime()];
  if (at < start) return `will be valid in ${days(start - at)}, from ${day(leaf.notBefore)}`;
  if (at >= end) return `expired ${days(at - end)} ago, on ${day(leaf.notAfter)}`;
  return `expires in ${days(end - at)}, on ${day(leaf.notAfter)}`;
}
