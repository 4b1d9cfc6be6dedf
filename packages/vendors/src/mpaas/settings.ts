import { type Static, Type } from 'typebox';
import { addressFields, limitFields } from '../connection.ts';

const idPart = { minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9_-]+$' };

/**
 * What may be shown of a channel. Facts of the vendor that could not be made sure are settings here, each
 * with the default that the sources speak for; README.md says which and why.
 */
export const settingsSchema = Type.Object(
  {
    appId: Type.String({ ...idPart, description: 'App ID as in the mPaaS console, e.g. ONEX570DA89211721' }),
    workspaceId: Type.String({ ...idPart, description: 'Workspace of the app, e.g. test' }),
    interface: Type.Union([Type.Literal('openapi'), Type.Literal('rest')], {
      default: 'openapi',
      description: 'openapi: Alibaba Cloud gateway with an AccessKey. rest: direct interface with an RSA key',
    }),
    ...addressFields('the public one, e.g. of a private-cloud installation'),
    tenantId: Type.Optional(Type.String({ ...idPart, description: 'Only for multi-tenant installations' })),
    pathPrefix: Type.String({
      default: 'push',
      maxLength: 128,
      pattern: '^([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*)?$',
      description: 'rest: what stands before /<method>/<appId>/...',
    }),
    deliveryType: Type.Union(
      [Type.Literal(1), Type.Literal(2), Type.Literal(3), Type.Literal(5), Type.Literal(6), Type.Literal(7)],
      {
        default: 1,
        description:
          'What a token is: 1 Android, 2 iOS, 3 user id, 5 live activity token, 6 live activity id, 7 HarmonyOS',
      },
    ),
    ownChannelDelivery: Type.Boolean({
      default: false,
      description:
        'The Android client uses only the self-built channel, so that Acked means "on the device" and not "a phone maker took it"',
    }),
    iosEnvironmentChecked: Type.Boolean({
      default: false,
      description:
        'The certificate in the console is known to be of the same environment as the app builds; only then does BadDeviceToken condemn a token',
    }),
    actionCodes: Type.Object(
      { web: Type.Integer({ default: 0 }), intent: Type.Integer({ default: 1 }) },
      {
        default: {},
        additionalProperties: false,
        description: 'rest: numbers of `action`; one old client has them the other way round',
      },
    ),
    maxExpiredSeconds: Type.Integer({
      default: 259_200,
      minimum: 1,
      maximum: 604_800,
      description: 'Cap of ExpiredSeconds: the SDK says 3 days, the page 7',
    }),
    maxMessageBytes: Type.Integer({
      default: 2_048,
      minimum: 256,
      maximum: 65_536,
      description: 'Title, content, address and parameters together',
    }),
    maxTitleChars: Type.Optional(
      Type.Integer({ minimum: 1, description: 'E.g. 32 where OPPO must not fail' }),
    ),
    maxBodyChars: Type.Optional(
      Type.Integer({ minimum: 1, description: 'E.g. 128 where Xiaomi must not fail' }),
    ),
    ...limitFields,
    openapi: Type.Object(
      {
        signature: Type.Union([Type.Literal('acs3'), Type.Literal('rpc-v1')], { default: 'acs3' }),
        version: Type.Union(
          [Type.Literal('2020-10-28'), Type.Literal('2020-07-10'), Type.Literal('2019-08-21')],
          { default: '2020-10-28' },
        ),
        regionId: Type.Optional(Type.String({ ...idPart, description: 'rpc-v1: sent as RegionId' })),
      },
      { default: {}, additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);

export type MpaasSettings = Static<typeof settingsSchema>;

const publicOrigins = {
  openapi: 'https://mpaas.aliyuncs.com',
  rest: 'https://cn-hangzhou-mps-api.cloud.alipay.com',
} as const;

export function originOf(settings: MpaasSettings): string {
  return settings.host ?? publicOrigins[settings.interface];
}

/**
 * The form of a target. The vendor prints none, so only what cannot be one is refused: a user id may be any
 * word, an APNs or live-activity token is hexadecimal.
 */
export function checkToken(token: string, settings: MpaasSettings): string | undefined {
  if (token.length === 0) return 'The token is empty.';
  if (token.length > 512) return 'The token is longer than 512 characters.';
  if (/[\s\p{C}]/u.test(token)) return 'The token contains white space or control characters.';
  if (
    (settings.deliveryType === 2 || settings.deliveryType === 5) &&
    !/^(?:[0-9A-Fa-f]{2}){16,}$/.test(token)
  ) {
    return 'An iOS token of mPaaS is the APNs token in hexadecimal.';
  }
  return undefined;
}
