import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Type } from 'typebox';
import { ProblemError } from './problem.ts';
import { maybe, oneOf, strict } from './schema.ts';
import { createCheck, validatorCompiler } from './validation.ts';

const Schema = strict({
  name: Type.String({ minLength: 2, maxLength: 4 }),
  kind: Type.Union([Type.Literal('a'), Type.Literal('b')]),
  mood: Type.Optional(oneOf(['good', 'bad'])),
  inner: maybe(strict({ count: Type.Integer({ minimum: 1 }) })),
  data: Type.Optional(Type.Record(Type.String(), Type.String())),
});
const check = createCheck(Schema);
const fine = { name: 'abc', kind: 'a' };

describe('createCheck', () => {
  const cases: [value: unknown, pointer: string, code: string, says: RegExp][] = [
    [{ ...fine, more: 1 }, '/more', 'unknown-field', /^more is not a known field\.$/],
    [{ kind: 'a' }, '/name', 'required', /^name is required\.$/],
    [{ ...fine, name: 5 }, '/name', 'wrong-type', /^name must be string\.$/],
    [{ ...fine, name: 'x' }, '/name', 'too-short', /^name /],
    [{ ...fine, name: 'abcde' }, '/name', 'too-long', /^name /],
    [{ ...fine, kind: 'c' }, '/kind', 'not-allowed', /^kind must be one of: a, b\.$/],
    [{ ...fine, mood: 'odd' }, '/mood', 'not-allowed', /good, bad/],
    [{ ...fine, inner: {} }, '/inner/count', 'required', /^inner\.count is required\.$/],
    [{ ...fine, inner: { count: 0 } }, '/inner/count', 'too-small', /^inner\.count must be >= 1\.$/],
    [{ ...fine, inner: 3 }, '/inner', 'wrong-type', /object or null/],
    [{ ...fine, data: { 'a/b~c': 1 } }, '/data/a~1b~0c', 'wrong-type', /^data\.a\/b~c must be string\.$/],
    [[], '', 'wrong-type', /object/],
    ['text', '', 'wrong-type', /^The body must be object\.$/],
  ];
  for (const [value, pointer, code, says] of cases) {
    it(`says ${code} at ${pointer || 'the root'}`, () => {
      const problem = check(value).find((one) => one.pointer === pointer);
      assert.equal(problem?.code, code, JSON.stringify(check(value)));
      assert.match(problem.detail, says);
    });
  }

  it('takes what fits, and null for absent', () => {
    assert.deepEqual(check({ ...fine, inner: null, data: { a: 'b' } }), []);
  });

  it('names a field once, and few fields of many', () => {
    const problems = check({
      ...fine,
      ...Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`f${n}`, n])),
    });
    assert.ok(problems.length > 0 && problems.length < 20);
    assert.equal(new Set(problems.map(({ pointer }) => pointer)).size, problems.length);
  });

  it('repeats no value and no long name', () => {
    const problems = check({ ...fine, name: 'hunter2-hunter2', ['x'.repeat(5_000)]: 1 });
    assert.ok(!JSON.stringify(problems).includes('hunter2'));
    assert.ok(JSON.stringify(problems).length < 1_500);
  });
});

describe('validatorCompiler', () => {
  const query = validatorCompiler({
    schema: strict({
      limit: Type.Integer({ minimum: 1, maximum: 9, default: 5 }),
      name: Type.Optional(Type.String()),
    }),
    httpPart: 'querystring',
  });
  const problemOf = (given: unknown) => {
    const { error } = query(given) as { error?: ProblemError };
    assert.ok(error instanceof ProblemError);
    return error.errors[0];
  };

  it('reads numbers of parameters and fills in defaults, without touching what it was given', () => {
    const given = { limit: '7' };
    assert.deepEqual(query(given), { value: { limit: 7 } });
    assert.deepEqual(given, { limit: '7' });
    assert.deepEqual(query({}), { value: { limit: 5 } });
  });

  it('is strict about them', () => {
    for (const limit of ['', '1.5', '0x7', '1e3', '10', '-1', ['1', '2']]) {
      assert.equal(problemOf({ limit })?.pointer, '/query/limit', String(limit));
    }
    assert.equal(problemOf({ name: 'a\0b' })?.pointer, '/query/name');
    assert.equal(problemOf({ other: '1' })?.code, 'unknown-field');
  });

  it('does not convert bodies', () => {
    const body = validatorCompiler({ schema: strict({ n: Type.Integer() }), httpPart: 'body' });
    assert.ok('error' in body({ n: '1' }));
  });

  it('lets a body be left out where the schema has one to put in', () => {
    const body = validatorCompiler({ schema: strict({}, { default: {} }), httpPart: 'body' });
    assert.deepEqual(body(undefined), { value: {} });
    assert.deepEqual(body(null), { value: {} });
  });
});
