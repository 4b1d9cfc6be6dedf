import { isObject } from '../answer-reading.ts';

const wanted =
  'FCM needs the key file of a service account: Firebase console, project settings, service accounts, generate new private key.';

/**
 * What was handed in instead of a key file, and what to do.
 * @param value  the text as JSON, or undefined when it is none
 */
export function kindOfFile(text: string, value: unknown): string {
  const kind = value === undefined ? kindOfText(text) : kindOfJson(value);
  return kind === undefined
    ? `This is not the key file of a service account. ${wanted}`
    : `This is ${kind}. ${wanted}`;
}

function kindOfText(text: string): string | undefined {
  if (/^<\?xml|<plist/i.test(text)) return 'GoogleService-Info.plist, which is built into the app';
  if (text.startsWith('-----BEGIN')) return 'a key or certificate without the file around it';
  if (/^[\w-]{8,}:[\w-]{100,}$/.test(text)) return 'a server key, which the API of old took';
  if (/^[A-Za-z0-9+/=\s]{200,}$/.test(text)) return 'base64, perhaps of the file';
  return text.startsWith('{') ? 'JSON that was cut or changed' : undefined;
}

function kindOfJson(value: unknown): string | undefined {
  if (!isObject(value)) return undefined;
  if (value.project_info !== undefined && value.client !== undefined)
    return 'google-services.json, which is built into the app';
  if (value.type === 'authorized_user') return 'the login of a person (authorized_user)';
  if (value.type === 'external_account')
    return 'a configuration of workload identity (external_account), which pushmill cannot use';
  if (value.installed !== undefined || value.web !== undefined) return 'the file of an OAuth client';
  return undefined;
}
