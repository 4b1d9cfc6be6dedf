import { type FieldProblem, type PushRef, parsePushId, replayableStates } from '@pushmill/core';
import { type DeadLetterFilter, type DeadLetterSelection, hindrances } from '@pushmill/store';
import { type Static, Type } from 'typebox';
import { maxTtlSeconds } from './message-schema.ts';
import { moment } from './moment.ts';
import { fieldsProblem } from './problem.ts';
import { nullable, oneOf, PushId, strict, Time } from './schema.ts';

export const filterFields = {
  channel: Type.Optional(Type.String({ maxLength: 64 })),
  vendor: Type.Optional(Type.String({ maxLength: 64 })),
  code: Type.Optional(Type.String({ maxLength: 256 })),
  state: Type.Optional(oneOf(replayableStates)),
  from: Type.Optional(Time),
  to: Type.Optional(Time),
};
const Filter = strict(filterFields, { description: 'from and to: when it was given up' });

const selectionFields = {
  ids: Type.Optional(Type.Array(PushId, { minItems: 1, maxItems: 1_000 })),
  filter: Type.Optional(Filter),
  all: Type.Optional(Type.Boolean({ description: 'Every dead letter: what an empty filter means' })),
};
export const DropSchema = strict(selectionFields);
export const ReplaySchema = strict({
  ...selectionFields,
  ttlSeconds: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: maxTtlSeconds,
      description: 'From now; as long as its message had when absent',
    }),
  ),
});

export const DeadLetterSchema = strict(
  {
    pushId: PushId,
    channel: Type.String(),
    vendor: Type.String(),
    state: oneOf(replayableStates),
    kind: Type.String({ description: 'What the last attempt concluded' }),
    code: nullable(Type.String({ description: 'The vendor’s last word, or ours' })),
    detail: nullable(Type.String()),
    at: Time,
  },
  { description: 'at: when it was given up' },
);

export const SummarySchema = strict({
  count: Type.Integer(),
  groups: Type.Array(
    strict({
      channel: Type.String(),
      vendor: Type.String(),
      code: nullable(Type.String()),
      count: Type.Integer(),
      oldestAt: Time,
      newestAt: Time,
    }),
    { description: 'The most frequent first' },
  ),
});

const remaining = Type.Integer({ description: 'Dead letters of the selection that are still there' });
const more = Type.Boolean({ description: 'One request does a part of so many: repeat it for the next' });

export const DroppedSchema = strict({ dropped: Type.Integer(), remaining, more });
export const ReplayedSchema = strict({
  replayed: Type.Integer(),
  remaining,
  more,
  hindered: Type.Unsafe<Partial<Record<(typeof hindrances)[number], number>>>({
    type: 'object',
    description:
      'Why the remaining ones cannot be replayed, once there is no more: their message was cancelled, their channel removed, their token suppressed, or the push itself is not kept any more',
    propertyNames: { enum: hindrances },
    additionalProperties: { type: 'integer' },
  }),
});

export function filterOf(fields: Static<typeof Filter>, base: string): DeadLetterFilter {
  const { from, to, ...rest } = fields;
  return { ...rest, from: moment(`${base}/from`, from), to: moment(`${base}/to`, to) };
}

/**
 * Which letters a body names: by their ids, by a filter, or all of them in so many words.
 * @throws ProblemError  where it says none of these, or two that differ
 */
export function selectionOf(body: Static<typeof DropSchema>): DeadLetterSelection {
  const { ids, filter, all = false } = body;
  const isWhole = Object.keys(filter ?? {}).length === 0;
  if (ids) {
    if (filter || all) throw refused('/ids', 'not-allowed', 'Name ids or a filter, not both.');
    return { ids: ids.map((id) => parsePushId(id) as PushRef) };
  }
  if (all && !isWhole) throw refused('/all', 'not-allowed', 'A filter narrows, all does not: choose one.');
  if (!all && isWhole) {
    throw refused('', 'required', 'Name ids or a filter; for every dead letter there is, say all: true.');
  }
  return { filter: filterOf(filter ?? {}, '/filter') };
}

function refused(pointer: string, code: FieldProblem['code'], detail: string) {
  return fieldsProblem('invalid-request', [{ pointer, code, detail }]);
}
