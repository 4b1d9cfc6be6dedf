import type { FieldProblem, MessageContent } from '@pushmill/core';
import { overridesProblems } from '../schema-problems.ts';
import { customContent, holdsHalfCharacter, overridesOf, textOf } from './content.ts';
import type { BaiduOverrides } from './overrides.ts';
import { androidOnly, iosOnly, notificationOnly, notServed, overridesSchema } from './overrides.ts';
import { apiOf, type BaiduSettings } from './settings.ts';
import { sppContent } from './spp-payload.ts';

const maxAndroidBytes = 4_096;

/** Everything that would make Baidu refuse the message, or lose a part of it. */
export function checkMessage(content: MessageContent, settings: BaiduSettings): FieldProblem[] {
  const misshapen = overridesProblems(overridesSchema, content, 'baidu');
  if (misshapen.length > 0) return misshapen;
  const problems: FieldProblem[] = [];
  const refuse: Refuse = (pointer, code, detail) => problems.push({ pointer, code, detail });
  const overrides = overridesOf(content);
  const api = apiOf(settings);
  const { isIos, isNotification, msg } = textOf(content, settings);

  for (const field of notServed[api]) {
    if (overrides[field] === undefined) continue;
    refuse(`/vendor/baidu/${field}`, 'unsupported', `The api ${api} of this channel has no ${field}.`);
  }
  if (api === 'spp') checkSpp(content, overrides, refuse);

  for (const field of isIos ? androidOnly : iosOnly) {
    if (overrides[field] === undefined) continue;
    const other = isIos ? 'Android' : 'iOS';
    refuse(`/vendor/baidu/${field}`, 'unsupported', `${field} is for ${other}, this channel is not.`);
  }
  if (isNotification) checkNotification(content, isIos, refuse);
  else checkPassThrough(content, overrides, refuse);
  if (isNotification && !isIos && overrides.message !== undefined) {
    refuse('/vendor/baidu/message', 'excluded', 'A notification is made of its fields, not of a text.');
  }
  if (overrides.url !== undefined && overrides.pkgContent !== undefined) {
    refuse('/vendor/baidu/pkgContent', 'excluded', 'A click opens either url or pkgContent.');
  }
  if (isIos) {
    for (const [pointer, keys] of [
      ['/data', content.data],
      ['/vendor/baidu/customContent', overrides.customContent],
    ] as const) {
      if (keys && Object.hasOwn(keys, 'aps')) {
        refuse(`${pointer}/aps`, 'excluded', 'The key aps is where the notification itself stands.');
      }
    }
  }
  checkCharacters(content, overrides, refuse);
  const bytes = Buffer.byteLength(api === 'spp' ? JSON.stringify(sppContent(content, settings)) : msg);
  const limit = isIos ? settings.maxIosMessageBytes : maxAndroidBytes;
  if (bytes > limit) {
    refuse(
      overrides.message === undefined ? '/notification/body' : '/vendor/baidu/message',
      'too-large',
      `The message is ${bytes} bytes as Baidu counts, with its data; the limit is ${limit}.`,
    );
  }
  return problems;
}

type Refuse = (pointer: string, code: string, detail: string) => unknown;

function checkNotification(content: MessageContent, isIos: boolean, refuse: Refuse): void {
  const { title, body } = content.notification ?? {};
  // Android requires `description`; an iPhone shows a title alone as well.
  if ((body ?? '').trim() === '' && !(isIos && (title ?? '').trim() !== '')) {
    refuse('/notification/body', 'required', 'A notification of Baidu needs a body.');
  }
}

function checkPassThrough(content: MessageContent, overrides: BaiduOverrides, refuse: Refuse): void {
  for (const field of notificationOnly) {
    if (overrides[field] !== undefined) {
      refuse(
        `/vendor/baidu/${field}`,
        'excluded',
        `A pass-through message shows nothing and has no ${field}.`,
      );
    }
  }
  if (overrides.message === undefined) {
    const { title, body } = content.notification ?? {};
    if (!title && !body && customContent(content, overrides) === undefined) {
      refuse('/notification/body', 'required', 'The message holds neither a notification nor data.');
    }
    return;
  }
  for (const [pointer, value] of [
    ['/data', content.data && Object.keys(content.data).length > 0 ? content.data : undefined],
    ['/vendor/baidu/customContent', overrides.customContent],
  ] as const) {
    if (value) refuse(pointer, 'excluded', 'The text in vendor.baidu.message is all that is sent.');
  }
}

/** Where the fields of SPP are fewer, or nobody knows them. */
function checkSpp(content: MessageContent, overrides: BaiduOverrides, refuse: Refuse): void {
  const { click } = content.notification ?? {};
  if (click && click.type !== 'app' && overrides.spp?.action === undefined) {
    refuse(
      '/notification/click',
      'unsupported',
      'How SPP opens an address or a screen is not known here: say it in vendor.baidu.spp.action.',
    );
  }
}

/** Half a character cannot be sent whole: the signature cannot be made, or other text arrives. */
function checkCharacters(content: MessageContent, overrides: BaiduOverrides, refuse: Refuse): void {
  const texts: [pointer: string, value: unknown][] = [
    ['/notification', content.notification],
    ['/data', content.data],
    ['/vendor/baidu', overrides],
  ];
  for (const [parent, values] of texts) {
    for (const [name, value] of Object.entries(values ?? {})) {
      if (holdsHalfCharacter([name, value])) {
        const pointer = `${parent}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
        refuse(pointer, 'lone-surrogate', 'The text holds half of a surrogate pair.');
      }
    }
  }
}
