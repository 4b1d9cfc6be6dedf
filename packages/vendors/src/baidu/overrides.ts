import { type Static, Type } from 'typebox';
import type { Api } from './settings.ts';

const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });

const onOff = () => Type.Optional(Type.Integer({ minimum: 0, maximum: 1 }));

/** `vendor.baidu` of a message. */
export const overridesSchema = Type.Object(
  {
    messageType: Type.Optional(
      Type.Union([Type.Literal('notification'), Type.Literal('message')], {
        description: 'Android: message goes to the app unseen; the default where there is only data',
      }),
    ),
    message: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 4_096,
        description: 'Android: the whole pass-through text, in place of the JSON that is made of the fields',
      }),
    ),
    notificationBuilderId: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000 })),
    notificationBasicStyle: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 7,
        description: 'Sum of 4 sound, 2 vibration, 1 can be swiped away',
      }),
    ),
    url: Type.Optional(text(1_024)),
    pkgContent: Type.Optional(
      Type.String({ minLength: 1, maxLength: 1_024, description: 'Intent as URI, opened by a click' }),
    ),
    targetChannelId: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        description: "The app's own Android notification channel",
      }),
    ),
    customContent: Type.Optional(
      Type.Record(Type.String({ minLength: 1, maxLength: 128 }), Type.Unknown(), {
        description: 'Beside data; for iOS these are keys next to aps',
      }),
    ),
    channelType: Type.Optional(
      Type.Union([Type.Literal(0), Type.Literal(1)], {
        description: '1 private-message channel of the makers',
      }),
    ),
    topicId: Type.Optional(
      Type.String({ pattern: '^[A-Za-z0-9_]{1,128}$', description: '3.0: groups statistics at Baidu' }),
    ),
    mutableContent: Type.Optional(Type.Boolean({ description: 'iOS' })),
    threadId: Type.Optional(Type.String({ minLength: 1, maxLength: 128, description: 'iOS' })),
    spp: Type.Optional(
      Type.Object(
        {
          style: Type.Optional(
            Type.Integer({ minimum: 0, maximum: 100, description: "5 is the phone's own look" }),
          ),
          action: Type.Optional(
            Type.Object(
              { action_type: Type.Integer({ minimum: 0, maximum: 100 }) },
              {
                additionalProperties: true,
                description: 'What a click does, as Baidu has it; 6 opens the app',
              },
            ),
          ),
          notify: Type.Optional(
            Type.Object(
              { sound: onOff(), lights: onOff(), vibrate: onOff() },
              { additionalProperties: false, description: '1 on, 0 off' },
            ),
          ),
          skipPlatformMessages: Type.Optional(
            Type.Boolean({ description: 'Not by the channels of the phone makers' }),
          ),
          speed: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: 1_000_000,
              description: 'Devices a second, for an audience',
            }),
          ),
        },
        { additionalProperties: false, description: 'For channels with api spp' },
      ),
    ),
  },
  { additionalProperties: false },
);

export type BaiduOverrides = Static<typeof overridesSchema>;

/** What a generation has no field for. */
export const notServed: Readonly<Record<Api, readonly (keyof BaiduOverrides)[]>> = {
  'rest-3.0': ['spp'],
  'channel-2.0': ['spp', 'channelType', 'topicId', 'targetChannelId'],
  spp: [
    'notificationBuilderId',
    'notificationBasicStyle',
    'url',
    'pkgContent',
    'targetChannelId',
    'channelType',
    'topicId',
  ],
};

/** Sent to the other platform they would be lost without a word. */
export const androidOnly: readonly (keyof BaiduOverrides)[] = [
  'messageType',
  'message',
  'notificationBuilderId',
  'notificationBasicStyle',
  'url',
  'pkgContent',
  'targetChannelId',
  'channelType',
];
export const iosOnly: readonly (keyof BaiduOverrides)[] = ['mutableContent', 'threadId'];

/** What only a notification has; an app gets a pass-through message as it is. */
export const notificationOnly: readonly (keyof BaiduOverrides)[] = [
  'notificationBuilderId',
  'notificationBasicStyle',
  'url',
  'pkgContent',
  'targetChannelId',
];
