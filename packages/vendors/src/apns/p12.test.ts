import assert from 'node:assert/strict';
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { CredentialError } from '@pushmill/core';
import forge from 'node-forge';
import { openPkcs12 } from './p12.ts';
import { deriveOld, digestOf, IterationBudget, purposes } from './p12-cipher.ts';
import { passwordForms } from './p12-password.ts';

const file = readFileSync(new URL('./fixtures/keychain.p12', import.meta.url));
const leaf = new X509Certificate(readFileSync(new URL('./fixtures/keychain-leaf.pem', import.meta.url)));

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof CredentialError, String(error));
    return error.code;
  }
  return 'no error';
}

describe('key derivation of PKCS#12', () => {
  const salt = Buffer.from('0102030405060708', 'hex');
  const sha1 = digestOf('1.3.14.3.2.26');
  const sha256 = digestOf('2.16.840.1.101.3.4.2.1');
  const wide = (password: string) => passwordForms(password)[0]?.wide as Buffer;
  const cases = [
    ['secret', sha1, wide('secret'), purposes.key, 24, '46b7220edfa6b4bcfe35292f7f4888c97ff731e06932a6a2'],
    ['secret', sha1, wide('secret'), purposes.iv, 8, '38f3a9b371c53b70'],
    ['secret', sha1, wide('secret'), purposes.mac, 20, '70e5ae6ce6b079c69e3bcf267fb13ebabdcfdac9'],
    ['empty', sha1, wide(''), purposes.key, 24, 'd9e86745c0eb8303bfc880579a1c7a45f2073495a0e9cd6e'],
    [
      'none',
      sha1,
      passwordForms('')[1]?.wide as Buffer,
      purposes.mac,
      20,
      '02a96a93d81846d839232c0a09e94b1102a70d9e',
    ],
    [
      'pässwörd',
      sha1,
      wide('pässwörd'),
      purposes.key,
      24,
      '92c296b1a4d035f43c7dc4914d01976580551ff3fa390475',
    ],
    [
      'secret, SHA-256',
      sha256,
      wide('secret'),
      purposes.mac,
      32,
      'f5482fd03f702689b4e96cbbea867c6b16e5bda934929f2ecaf4da9e1c67be8f',
    ],
  ] as const;
  for (const [name, digest, password, purpose, bytes, expected] of cases) {
    it(`gives the published ${bytes} bytes for ${name}, purpose ${purpose}`, () => {
      assert.equal(deriveOld(digest, purpose, password, salt, 2048, bytes).toString('hex'), expected);
    });
  }
});

describe('the Keychain fixture', () => {
  it('opens to the key and the certificate that it was made of', () => {
    const { keys, certificates } = openPkcs12(file, 'secret');
    assert.equal(keys.length, 1);
    assert.equal(certificates.length, 1);
    assert.equal(
      createHash('sha256')
        .update(keys[0] as Buffer)
        .digest('hex'),
      '278762cc66d1d5580e0cab186c099fe4c8ca90611fbd203153d7d48aa70e98f6',
    );
    assert.deepEqual(new X509Certificate(certificates[0] as Buffer).raw, leaf.raw);
    assert.ok(
      leaf.checkPrivateKey(createPrivateKey({ key: keys[0] as Buffer, format: 'der', type: 'pkcs8' })),
    );
  });

  it('calls any other password wrong', () => {
    for (const password of ['wrong', '', 'Secret', 'pässwörd']) {
      assert.equal(
        codeOf(() => openPkcs12(file, password)),
        'wrong-password',
      );
    }
  });

  it('forgives a space or a line break around the password', () => {
    assert.equal(openPkcs12(file, 'secret\n').keys.length, 1);
  });

  it('never gives an unproven key for an altered file', () => {
    for (let at = 0; at < file.length; at += 7) {
      const altered = Buffer.from(file);
      altered[at] = (altered[at] as number) ^ 0x55;
      try {
        const { keys } = openPkcs12(altered, 'secret');
        assert.equal(
          createHash('sha256')
            .update(keys[0] as Buffer)
            .digest('hex'),
          '278762cc66d1d5580e0cab186c099fe4c8ca90611fbd203153d7d48aa70e98f6',
          `byte ${at}`,
        );
      } catch (error) {
        assert.ok(error instanceof CredentialError, `byte ${at}: ${error}`);
      }
    }
  });
});

describe('the iteration budget', () => {
  it('refuses before deriving anything', () => {
    const tree = forge.asn1.fromDer(file.toString('latin1'));
    const mac = (tree.value as forge.asn1.Asn1[])[2] as forge.asn1.Asn1;
    const count = (mac.value as forge.asn1.Asn1[])[2] as forge.asn1.Asn1;
    count.value = '\x7f\xff\xff\xff';
    const forged = Buffer.from(forge.asn1.toDer(tree).getBytes(), 'latin1');
    const started = process.hrtime.bigint();
    assert.equal(
      codeOf(() => openPkcs12(forged, 'secret')),
      'too-many-iterations',
    );
    assert.ok(process.hrtime.bigint() - started < 1_000_000_000n);
  });

  it('counts over all derivations', () => {
    const budget = new IterationBudget();
    for (let n = 0; n < 4; n++) budget.spend(1_000_000);
    assert.equal(
      codeOf(() => budget.spend(1)),
      'too-many-iterations',
    );
    assert.equal(
      codeOf(() => new IterationBudget().spend(1_000_001)),
      'too-many-iterations',
    );
    assert.equal(
      codeOf(() => new IterationBudget().spend(0)),
      'too-many-iterations',
    );
  });
});
