import { generateKeyPairSync } from 'node:crypto';
import { after } from 'node:test';
import type { Emulator } from '@pushmill/vendors';
import { createAuthority, emulators } from '@pushmill/vendors/emulators';

/** An APNs for one test file, and what its operator would have from Apple. */
export interface ForeignApns {
  emulator: Emulator;
  /** PEM. */
  authority: string;
  /** Of the environment that is not the channels'. */
  otherOrigin: string;
  /** Of the host that manages broadcast channels. */
  manageOrigin: string;
  topic: string;
  token: { keyId: string; teamId: string; privateKey: string };
  certificate: { pfx: Buffer; passphrase: string };
}

const hourMs = 3_600_000;

/**
 * @param about.authority  PEM with its key, to share one between two; default a new one
 * @param about.clock  `ahead`: by more than an hour, until a provider token has been refused for its age
 */
export async function startForeignApns(about: {
  seed: number;
  authority?: Awaited<ReturnType<typeof createAuthority>>;
  clock?: 'ahead';
}): Promise<ForeignApns> {
  const authority = about.authority ?? (await createAuthority(new Date()));
  let isAhead = () => about.clock === 'ahead';
  const emulator = await emulators.apns({
    port: 0,
    authority,
    seed: about.seed,
    now: () => Date.now() + (isAhead() ? hourMs + 60_000 : 0),
  });
  after(() => emulator.close());
  if (about.clock === 'ahead') isAhead = () => !emulator.account().refused.ExpiredProviderToken;
  const [byToken, byCertificate] = ['apns-token', 'apns-cert'].map((name) =>
    emulator.channels.find((channel) => channel.name === name),
  );
  if (!byToken || !byCertificate) throw new Error('The apns emulator lacks a channel');
  const { p12, password } = byCertificate.credential as { p12: string; password: string };
  return {
    emulator,
    authority: authority.certificate,
    otherOrigin: byToken.settings.otherOrigin as string,
    manageOrigin: byToken.settings.manageOrigin as string,
    topic: byToken.settings.topic as string,
    token: byToken.credential as unknown as ForeignApns['token'],
    certificate: { pfx: Buffer.from(p12, 'base64'), passphrase: password },
  };
}

/** A signing key as Apple makes them, which no emulator knows. PEM. */
export function unknownKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}
