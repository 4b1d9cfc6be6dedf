import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  firstIdAt,
  formatPushId,
  isUuid,
  newId,
  parsePushId,
  pushIdentity,
  timeOfId,
  tokenHash,
} from './ids.ts';

const messageId = '019ab1c2-0000-7000-8000-0000000000ff';
const aMessageId = fc.uuid({ version: 7 });
const aNumber = fc.integer({ min: 0, max: 999_999_999 });

describe('ids', () => {
  it('are canonical UUIDv7 of this moment, in order', () => {
    const before = Date.now();
    const ids = Array.from({ length: 1_000 }, newId);
    const after = Date.now();
    for (const id of ids) {
      assert.ok(isUuid(id), id);
      assert.equal(id[14], '7');
      assert.ok(timeOfId(id).getTime() >= before && timeOfId(id).getTime() <= after);
    }
    assert.equal(new Set(ids).size, ids.length);
  });

  it('lie in the day of their making, to the millisecond', () => {
    const midnight = new Date('2026-11-22T00:00:00.000Z');
    const bound = firstIdAt(midnight);
    assert.ok(isUuid(bound));
    assert.equal(timeOfId(bound).getTime(), midnight.getTime());
    const at = (ms: number, rest: string) => firstIdAt(new Date(ms)).slice(0, 13) + rest;
    const lastOfDay = at(midnight.getTime() - 1, '-7fff-bfff-ffffffffffff');
    const firstOfDay = at(midnight.getTime(), '-7000-8000-000000000000');
    assert.ok(lastOfDay < bound, 'the last id of the day before lies before the bound');
    assert.ok(bound <= firstOfDay, 'the first id of the day does not');
  });

  it('have bounds that sort as time does', () => {
    const aTime = fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true });
    fc.assert(
      fc.property(aTime, aTime, (a, b) => {
        assert.equal(
          Math.sign(a.getTime() - b.getTime()),
          firstIdAt(a) < firstIdAt(b) ? -1 : firstIdAt(a) > firstIdAt(b) ? 1 : 0,
        );
        assert.equal(timeOfId(firstIdAt(a)).getTime(), a.getTime());
      }),
    );
  });

  // A list filtered by `from=1960-01-01` asked Postgres for the uuid "-…" and failed.
  for (const time of ['1960-01-01T00:00:00Z', '+012000-01-01T00:00:00Z', '-000001-01-01T00:00:00Z']) {
    it(`have a bound that is a UUID even for ${time}`, () => assert.ok(isUuid(firstIdAt(new Date(time)))));
  }
});

describe('push ids', () => {
  it('are written and read back', () => {
    fc.assert(
      fc.property(aMessageId, aNumber, (messageId, n) => {
        assert.deepEqual(parsePushId(formatPushId({ messageId, n })), { messageId, n });
      }),
    );
  });

  const refused = [
    '',
    messageId,
    `${messageId}.`,
    `${messageId}.-1`,
    `${messageId}.01`,
    `${messageId}.1.2`,
    `${messageId}.1 `,
    ` ${messageId}.1`,
    `${messageId}.1\n`,
    `${messageId}.1e3`,
    `${messageId}.0x1`,
    `${messageId}.1000000000`,
    `${messageId.toUpperCase()}.1`,
    `${messageId.slice(1)}.1`,
    `{${messageId}}.1`,
    `${messageId.replaceAll('-', '')}.1`,
  ];
  for (const text of refused) {
    it(`does not take ${JSON.stringify(text)}`, () => assert.equal(parsePushId(text), undefined));
  }
});

describe('the identity of a push', () => {
  it('is the same each time, and a canonical UUID', () => {
    fc.assert(
      fc.property(aMessageId, aNumber, (messageId, n) => {
        const identity = pushIdentity({ messageId, n });
        assert.ok(isUuid(identity), identity);
        assert.equal(identity, pushIdentity({ messageId, n }));
        assert.equal(identity.slice(0, 28), messageId.slice(0, 28));
      }),
    );
  });

  const known: [number, string][] = [
    [0, '019ab1c2-0000-7000-8000-0000000000ff'],
    [1, '019ab1c2-0000-7000-8000-0000000000fe'],
    [256, '019ab1c2-0000-7000-8000-0000000001ff'],
    [999_999_999, '019ab1c2-0000-7000-8000-00003b9ac900'],
  ];
  for (const [n, identity] of known) {
    it(`of push ${n} is ${identity}`, () => assert.equal(pushIdentity({ messageId, n }), identity));
  }

  it('keeps all eight digits when the highest bit is set', () => {
    const high = `${messageId.slice(0, 28)}ffffffff`;
    assert.equal(pushIdentity({ messageId: high, n: 1 }), `${messageId.slice(0, 28)}fffffffe`);
    assert.equal(pushIdentity({ messageId: high, n: 999_999_999 }).length, 36);
  });

  it('differs between any two pushes of a message', () => {
    fc.assert(
      fc.property(aMessageId, aNumber, aNumber, (messageId, a, b) => {
        assert.equal(pushIdentity({ messageId, n: a }) === pushIdentity({ messageId, n: b }), a === b);
      }),
    );
    const many = Array.from({ length: 100_000 }, (_, n) => pushIdentity({ messageId, n }));
    assert.equal(new Set(many).size, many.length);
  });
});

describe('tokenHash', () => {
  it('shows twelve digits of a hash and nothing of the token', () => {
    assert.equal(tokenHash('abc'), 'ba7816bf8f01');
    assert.notEqual(tokenHash('abc'), tokenHash('abd'));
  });
});
