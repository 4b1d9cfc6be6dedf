import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { format, inspect } from 'node:util';
import { Secret } from './secret.ts';

const value = 'pa55-\u{1F511}-word';
const secret = new Secret(value);

const ways: [string, () => string][] = [
  ['a template', () => `${secret}`],
  ['String()', () => String(secret)],
  ['adding to a string', () => `x${secret}`],
  ['joining an array', () => [secret, secret].join()],
  ['JSON', () => JSON.stringify(secret)],
  ['JSON of what holds it', () => JSON.stringify({ a: [{ secret }] })],
  ['inspect', () => inspect(secret)],
  [
    'inspect, deep, hidden, with getters',
    () => inspect({ a: { b: { secret } } }, { depth: 9, showHidden: true, getters: true }),
  ],
  ['inspect without custom functions', () => inspect(secret, { customInspect: false, showHidden: true })],
  ['format', () => format('%s %o %O %j', secret, secret, secret, secret)],
  ['an error that carries it', () => inspect(new Error(`failed with ${secret}`, { cause: { secret } }))],
  ['its keys', () => JSON.stringify([Object.keys(secret), Object.getOwnPropertyNames(secret)])],
  ['a spread copy', () => inspect({ ...secret })],
  ['a structured clone', () => inspect(structuredClone(secret))],
  ['assign', () => JSON.stringify(Object.assign({}, secret))],
];

describe('Secret', () => {
  for (const [name, print] of ways) {
    it(`does not show in ${name}`, () => assert.ok(!print().includes('pa55'), print()));
  }

  it('says that it is one', () => {
    assert.equal(`${secret}`, '[secret]');
    assert.equal(JSON.stringify({ secret }), '{"secret":"[secret]"}');
    assert.equal(inspect({ secret }), '{ secret: [secret] }');
  });

  it('opens by reveal only', () => assert.equal(secret.reveal(), value));
});
