import { after } from 'node:test';
import { Provider, type ProviderOptions } from '@parse/node-apn';
import type { ForeignApns } from './apns-setup.ts';

/**
 * A provider of @parse/node-apn, set up by its own options alone; shut down after the test or file that opens it.
 * @param origin  where pushes go; default the environment of the channels
 */
export function openProvider(
  apns: ForeignApns,
  credential: ProviderOptions,
  origin: string = apns.emulator.origin,
): Provider {
  const [push, manage] = [new URL(origin), new URL(apns.manageOrigin)];
  const provider = new Provider({
    ...credential,
    address: push.hostname,
    port: Number(push.port),
    manageChannelsAddress: manage.hostname,
    manageChannelsPort: Number(manage.port),
    ca: [apns.authority],
  });
  // It is declared to return a promise, but only the callback tells when it is done (lib/provider.js, shutdown).
  after(() => new Promise<void>((resolve) => void provider.shutdown(resolve)));
  return provider;
}

/** The provider token's part of the options. */
export function tokenOf({ token }: ForeignApns, key: string = token.privateKey): ProviderOptions {
  return { token: { keyId: token.keyId, teamId: token.teamId, key } };
}
