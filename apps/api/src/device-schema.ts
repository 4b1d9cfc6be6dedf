import { deviceStates } from '@pushmill/store';
import { type Static, Type } from 'typebox';
import { Name } from './message-schema.ts';
import { maybe, nullable, oneOf, strict, Time } from './schema.ts';

export const DeviceId = Type.String({
  pattern: '^[\\x20-\\x7e]{1,256}$',
  description: 'The app’s own name for the device: printable ASCII, at most 256',
});

/** An index holds it whole, so it is shorter than what may be sent to once. */
export const DeviceToken = Type.String({
  pattern: '^[\\x20-\\x7e]{1,2048}$',
  description: 'Printable ASCII, at most 2,048',
});

/** The body of PUT /v1/devices/{id}. */
export const RegistrationSchema = strict({
  channel: Type.String({ minLength: 1, maxLength: 64 }),
  token: DeviceToken,
  user: maybe(
    Type.String({ minLength: 1, maxLength: 256, description: 'Who uses it, as the app calls them' }),
  ),
  tags: maybe(Type.Array(Name, { maxItems: 100 })),
  locale: maybe(Type.String({ minLength: 1, maxLength: 100, description: 'BCP 47, e.g. zh-Hans-CN' })),
  timeZone: maybe(Type.String({ minLength: 1, maxLength: 64, description: 'IANA, e.g. Asia/Shanghai' })),
  environment: maybe(
    Type.String({
      minLength: 1,
      maxLength: 32,
      description: 'Where the token was made, e.g. sandbox; null for where the channel says',
    }),
  ),
});
export type Registration = Static<typeof RegistrationSchema>;

const NullableText = nullable(Type.String());

export const DeviceSchema = strict({
  id: Type.String(),
  channel: Type.String(),
  token: Type.String({ description: 'Shortened for a person at the dashboard' }),
  environment: NullableText,
  user: NullableText,
  tags: Type.Array(Type.String()),
  locale: NullableText,
  timeZone: NullableText,
  state: oneOf(deviceStates, {
    description:
      'dead: its token will never work again; misfiled: its token is not known in the environment where it is filed. Neither is sent to until it is registered again',
  }),
  code: nullable(Type.String({ description: 'The vendor’s word for why it is not active' })),
  createdAt: Time,
  registeredAt: Time,
});
