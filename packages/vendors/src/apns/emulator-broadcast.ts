import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http2';
import type { AllowedTopics, Refusal } from './emulator-checks.ts';
import type { ReceivedRequest } from './emulator-listener.ts';

const bad = (reason: string, status = 400): Refusal => ({ status, reason });

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const broadcastPath = /^\/4\/broadcasts\/apps\/([^/?]+)$/;
const managePath = /^\/1\/apps\/([^/?]+)\/(channels|all-channels)$/;
// Apple's page gives no number for a broadcast; other implementations take as much as a call.
const maxBytes = 5_120;

/** Whether a request is about broadcasts, and not for one device. */
export function isBroadcastPath(path: string): boolean {
  return path.startsWith('/4/') || path.startsWith('/1/');
}

export function isBroadcast(path: string): boolean {
  return path.startsWith('/4/');
}

/** A yes to a management request. */
export interface ManagementAnswer {
  status: 200 | 201 | 204;
  headers?: Readonly<Record<string, string>>;
  body?: unknown;
}

/**
 * The broadcast channels of one environment, app by app, and what is refused about them.
 * @see Apple, "Sending channel management requests to APNs"; "Sending broadcast push notification requests to APNs"
 */
export class BroadcastChannels {
  readonly #byApp = new Map<string, Map<string, 0 | 1>>();
  readonly #limit: number;

  /** @param limit  of channels that one app may have */
  constructor(limit: number) {
    this.#limit = limit;
  }

  add(bundleId: string, channelId: string, policy: 0 | 1): void {
    this.#of(bundleId).set(channelId, policy);
  }

  /** What is wrong with a broadcast; undefined when it is taken. */
  judgeBroadcast(request: ReceivedRequest, topics: AllowedTopics): Refusal | undefined {
    const { headers, body } = request;
    const bundleId = broadcastPath.exec(headers[':path'] as string)?.[1];
    if (bundleId === undefined) return bad('BadPath', 404);
    if (headers[':method'] !== 'POST') return bad('MethodNotAllowed', 405);
    const early = findAppFault(bundleId, topics) ?? findRequestFault(headers);
    if (early !== undefined) return early;
    const type = headers['apns-push-type'] as string | undefined;
    if (type === undefined) return bad('MissingPushType');
    if (type.toLowerCase() !== 'liveactivity') return bad('InvalidPushType');
    const priority = headers['apns-priority'];
    if (priority !== undefined && priority !== '10' && priority !== '5') return bad('BadPriority');
    const expiration = headers['apns-expiration'] as string | undefined;
    if (expiration === undefined || !/^\d{1,11}$/.test(expiration)) return bad('BadExpirationDate');
    const found = this.#find(bundleId, headers);
    if (typeof found !== 'string') return found;
    if (this.#of(bundleId).get(found) === 0 && expiration !== '0') return bad('BadExpirationDate');
    if (body.length === 0) return bad('PayloadEmpty');
    if (body.length > maxBytes) return bad('PayloadTooLarge', 413);
    return updatesActivity(body) ? undefined : bad('BadRequestPayload');
  }

  manage(request: ReceivedRequest, topics: AllowedTopics): Refusal | ManagementAnswer {
    const { headers, body } = request;
    const [, bundleId, what] = managePath.exec(headers[':path'] as string) ?? [];
    if (bundleId === undefined) return bad('BadPath', 404);
    const early = findAppFault(bundleId, topics) ?? findRequestFault(headers);
    if (early !== undefined) return early;
    const method = headers[':method'];
    if (what === 'all-channels') {
      if (method !== 'GET') return bad('MethodNotAllowed', 405);
      return { status: 200, body: { channels: [...this.#of(bundleId).keys()] } };
    }
    if (method === 'POST') return this.#create(bundleId, body);
    if (method !== 'GET' && method !== 'DELETE') return bad('MethodNotAllowed', 405);
    const found = this.#find(bundleId, headers);
    if (typeof found !== 'string') return found;
    const policy = this.#of(bundleId).get(found);
    if (method === 'GET') {
      return { status: 200, body: { 'message-storage-policy': policy, 'push-type': 'LiveActivity' } };
    }
    this.#of(bundleId).delete(found);
    return { status: 204 };
  }

  #create(bundleId: string, body: Buffer): Refusal | ManagementAnswer {
    if (body.length === 0) return bad('PayloadEmpty');
    const wanted = parse(body);
    if (wanted === undefined) return bad('BadRequestPayload');
    const type = wanted['push-type'];
    if (type === undefined) return bad('MissingPushType');
    if (typeof type !== 'string' || type.toLowerCase() !== 'liveactivity') return bad('InvalidPushType');
    const policy = wanted['message-storage-policy'];
    // Undocumented; what other clients have met.
    if (policy !== 0 && policy !== 1) return bad('MissingChannelQueueSize');
    const channels = this.#of(bundleId);
    if (channels.size >= this.#limit) return bad('CannotCreateChannelConfig');
    const channelId = randomBytes(16).toString('base64');
    channels.set(channelId, policy);
    return { status: 201, headers: { 'apns-channel-id': channelId } };
  }

  #find(bundleId: string, headers: IncomingHttpHeaders): string | Refusal {
    const channelId = headers['apns-channel-id'] as string | undefined;
    if (channelId === undefined || channelId === '') return bad('MissingChannelId');
    if (!base64.test(channelId)) return bad('BadChannelId');
    return this.#of(bundleId).has(channelId) ? channelId : bad('ChannelNotRegistered');
  }

  #of(bundleId: string): Map<string, 0 | 1> {
    let channels = this.#byApp.get(bundleId);
    if (channels === undefined) {
      channels = new Map();
      this.#byApp.set(bundleId, channels);
    }
    return channels;
  }
}

/** The app must be known, be named without a suffix, and be the credential's. */
function findAppFault(bundleId: string, topics: AllowedTopics): Refusal | undefined {
  if (!topics.bundleIds.includes(bundleId)) {
    const suffixed = topics.bundleIds.some((known) => bundleId.startsWith(`${known}.`));
    return suffixed ? bad('TopicDisallowed') : bad('TopicMismatch', 403);
  }
  return topics.only === undefined || topics.only.includes(bundleId) ? undefined : bad('TopicMismatch', 403);
}

function findRequestFault(headers: IncomingHttpHeaders): Refusal | undefined {
  const id = headers['apns-request-id'] as string | undefined;
  if (id !== undefined && !uuid.test(id)) return bad('BadMessageId');
  // Broadcasts have no topic; a sender that gives one has mixed up the two kinds of request.
  return headers['apns-topic'] === undefined ? undefined : bad('BadRequestParams');
}

function updatesActivity(body: Buffer): boolean {
  const aps = parse(body)?.aps;
  if (typeof aps !== 'object' || aps === null) return false;
  const { event, timestamp } = aps as Record<string, unknown>;
  return (event === 'update' || event === 'end') && Number.isInteger(timestamp);
}

function parse(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
