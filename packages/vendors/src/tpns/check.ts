import type { FieldProblem, MessageContent } from '@pushmill/core';
import { overridesProblems } from '../schema-problems.ts';
import { overridesSchema } from './overrides.ts';
import { draft, hasNotification, overridesOf } from './payload.ts';
import type { TpnsSettings } from './settings.ts';

type Refuse = (pointer: string, code: string, detail: string) => unknown;

/**
 * Everything that would make TPNS refuse the message, or deliver something else than was meant.
 * @returns  problems with pointers into the message; none when it can be sent
 * @see      cloud.tencent.com 548/39064 "推送 API"
 */
export function checkMessage(content: MessageContent, settings: TpnsSettings): FieldProblem[] {
  const misshapen = overridesProblems(overridesSchema, content, 'tpns');
  if (misshapen.length > 0) return misshapen;
  const problems: FieldProblem[] = [];
  const refuse: Refuse = (pointer, code, detail) => problems.push({ pointer, code, detail });
  const { messageType, message } = draft(content, settings);

  if (settings.platform === 'ios' && messageType === 'message') checkSilentIos(content, refuse);
  else checkTexts(content, settings, messageType, refuse);
  if (settings.platform === 'android') checkAction(content, refuse);
  checkCustomContent(content, settings, refuse);

  const bytes = Buffer.byteLength(JSON.stringify(message));
  if (bytes > settings.maxMessageBytes) {
    refuse(
      hasNotification(content) ? '/notification/body' : '/data',
      'too-large',
      `The message object is ${bytes} bytes, the limit is ${settings.maxMessageBytes}.`,
    );
  }
  return problems;
}

function checkTexts(
  content: MessageContent,
  settings: TpnsSettings,
  messageType: 'notify' | 'message',
  refuse: Refuse,
): void {
  const fields = [
    ['/notification/title', content.notification?.title ?? '', settings.maxTitleChars],
    ['/notification/body', content.notification?.body ?? '', settings.maxBodyChars],
  ] as const;
  for (const [pointer, text, maxChars] of fields) {
    if (text.trim() === '') {
      const why =
        messageType === 'notify'
          ? 'TPNS needs a title and a body.'
          : 'To an Android app TPNS passes data on only with a title and a body; with vendor.tpns.message_type "message" nobody sees them.';
      refuse(pointer, 'required', why);
    } else if (maxChars !== undefined && [...text].length > maxChars) {
      refuse(pointer, 'too-long', `Longer than the ${maxChars} characters that this channel allows.`);
    }
  }
}

/** A silent push to iOS has no text, and of `aps` only `content-available`. */
function checkSilentIos(content: MessageContent, refuse: Refuse): void {
  const { notification } = content;
  for (const field of ['title', 'body', 'badge', 'sound', 'imageUrl'] as const) {
    const value = notification?.[field];
    if (value !== undefined && value !== null && value !== '') {
      refuse(`/notification/${field}`, 'excluded', `A silent push to iOS cannot carry ${field}.`);
    }
  }
  for (const field of Object.keys(overridesOf(content).ios?.aps ?? {})) {
    refuse(`/vendor/tpns/ios/aps/${field}`, 'excluded', `A silent push to iOS cannot carry ${field}.`);
  }
}

function checkAction(content: MessageContent, refuse: Refuse): void {
  const action = overridesOf(content).android?.action;
  if (action?.action_type === 2 && action.browser === undefined) {
    refuse('/vendor/tpns/android/action/browser', 'required', 'Action type 2 opens browser.url.');
  }
  if (action?.action_type === 3 && action.intent === undefined) {
    refuse('/vendor/tpns/android/action/intent', 'required', 'Action type 3 opens an intent.');
  }
}

function checkCustomContent(content: MessageContent, settings: TpnsSettings, refuse: Refuse): void {
  const { platform } = settings;
  const given = overridesOf(content)[platform]?.custom_content;
  const pointer = `/vendor/tpns/${platform}/custom_content`;
  const hasData = Object.keys(content.data ?? {}).length > 0;
  const click = content.notification?.click;
  if (given !== undefined) {
    if (hasData)
      refuse(pointer, 'excluded', 'data is sent as custom_content; a message has one or the other.');
    if (!isJsonObject(given)) refuse(pointer, 'invalid', 'custom_content is the text of a JSON object.');
  }
  const needsKey = platform === 'ios' && click !== undefined && click !== null && click.type !== 'app';
  if (!needsKey) return;
  if (given !== undefined) {
    refuse(
      pointer,
      'excluded',
      'To iOS notification.click travels in custom_content, which is given already.',
    );
  } else if (Object.hasOwn(content.data ?? {}, 'pushmill')) {
    refuse('/data/pushmill', 'reserved', 'To iOS notification.click travels under this key.');
  }
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
