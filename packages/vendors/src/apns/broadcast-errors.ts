import type { Reasons, Row } from './answer.ts';
import { rejected, unavailable } from './answer.ts';
import { reasons } from './errors.ts';

/** Reasons that mean here what they mean of a push to a device. */
const alike = [
  'BadMessageId',
  'BadPriority',
  'InvalidPushType',
  'PayloadEmpty',
  'BadCertificate',
  'BadCertificateEnvironment',
  'MissingProviderToken',
  'InvalidProviderToken',
  'ExpiredProviderToken',
  // Not on the page of broadcasts, but the same gate lets in both.
  'UnrelatedKeyIdInToken',
  'BadEnvironmentKeyIdInToken',
  'BadEnvironmentKeyInToken',
  'Forbidden',
  'BadPath',
  'MethodNotAllowed',
  'PayloadTooLarge',
  'TooManyProviderTokenUpdates',
  'InternalServerError',
  'Shutdown',
] as const;

const away = unavailable('APNs is not available.');

/**
 * Reasons of broadcasts and of the requests that manage their channels. What is only wrong with broadcasts (a
 * capability, a missing right) never stops the channel, whose pushes to devices may be well.
 * @see Apple, "Handling error responses from Apple Push Notification service"
 */
export const broadcastReasons: Reasons = new Map<string, Row>([
  ...alike.map((reason): [string, Row] => [reason, reasons.get(reason) as Row]),
  [
    'FeatureNotEnabled',
    rejected(
      'Broadcasts are not enabled for this app: switch on the broadcast capability of its bundle id in the developer portal.',
    ),
  ],
  ['MissingChannelId', rejected('The request named no broadcast channel; this is a fault of pushmill.')],
  ['BadChannelId', rejected('The id of the broadcast channel has not the form of one: copy it whole.')],
  ['BadRequestParams', rejected('APNs refused the parameters of the request.')],
  ['BadRequestPayload', rejected('APNs refused the body: a broadcast updates or ends a Live Activity.')],
  ['MissingPushType', rejected('The request named no push type; this is a fault of pushmill.')],
  [
    'BadExpirationDate',
    rejected(
      'The expiration was refused: a broadcast channel that stores no message (policy 0) takes none, so leave out expiration "store".',
    ),
  ],
  // Undocumented; other clients have met it with a policy that does not exist.
  ['MissingChannelQueueSize', rejected('The message storage policy is not one that APNs knows.')],
  // Not token-dead: there is no device token, and a channel of the other environment gets the same answer.
  [
    'ChannelNotRegistered',
    {
      kind: 'rejected',
      detail: (environment) =>
        `There is no such broadcast channel in the ${environment} environment: it was deleted, or belongs to the other one or to another app.`,
    },
  ],
  // Waiting does not help, so it is no throttle.
  [
    'CannotCreateChannelConfig',
    rejected('The app has as many broadcast channels as APNs allows (10,000): delete those not in use.'),
  ],
  [
    'TopicDisallowed',
    rejected('The setting topic must be the bundle id of the app alone, without the suffix of a push type.'),
  ],
  [
    'TopicMismatch',
    rejected('The credential is not that of the app whose bundle id is the setting topic of the channel.'),
  ],
  [
    'TooManyRequests',
    // Only this broadcast waits: pushes to devices have their own measure.
    { kind: 'throttled', scope: 'token', detail: 'Too many broadcasts, or requests about their channels.' },
  ],
  ['ServiceUnavailable', away],
  // As Apple's page prints it.
  ['Service Unavailable', away],
]);
