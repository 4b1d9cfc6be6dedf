import type { Reasons, Row } from './answer.ts';
import { misconfigured, rejected, unavailable } from './answer.ts';
import { otherThan } from './settings.ts';

const wrongEnvironmentKey = misconfigured(
  'The signing key belongs to the other environment: change the environment of the channel, or use a key made for it.',
);

/**
 * Every reason of Apple's page, and what it says about the push.
 * @see Apple, "Handling notification responses from APNs"
 */
export const reasons: Reasons = new Map<string, Row>([
  ['BadCollapseId', rejected('The collapse id is longer than 64 bytes.')],
  // Not token-dead: a production token sent to the sandbox host gets this too,
  // and one wrong setting would erase every token there is.
  [
    'BadDeviceToken',
    {
      kind: 'rejected',
      misfiled: true,
      detail: (environment) =>
        `APNs does not know this token in the ${environment} environment: it is damaged, or was made in the other one. Register the device under ${otherThan(environment)} if its app was built for that.`,
    },
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
