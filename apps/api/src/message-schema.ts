import { messageClasses } from '@pushmill/core';
import type { Vendor } from '@pushmill/vendors';
import { type Static, type TObject, Type } from 'typebox';
import { Counts, FieldProblemSchema, maybe, nullable, oneOf, strict, Time, Uuid } from './schema.ts';

export const maxRecipients = 50_000;
export const maxBatchMessages = 1_000;
export const maxTtlSeconds = 28 * 86_400;
export const defaultTtlSeconds = 86_400;

const text = (maxLength: number, description?: string) =>
  Type.String({ maxLength, ...(description === undefined ? {} : { description }) });

const NotificationSchema = strict({
  title: maybe(text(4_096)),
  body: maybe(text(16_384)),
  imageUrl: maybe(
    Type.String({ pattern: '^https?://', maxLength: 2_048, description: 'An http or https address' }),
  ),
  badge: maybe(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
  sound: maybe(text(256)),
  click: maybe(
    strict({
      type: oneOf(['url', 'screen', 'app']),
      url: Type.Optional(Type.String({ minLength: 1, maxLength: 2_048, description: 'With type url' })),
      name: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: 'With type screen' })),
    }),
  ),
});

const Token = Type.String({ minLength: 1, maxLength: 4_096 });

const RecipientSchema = strict(
  {
    channel: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    token: Type.Optional(Token),
    tokens: Type.Optional(Type.Array(Token, { minItems: 1, maxItems: maxRecipients })),
    user: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    tag: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  },
  { description: 'A channel with one token or several. Users and tags are not available yet.' },
);

/** The body of POST /v1/messages, with each vendor's own overrides. */
export function createMessageSchema(vendors: Readonly<Record<string, Vendor>>) {
  const overrides = Object.fromEntries(
    Object.values(vendors).map((vendor) => [vendor.name, Type.Optional(closed(vendor.overridesSchema))]),
  );
  return strict({
    notification: maybe(NotificationSchema),
    data: maybe(Type.Record(Type.String(), Type.String(), { maxProperties: 256 })),
    class: oneOf(messageClasses, { description: 'Chooses the lane: transactional goes first' }),
    to: Type.Array(RecipientSchema, { minItems: 1, maxItems: maxRecipients }),
    ttlSeconds: maybe(Type.Integer({ minimum: 1, maximum: maxTtlSeconds, default: defaultTtlSeconds })),
    priority: maybe(
      oneOf(['high', 'normal'], {
        description: 'high for transactional, normal for marketing, if not given',
      }),
    ),
    collapseKey: maybe(Type.String({ minLength: 1, maxLength: 255 })),
    sendAt: maybe(Type.String({ format: 'date-time', description: 'Not before; at most 30 days ahead' })),
    vendor: Type.Optional(Type.Unsafe<Record<string, unknown>>(strict(overrides))),
    validateOnly: Type.Optional(Type.Boolean({ description: 'Say what would happen and store nothing' })),
  });
}

/** A vendor's overrides refuse unknown fields, whatever the vendor's schema forgot to say. */
function closed(schema: TObject): TObject {
  return { additionalProperties: false, ...schema } as TObject;
}

export type MessageBody = Static<ReturnType<typeof createMessageSchema>>;

export const messageStates = ['scheduled', 'queued', 'settled', 'cancelled'] as const;

export const RejectedSchema = strict({
  index: Type.Integer({ description: 'The place in `to`' }),
  ...FieldProblemSchema.properties,
});

export const AcceptedSchema = strict({
  id: Uuid,
  state: oneOf(messageStates),
  pushes: Type.Integer({ description: 'Pushes taken; each ends in a terminal state' }),
  rejected: Type.Array(RejectedSchema),
  createdAt: Time,
});
export type AcceptedAnswer = Static<typeof AcceptedSchema>;

export const CheckedSchema = strict(
  {
    validateOnly: Type.Literal(true),
    pushes: Type.Integer(),
    rejected: Type.Array(RejectedSchema),
  },
  { description: 'What would have happened' },
);

export const MessageViewSchema = strict({
  id: Uuid,
  state: oneOf(messageStates, {
    description: 'settled: no push waits or is on its way to its vendor any more',
  }),
  class: oneOf(messageClasses),
  priority: oneOf(['high', 'normal']),
  notification: nullable(NotificationSchema),
  data: nullable(Type.Record(Type.String(), Type.String())),
  collapseKey: nullable(Type.String()),
  vendor: Type.Record(Type.String(), Type.Unknown()),
  pushes: Type.Integer(),
  counts: Counts,
  sendAt: nullable(Time),
  expiresAt: Time,
  cancelledAt: nullable(Time),
  createdAt: Time,
});
export type MessageView = Static<typeof MessageViewSchema>;
