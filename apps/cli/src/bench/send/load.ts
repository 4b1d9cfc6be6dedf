import { createHash, generateKeyPairSync } from 'node:crypto';
import { newId, type PushRef, pushIdentity } from '@pushmill/core';
import type { OutgoingMessage } from '@pushmill/vendors';
import type { SendVendor } from './contenders.ts';

/** Where a contender sends, and as whom. */
export interface Target {
  port: number;
  /** PEM; the only authority to be trusted. */
  ca: string;
  apns: {
    topic: string;
    keyId: string;
    teamId: string;
    /** PKCS#8 PEM, on P-256. */
    privateKey: string;
  };
  fcm: {
    projectId: string;
    /** The text of a key file. */
    serviceAccount: string;
    /** What the sink gives for it. */
    accessToken: string;
  };
}

/** Streams that a connection may have open, as APNs allows. */
export const APNS_STREAMS = 1_000;
/** As Google allows. */
export const FCM_STREAMS = 100;

/** As long as Google's. */
export const ACCESS_TOKEN = `ya29.${'a0AfB_byC-d1'.repeat(18)}`;

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
export function planPushes(
  count: number,
  vendor: SendVendor = 'apns',
  now: number = Date.now(),
): PlannedPush[] {
  const pushes: PlannedPush[] = [];
  let message: OutgoingMessage | undefined;
  for (let number = 0; number < count; number++) {
    const n = number % PUSHES_A_MESSAGE;
    if (n === 0 || !message) message = { ...content, id: newId(), createdAt: now, expiresAt: now + HOUR_MS };
    const ref = { messageId: message.id, n };
    const token = tokenOf[vendor](number);
    pushes.push({ ...ref, token, identity: pushIdentity(ref), message });
  }
  return pushes;
}

/** Of the length and form that each vendor gives. */
const tokenOf: Record<SendVendor, (number: number) => string> = {
  apns: (number) => createHash('sha256').update(String(number)).digest('hex'),
  fcm(number) {
    const characters = createHash('shake256', { outputLength: 117 })
      .update(String(number))
      .digest('base64url');
    return `${characters.slice(0, 22)}:APA91b${characters.slice(22)}`;
  },
};

/** An account with keys of its own. */
export function newTarget(port: number, ca: string): Target {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256', ...pem });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048, ...pem });
  const projectId = 'pushmill-bench';
  const keyFile = {
    type: 'service_account',
    project_id: projectId,
    private_key_id: 'bench',
    private_key: rsa.privateKey,
    client_email: `bench@${projectId}.iam.gserviceaccount.com`,
    token_uri: 'https://oauth2.googleapis.com/token',
  };
  return {
    port,
    ca,
    apns: {
      topic: 'com.example.pushmill',
      keyId: 'BENCHKEY01',
      teamId: 'BENCHTEAM1',
      privateKey: ec.privateKey,
    },
    fcm: { projectId, serviceAccount: JSON.stringify(keyFile), accessToken: ACCESS_TOKEN },
  };
}

const pem = {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
} as const;
