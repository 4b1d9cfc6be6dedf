import type { FieldProblem, MessageContent } from '@pushmill/core';
import { overridesProblems } from '../schema-problems.ts';
import { type Draft, draft, valuesOf } from './draft.ts';
import { freeTextOnly, openApiOnly, overridesSchema } from './overrides.ts';
import { checkToken, type MpaasSettings } from './settings.ts';

/** More make 3035. */
const maxExtendedParams = 20;

type Refuse = (pointer: string, code: string, detail: string) => unknown;

/** Everything that would make MPS refuse the message, or lose a part of it. */
export function checkMessage(content: MessageContent, settings: MpaasSettings): FieldProblem[] {
  const misshapen = overridesProblems(overridesSchema, content, 'mpaas');
  if (misshapen.length > 0) return misshapen;
  const problems: FieldProblem[] = [];
  const refuse: Refuse = (pointer, code, detail) => problems.push({ pointer, code, detail });
  const message = draft(content, settings, '');
  if (settings.interface === 'rest') checkRest(message, refuse);
  if (message.overrides.templateName === undefined) checkFreeText(message, settings, refuse);
  else checkTemplate(message, settings, refuse);
  if (Object.keys(message.extendedParams ?? {}).length > maxExtendedParams) {
    const pointer = message.overrides.extendedParams === undefined ? '/data' : '/vendor/mpaas/extendedParams';
    refuse(
      pointer,
      'too-many',
      `mPaaS takes at most ${maxExtendedParams} parameters; data and extendedParams count together.`,
    );
  }
  checkActivity(message, refuse);
  return problems;
}

function checkRest({ overrides }: Draft, refuse: Refuse): void {
  for (const field of openApiOnly) {
    if (overrides[field] === undefined) continue;
    refuse(`/vendor/mpaas/${field}`, 'unsupported', `The rest interface of this channel has no ${field}.`);
  }
}

/** Title and content are required (3024), and phone makers refuse empty ones. */
function checkFreeText(message: Draft, settings: MpaasSettings, refuse: Refuse): void {
  for (const field of ['templateKeyValue', 'templateValuesByTarget'] as const) {
    if (message.overrides[field] === undefined) continue;
    refuse(`/vendor/mpaas/${field}`, 'excluded', 'Values for a template, but no templateName.');
  }
  const check = (text: string, pointer: string, maxChars: number | undefined) => {
    if (text.trim() === '') {
      refuse(pointer, 'required', 'mPaaS needs a title and a body, or a templateName.');
    } else if (maxChars !== undefined && [...text].length > maxChars) {
      refuse(pointer, 'too-long', `Longer than the ${maxChars} characters that this channel allows.`);
    }
  };
  check(message.title, '/notification/title', settings.maxTitleChars);
  check(message.body, '/notification/body', settings.maxBodyChars);
  const tooLarge = overSize(message, [message.title, message.body, message.uri], settings);
  if (tooLarge !== undefined) refuse('/notification/body', 'too-large', tooLarge);
}

function checkTemplate(message: Draft, settings: MpaasSettings, refuse: Refuse): void {
  const { overrides, deliveryType } = message;
  for (const field of freeTextOnly) {
    if (overrides[field] === undefined) continue;
    refuse(`/vendor/mpaas/${field}`, 'excluded', `A push by template takes ${field} from the template.`);
  }
  const tooLargeForAll = overSize(message, overrides.templateKeyValue, settings);
  if (tooLargeForAll !== undefined) refuse('/vendor/mpaas/templateKeyValue', 'too-large', tooLargeForAll);
  if (overrides.templateValuesByTarget === undefined) return;
  const pointer = '/vendor/mpaas/templateValuesByTarget';
  if (deliveryType === 5 || deliveryType === 6) {
    refuse(pointer, 'excluded', 'Live activities cannot go as a batch with values of their own.');
  }
  const asSent = { ...settings, deliveryType: deliveryType as MpaasSettings['deliveryType'] };
  const targets = Object.keys(overrides.templateValuesByTarget);
  // The first of each kind, and no word of which target: it is a token, and problems are logged.
  const wrongForm = firstOf(targets, (target) => checkToken(target, asSent));
  if (wrongForm !== undefined) refuse(pointer, 'wrong-token-form', `Of one of its targets: ${wrongForm}`);
  const tooLarge = firstOf(targets, (target) => overSize(message, valuesOf(overrides, target), settings));
  if (tooLarge !== undefined) refuse(pointer, 'too-large', `For one of its targets: ${tooLarge}`);
}

function firstOf(targets: readonly string[], check: (target: string) => string | undefined) {
  for (const target of targets) {
    const wrong = check(target);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** A sentence, when the whole is longer than the channel allows. */
function overSize(message: Draft, text: unknown, settings: MpaasSettings): string | undefined {
  const { activityContentState, transparentMessagePayload } = message.overrides;
  const bytes = Buffer.byteLength(
    JSON.stringify([text, message.extendedParams, activityContentState, transparentMessagePayload]),
  );
  const limit = settings.maxMessageBytes;
  return bytes <= limit
    ? undefined
    : `Text and parameters are ${bytes} bytes together, the limit is ${limit}.`;
}

function checkActivity({ overrides, deliveryType }: Draft, refuse: Refuse): void {
  const isActivity = deliveryType === 5 || deliveryType === 6;
  const required = ['activityEvent', 'activityContentState'] as const;
  for (const field of isActivity ? required : []) {
    if (overrides[field] !== undefined) continue;
    refuse(`/vendor/mpaas/${field}`, 'required', `A live activity needs its ${field}.`);
  }
  if (isActivity) return;
  for (const field of [...required, 'dismissalDate'] as const) {
    if (overrides[field] === undefined) continue;
    refuse(`/vendor/mpaas/${field}`, 'excluded', `${field} is for live activities: deliveryType 5 or 6.`);
  }
}
