import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { Secret } from '@pushmill/core';
import fc from 'fast-check';
import { Sealing } from './sealing.ts';

const newKey = () => randomBytes(32).toString('base64');
const first = newKey();
const second = newKey();
const sealing = new Sealing(new Secret(first));
const credential = {
  kind: 'token',
  keyId: 'ABC',
  p8: '-----BEGIN PRIVATE KEY-----',
  nested: { a: [1, null] },
};

describe('Sealing', () => {
  it('opens what it sealed', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.uuid(), (value, context) => {
        const wanted = JSON.parse(JSON.stringify(value));
        assert.deepEqual(sealing.open(sealing.seal(value, context), context), wanted);
      }),
    );
  });

  it('shows nothing of the plain text, and never the same bytes twice', () => {
    const sealed = sealing.seal(credential, 'channel');
    assert.ok(!sealed.includes('PRIVATE'));
    assert.ok(!sealed.includes('keyId'));
    assert.notDeepEqual(sealed, sealing.seal(credential, 'channel'));
  });

  it('opens for its own channel only', () => {
    const sealed = sealing.seal(credential, 'channel-a');
    assert.throws(() => sealing.open(sealed, 'channel-b'));
  });

  it('refuses after a change of any bit', () => {
    const sealed = sealing.seal(credential, 'channel');
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.throws(() => sealing.open(changed, 'channel'), `bit ${bit}`);
    }
  });

  it('refuses when any byte is missing at the end', () => {
    const sealed = sealing.seal(credential, 'channel');
    for (let length = 0; length < sealed.length; length += 1) {
      assert.throws(() => sealing.open(sealed.subarray(0, length), 'channel'), `length ${length}`);
    }
  });

  it('opens with any of its keys and seals with the first: rotation', () => {
    const before = sealing.seal(credential, 'channel');
    const rotated = new Sealing(new Secret(`${second}, ${first}`));
    assert.deepEqual(rotated.open(before, 'channel'), credential);
    const after = rotated.seal(credential, 'channel');
    assert.deepEqual(new Sealing(new Secret(second)).open(after, 'channel'), credential);
    assert.throws(
      () => sealing.open(after, 'channel'),
      /master key [0-9a-f]{8}, which is not in PUSHMILL_MASTER_KEY/,
    );
  });

  const bad: [string, string][] = [
    ['nothing', ''],
    ['31 bytes', randomBytes(31).toString('base64')],
    ['33 bytes', randomBytes(33).toString('base64')],
    ['hex', randomBytes(32).toString('hex')],
    ['a second key that is empty', `${first},`],
  ];
  for (const [name, key] of bad) {
    it(`refuses ${name} as a master key, and does not repeat it`, () => {
      assert.throws(
        () => new Sealing(new Secret(key)),
        (error: Error) =>
          /openssl rand -base64 32/.test(error.message) && (!key || !error.message.includes(key)),
      );
    });
  }
});
