import { readFileSync } from 'node:fs';
import type { TpnsSettings } from './settings.ts';

/*
 * For tests only. `fixtures/vectors.json` holds the vendor's published signature and others computed by its rule,
 * among them what must not be taken.
 */

export interface SignVector {
  name: string;
  secretKey: string;
  accessId: string;
  timestamp: string;
  body: string;
}

export const vectors = JSON.parse(
  readFileSync(new URL('./fixtures/vectors.json', import.meta.url), 'utf8'),
) as {
  vectors: (SignVector & {
    bodyUtf8Bytes: number;
    hmacHex: string;
    sign: string;
    wrongSignIfRawDigestIsEncoded: string;
  })[];
  mustReject: (SignVector & { sign: string })[];
  basicAuth: { accessId: string; secretKey: string; header: string }[];
  legacyXingeV2: {
    secretKey: string;
    baseString: string;
    sign: string;
    params: { access_id: string; timestamp: string };
  }[];
};

export function settingsWith(changes: Partial<TpnsSettings> = {}): TpnsSettings {
  return {
    accessId: '1500001048',
    platform: 'android',
    region: 'guangzhou',
    environment: 'product',
    audience: 'token',
    accountType: 0,
    accountPushType: 0,
    authentication: 'sign',
    missingTargetIsDead: true,
    maxMessageBytes: 4_096,
    maxExpireSeconds: 259_200,
    statistics: 'many',
    requestTimeoutMs: 5_000,
    maxConnections: 4,
    emulator: false,
    ...changes,
  };
}
