import { createECDH, createPrivateKey, createPublicKey, hash, hkdfSync, type KeyObject } from 'node:crypto';
import { hostname } from 'node:os';
import type { IssuedCertificate } from '../authority.ts';
import { issueClientCertificate, madeOnce, toPkcs12 } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import { serverCertificate } from '../emulator-server.ts';
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
  const [server, p12] = await Promise.all([
    serverCertificate(authority, [hostname(), about.host]),
    clientP12(authority, bundleId, about.now),
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
          p12,
          password,
        },
      },
    ],
  };
}

/** In base64. Whole days, so that emulators started one after the other share it. */
function clientP12(authority: Authority, bundleId: string, now: number): Promise<string> {
  const firstDay = Math.floor(Math.min(Date.now(), now) / dayMs) - 1;
  const lastDay = Math.ceil(Math.max(Date.now(), now) / dayMs) + 397;
  return madeOnce(authority, `apns ${bundleId} ${firstDay} ${lastDay}`, async () => {
    const commonName = `Apple Push Services: ${bundleId}`;
    const issued = await issueClientCertificate(authority, {
      commonName,
      bundleId,
      teamId,
      topics: [
        { topic: bundleId, label: 'app' },
        { topic: `${bundleId}.voip`, label: 'voip' },
        { topic: `${bundleId}.complication`, label: 'complication' },
      ],
      environments: ['sandbox', 'production'],
      // The emulator's clock may be set to any time, but TLS asks the real one.
      notBefore: new Date(firstDay * dayMs),
      notAfter: new Date(lastDay * dayMs),
    });
    return toPkcs12(issued, password, commonName).toString('base64');
  });
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
