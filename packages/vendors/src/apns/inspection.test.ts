import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { IssuedCertificate } from '../authority.ts';
import { createAuthority, issueClientCertificate } from '../authority.ts';
import { openAuthorities, openClientCertificate } from './conversion.ts';
import type { Inspection } from './inspection.ts';
import { inspectFiles, validityText } from './inspection.ts';
import { makeSigningRequest } from './signing-request.ts';

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url));
const keychain = fixture('keychain.p12');
const keychainLeaf = fixture('keychain-leaf.pem');
const now = new Date('2026-11-22T12:00:00Z');

async function inspect(
  files: Record<string, Uint8Array | string>,
  password = '',
): Promise<Record<string, Inspection>> {
  const named = Object.entries(files).map(([name, bytes]) => ({ name, bytes: Buffer.from(bytes), password }));
  const found = await inspectFiles(named, now);
  return Object.fromEntries(found.map((one) => [one.file, one]));
}

const refusalOf = (one: Inspection | undefined) =>
  one === undefined || one.credential.usable ? undefined : one.credential.code;

describe('an inspection', () => {
  it('of a Keychain export tells its ciphers without the password, and the rest with it', async () => {
    const closed = (await inspect({ a: keychain })).a;
    assert.equal(closed?.problem?.code, 'wrong-password');
    assert.deepEqual(closed.protection, {
      parts: [
        { of: 'certificates', cipher: 'RC2-40', iterations: 2048 },
        { of: 'key', cipher: '3DES', iterations: 2048 },
      ],
      mac: { algorithm: 'SHA-1', iterations: 2048 },
      opensEverywhere: false,
      fromKeychain: true,
    });
    const open = (await inspect({ a: keychain }, 'secret')).a;
    assert.equal(open?.problem, null);
    assert.deepEqual(open.protection, closed.protection);
    assert.deepEqual(open.credential, { usable: true });
    const [certificate] = open.certificates;
    const { keyFingerprint } = open.keys[0] ?? {};
    assert.deepEqual(certificate, {
      commonName: 'Apple Push Services: com.example.MyApp',
      issuer: 'Test Worldwide Developer Relations Certification Authority',
      use: 'push',
      topics: ['com.example.MyApp', 'com.example.MyApp.voip', 'com.example.MyApp.complication'],
      environments: ['sandbox', 'production'],
      teamId: 'ABCDE12345',
      notBefore: '2020-01-01T00:00:00.000Z',
      expiresAt: '2120-01-01T00:00:00.000Z',
      validity: 'expires in 34006 days, on 2120-01-01',
      daysLeft: 34006,
      fingerprint:
        '05:19:BE:22:0B:BC:BC:C8:36:C2:BD:5D:BD:AE:62:15:CA:2D:77:48:9A:03:08:98:6B:28:0D:A4:05:2B:F4:00',
      serialNumber: '1234',
      keyType: 'RSA 2048',
      keyFingerprint: '96836e5c06d812fcc11fe62a33340eb054c8be4f2fac94e95528a2ae4b2e384a',
      keyIn: ['a'],
    });
    assert.equal(keyFingerprint, certificate?.keyFingerprint);
  });

  it('of a certificate finds its key in another file, and says when it is not there', async () => {
    const { privateKey } = await openClientCertificate([keychain], 'secret', now);
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
      format: 'pem',
      type: 'pkcs8',
    });
    const both = await inspect({ cer: keychainLeaf, key: privateKey, other: String(other) });
    assert.deepEqual(both.cer?.certificates[0]?.keyIn, ['key']);
    assert.deepEqual(both.key?.keys[0]?.certificateIn, ['cer']);
    assert.deepEqual(both.cer?.credential, { usable: true });
    assert.deepEqual(both.key?.credential, { usable: true });
    assert.deepEqual(both.other?.keys[0]?.certificateIn, []);
    assert.equal(refusalOf(both?.other), 'no-certificate');
    const { a } = await inspect({ a: keychainLeaf });
    assert.equal(refusalOf(a), 'no-key');
  });

  it('of a .p8 says what it is for', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { p8 } = await inspect({ p8: String(privateKey.export({ format: 'pem', type: 'pkcs8' })) });
    assert.equal(p8?.title, 'signing key for provider tokens (.p8)');
    assert.equal(p8?.keys[0]?.keyType, 'EC P-256');
    assert.equal(refusalOf(p8), 'token-key');
  });

  it('of an encrypted key asks for the passphrase', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = String(
      privateKey.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'secret' }),
    );
    assert.equal((await inspect({ key })).key?.problem?.code, 'passphrase-missing');
    assert.equal((await inspect({ key }, 'other')).key?.problem?.code, 'wrong-password');
    assert.equal((await inspect({ key }, 'secret')).key?.keys.length, 1);
  });

  it('takes a wrong passphrase for wrong also where the padding seems to fit', async () => {
    const key = [
      '-----BEGIN ENCRYPTED PRIVATE KEY-----',
      'MIH0MF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBC88fjyBTwTOPr1EG8R',
      '52CGAgIIADAMBggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQQhL9uJgave6GlsBa',
      'B7rOwwSBkHHvLvyFPsC4UCOD6WCeCcWCinnekHqIqpk9ng3ASc73NxYbdViCMi4i',
      'RLUHQyWdoxMgO6/9xU7YM6PrAYY/cjQkEUR3XmxjjYutYqElucs/gj8Vhew38Y/T',
      'c4bptGPDqhVK4CosCpVl+coeEtet6MX7sNIlQBjIBx4PF9RSqfvFWxbpCVDsRVuW',
      'oilfhg9BTA==',
      '-----END ENCRYPTED PRIVATE KEY-----',
    ].join('\n');
    assert.equal((await inspect({ key }, 'wrong 80')).key?.problem?.code, 'wrong-password');
    assert.equal((await inspect({ key }, 'secret')).key?.keys.length, 1);
  });

  it('of an authority alone says so', async () => {
    const authority = await createAuthority();
    const { ca } = await inspect({ ca: authority.certificate });
    assert.equal(ca?.certificates[0]?.use, 'authority');
    assert.equal(refusalOf(ca), 'authority');
  });

  it('shows no control characters: a terminal would obey them', async () => {
    const authority = await createAuthority();
    const { certificate } = await issueClientCertificate(authority, {
      commonName: 'Apple Push Services: \x1b[2Jcom.example',
      notBefore: new Date('2026-01-01'),
      notAfter: new Date('2027-01-01'),
    });
    const { a } = await inspect({ a: certificate });
    assert.equal(a?.certificates[0]?.commonName, 'Apple Push Services: \ufffd[2Jcom.example');
  });

  it('of wrong files has the sentences of the API', async () => {
    const cases: [file: Uint8Array | string, code: string, says: RegExp][] = [
      ['', 'empty', /is empty/],
      [keychain.subarray(0, 100), 'truncated', /declares 2899 bytes and 100 arrived/],
      ['hello, world', 'not-a-credential', /neither a \.p12/],
      ['<?xml version="1.0"?><plist/>', 'not-a-credential', /text document/],
      [Buffer.from('504b0304', 'hex'), 'not-a-credential', /ZIP/],
      [Buffer.from('feedfeed00000002', 'hex'), 'java-keystore', /keytool/],
      [keychainLeaf.subarray(0, 300), 'pem-incomplete', /END line/],
      [randomBytes(70_000), 'too-large', /70000 bytes/],
    ];
    const found = await inspect(
      Object.fromEntries(cases.map(([file], index) => [String(index), file])),
      'secret',
    );
    for (const [index, [, code, says]] of cases.entries()) {
      const one = found[String(index)];
      assert.equal(one?.problem?.code, code);
      assert.match(one.problem.message, says);
      assert.ok(!one.credential.usable && one.credential.message === one.problem.message);
    }
  });

  it('never fails for a damaged file', async () => {
    const files: Record<string, Uint8Array> = {};
    for (let at = 0; at < keychain.length; at += 181) {
      const damaged = Buffer.from(keychain);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      files[String(at)] = damaged;
    }
    for (const one of Object.values(await inspect(files, 'secret'))) {
      assert.match(one.problem?.message ?? 'Readable.', /^[A-Z].*\.$/);
    }
  });
});

describe('validityText', () => {
  const text = (from: string, to: string) =>
    validityText({ notBefore: new Date(from), notAfter: new Date(to) }, now);
  for (const [from, to, expected] of [
    ['2026-01-01', '2026-12-26T13:00:00Z', 'expires in 34 days, on 2026-12-26'],
    ['2026-01-01', '2026-11-24T00:00:00Z', 'expires in 1 day, on 2026-11-24'],
    ['2026-01-01', '2026-11-22T23:00:00Z', 'expires in less than a day, on 2026-11-22'],
    ['2026-01-01', '2026-11-22T12:00:00Z', 'expired less than a day ago, on 2026-11-22'],
    ['2026-01-01', '2026-11-01T00:00:00Z', 'expired 21 days ago, on 2026-11-01'],
    ['2026-11-25T12:00:00Z', '2027-11-01', 'will be valid in 3 days, from 2026-11-25'],
  ] as const) {
    it(expected, () => assert.equal(text(from, to), expected));
  }
});

describe('a signing request', () => {
  it('is RSA 2048, signed with its own key, and shown with it', async () => {
    const made = await makeSigningRequest({ name: 'Höhe 推送', email: 'ops@example.com', country: 'cn' });
    const key = createPrivateKey(made.privateKey);
    assert.equal(key.asymmetricKeyDetails?.modulusLength, 2048);
    assert.match(made.privateKey, /^-----BEGIN PRIVATE KEY-----\n/);
    const { csr, key: shown } = await inspect({ csr: made.request, key: made.privateKey });
    assert.equal(csr?.problem, null);
    assert.equal(csr?.title, 'certificate signing request (PEM)');
    assert.deepEqual(csr?.requests, [
      {
        subject: 'emailAddress=ops@example.com, CN=Höhe 推送, C=CN',
        keyType: 'RSA 2048',
        keyFingerprint: shown?.keys[0]?.keyFingerprint,
        signatureValid: true,
        keyIn: ['key'],
      },
    ]);
    assert.deepEqual(shown?.keys[0]?.requestIn, ['csr']);
    assert.equal(refusalOf(csr), 'signing-request');
  });

  it('is seen to be damaged', async () => {
    const { request } = await makeSigningRequest({ name: 'pushmill' });
    const der = Buffer.from(request.replace(/-----.*-----/g, ''), 'base64');
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    const { csr } = await inspect({ csr: der });
    assert.equal(csr?.requests[0]?.signatureValid, false);
  });

  for (const [name, options] of [
    ['name', { name: ' ' }],
    ['name', { name: 'x'.repeat(65) }],
    ['email', { name: 'x', email: 'ops' }],
    ['email', { name: 'x', email: 'öps@example.com' }],
    ['country', { name: 'x', country: 'Germany' }],
  ] as const) {
    it(`is refused with a sentence: ${JSON.stringify(options).slice(0, 50)}`, async () => {
      await assert.rejects(makeSigningRequest(options), { name: 'CredentialError', code: name });
    });
  }
});

describe('a conversion', () => {
  let push: IssuedCertificate;
  let old: IssuedCertificate;
  let authority: Awaited<ReturnType<typeof createAuthority>>;
  const bytes = (text: string) => Buffer.from(text);

  before(async () => {
    authority = await createAuthority(new Date('2026-01-01'));
    const about = { commonName: 'Apple Push Services: com.example.MyApp', bundleId: 'com.example.MyApp' };
    const notBefore = new Date('2026-01-01');
    [push, old] = await Promise.all([
      issueClientCertificate(authority, {
        ...about,
        environments: ['production'],
        notBefore,
        notAfter: new Date('2027-01-01'),
      }),
      issueClientCertificate(authority, {
        ...about,
        environments: ['production'],
        notBefore,
        notAfter: new Date('2026-06-01'),
      }),
    ]);
  });

  it('asks for no environment and no topic', async () => {
    const opened = await openClientCertificate([bytes(push.certificate), bytes(push.privateKey)], '', now);
    assert.equal(opened.problem, undefined);
    assert.equal(opened.privateKey, push.privateKey);
    assert.equal(opened.certificate, push.certificate);
  });

  it('opens an expired certificate, and says so', async () => {
    const opened = await openClientCertificate([bytes(old.certificate + old.privateKey)], '', now);
    assert.equal(opened.problem?.code, 'expired');
  });

  it('refuses a key of another certificate', async () => {
    await assert.rejects(openClientCertificate([bytes(push.certificate), bytes(old.privateKey)], '', now), {
      code: 'key-mismatch',
    });
  });

  it('takes authorities only from where there are some', async () => {
    assert.equal(
      await openAuthorities(bytes(authority.certificate)),
      authority.certificate.replaceAll('\r', ''),
    );
    await assert.rejects(openAuthorities(bytes(push.privateKey)), { code: 'no-certificate' });
  });
});

function findOpenssl(): string | undefined {
  try {
    return execFileSync('openssl', ['version'], { encoding: 'utf8' });
  } catch {
    return undefined;
  }
}

const openssl = findOpenssl();
const skip = openssl?.startsWith('OpenSSL 3')
  ? false
  : `needs the openssl command, version 3; found ${openssl ?? 'none'}`;

describe('with openssl', { skip }, () => {
  let dir: string;
  const run = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' }).toString();

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'pushmill-inspection-'));
    const made = await makeSigningRequest({ name: 'pushmill', email: 'ops@example.com' });
    writeFileSync(join(dir, 'leaf.csr'), made.request);
    writeFileSync(join(dir, 'leaf.key'), made.privateKey);
    run('x509', '-req', '-in', 'leaf.csr', '-key', 'leaf.key', '-days', '9', '-out', 'leaf.pem');
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  it('a signing request is good', () => {
    run('req', '-in', 'leaf.csr', '-noout', '-verify');
    assert.match(run('req', '-in', 'leaf.csr', '-noout', '-text'), /sha256WithRSAEncryption/);
  });

  const flavours: [name: string, args: string[], shows: Record<string, unknown>][] = [
    [
      'modern',
      [],
      { certificates: ['AES-256', 2048], key: ['AES-256', 2048], mac: ['SHA-256', 2048], opens: true },
    ],
    [
      'Keychain-like, MAC of one round',
      ['-legacy', '-nomaciter'],
      {
        certificates: ['RC2-40', 2048],
        key: ['3DES', 2048],
        mac: ['SHA-1', 1],
        opens: false,
        keychain: true,
      },
    ],
    [
      'RC2-128',
      ['-legacy', '-certpbe', 'PBE-SHA1-RC2-128', '-iter', '7'],
      { certificates: ['RC2-128', 7], key: ['3DES', 7], mac: ['SHA-1', 7], opens: false },
    ],
    [
      '3DES, SHA-512',
      ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-2DES', '-macalg', 'sha512'],
      {
        certificates: ['3DES', 2048],
        key: ['3DES with two keys', 2048],
        mac: ['SHA-512', 2048],
        opens: true,
      },
    ],
    [
      'nothing encrypted, no MAC',
      ['-certpbe', 'NONE', '-keypbe', 'NONE', '-nomac'],
      { certificates: ['none', 0], key: ['none', 0], mac: null, opens: true },
    ],
  ];
  for (const [name, args, shows] of flavours) {
    it(`the protection is shown: ${name}`, async () => {
      const pair = ['-inkey', 'leaf.key', '-in', 'leaf.pem', '-passout', 'pass:secret'];
      run('pkcs12', '-export', ...pair, ...args, '-out', 'out.p12');
      const { a } = await inspect({ a: readFileSync(join(dir, 'out.p12')) }, 'secret');
      const protection = a?.protection;
      const part = (of: string) => {
        const found = protection?.parts.find((each) => each.of === of);
        return [found?.cipher, found?.iterations];
      };
      const mac = protection?.mac ? [protection.mac.algorithm, protection.mac.iterations] : null;
      assert.deepEqual(
        {
          certificates: part('certificates'),
          key: part('key'),
          mac,
          opens: protection?.opensEverywhere,
          keychain: protection?.fromKeychain,
        },
        { keychain: false, ...shows },
      );
      assert.deepEqual(a?.certificates[0]?.keyIn, ['a']);
    });
  }
});
