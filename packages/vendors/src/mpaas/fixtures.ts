import { readFileSync } from 'node:fs';
import type { EmulatorChannel } from '../emulator.ts';
import { openSender as openAny, type SenderChoice } from '../fixtures.ts';
import type { Sender } from '../vendor.ts';
import { createSender } from './client.ts';
import { type MpaasCredential, prepareCredential } from './credential.ts';
import type { MpaasSettings } from './settings.ts';

/*
 * For tests only. `fixtures/` holds a key pair made for it, the vendor's sample receipt with signatures by
 * that pair, and the published vectors of the gateway.
 */

export function fixture(name: string): string {
  return readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
}

export interface CallbackVector {
  name: string;
  body: string;
  bodyBytes: number;
  signStandardBase64: string;
  signUrlSafePadded: string;
  signUrlSafeUnpadded: string;
  queryPercentEncoded: string;
}

export const vectors = JSON.parse(fixture('vectors.json')) as {
  publicKeyDerBase64: string;
  callbacks: CallbackVector[];
  restRequests: {
    body: string;
    path: string;
    appId: string;
    workspaceId: string;
    signUrlSafePadded: string;
  }[];
  mustReject: { name: string; body: string; sign: string }[];
  tolerant: { name: string; body: string; signAsReceived: string }[];
};

export const gateway = JSON.parse(fixture('gateway.json')) as {
  rpcV1: {
    name: string;
    method: string;
    accessKeySecret: string;
    params: Record<string, string>;
    canonicalQuery: string;
    signature: string;
    signatureInQuery: string;
  }[];
  acs3: {
    name: string;
    method: string;
    query: Record<string, string>;
    headers: Record<string, string>;
    body: string;
    accessKeyId: string;
    accessKeySecret: string;
    authorization: string;
  }[];
};

export function settingsWith(changes: Partial<MpaasSettings> = {}): MpaasSettings {
  return {
    appId: 'ONEX570DA89211721',
    workspaceId: 'test',
    interface: 'openapi',
    pathPrefix: 'push',
    deliveryType: 1,
    ownChannelDelivery: false,
    iosEnvironmentChecked: false,
    actionCodes: { web: 0, intent: 1 },
    maxExpiredSeconds: 259_200,
    maxMessageBytes: 2_048,
    requestTimeoutMs: 5_000,
    maxConnections: 4,
    emulator: false,
    openapi: { signature: 'acs3', version: '2020-10-28' },
    ...changes,
  };
}

export function channelWith(
  settings: Partial<MpaasSettings> = {},
  credential: Partial<MpaasCredential> = {},
) {
  return {
    id: 'channel-1',
    settings: settingsWith(settings),
    credential: { callbackPublicKey: fixture('public.pem'), ...credential },
  };
}

/** A sender for a channel of the emulator. */
export function openSender(offered: EmulatorChannel, choice: SenderChoice<MpaasSettings> = {}): Sender {
  return openAny({ prepareCredential, createSender }, offered, choice);
}
