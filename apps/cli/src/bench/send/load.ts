import { createHash, generateKeyPairSync } from 'node:crypto';
import { newId, type PushRef, pushIdentity } from '@pushmill/core';
import type { OutgoingMessage } from '@pushmill/vendors';

/** Where a contender sends, and as whom. */
export interface Target {
  port: number;
  /** PEM; the only authority to be trusted. */
  ca: string;
  topic: string;
  keyId: string;
  teamId: string;
  /** PKCS#8 PEM, on P-256. */
  privateKey: string;
}

export interface PlannedPush extends PushRef {
  token: string;
  /** What pushmill makes of the reference itself, for those that cannot. */
  identity: string;
  message: OutgoingMessage;
}

/** As many as a batch has: pushes of one message share its payload. */
const PUSHES_A_MESSAGE = 500;
const HOUR_MS = 3_600_000;

const content = {
  class: 'marketing',
  // Not `high`: apns2 leaves the header of that one out.
  priority: 'normal',
  notification: {
    title: 'Your parcel is on its way',
    body: 'It left our warehouse this morning and will be with you tomorrow between 9 and 12.',
  },
  data: { order: 'A-1042-7731', screen: 'orders/detail', campaign: 'dispatch-notice' },
} as const;

/** Pushes to distinct device tokens, in memory before anything is measured. */
export function planPushes(count: number, now: number = Date.now()): PlannedPush[] {
  const pushes: PlannedPush[] = [];
  let message: OutgoingMessage | undefined;
  for (let number = 0; number < count; number++) {
    const n = number % PUSHES_A_MESSAGE;
    if (n === 0 || !message) message = { ...content, id: newId(), createdAt: now, expiresAt: now + HOUR_MS };
    const ref = { messageId: message.id, n };
    const token = createHash('sha256').update(String(number)).digest('hex');
    pushes.push({ ...ref, token, identity: pushIdentity(ref), message });
  }
  return pushes;
}

/** An account with a signing key of its own. */
export function newTarget(port: number, ca: string): Target {
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return { port, ca, topic: 'com.example.pushmill', keyId: 'BENCHKEY01', teamId: 'BENCHTEAM1', privateKey };
}
