import { generateKeyPair, randomBytes, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import forge from 'node-forge';
import type { Authority } from './emulator.ts';

const dayMs = 86_400_000;
const { asn1 } = forge;

/** A certificate with its key. PEM; the key is PKCS#8. */
export interface IssuedCertificate {
  certificate: string;
  privateKey: string;
}

/**
 * The installation's own certificate authority, for emulators and tests.
 * @param now  the authority is valid from the day before, for ten years
 */
export async function createAuthority(now: Date = new Date()): Promise<Authority> {
  const { publicKey, privateKey } = await newKey();
  const certificate = blank(
    publicKey,
    new Date(now.getTime() - dayMs),
    new Date(now.getTime() + 3650 * dayMs),
  );
  const name = [
    { name: 'commonName', value: `pushmill emulator authority ${certificate.serialNumber.slice(0, 8)}` },
    { name: 'organizationName', value: 'pushmill' },
  ];
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(privateKey), forge.md.sha256.create());
  return { certificate: forge.pki.certificateToPem(certificate), key: privateKey };
}

const made = new WeakMap<Authority, Map<string, Promise<unknown>>>();

/**
 * What emulators of one process make once for an authority and share: keys above all, each of which takes longer
 * than all the rest of starting an emulator.
 */
export function madeOnce<Made>(authority: Authority, name: string, make: () => Promise<Made>): Promise<Made> {
  const known = made.get(authority) ?? new Map<string, Promise<unknown>>();
  made.set(authority, known);
  const value = known.get(name) ?? make();
  known.set(name, value);
  return value as Promise<Made>;
}

/** A certificate for a TLS server. Hosts are names or IP addresses. */
export async function issueServerCertificate(
  authority: Authority,
  request: { hosts: readonly string[]; notBefore: Date; notAfter: Date },
): Promise<IssuedCertificate> {
  const { publicKey, privateKey } = await newKey();
  const certificate = blank(publicKey, request.notBefore, request.notAfter);
  certificate.setSubject([{ name: 'commonName', value: request.hosts[0] ?? 'localhost' }]);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true },
    {
      name: 'subjectAltName',
      altNames: request.hosts.map((host) =>
        isIP(host) === 0 ? { type: 2, value: host } : { type: 7, ip: host },
      ),
    },
  ]);
  return finish(authority, certificate, privateKey);
}

export interface ClientCertificateRequest {
  /** Common name; Apple writes `Apple Push Services: <bundle id>`. */
  commonName: string;
  /** Bundle id; Apple's certificates carry it as the UID of the subject. */
  bundleId?: string;
  /** Apple's certificates carry it as the OU of the subject. */
  teamId?: string;
  topics?: readonly { topic: string; label: string }[];
  environments?: readonly ('production' | 'sandbox')[];
  /** Default clientAuth. */
  purpose?: 'clientAuth' | 'codeSigning';
  notBefore: Date;
  notAfter: Date;
}

/**
 * A client certificate of the form that Apple issues for push.
 * @see Apple, "Establishing a certificate-based connection to APNs", for the extensions
 */
export async function issueClientCertificate(
  authority: Authority,
  request: ClientCertificateRequest,
): Promise<IssuedCertificate> {
  const { publicKey, privateKey } = await newKey();
  const certificate = blank(publicKey, request.notBefore, request.notAfter);
  const utf8 = asn1.Type.UTF8 as unknown as forge.asn1.Class;
  certificate.setSubject([
    ...(request.bundleId === undefined
      ? []
      : [{ type: '0.9.2342.19200300.100.1.1', value: request.bundleId, valueTagClass: utf8 }]),
    { name: 'commonName', value: request.commonName, valueTagClass: utf8 },
    ...(request.teamId === undefined
      ? []
      : [{ shortName: 'OU', value: request.teamId, valueTagClass: utf8 }]),
  ]);
  const environments = request.environments ?? [];
  const topics = request.topics ?? [];
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, critical: true },
    { name: 'extKeyUsage', [request.purpose ?? 'clientAuth']: true },
    ...(environments.includes('sandbox') ? [{ id: '1.2.840.113635.100.6.3.1', value: '\x05\x00' }] : []),
    ...(environments.includes('production') ? [{ id: '1.2.840.113635.100.6.3.2', value: '\x05\x00' }] : []),
    ...(topics.length === 0 ? [] : [{ id: '1.2.840.113635.100.6.3.6', value: topicList(topics) }]),
  ]);
  return finish(authority, certificate, privateKey);
}

/**
 * A .p12 as macOS's Keychain would like it: 3DES and SHA-1.
 * @param password  null makes the form without any password, which is not the same as an empty one
 */
export function toPkcs12(issued: IssuedCertificate, password: string | null, friendlyName: string): Buffer {
  const p12 = forge.pkcs12.toPkcs12Asn1(
    forge.pki.privateKeyFromPem(issued.privateKey),
    [forge.pki.certificateFromPem(issued.certificate)],
    password,
    { algorithm: '3des', friendlyName },
  );
  return Buffer.from(asn1.toDer(p12).getBytes(), 'binary');
}

/** SEQUENCE of a topic and the SEQUENCE of its labels, by turns. */
function topicList(topics: readonly { topic: string; label: string }[]): string {
  const text = (value: string) =>
    asn1.create(asn1.Class.UNIVERSAL, asn1.Type.UTF8, false, forge.util.encodeUtf8(value));
  const sequence = (items: forge.asn1.Asn1[]) =>
    asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, items);
  const items = topics.flatMap(({ topic, label }) => [text(topic), sequence([text(label)])]);
  return asn1.toDer(sequence(items)).getBytes();
}

function blank(publicKey: string, notBefore: Date, notAfter: Date): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  // A first digit below 8 keeps the number positive in DER, and one above 0 keeps it minimal.
  certificate.serialNumber = `4${randomBytes(16).toString('hex').slice(1)}`;
  certificate.validity.notBefore = notBefore;
  certificate.validity.notAfter = notAfter;
  return certificate;
}

function finish(
  authority: Authority,
  certificate: forge.pki.Certificate,
  privateKey: string,
): IssuedCertificate {
  certificate.setIssuer(forge.pki.certificateFromPem(authority.certificate).subject.attributes);
  certificate.sign(forge.pki.privateKeyFromPem(authority.key), forge.md.sha256.create());
  // Through Node, which refuses what TLS would refuse later.
  return { certificate: new X509Certificate(forge.pki.certificateToPem(certificate)).toString(), privateKey };
}

/** RSA 2048, as Apple's keys are. Made by Node: forge would take seconds and block the loop. */
function newKey(): Promise<{ publicKey: string; privateKey: string }> {
  return promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
}
