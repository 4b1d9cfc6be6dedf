import { type Static, type TProperties, Type } from 'typebox';

const closed = <const Fields extends TProperties>(fields: Fields) =>
  Type.Object(fields, { additionalProperties: false });

const text = (maxLength = 1_000) => Type.Optional(Type.String({ maxLength }));
const flag = () => Type.Optional(Type.Boolean());
const args = () => Type.Optional(Type.Array(Type.String({ maxLength: 1_000 }), { maxItems: 20 }));
const texts = () => Type.Optional(Type.Record(Type.String(), Type.String()));
const json = () => Type.Optional(Type.Record(Type.String(), Type.Unknown()));
const words = <const Words extends string[]>(...all: Words) =>
  Type.Optional(Type.Union(all.map((word) => Type.Literal(word as Words[number]))));

const durationPattern = '^\\d{1,7}(\\.\\d{1,9})?s$';
const duration = () => Type.String({ pattern: durationPattern, description: 'Seconds, e.g. 3.5s' });
const share = () => Type.Number({ minimum: 0, maximum: 1 });

const analytics_label = Type.Optional(
  Type.String({ pattern: '^[a-zA-Z0-9_.~%-]{1,50}$', description: 'At most 100 different ones a day' }),
);
const labelled = Type.Optional(closed({ analytics_label }));

const androidNotification = closed({
  title: text(),
  body: text(4_000),
  icon: text(200),
  color: Type.Optional(Type.String({ pattern: '^#[0-9a-fA-F]{6}$' })),
  sound: text(200),
  tag: text(200),
  click_action: text(200),
  body_loc_key: text(200),
  body_loc_args: args(),
  title_loc_key: text(200),
  title_loc_args: args(),
  channel_id: text(200),
  ticker: text(),
  sticky: flag(),
  event_time: Type.Optional(Type.String({ format: 'date-time' })),
  local_only: flag(),
  notification_priority: words(
    'PRIORITY_UNSPECIFIED',
    'PRIORITY_MIN',
    'PRIORITY_LOW',
    'PRIORITY_DEFAULT',
    'PRIORITY_HIGH',
    'PRIORITY_MAX',
  ),
  default_sound: flag(),
  default_vibrate_timings: flag(),
  default_light_settings: flag(),
  vibrate_timings: Type.Optional(Type.Array(duration(), { maxItems: 50 })),
  visibility: words('VISIBILITY_UNSPECIFIED', 'PRIVATE', 'PUBLIC', 'SECRET'),
  notification_count: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
  light_settings: Type.Optional(
    closed({
      color: closed({ red: share(), green: share(), blue: share(), alpha: share() }),
      light_on_duration: duration(),
      light_off_duration: duration(),
    }),
  ),
  image: text(2_048),
  proxy: words('PROXY_UNSPECIFIED', 'ALLOW', 'DENY', 'IF_PRIORITY_LOWERED'),
});

const android = closed({
  collapse_key: text(200),
  priority: words('NORMAL', 'HIGH'),
  ttl: Type.Optional(
    Type.String({
      pattern: durationPattern,
      description: 'At most 2419200s; 0s is now or never. Never longer than the message lives',
    }),
  ),
  restricted_package_name: text(200),
  data: texts(),
  notification: Type.Optional(androidNotification),
  fcm_options: labelled,
  direct_boot_ok: flag(),
  bandwidth_constrained_ok: flag(),
  restricted_satellite_ok: flag(),
});

const webpush = closed({
  headers: texts(),
  data: texts(),
  notification: json(),
  fcm_options: Type.Optional(
    closed({
      link: Type.Optional(Type.String({ pattern: '^https://', maxLength: 2_048 })),
      analytics_label,
    }),
  ),
});

const apns = closed({
  headers: Type.Optional(
    Type.Record(Type.String(), Type.String(), { description: 'apns-priority, apns-push-type, ...' }),
  ),
  payload: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), { description: '`aps`, and keys of your own beside it' }),
  ),
  fcm_options: Type.Optional(closed({ analytics_label, image: text(2_048) })),
  live_activity_token: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 512,
      description: 'Of one device, so of a message to one device',
    }),
  ),
});

/**
 * `vendor.fcm` of a message, after FCM's own fields: they stand over what the neutral fields say.
 * @see  Firebase, REST reference "projects.messages"
 */
export const overridesSchema = closed({
  fcm_options: labelled,
  android: Type.Optional(android),
  webpush: Type.Optional(webpush),
  apns: Type.Optional(apns),
});

export type FcmOverrides = Static<typeof overridesSchema>;
