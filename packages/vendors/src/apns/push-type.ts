/** What Apple's page says of each `apns-push-type`; the table is the knowledge, reviewed beside the page. */
export interface PushTypeRule {
  /** Appended to the bundle id. */
  topicSuffix: string;
  /** Priorities that APNs takes; the first is used where the message's own is not among them. */
  priorities: readonly (1 | 5 | 10)[];
  maxPayloadBytes: number;
  /** `token` or `certificate` where the type works with one kind of credential only. */
  credential?: 'token' | 'certificate';
  /**
   * Whether APNs keeps the push for a device that is off until the message expires. A call that rings an hour
   * late is worse than none, so calls get one attempt unless the message asks for more.
   */
  stored: boolean;
  /** Whether the payload is made of `aps`; an MDM payload is not. */
  aps: boolean;
}

const anyPriority = [10, 5, 1] as const;

export const pushTypeNames = [
  'alert',
  'background',
  'controls',
  'complication',
  'fileprovider',
  'liveactivity',
  'location',
  'mdm',
  'pushtotalk',
  'voip',
  'widgets',
] as const;
export type PushType = (typeof pushTypeNames)[number];

/**
 * Bytes are UTF-8 octets of the body.
 * @see Apple, "Sending notification requests to APNs", and "Generating a remote notification" for the sizes
 */
export const pushTypes: Readonly<Record<PushType, PushTypeRule>> = {
  alert: { topicSuffix: '', priorities: anyPriority, maxPayloadBytes: 4096, stored: true, aps: true },
  // 10 is an error for a push that shows nothing.
  background: { topicSuffix: '', priorities: [5], maxPayloadBytes: 4096, stored: true, aps: true },
  controls: {
    topicSuffix: '.push-type.controls',
    priorities: anyPriority,
    maxPayloadBytes: 4096,
    credential: 'token',
    stored: true,
    aps: true,
  },
  complication: {
    // Apple's page shows a stray letter before the dot; the certificates list it as here.
    topicSuffix: '.complication',
    priorities: anyPriority,
    maxPayloadBytes: 4096,
    stored: true,
    aps: true,
  },
  fileprovider: {
    topicSuffix: '.pushkit.fileprovider',
    priorities: anyPriority,
    maxPayloadBytes: 4096,
    stored: true,
    aps: true,
  },
  liveactivity: {
    // 10 counts against an hourly budget of the device, 5 does not.
    topicSuffix: '.push-type.liveactivity',
    priorities: [10, 5],
    maxPayloadBytes: 4096,
    credential: 'token',
    stored: true,
    aps: true,
  },
  location: {
    topicSuffix: '.location-query',
    priorities: [10, 5],
    maxPayloadBytes: 4096,
    credential: 'token',
    stored: true,
    aps: true,
  },
  // The channel's topic is the UID of the MDM push certificate, com.apple.mgmt.…
  mdm: {
    topicSuffix: '',
    priorities: anyPriority,
    maxPayloadBytes: 4096,
    credential: 'certificate',
    stored: true,
    aps: false,
  },
  pushtotalk: {
    topicSuffix: '.voip-ptt',
    priorities: [10],
    maxPayloadBytes: 4096,
    credential: 'token',
    stored: false,
    aps: true,
  },
  voip: { topicSuffix: '.voip', priorities: [10], maxPayloadBytes: 5120, stored: false, aps: true },
  widgets: {
    topicSuffix: '.push-type.widgets',
    priorities: anyPriority,
    maxPayloadBytes: 4096,
    credential: 'token',
    stored: true,
    aps: true,
  },
};
