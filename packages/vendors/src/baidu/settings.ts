import { type Static, Type } from 'typebox';

/**
 * What may be shown of a channel. Facts of the vendor that could not be made sure are settings here, each
 * with the default that the sources speak for; README.md says which and why.
 */
export const settingsSchema = Type.Object(
  {
    platform: Type.Union([Type.Literal('android'), Type.Literal('ios')], {
      default: 'android',
      description: 'What the channel ids of this app belong to; one app key may serve both, by two channels',
    }),
    deployStatus: Type.Union([Type.Literal('development'), Type.Literal('production')], {
      default: 'production',
      description: 'iOS: which of the two certificates in the console Baidu uses',
    }),
    host: Type.Optional(
      Type.String({
        pattern: '^https://[^/?#@\\s]+$',
        description: 'Origin in place of https://api.tuisong.baidu.com, e.g. https://api.push.baidu.com',
      }),
    ),
    ca: Type.Optional(Type.String({ description: 'PEM; replaces the public CA set' })),
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
      description: 'Android: devices of a batch call; one old SDK says 10. 1 makes every push a single call',
    }),
    privateMessages: Type.Boolean({
      default: false,
      description: 'Transactional messages go by the private-message channel of Xiaomi and OPPO',
    }),
    topicId: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_]{1,128}$',
        description: 'One topic for all messages, in place of one a call that names its pushes',
      }),
    ),
    maxIosMessageBytes: Type.Integer({
      default: 2_048,
      minimum: 256,
      maximum: 4_096,
      description: 'Old pages say 2 KB for iOS, newer ones 4',
    }),
    requestTimeoutMs: Type.Integer({ default: 10_000, minimum: 20, maximum: 120_000 }),
    maxConnections: Type.Integer({ default: 32, minimum: 1, maximum: 256 }),
    emulator: Type.Boolean({ default: false, description: 'The channel talks to an emulator' }),
  },
  { additionalProperties: false },
);

export type BaiduSettings = Static<typeof settingsSchema>;

const publicOrigin = 'https://api.tuisong.baidu.com';

export function originOf(settings: BaiduSettings): string {
  return settings.host ?? publicOrigin;
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
 * The form of a channel id. All that were ever printed are decimal numbers of up to 20 digits, but no page
 * promises it, so only what cannot be one is refused.
 */
export function checkToken(token: string): string | undefined {
  if (token.length === 0) return 'The token is empty.';
  if (token.length > 64) return 'A channel id of Baidu is not longer than 64 characters.';
  if (!/^[A-Za-z0-9_-]+$/.test(token))
    return 'A channel id of Baidu is a number, without anything around it.';
  return undefined;
}
