import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CredentialError } from '@pushmill/core';
import { createAuthority, issueClientCertificate, toPkcs12 } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import { prepareCredential } from './credential.ts';
import { openPkcs12 } from './p12.ts';
import { readFilesApart } from './reader.ts';
import type { ApnsSettings } from './settings.ts';

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url));
const keychain = fixture('keychain.p12');
const now = new Date('2026-06-01T00:00:00Z');
const day = 86_400_000;

const settings: ApnsSettings = {
  environment: 'production',
  topic: 'com.example.MyApp',
  port: 443,
  requestTimeoutMs: 10_000,
  maxConnections: 8,
  collapse: 'identity',
};

const p12Input = (bytes: Buffer, password?: string) => ({
  kind: 'certificate',
  p12: bytes.toString('base64'),
  ...(password === undefined ? {} : { password }),
});

async function refusal(input: unknown, over: Partial<ApnsSettings> = {}, at = now): Promise<CredentialError> {
  try {
    await prepareCredential(input, { ...settings, ...over }, at);
  } catch (error) {
    assert.ok(error instanceof CredentialError, String(error));
    // One plain sentence, or a few: for a person, with what to do, and without the secret.
    assert.match(error.message, /^[A-Z"].*\.$/);
    assert.ok(!error.message.includes('PRIVATE KEY'));
    return error;
  }
  throw new assert.AssertionError({ message: 'The credential was accepted' });
}

describe('a token key', () => {
  const p8 = (curve: string) =>
    generateKeyPairSync('ec', { namedCurve: curve }).privateKey.export({
      format: 'pem',
      type: 'pkcs8',
    }) as string;
  const good = { kind: 'token', keyId: 'ABC123DEFG', teamId: 'DEF123GHIJ', privateKey: p8('P-256') };

  it('is kept as PKCS#8 and shown by its ids alone', async () => {
    const { credential, shown } = await prepareCredential(good, settings, now);
    assert.deepEqual(credential, good);
    assert.deepEqual(shown, { kind: 'token', keyId: 'ABC123DEFG', teamId: 'DEF123GHIJ' });
  });

  it('may lose its frame, its line breaks or its encoding on the way', async () => {
    const bare = good.privateKey.replace(/-----.*-----|\n/g, '');
    const variants = [
      bare,
      good.privateKey.replaceAll('\n', '\r\n'),
      good.privateKey.replaceAll('\n', '\\n'),
      Buffer.from(good.privateKey).toString('base64'),
      `  ${good.privateKey.replaceAll('\n', '\n   ')}`,
    ];
    for (const privateKey of variants) {
      const { credential } = await prepareCredential({ ...good, privateKey }, settings, now);
      assert.deepEqual(credential, good);
    }
  });

  const cases: [name: string, over: Record<string, unknown>, code: string, says: RegExp][] = [
    ['no key', { privateKey: '' }, 'key-missing', /\.p8/],
    ['P-384', { privateKey: p8('P-384') }, 'not-p256', /P-384/],
    [
      'RSA',
      {
        privateKey: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
          format: 'pem',
          type: 'pkcs8',
        }),
      },
      'not-p256',
      /rsa/,
    ],
    ['a certificate', { privateKey: fixture('keychain-leaf.pem').toString() }, 'not-a-key', /certificate/],
    ['nonsense', { privateKey: 'hello' }, 'not-a-key', /\.p8/],
    ['half a key', { privateKey: good.privateKey.slice(0, 120) }, 'not-a-key', /whole text/],
    ['the file name as key id', { keyId: 'AuthKey_ABC123DEFG.p8' }, 'keyId-form', /between/],
    ['a bundle id as team id', { teamId: 'com.example.MyApp' }, 'teamId-form', /bundle id/],
    ['small letters', { keyId: 'abc123defg' }, 'keyId-form', /capital/],
    ['the issuer id', { keyId: '57246542-96fe-1a63-e053-0824d011072a' }, 'keyId-form', /App Store Connect/],
    ['a short team id', { teamId: 'DEF123' }, 'teamId-form', /10/],
    ['the same id twice', { teamId: 'ABC123DEFG' }, 'same-ids', /same/],
    ['no team id', { teamId: undefined }, 'teamId-missing', /team id/],
    ['a .p12 besides', { p12: keychain.toString('base64') }, 'two-credentials', /either/],
    ['an unknown field', { color: 'red' }, 'schema', /form/],
  ];
  for (const [name, over, code, says] of cases) {
    it(`is refused with a sentence: ${name}`, async () => {
      const error = await refusal({ ...good, ...over });
      assert.equal(error.code, code);
      assert.match(error.message, says);
    });
  }
});

describe('the Keychain fixture', () => {
  it('gives what its certificate says', async () => {
    const { credential, shown } = await prepareCredential(p12Input(keychain, 'secret'), settings, now);
    assert.equal(credential.kind, 'certificate');
    assert.deepEqual(shown, {
      kind: 'certificate',
      subject: 'Apple Push Services: com.example.MyApp',
      issuer: 'Test Worldwide Developer Relations Certification Authority',
      teamId: 'ABCDE12345',
      topics: ['com.example.MyApp', 'com.example.MyApp.voip', 'com.example.MyApp.complication'],
      environments: ['sandbox', 'production'],
      fingerprint:
        '05:19:BE:22:0B:BC:BC:C8:36:C2:BD:5D:BD:AE:62:15:CA:2D:77:48:9A:03:08:98:6B:28:0D:A4:05:2B:F4:00',
      notBefore: '2020-01-01T00:00:00.000Z',
      expiresAt: '2120-01-01T00:00:00.000Z',
    });
    assert.ok(
      credential.kind === 'certificate' && credential.privateKey.startsWith('-----BEGIN PRIVATE KEY-----'),
    );
  });

  it('may come as a data URL, with line breaks, twice encoded, or with bytes after its end', async () => {
    const text = keychain.toString('base64');
    const variants = [
      `data:application/x-pkcs12;base64,${text}`,
      text.replace(/.{76}/g, '$&\r\n'),
      Buffer.from(text).toString('base64'),
      Buffer.concat([keychain, Buffer.alloc(16)]).toString('base64'),
    ];
    for (const p12 of variants) {
      const { shown } = await prepareCredential(
        { kind: 'certificate', p12, password: 'secret' },
        settings,
        now,
      );
      assert.equal(shown.kind, 'certificate');
    }
  });

  const cases: [name: string, input: Record<string, unknown>, code: string, says: RegExp][] = [
    ['a wrong password', p12Input(keychain, 'wrong'), 'wrong-password', /wrong, or the file is damaged/],
    ['no password', p12Input(keychain), 'wrong-password', /none was given/],
    [
      'a cut file',
      p12Input(keychain.subarray(0, 100), 'secret'),
      'truncated',
      /declares 2899 bytes and 100 arrived/,
    ],
    ['a file without its last byte', p12Input(keychain.subarray(0, -1), 'secret'), 'truncated', /2899.*2898/],
    ['an empty file', { kind: 'certificate', p12: '' }, 'certificate-missing', /empty/],
    ['nothing', { kind: 'certificate' }, 'certificate-missing', /missing/],
    ['no base64', { kind: 'certificate', p12: 'päng' }, 'not-base64', /base64/],
    [
      'cut base64',
      { kind: 'certificate', p12: keychain.toString('base64').slice(0, 1001) },
      'not-base64',
      /incomplete/,
    ],
    ['a Java key store', p12Input(Buffer.from('feedfeed00000002', 'hex')), 'java-keystore', /keytool/],
    ['a ZIP', p12Input(Buffer.from('504b030414000000', 'hex')), 'not-a-credential', /ZIP/],
    ['random bytes', p12Input(Buffer.from('8f1c3377aa0099ff', 'hex')), 'not-a-credential', /neither/],
    [
      'a property list',
      p12Input(Buffer.from('<?xml version="1.0"?><plist/>')),
      'not-a-credential',
      /text document/,
    ],
    ['too much', p12Input(Buffer.alloc(70_000)), 'too-large', /70000/],
    [
      'a .p12 and PEM',
      { ...p12Input(keychain, 'secret'), certificate: 'x' },
      'two-credentials',
      /one or the other/,
    ],
    [
      'a .p12 with a key id',
      { ...p12Input(keychain, 'secret'), keyId: 'ABC123DEFG' },
      'two-credentials',
      /keyId/,
    ],
    [
      'a .p8',
      p12Input(
        Buffer.from(
          generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
            format: 'pem',
            type: 'pkcs8',
          }),
        ),
      ),
      'token-key',
      /kind token/,
    ],
    [
      'a provisioning profile',
      p12Input(
        Buffer.concat([Buffer.from('301b06092a864886f70d010702', 'hex'), Buffer.from('<plist></plist>..')]),
      ),
      'provisioning-profile',
      /provisioning profile/,
    ],
    [
      'a .cer',
      p12Input(new X509Certificate(fixture('keychain-leaf.pem')).raw),
      'no-key',
      /"Apple Push Services: com\.example\.MyApp" came without its private key/,
    ],
    [
      'a signing request',
      {
        kind: 'certificate',
        certificate: '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n',
      },
      'signing-request',
      /signing request/,
    ],
    [
      'half a PEM',
      { kind: 'certificate', certificate: fixture('keychain-leaf.pem').toString().slice(0, 500) },
      'pem-incomplete',
      /cut off/,
    ],
  ];
  for (const [name, input, code, says] of cases) {
    it(`is refused with a sentence: ${name}`, async () => {
      const error = await refusal(input);
      assert.equal(error.code, code);
      assert.match(error.message, says);
    });
  }

  it('must fit the channel', async () => {
    const error = await refusal(p12Input(keychain, 'secret'), { topic: 'com.example.Other' });
    assert.equal(error.code, 'wrong-topic');
    assert.match(error.message, /com\.example\.MyApp.*com\.example\.Other/);
  });
});

describe('certificates of an own authority', () => {
  let authority: Authority;
  before(async () => {
    authority = await createAuthority(now);
  });

  const ask = {
    commonName: 'Apple Push Services: com.example.MyApp',
    bundleId: 'com.example.MyApp',
    teamId: 'ABCDE12345',
    environments: ['production'] as ('production' | 'sandbox')[],
    notBefore: new Date(now.getTime() - 30 * day),
    notAfter: new Date(now.getTime() + 300 * day),
  };

  it('say when they expired, and that they are not valid yet', async () => {
    const issued = await issueClientCertificate(authority, ask);
    const input = p12Input(toPkcs12(issued, 'x', 'name'), 'x');
    const expired = await refusal(input, {}, new Date(now.getTime() + 301 * day));
    assert.equal(expired.code, 'expired');
    assert.match(expired.message, /expired on 2027-03-28.*make a new one/);
    const early = await refusal(input, {}, new Date(now.getTime() - 31 * day));
    assert.equal(early.code, 'not-yet-valid');
    assert.match(early.message, /2026-05-02/);
    const sandbox = await refusal(input, { environment: 'sandbox' });
    assert.equal(sandbox.code, 'wrong-environment');
  });

  it('for signing code are told from those for push', async () => {
    const issued = await issueClientCertificate(authority, {
      ...ask,
      commonName: 'Apple Distribution: Example Inc (ABCDE12345)',
      environments: [],
      purpose: 'codeSigning',
    });
    assert.equal((await refusal(p12Input(toPkcs12(issued, 'x', 'name'), 'x'))).code, 'code-signing');
  });

  it('of no known form are refused, except behind an origin of one’s own', async () => {
    const issued = await issueClientCertificate(authority, {
      ...ask,
      commonName: 'some server',
      environments: [],
    });
    const input = p12Input(toPkcs12(issued, 'x', 'name'), 'x');
    assert.equal((await refusal(input)).code, 'not-for-push');
    const { shown } = await prepareCredential(input, { ...settings, origin: 'https://proxy.example' }, now);
    assert.deepEqual(shown.environments, []);
  });

  it('by their old names need no extensions', async () => {
    for (const [prefix, environment] of [
      ['Apple Production IOS Push Services', 'production'],
      ['Apple Development IOS Push Services', 'sandbox'],
    ] as const) {
      const commonName = `${prefix}: com.example.MyApp`;
      const issued = await issueClientCertificate(authority, { ...ask, commonName, environments: [] });
      const input = p12Input(toPkcs12(issued, 'x', 'name'), 'x');
      const { shown } = await prepareCredential(input, { ...settings, environment }, now);
      assert.deepEqual(shown.environments, [environment]);
      assert.deepEqual(shown.topics, ['com.example.MyApp']);
    }
  });

  it('with the key of another are told apart, in any order of the PEM blocks', async () => {
    const [one, two] = await Promise.all([
      issueClientCertificate(authority, ask),
      issueClientCertificate(authority, ask),
    ]);
    const mismatch = await refusal({
      kind: 'certificate',
      certificate: one.certificate,
      privateKey: two.privateKey,
    });
    assert.equal(mismatch.code, 'key-mismatch');
    const text = `Bag Attributes\n    friendlyName: Müller\n${one.privateKey}subject=/UID=x\n${authority.certificate}issuer=…\n${one.certificate}`;
    const { credential } = await prepareCredential({ kind: 'certificate', certificate: text }, settings, now);
    assert.ok(credential.kind === 'certificate' && credential.certificate === one.certificate);
    const separate = await prepareCredential({ kind: 'certificate', ...one }, settings, now);
    assert.deepEqual(separate.credential, credential);
    const several = await refusal({
      kind: 'certificate',
      certificate: one.certificate + two.certificate,
      privateKey: one.privateKey + two.privateKey,
    });
    assert.equal(several.code, 'several-certificates');
    const alone = await refusal({ kind: 'certificate', privateKey: one.privateKey });
    assert.equal(alone.code, 'no-certificate');
  });

  it('without any password and with an empty one are both opened by an empty field', async () => {
    const issued = await issueClientCertificate(authority, ask);
    for (const password of [null, '']) {
      const { shown } = await prepareCredential(p12Input(toPkcs12(issued, password, 'n'), ''), settings, now);
      assert.equal(shown.kind, 'certificate');
    }
  });
});

it('a file that takes too long is given up', async () => {
  const files = [{ pointer: '/credential/p12', bytes: keychain }];
  await assert.rejects(
    readFilesApart({ files, password: 'secret', passphrase: undefined }, 0),
    (error: CredentialError) => error.code === 'too-slow',
  );
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
  : `needs the openssl command, version 3, to make the flavours; found ${openssl ?? 'none'}`;

describe('flavours made by openssl', { skip }, () => {
  let dir: string;
  let authority: Authority;
  const run = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'pushmill-apns-'));
    authority = await createAuthority(new Date());
    const soon = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 100 * day) };
    const ask = { commonName: 'Apple Push Services: com.example.MyApp', bundleId: 'com.example.MyApp' };
    const leaf = await issueClientCertificate(authority, { ...ask, environments: ['production'], ...soon });
    writeFileSync(join(dir, 'leaf.pem'), leaf.certificate);
    writeFileSync(join(dir, 'leaf.key'), leaf.privateKey);
    writeFileSync(join(dir, 'ca.pem'), authority.certificate);
    writeFileSync(join(dir, 'ca.key'), authority.key);
    writeFileSync(join(dir, 'both.pem'), authority.certificate + leaf.certificate);
    // A renewal without a new signing request: the same key, an expired certificate before the good one.
    run(
      'req',
      '-new',
      '-key',
      'leaf.key',
      '-subj',
      '/CN=Apple Push Services: com.example.MyApp',
      '-out',
      'leaf.csr',
    );
    run(
      'x509',
      '-req',
      '-in',
      'leaf.csr',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '-1',
      '-out',
      'old.pem',
    );
    writeFileSync(join(dir, 'renewed.pem'), readFileSync(join(dir, 'old.pem'), 'utf8') + leaf.certificate);
    run('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'ec.key');
    run(
      'req',
      '-new',
      '-key',
      'ec.key',
      '-subj',
      '/UID=com.example.MyApp/CN=Apple Push Services: com.example.MyApp',
      '-out',
      'ec.csr',
    );
    run(
      'x509',
      '-req',
      '-in',
      'ec.csr',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '9',
      '-out',
      'ec.pem',
    );
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const pair = ['-inkey', 'leaf.key', '-in', 'leaf.pem'];
  const flavours: [name: string, args: string[], password?: string][] = [
    ['modern default', pair],
    ['Keychain-like', [...pair, '-legacy', '-name', 'Apple Push Services: com.example.MyApp']],
    ['Keychain-like, MAC of one round', [...pair, '-legacy', '-nomaciter']],
    ['one round everywhere', [...pair, '-legacy', '-iter', '1', '-nomaciter']],
    ['Keychain-like with its issuer', [...pair, '-legacy', '-certfile', 'ca.pem']],
    ['3DES', [...pair, '-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'sha1']],
    ['two-key 3DES', [...pair, '-certpbe', 'PBE-SHA1-2DES', '-keypbe', 'PBE-SHA1-2DES', '-macalg', 'sha1']],
    ['RC2-128', [...pair, '-legacy', '-certpbe', 'PBE-SHA1-RC2-128', '-keypbe', 'PBE-SHA1-3DES']],
    ['AES-128', [...pair, '-certpbe', 'AES-128-CBC', '-keypbe', 'AES-128-CBC']],
    ['AES-192', [...pair, '-certpbe', 'AES-192-CBC', '-keypbe', 'AES-192-CBC']],
    ['MAC SHA-1', [...pair, '-macalg', 'sha1']],
    ['MAC SHA-384', [...pair, '-macalg', 'sha384']],
    ['MAC SHA-512', [...pair, '-macalg', 'sha512']],
    ['plain certificate', [...pair, '-certpbe', 'NONE']],
    ['plain key', [...pair, '-keypbe', 'NONE']],
    ['nothing encrypted', [...pair, '-certpbe', 'NONE', '-keypbe', 'NONE']],
    ['no MAC', [...pair, '-nomac']],
    ['empty password', pair, ''],
    ['empty password, Keychain-like', [...pair, '-legacy'], ''],
    ['umlauts', pair, 'pässwörd'],
    ['umlauts, Keychain-like', [...pair, '-legacy'], 'pässwörd'],
    ['Chinese, no MAC', [...pair, '-nomac'], '密码'],
    ['600,000 rounds', [...pair, '-iter', '600000']],
    ['authority before leaf', ['-inkey', 'leaf.key', '-in', 'both.pem']],
    ['an expired certificate of the same key first', ['-inkey', 'leaf.key', '-in', 'renewed.pem']],
    ['EC', ['-inkey', 'ec.key', '-in', 'ec.pem']],
    ['EC, Keychain-like', ['-inkey', 'ec.key', '-in', 'ec.pem', '-legacy']],
  ];
  const make = (args: string[], password: string) => {
    run('pkcs12', '-export', ...args, '-out', 'out.p12', '-passout', `pass:${password}`);
    return readFileSync(join(dir, 'out.p12'));
  };
  for (const [name, args, password = 'secret'] of flavours) {
    it(`opens: ${name}`, async () => {
      const file = make(args, password);
      const { credential, shown } = await prepareCredential(p12Input(file, password), settings, new Date());
      assert.equal(shown.subject, 'Apple Push Services: com.example.MyApp');
      assert.ok(credential.kind === 'certificate');
      assert.ok(new Date(credential.expiresAt) > new Date());
      if (password !== '' && !args.includes('NONE')) {
        // Without the thread: starting one for every flavour would double the time of this file.
        assert.throws(() => openPkcs12(file, 'other'), { code: 'wrong-password' });
      }
    });
  }

  const failures: [name: string, args: string[], code: string][] = [
    ['no key', ['-in', 'leaf.pem', '-nokeys'], 'no-key'],
    ['no certificate', ['-inkey', 'leaf.key', '-nocerts'], 'no-certificate'],
    ['a million rounds and one', [...pair, '-iter', '1000001'], 'too-many-iterations'],
    [
      'RC4',
      [...pair, '-legacy', '-certpbe', 'PBE-SHA1-RC4-128', '-keypbe', 'PBE-SHA1-3DES'],
      'unsupported-encryption',
    ],
    ['expired', ['-inkey', 'leaf.key', '-in', 'old.pem'], 'expired'],
  ];
  for (const [name, args, code] of failures) {
    it(`is refused with a sentence: ${name}`, async () => {
      assert.equal((await refusal(p12Input(make(args, 'secret'), 'secret'), {}, new Date())).code, code);
    });
  }

  it('reads keys under a passphrase, in both forms of PEM', async () => {
    run('pkcs8', '-topk8', '-in', 'leaf.key', '-out', 'enc8.key', '-passout', 'pass:secret');
    run('rsa', '-traditional', '-aes128', '-in', 'leaf.key', '-out', 'enc1.key', '-passout', 'pass:secret');
    const certificate = readFileSync(join(dir, 'leaf.pem'), 'utf8');
    for (const name of ['enc8.key', 'enc1.key']) {
      const input = { kind: 'certificate', certificate, privateKey: readFileSync(join(dir, name), 'utf8') };
      const { shown } = await prepareCredential({ ...input, passphrase: 'secret' }, settings, new Date());
      assert.equal(shown.kind, 'certificate');
      assert.equal((await refusal(input, {}, new Date())).code, 'passphrase-missing');
      assert.equal((await refusal({ ...input, passphrase: 'no' }, {}, new Date())).code, 'wrong-password');
    }
  });

  it('tells a signing request', async () => {
    const pem = readFileSync(join(dir, 'leaf.csr'), 'utf8');
    assert.equal((await refusal({ kind: 'certificate', certificate: pem })).code, 'signing-request');
    run('req', '-in', 'leaf.csr', '-outform', 'DER', '-out', 'leaf.csr.der');
    const der = readFileSync(join(dir, 'leaf.csr.der'));
    assert.equal((await refusal(p12Input(der))).code, 'signing-request');
  });
});
