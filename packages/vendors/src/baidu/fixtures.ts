import { readFileSync } from 'node:fs';
import { formatPushId, newId, pushIdentity } from '@pushmill/core';
import type { OutgoingMessage, OutgoingPush } from '../vendor.ts';
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

function read<Content>(name: string): Content {
  return JSON.parse(readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8')) as Content;
}

export const vectors = read<{
  rest: CallVector[];
  mustReject: { name: string; of: string; sign: string }[];
}>('vectors.json');

/** Requests of bpush-nodejs 1.1.4, a client that others wrote, as it put them on the wire. */
export const recorded = read<{
  secretKey: string;
  calls: { method: string; host: string; path: string; headers: Record<string, string>; body: string }[];
}>('bpush-nodejs.json');

export function settingsWith(changes: Partial<BaiduSettings> = {}): BaiduSettings {
  return {
    platform: 'android',
    deployStatus: 'production',
    signedScheme: 'https',
    maxDevicesPerCall: 10_000,
    privateMessages: false,
    maxIosMessageBytes: 2_048,
    requestTimeoutMs: 5_000,
    maxConnections: 4,
    emulator: false,
    ...changes,
  };
}

export function messageWith(changes: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    id: newId(),
    createdAt: 0,
    expiresAt: 600_000,
    notification: { title: 'Parcel', body: 'It is at the door.' },
    class: 'transactional',
    priority: 'high',
    ...changes,
  };
}

/** @param numbers  which pushes of the message these are; from 0 on when left out */
export function pushesTo(
  tokens: readonly string[],
  message: OutgoingMessage,
  numbers: readonly number[] = tokens.map((_, n) => n),
): OutgoingPush[] {
  return tokens.map((token, index) => {
    const ref = { messageId: message.id, n: numbers[index] as number };
    return { id: formatPushId(ref), identity: pushIdentity(ref), token, message };
  });
}
