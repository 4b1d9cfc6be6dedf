/** The certificate work for others: what the channels API stands on, for the command's use. */
export type { ClientCertificate } from './conversion.ts';
export { openAuthorities, openClientCertificate } from './conversion.ts';
export type { HandshakeReport, HandshakeStep, Verdict } from './handshake.ts';
export { checkHandshake } from './handshake.ts';
export type { CertificateView, Inspection, KeyView, NamedFile } from './inspection.ts';
export { inspectFiles, validityText } from './inspection.ts';
export type { Protection } from './p12-protection.ts';
export type { SigningRequest } from './signing-request.ts';
export { makeSigningRequest } from './signing-request.ts';
