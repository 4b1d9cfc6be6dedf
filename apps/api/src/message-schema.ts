import { messageClasses } from '@pushmill/core';
import type { Vendor } from '@pushmill/vendors';
import { type Static, type TObject, Type } from 'typebox';
import { ForecastSchema } from './quota-view.ts';
import { Counts, FieldProblemSchema, maybe, nullable, oneOf, strict, Time, Uuid } from './schema.ts';

export const maxRecipients = 50_000;
/** Each is a search of its own. */
export const maxTags = 100;
export const maxBatchMessages = 1_000;
export const maxTtlSeconds = 28 * 86_400;
export const defaultTtlSeconds = 86_400;

/** Hours and minutes, as a clock shows them. */
const CLOCK = '([01][0-9]|2[0-3]):[0-5][0-9]';

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

/** Longer ones do not fit into an entry of the ledger's index, by which a dead token is known again. */
const maxTokenBytes = 2_048;
const Token = Type.String({ minLength: 1, maxLength: maxTokenBytes });

/** Undefined when the ledger can keep the token, else a sentence. The vendor's own rules are the vendor's. */
export function tokenFault(token: string): string | undefined {
  // A character takes four bytes at most, so most tokens need not be measured.
  if (token.length * 4 <= maxTokenBytes || Buffer.byteLength(token) <= maxTokenBytes) return undefined;
  return `A token is at most ${maxTokenBytes} bytes long.`;
}

/** Of a user or a tag, as the app calls them. */
export const Name = Type.String({ minLength: 1, maxLength: 256 });

/** Checked by the schema of the channel's vendor, once it is known. */
const Audience = Type.Object(
  { kind: Type.String({ minLength: 1, maxLength: 64 }) },
  {
    additionalProperties: true,
    description:
      'Devices that the vendor finds itself: everybody, a tag, accounts. One push, whose end is the call’s. GET /v1/vendors has the forms',
  },
);

const RecipientSchema = strict(
  {
    channel: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    token: Type.Optional(Token),
    tokens: Type.Optional(Type.Array(Token, { minItems: 1, maxItems: maxRecipients })),
    environment: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 32,
        description:
          'With token or tokens: where they were made, if not where the channel says; e.g. sandbox',
      }),
    ),
    audience: Type.Optional(Audience),
    user: Type.Optional(Name),
    tag: Type.Optional(Name),
    device: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: 'Its id' })),
  },
  {
    description:
      'A channel with one token, several, or an audience; or a user, a tag or a device, whose registered devices are looked up: those of one channel, if one is named',
  },
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
    sendAtLocal: maybe(
      Type.String({
        pattern: `^[0-9]{4}-[0-9]{2}-[0-9]{2}T${CLOCK}(:[0-5][0-9])?$`,
        description:
          'In place of sendAt: not before each device’s own clock shows this, e.g. 2026-11-23T09:00. Where clocks are put forward over it, when they are; where they show it twice, the first time. Read as UTC at most 30 days ahead',
      }),
    ),
    ifPassed: maybe(
      oneOf(['skip', 'send-now'], {
        description:
          'With sendAtLocal: what becomes of recipients where it was more than ten minutes ago; skip, if not given, rejects them as local-time-passed',
      }),
    ),
    quietHours: maybe(
      strict(
        { from: Type.String({ pattern: `^${CLOCK}$` }), to: Type.String({ pattern: `^${CLOCK}$` }) },
        {
          description:
            'For marketing only. What is due while a device’s clock shows from or later and not yet to waits for to, retries too; e.g. 22:00 and 08:00',
        },
      ),
    ),
    timeZone: maybe(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description:
          'With sendAtLocal or quietHours: where tokens, audiences and devices without a zone of their own are, e.g. Asia/Shanghai; UTC if not given',
      }),
    ),
    vendor: Type.Optional(Type.Unsafe<Record<string, unknown>>(strict(overrides))),
    validateOnly: Type.Optional(Type.Boolean({ description: 'Say what would happen and store nothing' })),
  });
}

/** A vendor's overrides refuse unknown fields, whatever the vendor's schema forgot to say. */
function closed(schema: TObject): TObject {
  return { additionalProperties: false, ...schema } as TObject;
}

export type MessageBody = Static<ReturnType<typeof createMessageSchema>>;

export const messageStates = ['scheduled', 'queued', 'paused', 'settled', 'cancelled'] as const;

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
    quota: Type.Optional(
      Type.Array(ForecastSchema, {
        description: 'Where it goes through channels with a quota for its class',
      }),
    ),
    detail: Type.Optional(Type.String({ description: 'The same in words' })),
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
  sendAt: nullable(
    Type.String({
      format: 'date-time',
      description: 'By local clocks: when the first push is due, and null if one was due at once',
    }),
  ),
  sendAtLocal: nullable(Type.String()),
  quietHours: nullable(strict({ from: Type.String(), to: Type.String() })),
  timeZone: nullable(
    Type.String({ description: 'By local clocks: of recipients without a zone of their own' }),
  ),
  expiresAt: Type.String({
    format: 'date-time',
    description: 'By local clocks: of what is due first. The others live as long from when they are due',
  }),
  cancelledAt: nullable(Time),
  pausedAt: nullable(Time),
  createdAt: Time,
});
export type MessageView = Static<typeof MessageViewSchema>;
