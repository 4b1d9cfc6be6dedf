import { getCACertificates } from 'node:tls';

/**
 * PEM of the authorities that a channel's connections trust; undefined for the public ones alone. An extra authority
 * is trusted besides the public ones; an emulator's is the only one.
 */
export function trustedAuthorities({
  ca,
  emulator,
}: {
  ca?: string;
  emulator?: boolean;
}): string | undefined {
  if (ca === undefined || emulator === true) return ca;
  return [...getCACertificates('default'), ca].join('\n');
}
