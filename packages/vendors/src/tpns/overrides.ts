import { type Static, Type } from 'typebox';

const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const flag = Type.Union([Type.Literal(0), Type.Literal(1)]);
const customContent = Type.String({
  minLength: 2,
  maxLength: 4_096,
  description: 'JSON as text, in place of `data`',
});
const showType = Type.Union([Type.Literal(1), Type.Literal(2)], {
  description: '1 hidden while the app is in the foreground, 2 shown',
});
const clock = Type.Object(
  { hour: Type.String({ pattern: '^([01]\\d|2[0-3])$' }), min: Type.String({ pattern: '^[0-5]\\d$' }) },
  { additionalProperties: false },
);

const action = Type.Object(
  {
    action_type: Type.Union([Type.Literal(1), Type.Literal(2), Type.Literal(3)], {
      description: '1 activity or app, 2 browser, 3 intent',
    }),
    activity: Type.Optional(text(512)),
    aty_attr: Type.Optional(
      Type.Object(
        { if: Type.Optional(Type.Integer()), pf: Type.Optional(Type.Integer()) },
        { additionalProperties: false },
      ),
    ),
    browser: Type.Optional(
      Type.Object({ url: text(2_048), confirm: Type.Optional(flag) }, { additionalProperties: false }),
    ),
    intent: Type.Optional(text(2_048)),
  },
  { additionalProperties: false },
);

const android = Type.Object(
  {
    n_ch_id: Type.Optional(text(128)),
    n_ch_name: Type.Optional(text(128)),
    xm_ch_id: Type.Optional(text(128)),
    fcm_ch_id: Type.Optional(text(128)),
    hw_ch_id: Type.Optional(text(128)),
    oppo_ch_id: Type.Optional(text(128)),
    hw_biz_type: Type.Optional(flag),
    hw_category: Type.Optional(
      Type.String({ pattern: '^[A-Z_]{1,32}$', description: 'E.g. IM, SUBSCRIPTION' }),
    ),
    hw_importance: Type.Optional(
      Type.Union([Type.Literal(1), Type.Literal(2)], { description: '1 silent (marketing), 2 with sound' }),
    ),
    vivo_ch_id: Type.Optional(
      Type.Union([Type.Literal('0'), Type.Literal('1')], { description: '0 operational, 1 system' }),
    ),
    n_id: Type.Optional(Type.Integer({ minimum: -1 })),
    builder_id: Type.Optional(Type.Integer({ minimum: 0 })),
    badge_type: Type.Optional(
      Type.Integer({ minimum: -2, maximum: 99, description: '-2 plus one, -1 unchanged, 0 to 99' }),
    ),
    ring: Type.Optional(flag),
    ring_raw: Type.Optional(text(128)),
    vibrate: Type.Optional(flag),
    lights: Type.Optional(flag),
    clearable: Type.Optional(flag),
    icon_type: Type.Optional(flag),
    icon_res: Type.Optional(text(1_024)),
    style_id: Type.Optional(Type.Integer({ minimum: 0 })),
    small_icon: Type.Optional(text(128)),
    icon_color: Type.Optional(Type.Integer({ minimum: 0, maximum: 0xffffffff })),
    action: Type.Optional(action),
    custom_content: Type.Optional(customContent),
    show_type: Type.Optional(showType),
  },
  { additionalProperties: false },
);

const ios = Type.Object(
  {
    aps: Type.Optional(
      Type.Object(
        {
          alert: Type.Optional(
            Type.Record(Type.String(), Type.Unknown(), {
              description: 'E.g. subtitle; title and body come from the notification',
            }),
          ),
          badge_type: Type.Optional(
            Type.Integer({ minimum: -2, description: '-2 plus one, -1 unchanged, else the number' }),
          ),
          category: Type.Optional(text(128)),
          'mutable-content': Type.Optional(flag),
          sound: Type.Optional(text(128)),
          'interruption-level': Type.Optional(
            Type.Union(
              ['passive', 'active', 'time-sensitive', 'critical'].map((level) => Type.Literal(level)),
            ),
          ),
        },
        { additionalProperties: false },
      ),
    ),
    custom_content: Type.Optional(customContent),
  },
  { additionalProperties: false },
);

/**
 * `vendor.tpns` of a message, after the vendor's own fields. `android` and `ios` may stand side by side: each
 * channel takes the part of its own platform.
 */
export const overridesSchema = Type.Object(
  {
    message_type: Type.Optional(
      Type.Union([Type.Literal('notify'), Type.Literal('message')], {
        description: 'message: silent; on Android over TPNS’s own connection only',
      }),
    ),
    accept_time: Type.Optional(
      Type.Array(Type.Object({ start: clock, end: clock }, { additionalProperties: false }), {
        minItems: 1,
        maxItems: 24,
        description: 'When a device may show it; own connection only',
      }),
    ),
    thread_id: Type.Optional(text(128)),
    thread_sumtext: Type.Optional(text(128)),
    xg_media_resources: Type.Optional(text(1_024)),
    xg_media_audio_resources: Type.Optional(text(1_024)),
    // Here for iOS; Android has a field of the same name under `android`.
    show_type: Type.Optional(showType),
    android: Type.Optional(android),
    ios: Type.Optional(ios),
    account_push_type: Type.Optional(
      Type.Union([Type.Literal(0), Type.Literal(1)], { description: 'Instead of the channel setting' }),
    ),
    multi_pkg: Type.Optional(Type.Boolean()),
    plan_id: Type.Optional(text(64)),
    force_collapse: Type.Optional(Type.Boolean()),
    channel_rules: Type.Optional(
      Type.Array(
        Type.Object(
          {
            channel: Type.Union(
              ['xg', 'hw', 'xm', 'mz', 'vivo', 'oppo', 'apns', 'honor', 'fcm'].map((name) =>
                Type.Literal(name),
              ),
            ),
            disable: Type.Boolean(),
          },
          { additionalProperties: false },
        ),
        { minItems: 1, maxItems: 16 },
      ),
    ),
    tpns_online_push_type: Type.Optional(
      Type.Union([Type.Literal(0), Type.Literal(1)], {
        description: '0 own connection when the device is online, 1 never',
      }),
    ),
  },
  { additionalProperties: false },
);

export type TpnsOverrides = Static<typeof overridesSchema>;
