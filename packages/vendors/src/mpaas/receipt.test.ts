import assert from 'node:assert/strict';
import { createPrivateKey, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import { formatPushId, newId } from '@pushmill/core';
import fc from 'fast-check';
import type { CallbackVerdict, VendorReceipt } from '../vendor.ts';
import { type CallbackVector, channelWith, fixture, vectors } from './fixtures.ts';
import { readCallback } from './receipt.ts';
import type { MpaasSettings } from './settings.ts';

const channel = channelWith();
const privateKey = createPrivateKey(fixture('test-only-private.pem'));

function read(rawQuery: string, rawBody: Buffer | string, of = channel): CallbackVerdict {
  return readCallback({ rawQuery, headers: {}, rawBody: Buffer.from(rawBody) }, of);
}

/** A receipt as the vendor would sign it. */
function signed(
  body: Record<string, unknown> | string,
  settings: Partial<MpaasSettings> = {},
): CallbackVerdict {
  const raw = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const signature = encodeURIComponent(sign('sha256', raw, privateKey).toString('base64'));
  return read(`sign=${signature}`, raw, channelWith(settings));
}

function receiptOf(verdict: CallbackVerdict): VendorReceipt {
  assert.equal(verdict.kind, 'receipts', JSON.stringify(verdict));
  assert.ok(verdict.kind === 'receipts');
  assert.equal(verdict.receipts.length, 1);
  assert.equal(verdict.proof, 'signature');
  assert.equal(verdict.answer, 'success');
  return verdict.receipts[0] as VendorReceipt;
}

describe('the vectors', () => {
  for (const vector of vectors.callbacks) {
    test(`${vector.name} is valid in every form`, () => {
      assert.equal(Buffer.byteLength(vector.body), vector.bodyBytes);
      const queries = [
        `sign=${encodeURIComponent(vector.signStandardBase64)}`,
        `sign=${vector.signUrlSafePadded}`,
        `sign=${vector.signUrlSafeUnpadded}`,
        vector.queryPercentEncoded,
        `app=1&${vector.queryPercentEncoded}`,
      ];
      const body = JSON.parse(vector.body) as { msgId: string; targetId: string; statusCode: string };
      for (const query of queries) {
        const receipt = receiptOf(read(query, vector.body));
        assert.equal(receipt.token, body.targetId);
        assert.equal(receipt.code, body.statusCode);
        assert.equal(receipt.pushId, undefined, 'not an id of ours');
      }
    });
  }

  for (const vector of vectors.mustReject) {
    test(`${vector.name} is refused`, () => {
      assert.equal(read(`sign=${vector.sign}`, vector.body).kind, 'refused');
      assert.equal(read(`sign=${encodeURIComponent(vector.sign)}`, vector.body).kind, 'refused');
    });
  }

  for (const vector of vectors.tolerant) {
    test(`${vector.name} is tolerated`, () => {
      const asReceived = encodeURIComponent(vector.signAsReceived);
      assert.equal(read(`sign=${asReceived}`, vector.body).kind, 'receipts');
    });
  }
});

describe('a call that is not proven', () => {
  const [vector] = vectors.callbacks as [CallbackVector];
  const good = vector.signUrlSafePadded;

  test('is refused whatever is odd about its sign', () => {
    const odd = {
      'no query': '',
      'no sign': 'other=1',
      'no value': 'sign',
      empty: 'sign=',
      twice: `sign=${good}&sign=${good}`,
      'twice, once empty': `sign=${good}&sign=`,
      'twice, once escaped': `sign=${good}&%73ign=${good}`,
      'broken escape': `sign=${good.slice(0, -2)}%3`,
      'a byte more': `sign=${Buffer.alloc(257).toString('base64url')}`,
      'a byte less': `sign=${Buffer.alloc(255).toString('base64url')}`,
      'padding inside': `sign=${good.slice(0, 10)}=${good.slice(10)}`,
      'a line feed inside': `sign=${good.slice(0, 10)}%0A${good.slice(10)}`,
      'three paddings': `sign=${good}=`,
      'other name': `Sign=${good}`,
    };
    for (const [what, query] of Object.entries(odd)) {
      assert.equal(read(query, vector.body).kind, 'refused', what);
    }
  });

  test('is refused for a channel without a callback key', () => {
    const verdict = read(`sign=${good}`, vector.body, channelWith({}, { callbackPublicKey: undefined }));
    assert.deepEqual(
      [verdict.kind, verdict.kind === 'refused' && verdict.code],
      ['refused', 'no-callback-key'],
    );
  });

  test('is refused after any change to a byte of the body', () => {
    const body = Buffer.from(vector.body);
    fc.assert(
      fc.property(fc.nat(body.length - 1), fc.integer({ min: 1, max: 255 }), (index, flip) => {
        const changed = Buffer.from(body);
        changed[index] = (changed[index] as number) ^ flip;
        assert.equal(read(`sign=${good}`, changed).kind, 'refused');
      }),
      { numRuns: 300 },
    );
  });

  test('is refused after any change to a byte of the signature', () => {
    const signature = Buffer.from(good, 'base64url');
    fc.assert(
      fc.property(fc.nat(255), fc.integer({ min: 1, max: 255 }), (index, flip) => {
        const changed = Buffer.from(signature);
        changed[index] = (changed[index] as number) ^ flip;
        assert.equal(read(`sign=${changed.toString('base64url')}`, vector.body).kind, 'refused');
      }),
      { numRuns: 300 },
    );
  });

  test('is refused after any other letter in the sign, spare bits included', () => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    fc.assert(
      fc.property(fc.nat(341), fc.nat(63), (index, letter) => {
        fc.pre(good[index] !== letters[letter]);
        const changed = good.slice(0, index) + letters[letter] + good.slice(index + 1);
        assert.equal(read(`sign=${changed}`, vector.body).kind, 'refused');
      }),
      { numRuns: 300 },
    );
    // The last letter holds four bits that a lax decoder drops.
    for (const letter of letters) {
      if (letter === good[341]) continue;
      assert.equal(read(`sign=${good.slice(0, 341)}${letter}==`, vector.body).kind, 'refused', letter);
    }
  });

  test('is refused when the body was parsed and written again', () => {
    for (const { body, signUrlSafePadded } of vectors.callbacks) {
      for (const space of [0, 1, 2, 3, '\t'] as const) {
        const again = JSON.stringify(JSON.parse(body), undefined, space);
        if (again !== body) assert.equal(read(`sign=${signUrlSafePadded}`, again).kind, 'refused');
      }
      for (const around of [
        `\ufeff${body}`,
        `${body}\n`,
        `${body}\r\n`,
        ` ${body}`,
        `${body.replaceAll('\n', '\r\n')} `,
      ]) {
        assert.equal(read(`sign=${signUrlSafePadded}`, around).kind, 'refused');
      }
    }
  });

  test('never makes the reader throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.uint8Array(), (query, body) => {
        assert.equal(read(query, Buffer.from(body)).kind, 'refused');
        assert.equal(read(`sign=${query}`, Buffer.from(body)).kind, 'refused');
      }),
    );
  });
});

describe('a proven call', () => {
  const id = formatPushId({ messageId: newId(), n: 7 });
  const base = { msgId: id, targetId: 'token-1', pushSuccess: true, statusCode: '2', statusDesc: 'Acked' };
  const on = (osType: string, adToken = 'token-1') => ({ extInfo: { adToken, osType } });
  const failing = (osType: string, statusCode: string | number) => ({
    ...base,
    ...on(osType),
    pushSuccess: false,
    statusCode,
    statusDesc: 'failed',
  });

  test('finds its push', () => {
    const receipt = receiptOf(signed({ ...base, ...on('ios') }));
    assert.deepEqual([receipt.pushId, receipt.token, receipt.detail], [id, 'token-1', 'Acked']);
  });

  test('of an unknown form is kept apart, not refused', () => {
    const odd = [
      '',
      'nonsense',
      '[]',
      'null',
      '"text"',
      '{}',
      '{"msgId":"1"}',
      '{"msgId":{},"statusCode":"2"}',
    ];
    for (const body of odd) assert.equal(signed(body).kind, 'unreadable', body);
    const raw = Buffer.from([0x7b, 0xff, 0x7d]);
    const signature = encodeURIComponent(sign('sha256', raw, privateKey).toString('base64'));
    assert.equal(read(`sign=${signature}`, raw).kind, 'unreadable', 'not UTF-8');
  });

  test('says delivered only for the own channel on Android', () => {
    const state = (body: Record<string, unknown>, ownChannelDelivery: boolean) =>
      receiptOf(signed({ ...base, ...body }, { ownChannelDelivery })).state;
    assert.equal(state(on('ios'), true), 'accepted');
    assert.equal(state(on('android'), false), 'accepted');
    assert.equal(state(on('android'), true), 'delivered');
    assert.equal(state(on('ANDROID'), true), 'delivered');
    assert.equal(state(on('harmony'), true), 'accepted');
    assert.equal(state({}, true), 'accepted');
  });

  test('with a waiting code moves nothing and condemns nobody', () => {
    for (const code of ['-1', '0', '1', '99999999', '9999999', 0, 1, -1]) {
      for (const osType of ['ios', 'android']) {
        const receipt = receiptOf(signed(failing(osType, code)));
        assert.deepEqual([receipt.state, receipt.tokenDead], [undefined, false], `${osType} ${code}`);
      }
    }
  });

  test('tells of a click', () => {
    assert.equal(receiptOf(signed({ ...base, statusCode: 3 })).state, 'clicked');
  });

  test('reads every code of the page, as it reports a failure and as it does not', () => {
    // Written down a second time: system, codes, what they make of a push that failed, whether the token is dead.
    const page = `
any -1 - -
any 0 - -
any 1 - -
any 2 - -
any 3 clicked -
any 99999999 - -
any 9999999 - -
any 1000 dropped -
ios 2001,2002,2003,2004,2005,2006,2007,2008 dropped -
ios 2009 dropped checked
ios 2010,2011 dropped dead
ios 2012,2013,2014,2015,2016,2017,2018,2019,2020,2021,2022,2023,2024,2025 dropped -
ios 2026,2027,2028,2029,2030,2031 dropped -
android 100,101,102,106,107,109,110,111 dropped -
android 80000003,80000005 dropped -
android 80000004,80000006 dropped dead
harmony 80000004,2011 dropped -
`;
    for (const line of page.trim().split('\n')) {
      const [system, codes, state, dead] = line.split(' ') as [string, string, string, string];
      for (const osType of system === 'any' ? ['ios', 'android', 'harmony'] : [system]) {
        for (const code of codes.split(',')) {
          for (const iosEnvironmentChecked of [false, true]) {
            const of = { iosEnvironmentChecked };
            const receipt = receiptOf(signed(failing(osType, code), of));
            const isDead = dead === 'dead' || (dead === 'checked' && iosEnvironmentChecked);
            assert.deepEqual(
              [receipt.state ?? '-', receipt.tokenDead, receipt.code],
              [state, isDead, code],
              `${osType} ${code}`,
            );
            const succeeded = receiptOf(signed({ ...failing(osType, code), pushSuccess: true }, of));
            const good = code === '2' ? 'accepted' : code === '3' ? 'clicked' : undefined;
            // A code that nobody lists for the system is taken by its flag alone.
            const expected = osType === 'harmony' && system !== 'any' ? 'accepted' : good;
            assert.deepEqual([succeeded.state, succeeded.tokenDead], [expected, false], `${osType} ${code}`);
          }
        }
      }
    }
  });

  test('about a broadcast is one device’s word: it is kept, and moves nothing', () => {
    const body = { ...base, msgId: `${id}.broadcast`, targetId: 'device-1', ...on('android', 'device-1') };
    const of = { ownChannelDelivery: true };
    const first = receiptOf(signed(body, of));
    assert.deepEqual(
      [first.pushId, first.token, first.state, first.tokenDead, first.code, first.detail],
      [id, undefined, undefined, false, '2', 'Acked'],
    );
    const gone = { ...failing('android', '80000004'), msgId: `${id}.broadcast`, targetId: 'device-1' };
    assert.deepEqual(
      [receiptOf(signed(gone, of)).state, receiptOf(signed(gone, of)).tokenDead],
      [undefined, false],
    );
    const second = receiptOf(signed({ ...body, targetId: 'device-2', ...on('android', 'device-2') }, of));
    assert.notEqual(first.dedupKey, second.dedupKey);
    assert.equal(first.dedupKey, receiptOf(signed(body, of)).dedupKey);
    for (const msgId of [`${id}.broadcast.broadcast`, '.broadcast', `x${id}.broadcast`, `${id}.Broadcast`]) {
      assert.equal(receiptOf(signed({ ...body, msgId }, of)).pushId, undefined, msgId);
    }
  });

  test('condemns a token for exactly these codes', () => {
    const dead = (osType: string, code: string) => {
      const receipt = receiptOf(signed(failing(osType, code)));
      assert.equal(receipt.state, 'dropped', `${osType} ${code}`);
      return receipt.tokenDead;
    };
    const ios = Array.from({ length: 31 }, (_, index) => String(2001 + index));
    assert.deepEqual(
      ios.filter((code) => dead('ios', code)),
      ['2010', '2011'],
    );
    const android = [
      '100',
      '101',
      '102',
      '106',
      '107',
      '109',
      '110',
      '111',
      '1000',
      '80000003',
      '80000004',
      '80000005',
    ];
    assert.deepEqual(
      [...android, '80000006', '424242'].filter((code) => dead('android', code)),
      ['80000004', '80000006'],
    );
    // A number belongs to its system: the same one elsewhere is nobody's.
    assert.equal(dead('android', '2011'), false);
    assert.equal(dead('ios', '80000004'), false);
    assert.equal(dead('', '2011'), false);
  });

  test('condemns for BadDeviceToken only where the environment was checked', () => {
    const dead = (iosEnvironmentChecked: boolean) =>
      receiptOf(signed(failing('ios', '2009'), { iosEnvironmentChecked })).tokenDead;
    assert.deepEqual([dead(false), dead(true)], [false, true]);
  });

  test('about one device of a user does not condemn the user', () => {
    const body = { ...failing('android', '80000004'), targetId: 'user1024', ...on('android', 'device-9') };
    assert.equal(receiptOf(signed(body)).tokenDead, false);
    assert.equal(
      receiptOf(signed({ ...body, extInfo: { osType: 'android' } }, { deliveryType: 3 })).tokenDead,
      false,
    );
    assert.equal(receiptOf(signed({ ...body, ...on('android', 'USER1024') })).tokenDead, true);
  });

  test('that contradicts itself moves nothing', () => {
    assert.equal(receiptOf(signed({ ...base, ...on('android'), pushSuccess: false })).state, undefined);
    const good = receiptOf(signed({ ...failing('ios', '2011'), pushSuccess: true }));
    assert.deepEqual([good.state, good.tokenDead], [undefined, false]);
  });

  test('with an unknown code is taken by its own flag', () => {
    const state = (pushSuccess: unknown) =>
      receiptOf(signed({ ...base, ...on('android'), statusCode: '31415', pushSuccess })).state;
    assert.deepEqual([state(true), state(false), state(undefined)], ['accepted', 'dropped', undefined]);
  });

  test('is known again by what it says, and the key holds no token', () => {
    const key = (body: Record<string, unknown>) => receiptOf(signed(body)).dedupKey;
    const first = { ...base, ...on('ios') };
    assert.equal(key(first), key({ ...first, statusDesc: 'other words', more: 1 }));
    assert.equal(key(first), key({ ...first, statusCode: 2 }));
    const others = [
      { ...first, msgId: `${id}1` },
      { ...first, targetId: 'token-2' },
      { ...first, statusCode: '3' },
      { ...first, ...on('ios', 'device-2') },
    ].map(key);
    assert.equal(new Set([key(first), ...others]).size, 5);
    assert.ok(!key(first).includes('token-1'));
  });
});
