import type { Outcome } from '@pushmill/core';

/** What APNs answered to one push. */
export interface ApnsAnswer {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Buffer;
}

/** What the table must know of the request to judge some reasons. */
export interface AnswerContext {
  /** Whether the push went to the channel's own topic, and not to one that the message asked for. */
  ownTopic: boolean;
  /** For a reason without a row. Gets no token and no payload. */
  warn: (fields: Record<string, unknown>, message: string) => void;
}

type Row =
  | { kind: 'token-dead' }
  | { kind: 'rejected' | 'misconfigured'; detail: string }
  | { kind: 'throttled'; scope: 'token' | 'channel'; retryAfterMs?: number; detail: string }
  | { kind: 'unavailable'; mayHaveArrived: boolean; detail: string };

const rejected = (detail: string): Row => ({ kind: 'rejected', detail });
const misconfigured = (detail: string): Row => ({ kind: 'misconfigured', detail });
/** Apple says no, so nothing was delivered; a second send makes no second copy. */
const unavailable = (detail: string, mayHaveArrived = false): Row => ({
  kind: 'unavailable',
  detail,
  mayHaveArrived,
});

const wrongEnvironmentKey = misconfigured(
  'The signing key belongs to the other environment: change the environment of the channel, or use a key made for it.',
);

/**
 * Every reason of Apple's page, and what it says about the push.
 * @see Apple, "Handling notification responses from APNs"
 */
export const reasons: ReadonlyMap<string, Row> = new Map<string, Row>([
  ['BadCollapseId', rejected('The collapse id is longer than 64 bytes.')],
  // Not token-dead: a production token sent to the sandbox host gets this too,
  // and one wrong setting would erase every token there is.
  [
    'BadDeviceToken',
    rejected(
      'APNs does not know this token here: it is damaged, or was made for the other environment than the channel.',
    ),
  ],
  ['BadExpirationDate', rejected('The expiration date was refused.')],
  ['BadMessageId', rejected('The apns-id was refused; this is a fault of pushmill.')],
  ['BadPriority', rejected('The priority is not allowed for this push type.')],
  ['BadTopic', rejected('The topic is not one that APNs knows: check the bundle id of the channel.')],
  // Not token-dead for the same reason: the wrong app's certificate would forget every token of the right one.
  ['DeviceTokenNotForTopic', rejected('The token belongs to another app than the topic names.')],
  ['DuplicateHeaders', rejected('A header was sent twice; this is a fault of pushmill.')],
  ['IdleTimeout', unavailable('APNs closed the connection because it was idle.')],
  ['InvalidPushType', rejected('APNs does not know this push type.')],
  ['MissingDeviceToken', rejected('The request named no device token; this is a fault of pushmill.')],
  ['MissingTopic', rejected('The certificate holds several topics and the request named none.')],
  ['PayloadEmpty', rejected('The payload was empty.')],
  [
    'TopicDisallowed',
    misconfigured(
      'The credential may not send to this topic: add the topic to the key, or use another credential.',
    ),
  ],
  ['BadCertificate', misconfigured('APNs refused the client certificate: upload a new one.')],
  [
    'BadCertificateEnvironment',
    misconfigured(
      'The client certificate belongs to the other environment: change the environment of the channel, or upload the right certificate.',
    ),
  ],
  // A row of last resort: the client first makes a new token and sends again.
  ['ExpiredProviderToken', unavailable('APNs says that the provider token is too old.')],
  [
    'Forbidden',
    misconfigured('APNs forbids this credential: it was probably revoked. Make a new key or certificate.'),
  ],
  [
    'InvalidProviderToken',
    misconfigured(
      'APNs cannot verify the provider token: check that key id and team id are not swapped, that the key was not revoked and belongs to the team of the app.',
    ),
  ],
  [
    'MissingProviderToken',
    misconfigured(
      'APNs saw neither a client certificate nor a provider token: something on the way removed it.',
    ),
  ],
  // Also a row of last resort: the client first tries on a new connection.
  [
    'UnrelatedKeyIdInToken',
    misconfigured(
      'APNs says that this key may not follow the one used before: check the key id of the channel.',
    ),
  ],
  ['BadEnvironmentKeyIdInToken', wrongEnvironmentKey],
  // Not in Apple's table; seen on the wire by other clients.
  ['BadEnvironmentKeyInToken', wrongEnvironmentKey],
  ['BadPath', rejected('The request path was refused; this is a fault of pushmill, or of a proxy.')],
  [
    'MethodNotAllowed',
    rejected('The request method was refused; this is a fault of pushmill, or of a proxy.'),
  ],
  ['ExpiredToken', { kind: 'token-dead' }],
  ['Unregistered', { kind: 'token-dead' }],
  ['PayloadTooLarge', rejected('The payload is larger than APNs accepts.')],
  [
    'TooManyProviderTokenUpdates',
    {
      kind: 'throttled',
      scope: 'channel',
      // The token stays as it is; another connection answers again at once, so a short pause is enough.
      retryAfterMs: 10_000,
      detail:
        'APNs saw too many provider tokens. If this lasts, check the clock, and that nothing else signs with this key.',
    },
  ],
  [
    'TooManyRequests',
    { kind: 'throttled', scope: 'token', detail: 'Too many pushes to this device in a short time.' },
  ],
  // The one answer that does not say whether the push was taken before things went wrong.
  ['InternalServerError', unavailable('APNs had an internal error.', true)],
  ['ServiceUnavailable', unavailable('APNs is not available.')],
  ['Shutdown', unavailable('APNs is closing this connection.')],
]);

/** Reasons in a GOAWAY after which connecting again is pointless until a person has acted. */
export const fatalGoawayReasons = [
  'BadCertificate',
  'BadCertificateEnvironment',
  'Forbidden',
  'InvalidProviderToken',
] as const;

/** The `reason` of an answer, or undefined when the body is not APNs' JSON: then something else answered. */
export function reasonOf(answer: ApnsAnswer): string | undefined {
  return readBody(answer)?.reason;
}

/**
 * What an answer concludes. The body is judged by the status, never by a content type: APNs sends none.
 * @returns never `accepted` for a status other than 200
 */
export function outcomeOf(answer: ApnsAnswer, context: AnswerContext): Outcome {
  if (answer.status === 200) {
    const id = answer.headers['apns-id'];
    return typeof id === 'string' ? { kind: 'accepted', vendorMessageId: id } : { kind: 'accepted' };
  }
  const retryAfterMs = retryAfter(answer);
  const body = readBody(answer);
  if (body === undefined) {
    // A proxy spoke, not APNs: nothing it says is about the credential or the token. A 4xx of a proxy means
    // that it passed nothing on; a 502 or 504 can come after the push went through.
    return {
      kind: 'unavailable',
      code: `http-${answer.status}`,
      detail: `Something that is not APNs answered with status ${answer.status}.`,
      mayHaveArrived: answer.status < 400 || answer.status >= 500,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  }
  const code = body.reason;
  const row = reasons.get(code) ?? rowOfStatus(answer.status);
  if (!reasons.has(code)) {
    context.warn({ status: answer.status, reason: code }, 'APNs gave a reason that the table does not list');
  }
  switch (row.kind) {
    case 'token-dead':
      return body.since === undefined
        ? { kind: 'token-dead', code }
        : { kind: 'token-dead', code, since: body.since };
    case 'misconfigured':
      // A topic that one message asked for must not stop the channel for all others.
      return code === 'TopicDisallowed' && !context.ownTopic
        ? { kind: 'rejected', code, detail: row.detail }
        : { kind: 'misconfigured', code, detail: row.detail };
    case 'rejected':
      return { kind: 'rejected', code, detail: row.detail };
    case 'throttled': {
      const delayMs = retryAfterMs ?? row.retryAfterMs;
      return {
        kind: 'throttled',
        code,
        detail: row.detail,
        scope: row.scope,
        ...(delayMs === undefined ? {} : { retryAfterMs: delayMs }),
      };
    }
    case 'unavailable':
      return {
        kind: 'unavailable',
        code,
        detail: row.detail,
        mayHaveArrived: row.mayHaveArrived,
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      };
    default:
      return row satisfies never;
  }
}

/** What a reason that is not listed most likely means. Never that a token is dead. */
function rowOfStatus(status: number): Row {
  if (status === 401 || status === 403) {
    // Burning every push of a channel on a word that we do not know would be worse than stopping it.
    return misconfigured('APNs refused the credential for a reason that pushmill does not know.');
  }
  if (status === 429) {
    return { kind: 'throttled', scope: 'channel', detail: 'APNs asks to slow down for an unlisted reason.' };
  }
  if (status >= 400 && status < 500) {
    return rejected('APNs refused the push for a reason that pushmill does not know.');
  }
  return unavailable('APNs failed for a reason that pushmill does not know.', true);
}

function readBody(answer: ApnsAnswer): { reason: string; since?: Date } | undefined {
  if (answer.body.length === 0) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(answer.body.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { reason, timestamp } = value as { reason?: unknown; timestamp?: unknown };
  if (typeof reason !== 'string' || !/^[\w .-]{1,100}$/.test(reason)) return undefined;
  // Milliseconds, and only with 410.
  const since = typeof timestamp === 'number' ? new Date(timestamp) : undefined;
  return since === undefined || Number.isNaN(since.getTime()) ? { reason } : { reason, since };
}

/** APNs documents no Retry-After; a value that a proxy or a later APNs sends is honoured, seconds or a date. */
function retryAfter(answer: ApnsAnswer): number | undefined {
  const value = answer.headers['retry-after'];
  if (typeof value !== 'string') return undefined;
  const delayMs = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isFinite(delayMs) && delayMs >= 0 ? Math.min(delayMs, 3_600_000) : undefined;
}
