import { createPublicKey, hash, type KeyObject } from 'node:crypto';
import { hostname } from 'node:os';
import { type IssuedCertificate, madeOnce } from '../authority.ts';
import type { Authority, EmulatorChannel } from '../emulator.ts';
import { serverCertificate } from '../emulator-server.ts';
import { deriveRsaKey } from './emulator-rsa.ts';

/** A service account as Google knows it. */
export interface Account {
  email: string;
  /** By key id. */
  keys: ReadonlyMap<string, KeyObject>;
  /** The project whose messages it may send. */
  projectId: string;
}

/** What an emulator is known by, and whom it lets in. */
export interface Identities {
  server: IssuedCertificate;
  account: Account;
  /** The file that the console gives out, in one line. */
  keyFile: string;
}

/** Where assertions are addressed to, wherever the request goes. */
export const tokenUri = 'https://oauth2.googleapis.com/token';

/** The hosts whose part the emulator plays; a client that is led here verifies their names. */
const vendorHosts = ['fcm.googleapis.com', 'oauth2.googleapis.com', 'iid.googleapis.com'];

/**
 * The certificate of the server, and the service account. The key follows from the authority and the seed, so that
 * channels stored in an earlier run are still let in after a restart.
 */
export async function issueIdentities(
  authority: Authority,
  about: { seed: number; host: string; projectId: string },
): Promise<Identities> {
  const { seed, host, projectId } = about;
  const [server, privateKey] = await Promise.all([
    serverCertificate(authority, [hostname(), host, ...vendorHosts]),
    madeOnce(authority, `fcm account ${seed}`, () => deriveRsaKey(authority.key, `account ${seed}`)),
  ]);
  const keyId = seededHex(seed, 'key').slice(0, 40);
  const email = `pushmill@${projectId}.iam.gserviceaccount.com`;
  const keyFile = JSON.stringify({
    type: 'service_account',
    project_id: projectId,
    private_key_id: keyId,
    private_key: privateKey.export({ format: 'pem', type: 'pkcs8' }),
    client_email: email,
    client_id: String(100_000_000_000_000_000_000n + (BigInt(seed) % 1_000_000n)),
    auth_uri: 'https://accounts.google.com/o/oauth2/auth',
    token_uri: tokenUri,
    auth_provider_x509_cert_url: 'https://www.googleapis.com/oauth2/v1/certs',
    client_x509_cert_url: `https://www.googleapis.com/robot/v1/metadata/x509/${encodeURIComponent(email)}`,
    universe_domain: 'googleapis.com',
  });
  return {
    server,
    keyFile,
    account: { email, keys: new Map([[keyId, createPublicKey(privateKey)]]), projectId },
  };
}

/** Whole settings, so that whoever skips the schema's defaults still has a working channel. */
export function channelOf(identities: Identities, origin: string, ca: string): EmulatorChannel {
  return {
    name: 'fcm',
    settings: {
      projectId: identities.account.projectId,
      sendOrigin: origin,
      tokenOrigin: origin,
      iidOrigin: origin,
      ca,
      requestTimeoutMs: 10_000,
      maxConnections: 8,
      emulator: true,
    },
    credential: { serviceAccount: identities.keyFile },
    audiences: [
      { kind: 'topic', topic: 'news' },
      { kind: 'condition', condition: "'news' in topics && !('muted' in topics)" },
    ],
  };
}

/** 64 hex digits, the same for the same seed. */
export function seededHex(seed: number, purpose: string): string {
  return hash('sha256', `fcm ${seed} ${purpose}`);
}
