import { readFileSync } from 'node:fs';
import type { EmulatorChannel } from '../emulator.ts';
import { openSender as openAny, type SenderChoice } from '../fixtures.ts';
import type { Sender } from '../vendor.ts';
import { createSender } from './client.ts';
import { prepareCredential } from './credential.ts';
import type { BaiduSettings } from './settings.ts';

/* For tests only. `fixtures/vectors.json` holds the page's own example and signatures computed from its rule. */

export interface CallVector {
  name: string;
  method: 'GET' | 'POST';
  url: string;
  secretKey: string;
  params: Record<string, string>;
  encoded: string;
  baseString: string;
  sign: string;
  formBody: string;
}

export interface SppVector {
  name: string;
  method: 'POST';
  url: string;
  body: string;
  appkey: string;
  timestamp: string;
  masterKey: string;
  baseString: string;
  sign: string;
}

function read<Content>(name: string): Content {
  return JSON.parse(readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8')) as Content;
}

export const vectors = read<{
  rest: CallVector[];
  mustReject: { name: string; of: string; sign: string }[];
  movedProductSpp: { vectors: SppVector[] };
}>('vectors.json');

/** Requests of bpush-nodejs 1.1.4, a client that others wrote, as it put them on the wire. */
export const recorded = read<{
  secretKey: string;
  calls: { method: string; host: string; path: string; headers: Record<string, string>; body: string }[];
}>('bpush-nodejs.json');

export function settingsWith(changes: Partial<BaiduSettings> = {}): BaiduSettings {
  return {
    api: 'rest-3.0',
    platform: 'android',
    deployStatus: 'production',
    signedScheme: 'https',
    maxDevicesPerCall: 10_000,
    privateMessages: false,
    maxIosMessageBytes: 2_048,
    sppDataField: 'extras',
    requestTimeoutMs: 5_000,
    maxConnections: 4,
    emulator: false,
    ...changes,
  };
}

/** A sender for a channel of the emulator. */
export function openSender(offered: EmulatorChannel, choice: SenderChoice<BaiduSettings> = {}): Sender {
  return openAny({ prepareCredential, createSender }, offered, choice);
}
