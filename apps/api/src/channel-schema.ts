import type { ChannelRow } from '@pushmill/store';
import type { Vendor } from '@pushmill/vendors';
import { type Static, type TSchema, Type } from 'typebox';
import type { Caller } from './authentication.ts';
import { patchOf, QuotaSchema } from './channel-policy.ts';
import { QuotaTodaySchema } from './quota-view.ts';
import { nullable, oneOf, strict, Time, Uuid } from './schema.ts';

export const ChannelName = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
  description: 'Letters, digits, dots, dashes and underscores; at most 64',
});

const Delay = Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400_000 }));

/** What an operator may say of how a channel sends. */
export const PolicySchema = strict({
  ratePerSecond: Type.Optional(
    Type.Number({
      exclusiveMinimum: 0,
      maximum: 100_000,
      description: 'Pushes of all workers together; a number below 1 is one in several seconds',
    }),
  ),
  quota: Type.Optional(QuotaSchema),
  maxAttempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 50 })),
  baseDelayMs: Delay,
  maxDelayMs: Delay,
  throttleDelayMs: Delay,
  maxBacklog: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      description: 'Pushes that may wait on the channel before more are refused with 429',
    }),
  ),
  unanswered: Type.Optional(
    oneOf(['resend', 'hold'], {
      description: 'For a push that may have arrived unanswered, at a vendor that offers no identity',
    }),
  ),
  deadTokens: Type.Optional(
    strict(
      {
        share: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1, default: 0.2 })),
        atLeast: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, default: 200 })),
      },
      {
        description:
          'When at least so many tokens, and this share of all judged, die within ten minutes, the channel pauses and none is suppressed',
      },
    ),
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
  policy: Type.Optional(
    Type.Unsafe<Record<string, unknown>>({
      ...patchOf(PolicySchema),
      type: 'object',
      description: 'What is given is changed, at any depth; null takes a part out',
    }),
  ),
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

/** With what it has sent today, which is asked for apart. */
export const ShownChannelSchema = strict({ ...ChannelSchema.properties, quotaToday: QuotaTodaySchema });

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
