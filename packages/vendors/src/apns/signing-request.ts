import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { CredentialError } from '@pushmill/core';
import forge from 'node-forge';

export interface SigningRequestOptions {
  /** Common name; Apple puts a name of its own in its place. */
  name: string;
  email?: string;
  /** Two letters. */
  country?: string;
}

/** PEM. */
export interface SigningRequest {
  request: string;
  /** PKCS#8. */
  privateKey: string;
}

/**
 * A new key and the request for a push certificate to upload to Apple: RSA 2048, signed with SHA-256.
 * @throws CredentialError  for a name, an address or a country that a request cannot carry
 * @see RFC 2986; Apple, "Establishing a certificate-based connection to APNs"
 */
export async function makeSigningRequest(options: SigningRequestOptions): Promise<SigningRequest> {
  const { name, email, country } = options;
  const fail = (code: string, sentence: string) => new CredentialError(code, sentence);
  // The upper bounds are X.520's; OpenSSL refuses longer ones.
  if (name.trim() === '' || name.length > 64) throw fail('name', 'The name must have 1 to 64 characters.');
  if (email !== undefined && (!/^[\x21-\x7e]+@[\x21-\x7e]+$/.test(email) || email.length > 128)) {
    throw fail('email', 'The e-mail address must be plain ASCII with an @, and at most 128 characters.');
  }
  if (country !== undefined && !/^[A-Za-z]{2}$/.test(country)) {
    throw fail('country', 'The country is two letters, such as US or CN.');
  }
  // By Node: forge would take seconds, and block.
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const type = (tag: forge.asn1.Type) => tag as unknown as forge.asn1.Class;
  const request = forge.pki.createCertificationRequest();
  request.publicKey = forge.pki.publicKeyFromPem(publicKey);
  request.setSubject([
    ...(email === undefined
      ? []
      : [{ name: 'emailAddress', value: email, valueTagClass: type(forge.asn1.Type.IA5STRING) }]),
    { name: 'commonName', value: name.trim(), valueTagClass: type(forge.asn1.Type.UTF8) },
    ...(country === undefined ? [] : [{ name: 'countryName', value: country.toUpperCase() }]),
  ]);
  // Unsaid, forge signs with SHA-1.
  request.sign(forge.pki.privateKeyFromPem(privateKey), forge.md.sha256.create());
  const pem = forge.pki.certificationRequestToPem(request).replaceAll('\r\n', '\n');
  return { request: pem, privateKey };
}
