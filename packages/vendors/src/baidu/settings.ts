import { type Static, Type } from 'typebox';
import { addressFields, limitFields } from '../connection.ts';

/** Baidu's three generations: one vendor to the operator, three protocols on the wire. */
export type Api = 'rest-3.0' | 'channel-2.0' | 'spp';

/**
 * What may be shown of a channel. Facts of the vendor that could not be made sure are settings here, each
 * with the default that the sources speak for; README.md says which and why.
 */
export const settingsSchema = Type.Object(
  {
    api: Type.Union([Type.Literal('rest-3.0'), Type.Literal('channel-2.0'), Type.Literal('spp')], {
      default: 'rest-3.0',
      description: 'Generation of the service: REST 3.0, the older channel API 2.0, or the successor SPP',
    }),
    platform: Type.Union([Type.Literal('android'), Type.Literal('ios')], {
      default: 'android',
      description: 'What the devices of this app are; one app key may serve both, by two channels',
    }),
    deployStatus: Type.Union([Type.Literal('development'), Type.Literal('production')], {
      default: 'production',
      description: 'iOS: which of the two certificates in the console Baidu uses',
    }),
    ...addressFields(
      'https://api.tuisong.baidu.com (3.0), https://channel.api.duapp.com (2.0) or https://push.safe.baidu.com (SPP)',
    ),
    signedScheme: Type.Union([Type.Literal('https'), Type.Literal('http')], {
      default: 'https',
      description: 'Scheme in the signed address; http where something ends TLS before Baidu sees the call',
    }),
    signedHost: Type.Optional(
      Type.String({
        pattern: '^[a-z0-9.-]+(:[0-9]{1,5})?$',
        maxLength: 253,
        description:
          'Host in the signed address, where it is not the one that is dialled (a proxy in between)',
      }),
    ),
    maxDevicesPerCall: Type.Integer({
      default: 10_000,
      minimum: 1,
      maximum: 10_000,
      description:
        '3.0, Android: devices of a batch call; one old SDK says 10. 1 makes every push a single call',
    }),
    privateMessages: Type.Boolean({
      default: false,
      description: 'Transactional messages go by the private-message channel of Xiaomi and OPPO',
    }),
    topicId: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_]{1,128}$',
        description: '3.0: one topic for all messages, in place of one a call that names its pushes',
      }),
    ),
    maxIosMessageBytes: Type.Integer({
      default: 2_048,
      minimum: 256,
      maximum: 4_096,
      description: 'Old pages say 2 KB for iOS, newer ones 4',
    }),
    sppDataField: Type.String({
      default: 'extras',
      pattern: '^[A-Za-z_]{1,32}$',
      description: 'SPP: key of a notification under which the data goes; no page that was seen names it',
    }),
    ...limitFields,
  },
  { additionalProperties: false },
);

export type BaiduSettings = Static<typeof settingsSchema>;

const publicOrigins: Readonly<Record<Api, string>> = {
  'rest-3.0': 'https://api.tuisong.baidu.com',
  'channel-2.0': 'https://channel.api.duapp.com',
  spp: 'https://push.safe.baidu.com',
};

/** Channels that were stored before there was a choice have no `api`. */
export function apiOf(settings: Pick<BaiduSettings, 'api'>): Api {
  return settings.api ?? 'rest-3.0';
}

export function originOf(settings: BaiduSettings): string {
  return settings.host ?? publicOrigins[apiOf(settings)];
}

/**
 * The origin as Baidu believes that it was called: a part of what is signed, scheme included. A default port
 * is not written.
 */
export function signedOriginOf(settings: BaiduSettings): string {
  const host = settings.signedHost ?? new URL(originOf(settings)).host;
  return `${settings.signedScheme}://${host}`;
}

/**
 * The form of a token. Ids that were ever printed are decimal numbers of up to 20 digits (3.0, 2.0) and words
 * (SPP), but no page promises a form, so only what cannot be one is refused.
 */
export function checkToken(token: string, settings: Pick<BaiduSettings, 'api'>): string | undefined {
  if (token.length === 0) return 'The token is empty.';
  const parts = token.split(':');
  switch (apiOf(settings)) {
    case 'rest-3.0':
      return isWord(token, 64) ? undefined : 'A channel id of Baidu is a number, without anything around it.';
    case 'channel-2.0':
      return parts.length <= 2 && parts.every((part) => isWord(part, 64))
        ? undefined
        : 'A token of the channel API 2.0 is a user id (all devices of the user) or userId:channelId (one device).';
    case 'spp':
      return isWord(token, 128) ? undefined : 'A push id of SPP is one word of letters, digits, - and _.';
  }
}

function isWord(text: string, longest: number): boolean {
  return text.length <= longest && /^[A-Za-z0-9_-]+$/.test(text);
}

/** User and device of a 2.0 token; without a device it means all that the user has. */
export function readUserToken(token: string): { userId: string; channelId: string | undefined } {
  const [userId = '', channelId] = token.split(':');
  return { userId, channelId };
}
