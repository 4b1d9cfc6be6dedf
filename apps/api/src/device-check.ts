import { type FieldProblem, knownZone } from '@pushmill/core';
import type { ChannelRow } from '@pushmill/store';
import type { Vendor } from '@pushmill/vendors';
import type { Registration } from './device-schema.ts';
import { checkEnvironment } from './recipients.ts';

/** Everything about a registration that its schema cannot say; with no channel to register it on, only that. */
export function checkDevice(
  device: Registration,
  channel: ChannelRow | undefined,
  vendor: Vendor | undefined,
): FieldProblem[] {
  if (!channel || !vendor) {
    const detail = 'channel: the app has no channel of this name.';
    return [{ pointer: '/channel', code: 'unknown-channel', detail }];
  }
  const problems: FieldProblem[] = [];
  const token = vendor.checkToken(device.token, channel.settings);
  if (token !== undefined) {
    problems.push({ pointer: '/token', code: 'wrong-token-form', detail: `token: ${token}` });
  }
  const environment = device.environment && checkEnvironment(device.environment, vendor);
  if (environment) {
    problems.push({ pointer: '/environment', code: 'not-allowed', detail: `environment: ${environment}` });
  }
  if (device.locale && !isLocale(device.locale)) {
    const detail = 'locale is not a BCP 47 language tag, such as en or zh-Hans-CN.';
    problems.push({ pointer: '/locale', code: 'wrong-format', detail });
  }
  if (device.timeZone && !knownZone(device.timeZone)) {
    const detail = 'timeZone is not a zone of the IANA database, such as Asia/Shanghai.';
    problems.push({ pointer: '/timeZone', code: 'wrong-format', detail });
  }
  return problems;
}

function isLocale(text: string): boolean {
  try {
    Intl.getCanonicalLocales(text);
    return true;
  } catch {
    return false;
  }
}
