import { compileFields, type FieldSpecs } from './emulator-json.ts';

/*
 * The message as FCM's API description has it (fcm v1, revision 20241112, and `fid`, `live_activity_token`,
 * `bandwidth_constrained_ok`, `restricted_satellite_ok` of later pages). Names as in proto; JSON may also write them
 * in camel case.
 */

const fcmOptions: FieldSpecs = { analytics_label: 'string' };

const lightSettings: FieldSpecs = {
  color: { fields: { red: 'float', green: 'float', blue: 'float', alpha: 'float' } },
  light_on_duration: 'duration',
  light_off_duration: 'duration',
};

const androidNotification: FieldSpecs = {
  title: 'string',
  body: 'string',
  icon: 'string',
  color: 'string',
  sound: 'string',
  tag: 'string',
  click_action: 'string',
  body_loc_key: 'string',
  body_loc_args: { list: 'string' },
  title_loc_key: 'string',
  title_loc_args: { list: 'string' },
  channel_id: 'string',
  ticker: 'string',
  sticky: 'bool',
  event_time: 'timestamp',
  local_only: 'bool',
  notification_priority: {
    enum: 'google.firebase.fcm.v1.AndroidNotification.NotificationPriority',
    names: [
      'PRIORITY_UNSPECIFIED',
      'PRIORITY_MIN',
      'PRIORITY_LOW',
      'PRIORITY_DEFAULT',
      'PRIORITY_HIGH',
      'PRIORITY_MAX',
    ],
  },
  default_sound: 'bool',
  default_vibrate_timings: 'bool',
  default_light_settings: 'bool',
  vibrate_timings: { list: 'duration' },
  visibility: {
    enum: 'google.firebase.fcm.v1.AndroidNotification.Visibility',
    names: ['VISIBILITY_UNSPECIFIED', 'PRIVATE', 'PUBLIC', 'SECRET'],
  },
  notification_count: 'int32',
  light_settings: { fields: lightSettings },
  image: 'string',
  bypass_proxy_notification: 'bool',
  proxy: {
    enum: 'google.firebase.fcm.v1.AndroidNotification.Proxy',
    names: ['PROXY_UNSPECIFIED', 'ALLOW', 'DENY', 'IF_PRIORITY_LOWERED'],
  },
};

const android: FieldSpecs = {
  collapse_key: 'string',
  priority: { enum: 'google.firebase.fcm.v1.AndroidMessagePriority', names: ['NORMAL', 'HIGH'] },
  ttl: 'duration',
  restricted_package_name: 'string',
  data: 'map',
  notification: { fields: androidNotification },
  fcm_options: { fields: fcmOptions },
  direct_boot_ok: 'bool',
  bandwidth_constrained_ok: 'bool',
  restricted_satellite_ok: 'bool',
};

const message: FieldSpecs = {
  name: 'string',
  data: 'map',
  notification: { fields: { title: 'string', body: 'string', image: 'string' } },
  android: { fields: android },
  webpush: {
    fields: {
      headers: 'map',
      data: 'map',
      notification: 'struct',
      fcm_options: { fields: { link: 'string', ...fcmOptions } },
    },
  },
  apns: {
    fields: {
      headers: 'map',
      payload: 'struct',
      fcm_options: { fields: { image: 'string', ...fcmOptions } },
      live_activity_token: 'string',
    },
  },
  fcm_options: { fields: fcmOptions },
  token: 'string',
  topic: 'string',
  condition: 'string',
  fid: 'string',
};

/** Of a call to `messages:send`. */
export const sendRequest = compileFields({ validate_only: 'bool', message: { fields: message } });

/** One of these a message must have, and no two. */
export const targets = ['token', 'topic', 'condition', 'fid'] as const;
