import { type FieldProblem, isTimeZone, type MessageClass, type QuotaPolicy } from '@pushmill/core';
import { type TSchema, Type } from 'typebox';
import { oneOf, strict } from './schema.ts';

const MAX_PUSHES = 1_000_000_000;

const perClass = (of: () => TSchema) =>
  ({ transactional: Type.Optional(of()), marketing: Type.Optional(of()) }) satisfies Record<
    MessageClass,
    TSchema
  >;

/** What a vendor allows a channel a day. */
export const QuotaSchema = Type.Unsafe<QuotaPolicy>(
  strict(
    {
      timeZone: Type.String({
        minLength: 1,
        maxLength: 64,
        description: 'Where the vendor’s day begins: IANA, e.g. Asia/Shanghai',
      }),
      ...perClass(() => strict({ perDay: Type.Integer({ minimum: 0, maximum: MAX_PUSHES }) })),
      perDevicePerDay: Type.Optional(
        strict(
          perClass(() => Type.Integer({ minimum: 1, maximum: 1_000_000 })),
          { description: 'To one device token' },
        ),
      ),
      whenSpent: oneOf(['hold', 'drop'], {
        description: 'What does not fit waits for the next day, or ends as suppressed with the code quota',
      }),
    },
    { description: 'Pushes a day, by class; a class without a number is not bounded' },
  ),
);

/** The schema of a JSON Merge Patch: every part may be left out, or be null, which takes it out. */
export function patchOf(schema: TSchema): TSchema {
  const {
    type,
    enum: words,
    properties,
  } = schema as {
    type: string;
    enum?: readonly unknown[];
    properties?: Record<string, TSchema>;
  };
  return Type.Unsafe({
    ...schema,
    type: [type, 'null'],
    ...(words ? { enum: [...words, null] } : {}),
    ...(properties
      ? {
          properties: Object.fromEntries(Object.entries(properties).map(([name, of]) => [name, patchOf(of)])),
          required: [],
        }
      : {}),
  });
}

type Parts = Record<string, unknown>;

/** JSON Merge Patch (RFC 7396), at any depth. */
export function mergePatch(current: Parts, change: Parts): Parts {
  const merged: Parts = { ...current };
  for (const [name, value] of Object.entries(change)) {
    if (value === null) delete merged[name];
    else if (isParts(value)) merged[name] = mergePatch(isParts(merged[name]) ? merged[name] : {}, value);
    else merged[name] = value;
  }
  return merged;
}

function isParts(value: unknown): value is Parts {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What the schema of a policy cannot say. */
export function policyProblems(policy: { quota?: { timeZone: string } }): FieldProblem[] {
  if (!policy.quota || isTimeZone(policy.quota.timeZone)) return [];
  const detail = 'policy.quota.timeZone is not a zone of the IANA database, such as Asia/Shanghai.';
  return [{ pointer: '/policy/quota/timeZone', code: 'wrong-format', detail }];
}
