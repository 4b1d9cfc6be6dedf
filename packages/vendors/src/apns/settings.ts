import type { Static } from 'typebox';
import { Type } from 'typebox';

export const environments = ['production', 'sandbox'] as const;
export type Environment = (typeof environments)[number];

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
    origin: Type.Optional(
      Type.String({
        pattern: '^https://[^/?#]+$',
        description:
          'In place of the host that the environment names: a proxy, the older host name, an emulator.',
      }),
    ),
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

/** Where a channel connects to. */
export function originOf(settings: ApnsSettings): string {
  if (settings.origin !== undefined) return settings.origin;
  const host = settings.environment === 'production' ? 'api.push.apple.com' : 'api.sandbox.push.apple.com';
  return settings.port === 443 ? `https://${host}` : `https://${host}:${settings.port}`;
}
