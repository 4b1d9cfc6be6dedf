import { pushStates } from '@pushmill/core';
import { type Static, type TProperties, type TSchema, Type } from 'typebox';

/** An object that refuses fields it does not know. */
export function strict<Properties extends TProperties>(
  properties: Properties,
  options: Record<string, unknown> = {},
) {
  return Type.Object(properties, { additionalProperties: false, ...options });
}

/** `null` means the same as absent. Written as a list of types, as OpenAPI 3.1 has it; a union errs in riddles. */
export function nullable<Schema extends TSchema>(schema: Schema) {
  const { type } = schema as unknown as { type: string };
  return Type.Unsafe<Static<Schema> | null>({ ...schema, type: [type, 'null'] });
}

/** Absent and null are the same. */
export function maybe<Schema extends TSchema>(schema: Schema) {
  return Type.Optional(nullable(schema));
}

/** One of a list of words. */
export function oneOf<const Words extends readonly string[]>(
  words: Words,
  options: Record<string, unknown> = {},
) {
  return Type.Unsafe<Words[number]>({ type: 'string', enum: words, ...options });
}

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const PUSH_ID = `${UUID}\\.(0|[1-9][0-9]{0,8})`;

export const Time = Type.String({ format: 'date-time', description: 'ISO 8601, UTC' });
export const Uuid = Type.String({ pattern: `^${UUID}$`, description: 'UUIDv7' });
export const PushId = Type.String({ pattern: `^${PUSH_ID}$`, description: '<messageId>.<n>' });
export const Cursor = Type.String({
  pattern: `^(${UUID}|${PUSH_ID})$`,
  description: 'The nextCursor of the page before',
});
export const TimedCursor = Type.String({
  pattern: `^[0-9]{1,15}\\.${PUSH_ID}$`,
  description: 'The nextCursor of the page before',
});
export const Limit = Type.Integer({ minimum: 1, maximum: 200, default: 50 });

export const PushStateName = oneOf(pushStates);
export const Counts = Type.Unsafe<Partial<Record<(typeof pushStates)[number], number>>>({
  type: 'object',
  description: 'Pushes by state; states without a push are left out',
  propertyNames: { enum: pushStates },
  additionalProperties: { type: 'integer' },
});

export const FieldProblemSchema = strict({
  pointer: Type.String({
    description: 'RFC 6901, into the body; parameters are at /query/<name>, /path/<name> and /headers/<name>',
  }),
  code: Type.String(),
  detail: Type.String(),
});

export const Problem = strict(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.String({ description: 'Stable' }),
    instance: Type.Optional(Type.String()),
    errors: Type.Optional(Type.Array(FieldProblemSchema)),
    retryAfterSeconds: Type.Optional(Type.Integer({ description: 'Try again then' })),
  },
  { description: 'RFC 9457 problem document, application/problem+json' },
);

/** What any route may answer besides its own. */
export const problemAnswers = { '4xx': Problem, '5xx': Problem };

export function pageOf<Item extends TSchema>(item: Item) {
  return strict({
    items: Type.Array(item),
    nextCursor: nullable(Type.String({ description: 'null at the end' })),
  });
}

/** A page as the contract has it: `null` and not absent at the end. */
export function toPage<Row, Item>(
  page: { items: readonly Row[]; nextCursor: string | undefined },
  view: (row: Row) => Item,
): { items: Item[]; nextCursor: string | null } {
  return { items: page.items.map(view), nextCursor: page.nextCursor ?? null };
}
