import type { FieldProblem } from '@pushmill/core';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { fieldsProblem } from './problem.ts';

type SchemaError = ReturnType<ReturnType<typeof Compile>['Errors']>[number];

/** Everything wrong with a value, at most a handful; none when it fits. Pointers start at `base`. */
export type Check = (value: unknown, base?: string) => FieldProblem[];

const codes: Readonly<Record<string, string>> = {
  type: 'wrong-type',
  enum: 'not-allowed',
  const: 'not-allowed',
  minLength: 'too-short',
  maxLength: 'too-long',
  minItems: 'too-few',
  maxItems: 'too-many',
  minProperties: 'too-few',
  maxProperties: 'too-many',
  minimum: 'too-small',
  exclusiveMinimum: 'too-small',
  maximum: 'too-large',
  pattern: 'wrong-format',
  format: 'wrong-format',
};

/** Compiles a schema once. Values are checked as they are: nothing is stripped, nothing converted. */
export function createCheck(schema: TSchema): Check {
  const validator = Compile(schema);
  return (value, base = '') => (validator.Check(value) ? [] : problemsOf(validator.Errors(value), base));
}

/** The library's errors as ours: one a field, in words, without values. */
function problemsOf(errors: readonly SchemaError[], base: string): FieldProblem[] {
  const found = new Map<string, FieldProblem>();
  const add = (path: string, code: string, sentence: (field: string) => string) => {
    const pointer = shorten(base + path);
    if (!found.has(pointer)) found.set(pointer, { pointer, code, detail: sentence(fieldName(pointer)) });
  };
  for (const error of errors) {
    const path = error.instancePath;
    const params = error.params as Record<string, unknown>;
    if (error.keyword === 'boolean') {
      add(path, 'unknown-field', (field) => `${field} is not a known field.`);
    } else if (error.keyword === 'required') {
      for (const name of params.requiredProperties as string[]) {
        add(`${path}/${escapePointer(name)}`, 'required', (field) => `${field} is required.`);
      }
    } else if (error.keyword === 'enum' || error.keyword === 'const') {
      const allowed = allowedAt(errors, path);
      add(path, 'not-allowed', (field) => `${field} must be one of: ${allowed.join(', ')}.`);
    } else if (error.keyword in codes) {
      add(path, codes[error.keyword] as string, (field) => `${field} ${error.message}.`);
    }
  }
  // What is left are the frames around other errors; one alone still has to be said.
  const frame = errors[0];
  if (found.size === 0 && frame) {
    add(frame.instancePath, 'invalid', (field) => `${field} does not have an allowed form.`);
  }
  return [...found.values()];
}

/** A union of literals fails once a literal; people want the list. */
function allowedAt(errors: readonly SchemaError[], path: string): string[] {
  return errors
    .filter((error) => error.instancePath === path)
    .flatMap((error) => {
      const params = error.params as { allowedValues?: unknown[]; allowedValue?: unknown };
      if (error.keyword === 'enum') return params.allowedValues ?? [];
      return error.keyword === 'const' ? [params.allowedValue] : [];
    })
    .map(String);
}

/** `/notification/title` as a sentence names it. */
export function fieldName(pointer: string): string {
  if (pointer === '') return 'The body';
  return pointer.slice(1).split('/').map(unescapePointer).join('.');
}

/** Field names come from strangers; an error says enough with the beginning of one. */
function shorten(pointer: string): string {
  return pointer.length > 200 ? `${pointer.slice(0, 200)}…` : pointer;
}

export function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

function unescapePointer(name: string): string {
  return name.replaceAll('~1', '/').replaceAll('~0', '~');
}

const partNames: Readonly<Record<string, string>> = {
  querystring: '/query',
  params: '/path',
  headers: '/headers',
};

/**
 * Fastify's validator: bodies as they are; query and path parameters, which are texts, with whole numbers read
 * and defaults filled in.
 */
export function validatorCompiler(route: { schema: TSchema; httpPart?: string }) {
  const { schema } = route;
  const base = partNames[route.httpPart ?? ''] ?? '';
  const check = createCheck(schema);
  // Headers are texts, of which Node's parser lets no NUL through.
  const isText = base === '/query' || base === '/path';
  const read = isText ? parametersOf(schema) : (value: unknown) => value ?? defaultOf(schema);
  return (given: unknown) => {
    const value = read(given);
    const problems = isText ? [...check(value, base), ...unstorableIn(value, base)] : check(value, base);
    return problems.length === 0 ? { value } : { error: fieldsProblem('invalid-request', problems) };
  };
}

/** A parameter can spell the NUL, which Postgres does not take; bodies are looked through when they are read. */
function unstorableIn(value: unknown, base: string): FieldProblem[] {
  return Object.entries(value as Record<string, unknown>)
    .filter(([, text]) => typeof text === 'string' && text.includes('\0'))
    .map(([name]) => ({
      pointer: `${base}/${escapePointer(name)}`,
      code: 'wrong-format',
      detail: `${name} holds a character that is not text.`,
    }));
}

function defaultOf(schema: TSchema): unknown {
  return (schema as { default?: unknown }).default;
}

function parametersOf(schema: TSchema): (value: unknown) => unknown {
  const properties = Object.entries((schema as { properties?: Record<string, TSchema> }).properties ?? {});
  return (given) => {
    const value: Record<string, unknown> = { ...(given as Record<string, unknown>) };
    for (const [name, property] of properties) {
      const { type, default: fallback } = property as { type?: string; default?: unknown };
      const text = value[name];
      if (text === undefined && fallback !== undefined) value[name] = fallback;
      else if (type === 'integer' && typeof text === 'string' && /^-?\d{1,15}$/.test(text)) {
        value[name] = Number(text);
      }
    }
    return value;
  };
}
