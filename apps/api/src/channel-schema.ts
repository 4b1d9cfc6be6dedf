import type { ChannelRow } from '@pushmill/store';
import type { Vendor } from '@pushmill/vendors';
import { type Static, type TSchema, Type } from 'typebox';
import type { Caller } from './authentication.ts';
import { nullable, oneOf, strict, Time, Uuid } from './schema.ts';

export const ChannelName = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
  description: 'Letters, digits, dots, dashes and underscores; at most 64',
});

const Delay = Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400_000 }));

/** What a channel may change of the retry policy. */
export const PolicySchema = strict({
  maxAttempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 50 })),
  baseDelayMs: Delay,
  maxDelayMs: Delay,
  throttleDelayMs: Delay,
  unanswered: Type.Optional(
    oneOf(['resend', 'hold'], {
      description: 'For a push that may have arrived unanswered, at a vendor that offers no identity',
    }),
  ),
});

const Settings = Type.Record(Type.String(), Type.Unknown());

/** The body of POST /v1/channels for one vendor; the whole is one of these, told apart by `vendor`. */
function newChannelOf(vendor: Vendor): TSchema {
  return strict(
    {
      name: ChannelName,
      vendor: oneOf([vendor.name]),
      settings: Type.Optional(vendor.settingsSchema),
      credential: vendor.credentialSchema,
      policy: Type.Optional(PolicySchema),
    },
    { title: vendor.title },
  );
}

export interface NewChannelBody {
  name: string;
  vendor: string;
  settings?: Record<string, unknown>;
  credential: unknown;
  policy?: Record<string, unknown>;
}

/** As the document shows it; the routes check the frame first and then what the vendor's schemas say. */
export function createNewChannelSchema(vendors: Readonly<Record<string, Vendor>>) {
  return Type.Unsafe<NewChannelBody>({ type: 'object', oneOf: Object.values(vendors).map(newChannelOf) });
}

export function createNewChannelFrame(vendors: Readonly<Record<string, Vendor>>) {
  return strict({
    name: ChannelName,
    vendor: oneOf(Object.keys(vendors)),
    settings: Type.Optional(Settings),
    credential: Type.Unknown(),
    policy: Type.Optional(PolicySchema),
  });
}

export const ChannelChangeSchema = strict({
  settings: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), {
      description: 'What is given is changed; null takes it out',
    }),
  ),
  policy: Type.Optional(PolicySchema),
  credential: Type.Optional(
    Type.Unknown({ description: 'Needed when an address, `ca` or `emulator` changes' }),
  ),
});

export const RotationSchema = strict({ credential: Type.Unknown() });

export const PauseSchema = strict(
  { reason: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })) },
  { default: {} },
);

export const ChannelSchema = strict({
  id: Uuid,
  name: Type.String(),
  vendor: Type.String(),
  state: oneOf(['on', 'paused']),
  pausedReason: nullable(
    strict({
      code: Type.String(),
      detail: Type.String(),
      by: oneOf(['pushmill', 'operator']),
      at: Time,
    }),
  ),
  emulator: Type.Boolean({ description: 'It reaches an emulator, not the vendor' }),
  settings: Settings,
  policy: PolicySchema,
  credential: Type.Record(Type.String(), Type.Unknown(), {
    description: 'What may be told of it: kind, key id, expiry. The secret itself never comes out',
  }),
  callbackUrl: nullable(
    Type.String({
      description: 'Enter it at the vendor. Operators only; null when the vendor does not call back',
    }),
  ),
  version: Type.Integer({ description: 'Grows with every change' }),
  createdAt: Time,
  updatedAt: Time,
});

/** A channel as the api shows it. Its callback address is half a secret, so only operators' keys see it. */
export function viewChannel(
  row: ChannelRow,
  caller: Caller,
  deps: { vendors: Readonly<Record<string, Vendor>>; publicReceiptsUrl: string },
): Static<typeof ChannelSchema> {
  const callsBack = deps.vendors[row.vendor]?.readCallback !== undefined;
  const maySee = caller.role === 'operator' && caller.via === 'key';
  return {
    id: row.id,
    name: row.name,
    vendor: row.vendor,
    state: row.state,
    pausedReason: row.pausedReason,
    emulator: row.settings.emulator === true,
    settings: row.settings,
    policy: row.policy,
    credential: row.credentialShown,
    callbackUrl:
      callsBack && maySee ? `${deps.publicReceiptsUrl}/callbacks/${row.vendor}/${row.callbackKey}` : null,
    version: row.version,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
