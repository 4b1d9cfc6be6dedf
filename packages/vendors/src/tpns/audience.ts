import type { FieldProblem, MessageContent } from '@pushmill/core';
import { type Static, type TProperties, Type } from 'typebox';
import type { Audience } from '../vendor.ts';
import { checkToken, type TpnsSettings } from './settings.ts';

const closed = <const Fields extends TProperties>(fields: Fields) =>
  Type.Object(fields, { additionalProperties: false });

const operator = Type.Union([Type.Literal('AND'), Type.Literal('OR')]);
const tag = Type.String({ minLength: 1, maxLength: 50 });
const date = Type.String({ format: 'date', description: 'At most 90 days ahead; UTC+8' });

const tagTypes = [
  'xg_user_define',
  'xg_auto_version',
  'xg_auto_province',
  'xg_auto_active',
  'xg_auto_sdkversion',
  'xg_auto_systemlanguage',
  'xg_auto_devicebrand',
  'xg_auto_deviceversion',
  'xg_auto_country',
] as const;

const tagItem = closed({
  tags: Type.Array(tag, { minItems: 1, maxItems: 100 }),
  tagType: Type.Optional(
    Type.Union(
      tagTypes.map((type) => Type.Literal(type)),
      { description: 'Default xg_user_define: tags of your own' },
    ),
  ),
  isNot: Type.Optional(Type.Boolean()),
  tagsOperator: Type.Optional(operator),
  itemsOperator: Type.Optional(operator),
});

const tagRule = closed({
  tagItems: Type.Array(tagItem, { minItems: 1, maxItems: 20 }),
  operator: Type.Optional(operator),
  isNot: Type.Optional(Type.Boolean()),
});

const loop = closed({
  startDate: date,
  endDate: date,
  every: Type.Union([Type.Literal('day'), Type.Literal('week'), Type.Literal('month')]),
  days: Type.Optional(
    Type.Array(Type.Integer({ minimum: 0, maximum: 31 }), {
      minItems: 1,
      maxItems: 31,
      description: 'week: 0 to 6; month: 1 to 31',
    }),
  ),
  times: Type.Array(Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d$' }), {
    minItems: 1,
    maxItems: 24,
    description: 'HH:mm:ss, UTC+8',
  }),
});

/** What TPNS takes with a call to all, to tags and with a package, and with no other. */
const toMany = {
  sendTime: Type.Optional(
    Type.String({ format: 'date-time', description: 'When TPNS is to send it; at most 90 days ahead' }),
  ),
  loop: Type.Optional(loop),
  pushSpeed: Type.Optional(
    Type.Integer({ minimum: 1_000, maximum: 50_000, description: 'Devices a second' }),
  ),
  collapseId: Type.Optional(
    Type.Integer({ minimum: 1, description: 'One that TPNS has issued; replaces the message that has it' }),
  ),
};

const accountPushType = Type.Optional(
  Type.Union([Type.Literal(0), Type.Literal(1)], {
    description: '0 newest device, 1 all; else the channel’s',
  }),
);

/** Targets in one package. The vendor’s limit is 100 MB; this one keeps a message in the ledger bearable. */
const maxPackageTargets = 50_000;

const all = closed({ kind: Type.Literal('all'), ...toMany });
const tagsByRules = closed({
  kind: Type.Literal('tag'),
  rules: Type.Array(tagRule, { minItems: 1, maxItems: 20 }),
  ...toMany,
});
const tagsByList = closed({
  kind: Type.Literal('tag'),
  tags: Type.Array(tag, { minItems: 1, maxItems: 100 }),
  operator,
  ...toMany,
});
const accounts = closed({
  kind: Type.Literal('accounts'),
  accounts: Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { minItems: 1, maxItems: 1_000 }),
  accountType: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
  accountPushType,
});
const tokenPackage = closed({
  kind: Type.Literal('package'),
  tokens: Type.Array(Type.String({ minLength: 1, maxLength: 36 }), {
    minItems: 1,
    maxItems: maxPackageTargets,
  }),
  ...toMany,
});
const accountPackage = closed({
  kind: Type.Literal('package'),
  // A line each: what ends a line ends an account.
  accounts: Type.Array(Type.String({ pattern: '^[^\\r\\n]{2,100}$' }), {
    minItems: 1,
    maxItems: maxPackageTargets,
  }),
  accountPushType,
  ...toMany,
});
const uploadedPackage = closed({
  kind: Type.Literal('package'),
  uploadId: Type.Integer({ minimum: 1, description: 'Of a package that was uploaded before' }),
  of: Type.Union([Type.Literal('tokens'), Type.Literal('accounts')]),
  accountPushType,
  ...toMany,
});

/**
 * Whom TPNS finds by itself. Options that only such calls may have stand here and not among the overrides, so
 * that a push to a token cannot carry them.
 * @see  cloud.tencent.com 548/39064 "推送 API", audience_type and the parameters of 全量, 标签 and 号码包
 */
export const audienceSchema = Type.Union([
  all,
  tagsByRules,
  tagsByList,
  accounts,
  tokenPackage,
  accountPackage,
  uploadedPackage,
]);

export type TpnsAudience = Static<typeof audienceSchema>;
export type TagRule = Static<typeof tagRule>;
export type ToManyOptions = Pick<Static<typeof all>, 'sendTime' | 'loop' | 'pushSpeed' | 'collapseId'>;

const maxProblems = 20;
const maxTagListChars = 512;

/** What the schema cannot say. @returns problems with pointers into the audience */
export function checkAudience(
  given: Audience,
  _content: MessageContent,
  settings: TpnsSettings,
): FieldProblem[] {
  const audience = given as TpnsAudience;
  const problems: FieldProblem[] = [];
  const refuse = (pointer: string, code: string, detail: string) => {
    if (problems.length < maxProblems) problems.push({ pointer, code, detail });
  };
  if ('rules' in audience) checkRules(audience.rules, refuse);
  if ('operator' in audience) {
    const { length } = JSON.stringify({ tags: audience.tags, op: audience.operator });
    if (length > maxTagListChars) {
      refuse('/tags', 'too-long', `The list is ${length} characters, the limit is ${maxTagListChars}.`);
    }
  }
  if ('tokens' in audience) {
    audience.tokens.forEach((token, index) => {
      const problem = checkToken(token, { ...settings, audience: 'token' });
      if (problem !== undefined) refuse(`/tokens/${index}`, 'invalid', problem);
    });
  }
  if ('of' in audience && audience.of === 'tokens' && audience.accountPushType !== undefined) {
    refuse('/accountPushType', 'excluded', 'A package of tokens has no accounts.');
  }
  if ('loop' in audience && audience.loop !== undefined) {
    if (audience.sendTime !== undefined) {
      refuse('/loop', 'excluded', 'A message is sent at one time or in a loop.');
    }
    checkLoop(audience.loop, refuse);
  }
  return problems;
}

type Refuse = (pointer: string, code: string, detail: string) => void;

/** The operator before the first of a row is ignored; between two, there is no default that the page names. */
function checkRules(rules: readonly TagRule[], refuse: Refuse): void {
  const required = 'Needed between two: AND or OR; AND binds tighter.';
  rules.forEach((rule, r) => {
    if (r > 0 && rule.operator === undefined) refuse(`/rules/${r}/operator`, 'required', required);
    rule.tagItems.forEach((item, i) => {
      const at = `/rules/${r}/tagItems/${i}`;
      if (i > 0 && item.itemsOperator === undefined) refuse(`${at}/itemsOperator`, 'required', required);
      if (item.tags.length > 1 && item.tagsOperator === undefined) {
        refuse(`${at}/tagsOperator`, 'required', 'Several tags need AND or OR.');
      }
    });
  });
}

function checkLoop(loop: NonNullable<ToManyOptions['loop']>, refuse: Refuse): void {
  if (loop.endDate < loop.startDate) refuse('/loop/endDate', 'invalid', 'The loop ends before it starts.');
  if (loop.every === 'day') {
    if (loop.days !== undefined) refuse('/loop/days', 'excluded', 'A daily loop runs on every day.');
    return;
  }
  const [least, most] = loop.every === 'week' ? [0, 6] : [1, 31];
  if (loop.days === undefined) refuse('/loop/days', 'required', `The days, ${least} to ${most}.`);
  else if (loop.days.some((day) => day < least || day > most)) {
    refuse('/loop/days', 'invalid', `Days of a ${loop.every} are ${least} to ${most}.`);
  }
}
