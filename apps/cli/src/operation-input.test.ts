import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fieldsText, operationInput } from './operation-input.ts';

const input = {
  type: 'object',
  required: ['tag'],
  properties: {
    tag: { type: 'string' },
    limit: { type: 'integer' },
    force: { type: 'boolean' },
    tokens: { type: 'array', items: { type: 'string' } },
    pages: { type: 'array', items: { type: 'integer' } },
    kind: { enum: ['a', 'b'] },
    level: { anyOf: [{ const: 1 }, { const: 2 }] },
    either: { anyOf: [{ type: 'integer' }, { type: 'string' }] },
    filter: { type: 'object' },
  },
};

describe('operationInput', () => {
  for (const [name, text, value] of [
    ['tag', '12345', '12345'],
    ['tag', 'true', 'true'],
    ['limit', '20', 20],
    ['limit', 'many', 'many'],
    ['force', 'false', false],
    ['tokens', 'a, b', ['a', 'b']],
    ['tokens', '["a,b"]', ['a,b']],
    ['tokens', '12', ['12']],
    ['pages', '1,2', [1, 2]],
    ['kind', 'a', 'a'],
    ['level', '2', 2],
    ['either', '7', '7'],
    ['filter', '{"a":1}', { a: 1 }],
    ['unknown', '7', '7'],
    ['toString', '7', '7'],
  ] as const) {
    it(`reads ${name}=${text}`, () => {
      assert.deepEqual(operationInput({ [name]: text }, input), { [name]: value });
    });
  }
});

describe('fieldsText', () => {
  it('marks what may be left out', () => {
    const { tag, limit } = input.properties;
    assert.equal(
      fieldsText({ name: 'x', summary: '', input: { required: ['tag'], properties: { tag, limit } } }),
      'tag, limit?',
    );
    assert.equal(fieldsText({ name: 'x', summary: '', input: { type: 'object' } }), '');
  });
});
