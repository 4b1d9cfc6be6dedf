import { type Static, Type } from 'typebox';

const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
/** Names and values: of a template, of extended parameters, of pictures by maker. */
const texts = Type.Record(Type.String({ minLength: 1, maxLength: 128 }), Type.String({ maxLength: 1_024 }));

const category = Type.Integer({ minimum: 1, maximum: 99 });

/** `vendor.mpaas` of a message, after the vendor's own fields. */
export const overridesSchema = Type.Object(
  {
    deliveryType: Type.Optional(
      Type.Union(
        [1, 2, 3, 5, 6, 7].map((value) => Type.Literal(value)),
        {
          description: 'Instead of the channel setting',
        },
      ),
    ),
    taskName: Type.Optional(text(100)),
    templateName: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        pattern: '^[^,]+$',
        description: 'A template of the console; sends by template',
      }),
    ),
    templateKeyValue: Type.Optional(texts),
    templateValuesByTarget: Type.Optional(
      Type.Record(text(512), texts, {
        maxProperties: 1_000,
        description:
          'Values of its own for a target, over those of templateKeyValue; sends as a batch (PushMultiple)',
      }),
    ),
    uri: Type.Optional(text(1_024)),
    pushAction: Type.Optional(
      Type.Union([Type.Literal('web'), Type.Literal('intent')], {
        description: 'What kind of address uri is',
      }),
    ),
    silent: Type.Optional(Type.Boolean()),
    notifyType: Type.Optional(
      Type.Union([Type.Literal('notify'), Type.Literal('transparent')], {
        description: 'transparent goes over the self-built channel only',
      }),
    ),
    pushStyle: Type.Optional(Type.Union([Type.Literal(0), Type.Literal(1), Type.Literal(2)])),
    classification: Type.Optional(
      Type.Union([Type.Literal(0), Type.Literal(1)], { description: 'vivo: 0 operational, 1 system' }),
    ),
    channelId: Type.Optional(text(128)),
    miChannelId: Type.Optional(text(128)),
    thirdChannelCategory: Type.Optional(
      Type.Object(
        { hms: Type.Optional(category), harmony: Type.Optional(category) },
        { additionalProperties: false, description: 'hms: 1 IM ... 14 marketing; harmony: 1 ... 13' },
      ),
    ),
    notifyLevel: Type.Optional(
      Type.Object(
        { hms: Type.Optional(Type.Union([Type.Literal(1), Type.Literal(2)])) },
        { additionalProperties: false, description: 'hms: 1 low, 2 normal' },
      ),
    ),
    imageUrls: Type.Optional(texts),
    iconUrls: Type.Optional(texts),
    extendedParams: Type.Optional(texts),
    activityEvent: Type.Optional(Type.Union([Type.Literal('update'), Type.Literal('end')])),
    activityContentState: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    dismissalDate: Type.Optional(
      Type.Integer({ minimum: 0, description: 'Seconds since the epoch; when an ended activity disappears' }),
    ),
    transparentMessagePayload: Type.Optional(
      Type.Union([Type.String({ maxLength: 4_096 }), Type.Record(Type.String(), Type.Unknown())]),
    ),
    transparentMessageUrgency: Type.Optional(text(16)),
  },
  { additionalProperties: false },
);

export type MpaasOverrides = Static<typeof overridesSchema>;

/** The rest interface has no key for these; sending without them would be a silent loss. */
export const openApiOnly: readonly (keyof MpaasOverrides)[] = [
  'pushStyle',
  'classification',
  'channelId',
  'miChannelId',
  'thirdChannelCategory',
  'notifyLevel',
  'imageUrls',
  'iconUrls',
  'activityEvent',
  'activityContentState',
  'dismissalDate',
  'transparentMessagePayload',
  'transparentMessageUrgency',
];

/** A template brings these itself; PushTemplate has no field for them. */
export const freeTextOnly: readonly (keyof MpaasOverrides)[] = ['uri', 'pushStyle', 'imageUrls', 'iconUrls'];
