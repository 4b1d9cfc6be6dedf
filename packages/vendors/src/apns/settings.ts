import type { Static } from 'typebox';
import { Type } from 'typebox';

export const environments = ['production', 'sandbox'] as const;
export type Environment = (typeof environments)[number];

const address = (description: string) =>
  Type.Optional(Type.String({ pattern: '^https://[^/?#]+$', description }));

/** What an APNs channel may show: where it sends, for which app, and how it connects. */
export const settingsSchema = Type.Object(
  {
    environment: Type.Union([Type.Literal('production'), Type.Literal('sandbox')], {
      default: 'production',
      description: 'Device tokens belong to one of the two; builds run from Xcode get sandbox tokens.',
    }),
    topic: Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: '^[A-Za-z0-9._-]+$',
      description: 'Bundle id of the app. Suffixes such as .voip are added by push type.',
    }),
    port: Type.Union([Type.Literal(443), Type.Literal(2197)], {
      default: 443,
      description: '2197 is the same service, for firewalls that block 443.',
    }),
    origin: address(
      'In place of the host that the environment names: a proxy, the older host name, an emulator.',
    ),
    otherOrigin: address(
      'The same for the other environment, where devices that are filed under it are sent to.',
    ),
    manageOrigin: address('The same for the host that makes and deletes broadcast channels.'),
    ca: Type.Optional(
      Type.String({
        maxLength: 200_000,
        description: 'PEM. Authorities trusted besides the public ones, for a proxy that opens TLS.',
      }),
    ),
    emulator: Type.Optional(
      Type.Boolean({
        description: 'The channel reaches an emulator: only the authorities in `ca` are trusted.',
      }),
    ),
    requestTimeoutMs: Type.Integer({ minimum: 50, maximum: 120_000, default: 10_000 }),
    maxConnections: Type.Integer({
      minimum: 1,
      maximum: 32,
      default: 8,
      description: 'Per worker process. At least 2 keep a closing connection from holding up the channel.',
    }),
    collapse: Type.Union([Type.Literal('identity'), Type.Literal('key-only')], {
      default: 'identity',
      description:
        'identity: a push without a collapse key collapses with its own second copy. key-only: send a collapse id only where the message has a key.',
    }),
  },
  { additionalProperties: false },
);

export type ApnsSettings = Static<typeof settingsSchema>;

export function otherThan(environment: Environment): Environment {
  return environment === 'production' ? 'sandbox' : 'production';
}

/** Where pushes of the channel's own environment go. */
export function ownOrigin(settings: ApnsSettings): string {
  return settings.origin ?? appleOrigin(settings, settings.environment);
}

/**
 * Where pushes of the other environment go. Undefined when the channel reaches an emulator that has no such host:
 * what was made for an emulator is not sent to Apple instead.
 */
export function otherOrigin(settings: ApnsSettings): string | undefined {
  if (settings.otherOrigin !== undefined) return settings.otherOrigin;
  return settings.emulator === true ? undefined : appleOrigin(settings, otherThan(settings.environment));
}

/** Where broadcast channels of the channel's own environment are managed; undefined as above. */
export function manageOrigin(settings: ApnsSettings): string | undefined {
  if (settings.manageOrigin !== undefined) return settings.manageOrigin;
  if (settings.emulator === true) return undefined;
  return settings.environment === 'production'
    ? 'https://api-manage-broadcast.push.apple.com:2196'
    : 'https://api-manage-broadcast.sandbox.push.apple.com:2195';
}

function appleOrigin(settings: ApnsSettings, environment: Environment): string {
  const host = environment === 'production' ? 'api.push.apple.com' : 'api.sandbox.push.apple.com';
  return settings.port === 443 ? `https://${host}` : `https://${host}:${settings.port}`;
}
