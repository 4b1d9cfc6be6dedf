import { daysLeft, expiryText, expiryWarning } from '@pushmill/core';
import type { Store } from '@pushmill/store';
import type { ActiveChannel } from './active-channel.ts';

type WatchedChannel = Pick<ActiveChannel, 'row' | 'vendor'>;

export interface CredentialWatchDeps {
  store: { channels: Pick<Store['channels'], 'warnOfExpiry'> };
  log: {
    warn: (fields: Record<string, unknown>, message: string) => void;
    error: (fields: Record<string, unknown>, message: string) => void;
  };
  now: () => Date;
}

/**
 * Says which credentials come to their end: 30, 14, 7 and 1 days before, and when it is there. Every worker looks,
 * and the ledger lets one of them say each of these once.
 */
export async function watchCredentials(
  channels: readonly WatchedChannel[],
  deps: CredentialWatchDeps,
): Promise<void> {
  const now = deps.now();
  for (const { row, vendor } of channels) {
    const expiresAt = expiryOf(row.credentialShown);
    const warning = expiresAt && expiryWarning(expiresAt, now);
    if (!expiresAt || warning === undefined) continue;
    // In the credential's own words: meanwhile another one may be there, which has its own time.
    const isFirst = await deps.store.channels.warnOfExpiry(
      row.id,
      String(row.credentialShown.expiresAt),
      warning,
    );
    if (!isFirst) continue;
    const fields = {
      channel: row.name,
      vendor: row.vendor,
      days: daysLeft(expiresAt, now),
      expiresAt: expiresAt.toISOString(),
      detail: `The credential of the channel ${row.name} ${expiryText(expiresAt, now)}.`,
      remedy: `Get a new one from ${vendor.title} and hand it in with "pushmill channels rotate ${row.name}"; see docs/runbook/credential-expiring.md.`,
    };
    if (warning <= 1) deps.log.error(fields, 'credential.expiring');
    else deps.log.warn(fields, 'credential.expiring');
  }
}

export interface ExpiryGauge {
  reset(): void;
  set(labels: { vendor: string; channel: string }, value: number): void;
}

/** Seconds until each credential ends, negative after it; a channel whose credential has no end is not there. */
export function measureExpiries(channels: readonly WatchedChannel[], gauge: ExpiryGauge, now: Date): void {
  gauge.reset();
  for (const { row } of channels) {
    const expiresAt = expiryOf(row.credentialShown);
    if (!expiresAt) continue;
    const seconds = Math.round((expiresAt.getTime() - now.getTime()) / 1_000);
    gauge.set({ vendor: row.vendor, channel: row.name }, seconds);
  }
}

function expiryOf(shown: Readonly<Record<string, unknown>>): Date | undefined {
  const expiresAt = typeof shown.expiresAt === 'string' ? new Date(shown.expiresAt) : undefined;
  return expiresAt && !Number.isNaN(expiresAt.getTime()) ? expiresAt : undefined;
}
