import { X509Certificate } from 'node:crypto';
import type { OperationAnswer } from '../vendor.ts';
import { readPushCertificate } from './certificate.ts';
import type { ApnsCredential } from './credential.ts';
import { reasons } from './errors.ts';
import type { OperationDeps } from './operations.ts';
import type { PushType } from './push-type.ts';
import { pushTypeNames, pushTypes } from './push-type.ts';
import type { ApnsSettings } from './settings.ts';

/** Of the right form, and no device's: a token is random, and 32 zero bytes are as likely as any guess. */
const impossibleToken = '0'.repeat(64);

/** Words that judge the device token. APNs judges the credential before it. */
const aboutTheToken: ReadonlySet<string> = new Set([
  'BadDeviceToken',
  'Unregistered',
  'ExpiredToken',
  'DeviceTokenNotForTopic',
]);

/**
 * Proves the credential without reaching a device: a push that nothing shows and nothing stores, to a token that
 * nobody has. That APNs complains of the token alone says that it took the credential.
 */
export async function verify(signal: AbortSignal, deps: OperationDeps): Promise<OperationAnswer> {
  const { settings, credential, hosts, exchange } = deps;
  const { pushType, topic } = probeOf(settings, credential);
  const payload = pushTypes[pushType].aps ? { aps: { 'content-available': 1 } } : { mdm: 'none' };
  const outcome = await exchange.run(
    hosts.own,
    {
      method: 'POST',
      path: `/3/device/${impossibleToken}`,
      headers: {
        'apns-push-type': pushType,
        'apns-topic': topic,
        'apns-priority': String(pushTypes[pushType].priorities.at(-1)),
        'apns-expiration': '0',
      },
      body: JSON.stringify(payload),
      signal,
    },
    { taken: 200, reasons },
    true,
  );
  if (outcome.kind !== 'accepted' && !aboutTheToken.has(outcome.code)) return { outcome };
  const answer = outcome.kind === 'accepted' ? 'accepted' : outcome.code;
  return {
    outcome: {
      kind: 'accepted',
      detail: `APNs judged the device token alone (${answer}), so it took the credential.`,
    },
    result: { environment: settings.environment, topic, answer },
  };
}

/** A background push where it can be; a certificate may hold the topics of other types only. */
function probeOf(settings: ApnsSettings, credential: ApnsCredential): { pushType: PushType; topic: string } {
  const usual = { pushType: 'background', topic: settings.topic } as const;
  if (credential.kind === 'token') return usual;
  // The topic of device management is no app's, and takes no other type.
  if (settings.topic.startsWith('com.apple.mgmt.')) return { ...usual, pushType: 'mdm' };
  const { topics } = readPushCertificate(new X509Certificate(credential.certificate));
  if (topics.length === 0 || topics.includes(settings.topic)) return usual;
  for (const pushType of pushTypeNames) {
    const topic = settings.topic + pushTypes[pushType].topicSuffix;
    if (topics.includes(topic)) return { pushType, topic };
  }
  return usual;
}
