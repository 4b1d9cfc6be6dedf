import type { Static } from 'typebox';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { channelIdSchema } from './channel-id.ts';
import { pushTypeNames } from './push-type.ts';

const text = (maxLength = 1_000) => Type.Optional(Type.String({ maxLength }));
const flag = () => Type.Optional(Type.Boolean());
const args = () => Type.Optional(Type.Array(Type.String({ maxLength: 1_000 }), { maxItems: 20 }));
const json = () => Type.Optional(Type.Record(Type.String(), Type.Unknown()));
const unixSeconds = () => Type.Optional(Type.Integer({ minimum: 0, maximum: 4_294_967_295 }));

const liveActivity = Type.Object(
  {
    event: Type.Union([Type.Literal('start'), Type.Literal('update'), Type.Literal('end')]),
    timestamp: Type.Optional(
      Type.Integer({
        minimum: 0,
        description:
          'Unix seconds; older ones are ignored by the device. Default: when the message was made.',
      }),
    ),
    contentState: json(),
    staleDate: unixSeconds(),
    dismissalDate: unixSeconds(),
    attributesType: text(200),
    attributes: json(),
    inputPushChannel: Type.Optional(channelIdSchema),
    inputPushToken: flag(),
  },
  { additionalProperties: false },
);

/** `vendor.apns` of a message: Apple's keys that have no neutral field. */
export const overridesSchema = Type.Object(
  {
    pushType: Type.Optional(
      Type.Union(
        pushTypeNames.map((name) => Type.Literal(name)),
        {
          description: 'Default: alert when something is shown, else background.',
        },
      ),
    ),
    topic: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9._-]{1,200}$',
        description: 'The whole topic, suffix included, in place of the one that the push type gives.',
      }),
    ),
    priority: Type.Optional(Type.Union([Type.Literal(1), Type.Literal(5), Type.Literal(10)])),
    expiration: Type.Optional(
      Type.Union([Type.Literal('store'), Type.Literal('once')], {
        description:
          'store: APNs keeps the push for a device that is off until the message expires. once: one attempt. Default: once for calls, else store.',
      }),
    ),
    threadId: text(200),
    category: text(200),
    subtitle: text(),
    titleLocKey: text(),
    titleLocArgs: args(),
    subtitleLocKey: text(),
    subtitleLocArgs: args(),
    locKey: text(),
    locArgs: args(),
    launchImage: text(),
    badge: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
    sound: Type.Optional(
      Type.Object(
        {
          name: Type.String({ minLength: 1, maxLength: 200 }),
          critical: flag(),
          volume: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
        },
        { additionalProperties: false },
      ),
    ),
    interruptionLevel: Type.Optional(
      Type.Union([
        Type.Literal('passive'),
        Type.Literal('active'),
        Type.Literal('time-sensitive'),
        Type.Literal('critical'),
      ]),
    ),
    relevanceScore: Type.Optional(Type.Number()),
    targetContentId: text(200),
    filterCriteria: text(200),
    mutableContent: flag(),
    contentAvailable: flag(),
    liveActivity: Type.Optional(liveActivity),
    pushMagic: Type.Optional(
      Type.String({ minLength: 1, maxLength: 200, description: 'For mdm: the PushMagic of the device.' }),
    ),
    aps: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description:
          'Further keys of `aps`, for what Apple adds later; keys that have a field here are refused.',
      }),
    ),
    custom: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: 'JSON values beside `aps`, where `data` (strings) is not enough.',
      }),
    ),
  },
  { additionalProperties: false },
);

export type ApnsOverrides = Omit<Static<typeof overridesSchema>, 'pushType'> & {
  pushType?: (typeof pushTypeNames)[number];
};

export const overridesCheck = Compile(overridesSchema);
