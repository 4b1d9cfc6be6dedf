import type { FieldProblem, MessageContent } from '@pushmill/core';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';

/** What is wrong with the form of `vendor.<name>` of a message. */
export function overridesProblems(schema: TSchema, content: MessageContent, name: string): FieldProblem[] {
  const given = content.vendor?.[name];
  if (given === undefined || Value.Check(schema, given)) return [];
  // Path and rule only: the rest of the validator's error quotes the value.
  return Value.Errors(schema, given).map((problem) => ({
    pointer: `/vendor/${name}${problem.instancePath}`,
    code: 'invalid',
    detail: `${problem.message}.`,
  }));
}

/** The first field of a credential that is not as its schema wants it; `/credential` for none in particular. */
export function wrongField(schema: TSchema, credential: unknown): string {
  const problem = Value.Errors(schema, credential).find(({ instancePath }) => instancePath !== '');
  return `/credential${problem?.instancePath ?? ''}`;
}
