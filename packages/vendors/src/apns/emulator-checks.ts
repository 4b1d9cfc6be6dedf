import type { IncomingHttpHeaders } from 'node:http2';

export interface Refusal {
  status: number;
  reason: string;
}

const bad = (reason: string, status = 400): Refusal => ({ status, reason });

// Made once: a refusal is an answer like any other, and a campaign of bad tokens meets it a million times.
export const refusals = {
  method: bad('MethodNotAllowed', 405),
  messageId: bad('BadMessageId'),
  duplicate: bad('DuplicateHeaders'),
  noTopic: bad('MissingTopic'),
  topic: bad('BadTopic'),
  disallowed: bad('TopicDisallowed'),
  collapseId: bad('BadCollapseId'),
  priority: bad('BadPriority'),
  expiration: bad('BadExpirationDate'),
  pushType: bad('InvalidPushType'),
  path: bad('BadPath', 404),
  noToken: bad('MissingDeviceToken'),
  token: bad('BadDeviceToken'),
  empty: bad('PayloadEmpty'),
  tooLarge: bad('PayloadTooLarge', 413),
};

/** Topic suffix and largest body by push type, from the table of Apple's page. */
const types: ReadonlyMap<string, { suffix: string; maxBytes: number }> = new Map([
  ['alert', { suffix: '', maxBytes: 4096 }],
  ['background', { suffix: '', maxBytes: 4096 }],
  ['controls', { suffix: '.push-type.controls', maxBytes: 4096 }],
  ['complication', { suffix: '.complication', maxBytes: 4096 }],
  ['fileprovider', { suffix: '.pushkit.fileprovider', maxBytes: 4096 }],
  ['liveactivity', { suffix: '.push-type.liveactivity', maxBytes: 4096 }],
  ['location', { suffix: '.location-query', maxBytes: 4096 }],
  ['mdm', { suffix: '', maxBytes: 4096 }],
  ['pushtotalk', { suffix: '.voip-ptt', maxBytes: 4096 }],
  ['voip', { suffix: '.voip', maxBytes: 5120 }],
  ['widgets', { suffix: '.push-type.widgets', maxBytes: 4096 }],
]);

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const devicePath = '/3/device/';
// Zeros alone are no device's.
const deviceToken = /^(?!0+$)(?:[0-9a-fA-F]{2}){32,}$/;

/** What the credential of a connection may send to. */
export interface AllowedTopics {
  /** Bundle ids of the apps that the emulator knows; each brings its suffixes. */
  bundleIds: readonly string[];
  /** Of a certificate, or of a key bound to topics. */
  only?: readonly string[];
  /** A certificate needs no topic when it holds one. */
  implied?: string;
}

/** What is wrong with the headers, in the order of the emulator's page; undefined when nothing is. */
export function checkHeaders(headers: IncomingHttpHeaders, topics: AllowedTopics): Refusal | undefined {
  const refusal = findFault(headers, topics);
  // Node joins a repeated header into one value.
  return refusal !== undefined && repeated(headers) ? refusals.duplicate : refusal;
}

function findFault(headers: IncomingHttpHeaders, topics: AllowedTopics): Refusal | undefined {
  const id = headers['apns-id'];
  if (id !== undefined && !uuid.test(id as string)) return refusals.messageId;
  if (headers[':method'] !== 'POST') return refusals.method;
  const topic = (headers['apns-topic'] as string | undefined) ?? topics.implied;
  if (topic === undefined || topic === '') return refusals.noTopic;
  // One character is one byte here: Node reads header values as latin1.
  const collapseId = headers['apns-collapse-id'] as string | undefined;
  if (collapseId !== undefined && collapseId.length > 64) return refusals.collapseId;
  const priority = headers['apns-priority'];
  if (priority !== undefined && priority !== '10' && priority !== '5' && priority !== '1')
    return refusals.priority;
  const expiration = headers['apns-expiration'] as string | undefined;
  if (expiration !== undefined && !/^\d{1,11}$/.test(expiration)) return refusals.expiration;
  const typeName = headers['apns-push-type'] as string | undefined;
  const type = types.get(typeName ?? 'alert');
  if (type === undefined) return refusals.pushType;
  const path = headers[':path'] as string;
  if (!path.startsWith(devicePath)) return refusals.path;
  if (path.length === devicePath.length) return refusals.noToken;
  if (!deviceToken.test(path.slice(devicePath.length))) return refusals.token;
  if (typeName === 'background' && priority !== '5') return refusals.priority;
  return checkTopic(topic, type.suffix, topics);
}

function checkTopic(topic: string, suffix: string, topics: AllowedTopics): Refusal | undefined {
  if (topics.only !== undefined && !topics.only.includes(topic)) return refusals.disallowed;
  const known = topics.bundleIds.find((bundleId) => topic === bundleId || topic.startsWith(`${bundleId}.`));
  if (known === undefined) return refusals.disallowed;
  return topic === known + suffix ? undefined : refusals.topic;
}

function repeated(headers: IncomingHttpHeaders): boolean {
  return ['apns-id', 'apns-topic', 'apns-priority', 'apns-expiration', 'apns-push-type'].some((name) =>
    (headers[name] as string | undefined)?.includes(', '),
  );
}

export function checkSize(headers: IncomingHttpHeaders, bytes: number): Refusal | undefined {
  if (bytes === 0) return refusals.empty;
  // Looked up only where it matters: nearly every body is far below the smallest limit.
  if (bytes <= 4096) return undefined;
  const type = types.get((headers['apns-push-type'] as string | undefined) ?? 'alert');
  return bytes > (type?.maxBytes ?? 4096) ? refusals.tooLarge : undefined;
}

export function tokenOf(headers: IncomingHttpHeaders): string {
  return (headers[':path'] as string).slice(devicePath.length);
}
