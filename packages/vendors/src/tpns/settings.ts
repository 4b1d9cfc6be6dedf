import { type Static, Type } from 'typebox';
import { addressFields, limitFields } from '../connection.ts';

/**
 * What may be shown of a channel. Facts of the vendor that could not be made sure are settings here, each
 * with the default that the sources speak for; README.md says which and why.
 */
export const settingsSchema = Type.Object(
  {
    accessId: Type.String({
      pattern: '^[1-9][0-9]{5,18}$',
      description:
        'Access ID as in the TPNS console; Android apps begin with 1500, iOS apps with 1600 or 1680',
    }),
    platform: Type.Union([Type.Literal('android'), Type.Literal('ios')], {
      description: 'What the Access ID was made for: an app on both has two Access IDs, so two channels',
    }),
    region: Type.Union(
      [
        Type.Literal('guangzhou'),
        Type.Literal('shanghai'),
        Type.Literal('hongkong'),
        Type.Literal('singapore'),
      ],
      { description: 'Access point where the app was made; the others do not know it (1008035)' },
    ),
    ...addressFields('the public one of the region'),
    environment: Type.Union([Type.Literal('product'), Type.Literal('dev')], {
      default: 'product',
      description: 'ios: which of the two APNs certificates of the console serves the app builds',
    }),
    audience: Type.Union([Type.Literal('token'), Type.Literal('account')], {
      default: 'token',
      description:
        'What a token of this channel is: a TPNS device token, or an account that the app has bound',
    }),
    accountType: Type.Integer({
      default: 0,
      minimum: 0,
      maximum: 2_147_483_647,
      description:
        'account: 0 unknown, 1 mobile, 2 email, 1000 WeChat, 1001 QQ, ..., 2000 visitor, from 2001 own',
    }),
    accountPushType: Type.Union([Type.Literal(0), Type.Literal(1)], {
      default: 0,
      description: 'account: 0 its newest device, 1 all its devices',
    }),
    authentication: Type.Union([Type.Literal('sign'), Type.Literal('basic')], {
      default: 'sign',
      description:
        'sign: HMAC over time and body. basic: Access ID and secret as HTTP Basic, no clock needed',
    }),
    missingTargetIsDead: Type.Boolean({
      default: true,
      description:
        '10010005 condemns the token it was answered for: printed as an internal error, documented as "target does not exist"',
    }),
    maxMessageBytes: Type.Integer({
      default: 4_096,
      minimum: 256,
      maximum: 65_536,
      description: 'The whole message object, as UTF-8 JSON',
    }),
    maxExpireSeconds: Type.Integer({
      default: 259_200,
      minimum: 1,
      maximum: 2_147_483_647,
      description: 'Cap of expire_time: 72 h, above which newer pages say that the call fails',
    }),
    maxTitleChars: Type.Optional(
      Type.Integer({ minimum: 1, description: 'E.g. 32: a longer title makes Meizu fall back to TPNS' }),
    ),
    maxBodyChars: Type.Optional(
      Type.Integer({ minimum: 1, description: 'E.g. 80: a longer text makes Huawei fall back to TPNS' }),
    ),
    statistics: Type.Union([Type.Literal('many'), Type.Literal('all'), Type.Literal('off')], {
      default: 'many',
      description:
        'Whose counts are asked for afterwards, at 200 calls an hour: of calls to several devices, of all, of none',
    }),
    ...limitFields,
  },
  { additionalProperties: false },
);

export type TpnsSettings = Static<typeof settingsSchema>;

/** @see  intl 1024/38517 "Service access points" */
const publicOrigins: Readonly<Record<TpnsSettings['region'], string>> = {
  guangzhou: 'https://api.tpns.tencent.com',
  shanghai: 'https://api.tpns.sh.tencent.com',
  hongkong: 'https://api.tpns.hk.tencent.com',
  singapore: 'https://api.tpns.sgp.tencent.com',
};

export function originOf(settings: TpnsSettings): string {
  return settings.host ?? publicOrigins[settings.region];
}

/**
 * The form of a target: a TPNS token has at most 36 characters (sure) and was only ever seen as hexadecimal
 * (likely), so only what is no token for certain is refused. An APNs token is such: it is not what TPNS takes.
 * @see  cloud.tencent.com 548/39064 "推送 API"
 */
export function checkToken(token: string, settings: TpnsSettings): string | undefined {
  const what = settings.audience === 'account' ? 'account' : 'token';
  const maxChars = settings.audience === 'account' ? 256 : 36;
  if (token.length === 0) return `The ${what} is empty.`;
  if (/[\s\p{C}]/u.test(token)) return `The ${what} contains white space or control characters.`;
  if (what === 'token' && /^[0-9A-Fa-f]{64}$/.test(token)) {
    return 'This looks like an APNs token; TPNS takes the token that its own SDK gave to the app.';
  }
  if (token.length > maxChars) return `The ${what} is longer than ${maxChars} characters.`;
  return undefined;
}
