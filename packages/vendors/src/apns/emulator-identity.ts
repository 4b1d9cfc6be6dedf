import { createECDH, createPrivateKey, createPublicKey, hash, hkdfSync, type KeyObject } from 'node:crypto';
import { hostname } from 'node:os';
import type { IssuedCertificate } from '../authority.ts';
import { issueClientCertificate, issueServerCertificate, toPkcs12 } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import type { KnownKey } from './emulator-jwt.ts';

/** What an emulator is known by, and what it lets in. */
export interface Identities {
  server: IssuedCertificate;
  key: KnownKey;
  /** As an operator would hand them in. */
  credentials: { name: string; credential: Record<string, unknown> }[];
}

const dayMs = 86_400_000;
const teamId = 'PUSHMILL01';
const password = 'pushmill';

/**
 * The certificate of the server, and one credential of each kind. The signing key follows from the authority
 * and the seed, so that channels stored in an earlier run are still let in after a restart.
 * @param about.now  milliseconds, by the emulator's clock
 */
export async function issueIdentities(
  authority: Authority,
  about: { seed: number; host: string; bundleId: string; now: number },
): Promise<Identities> {
  const { bundleId } = about;
  // The emulator's clock may be set to any time, but TLS clients judge the server by theirs.
  const notBefore = new Date(Math.min(Date.now(), about.now) - dayMs);
  const notAfter = new Date(Math.max(Date.now(), about.now) + 397 * dayMs);
  const commonName = `Apple Push Services: ${bundleId}`;
  const [server, client] = await Promise.all([
    issueServerCertificate(authority, {
      hosts: [...new Set(['localhost', '127.0.0.1', hostname(), about.host])],
      notBefore,
      notAfter,
    }),
    issueClientCertificate(authority, {
      commonName,
      bundleId,
      teamId,
      topics: [
        { topic: bundleId, label: 'app' },
        { topic: `${bundleId}.voip`, label: 'voip' },
        { topic: `${bundleId}.complication`, label: 'complication' },
      ],
      environments: ['sandbox', 'production'],
      notBefore,
      notAfter,
    }),
  ]);
  const privateKey = deriveKey(authority.key, about.seed);
  const keyId = seededHex(about.seed, 'key').slice(0, 10).toUpperCase();
  return {
    server,
    key: { keyId, teamId, publicKey: createPublicKey(privateKey) },
    credentials: [
      {
        name: 'apns-token',
        credential: {
          kind: 'token',
          keyId,
          teamId,
          privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }),
        },
      },
      {
        name: 'apns-cert',
        credential: {
          kind: 'certificate',
          p12: toPkcs12(client, password, commonName).toString('base64'),
          password,
        },
      },
    ],
  };
}

/** 64 hex digits, the same for the same seed. */
export function seededHex(seed: number, purpose: string): string {
  return hash('sha256', `${seed} ${purpose}`);
}

/** A key on P-256. A scalar out of range, one in four billion, is refused by Node when it is set. */
function deriveKey(secret: string, seed: number): KeyObject {
  const scalar = Buffer.from(
    hkdfSync('sha256', secret, String(seed), 'pushmill apns emulator signing key', 32),
  );
  const curve = createECDH('prime256v1');
  curve.setPrivateKey(scalar);
  const point = curve.getPublicKey();
  return createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: 'P-256',
      d: scalar.toString('base64url'),
      x: point.subarray(1, 33).toString('base64url'),
      y: point.subarray(33).toString('base64url'),
    },
  });
}
