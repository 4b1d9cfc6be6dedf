import { type Static, Type } from 'typebox';
import { limitFields } from '../connection.ts';

const address = (place: string) =>
  Type.Optional(
    Type.String({ pattern: '^https://[^/?#@\\s]+$', description: `Origin in place of ${place}` }),
  );

/** A project's id, its older form with a domain, or its number. */
export const projectPattern = '^(?:[a-z0-9.-]{1,63}:)?[a-z0-9-]{1,63}$';

/** What may be shown of a channel: which project it sends for, and how it connects. */
export const settingsSchema = Type.Object(
  {
    projectId: Type.Optional(
      Type.String({
        pattern: projectPattern,
        description: 'Id or number of the Firebase project; default that of the key file',
      }),
    ),
    address: Type.Optional(
      Type.Union([Type.Literal('token'), Type.Literal('fid')], {
        description:
          'What a token of this channel is: a registration token (default), or a Firebase installation id',
      }),
    ),
    sendOrigin: address('https://fcm.googleapis.com'),
    tokenOrigin: address('the one in token_uri of the key file, which stays what the key signs for'),
    iidOrigin: address('https://iid.googleapis.com, where topics are subscribed to'),
    ca: Type.Optional(
      Type.String({
        maxLength: 200_000,
        description: 'PEM. Authorities trusted besides the public ones; for an emulator the only ones',
      }),
    ),
    ...limitFields,
    maxConnections: Type.Integer({
      default: 16,
      minimum: 1,
      maximum: 256,
      description: 'Per worker process; each carries 90 pushes at once',
    }),
  },
  { additionalProperties: false },
);

export type FcmSettings = Static<typeof settingsSchema>;

/**
 * The form of a registration token, of which Google promises nothing: one word of printable ASCII. What is a token
 * of something else for certain is told apart, since it is the usual mistake.
 */
export function checkToken(token: string, settings: FcmSettings): string | undefined {
  if (settings.address === 'fid') {
    return /^[A-Za-z0-9_-]{22}$/.test(token)
      ? undefined
      : 'A Firebase installation id is 22 letters, digits, hyphens or underscores.';
  }
  if (!/^[\x21-\x7e]{1,4096}$/.test(token) || /["\\]/.test(token)) {
    return 'An FCM registration token is one word of at most 4096 printable ASCII characters.';
  }
  if (/^[0-9a-fA-F]{64}$/.test(token)) {
    return 'This looks like an APNs token; FCM takes the registration token that its own SDK gave to the app.';
  }
  if (token.startsWith('https://')) {
    return 'This is an address, of a browser’s push subscription perhaps, and no FCM registration token.';
  }
  return undefined;
}
