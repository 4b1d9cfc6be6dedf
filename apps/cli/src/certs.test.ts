import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { createAuthority, emulators } from '@pushmill/vendors/emulators';
import { createProgram } from './program.ts';
import { type SilentTerminal, silentTerminal } from './silent-terminal.ts';

let folder: string;
let counter = 0;
let terminal: SilentTerminal;
const root = mkdtempSync(join(tmpdir(), 'pushmill-certs-'));
after(() => rmSync(root, { recursive: true }));
beforeEach(() => {
  counter += 1;
  folder = mkdtempSync(join(root, `${counter}-`));
});

const at = (name: string) => join(folder, name);
function file(name: string, content: string | Buffer): string {
  writeFileSync(at(name), content);
  return at(name);
}
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

/** The terminal stays in `terminal`, also when the command fails. */
async function run(line: string[], given: Parameters<typeof silentTerminal>[0] = {}) {
  terminal = silentTerminal(given);
  const program = createProgram({ env: {}, terminal });
  for (const command of [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)]) {
    command.exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  }
  await program.parseAsync(['node', 'pushmill', 'certs', ...line]);
  return {
    text: terminal.lines.join('\n'),
    notes: terminal.notes.join('\n'),
    document: terminal.documents[0],
  };
}

/** A file as Keychain Access exports it: the emulator's credential, of which forge wrote the .p12. */
interface Material {
  p12: Buffer;
  password: string;
  host: string;
  ca: string;
}

let material: Material;
let authority: Awaited<ReturnType<typeof createAuthority>>;
let emulator: Awaited<ReturnType<(typeof emulators)['apns']>>;

before(async () => {
  authority = await createAuthority();
  emulator = await emulators.apns({ port: 0, authority, seed: 1 });
  const channel = emulator.channels.find(({ name }) => name === 'apns-cert');
  const { p12, password } = (channel?.credential ?? {}) as { p12: string; password: string };
  material = {
    p12: Buffer.from(p12, 'base64'),
    password,
    host: new URL(emulator.origin).host,
    ca: authority.certificate,
  };
});
after(() => emulator.close());

describe('certs', () => {
  const certs = createProgram({ env: {}, terminal: silentTerminal() }).commands.find(
    (command) => command.name() === 'certs',
  );
  it('has the commands of the contract', () => {
    assert.deepEqual(
      certs?.commands.map((command) => command.name()),
      ['csr', 'inspect', 'convert', 'check'],
    );
  });
  for (const command of certs?.commands ?? []) {
    it(`explains ${command.name()}`, () => {
      assert.ok(command.description().length > 10);
      assert.match(command.helpInformation(), /Usage: pushmill certs .*--json/s);
    });
  }
  for (const line of [
    ['inspect'],
    ['convert'],
    ['check'],
    ['check', 'x', '--environment', 'test'],
    ['check', 'x', '--host', 'a b'],
    ['check', 'x', '--host', 'a:0'],
    ['check', 'x', '--timeout', 'soon'],
  ]) {
    it(`refuses: ${line.join(' ')}`, async () => {
      await assert.rejects(run(line), (error: { code?: string }) =>
        String(error.code).startsWith('commander.'),
      );
    });
  }
});

describe('certs csr', () => {
  it('makes a key for the owner alone, a request, and says what comes next', async () => {
    const { text } = await run(['csr', '--out', at('ios'), '--email', 'ops@example.com', '--country', 'cn']);
    assert.equal(mode(at('ios/push.key')), '600');
    assert.equal(mode(at('ios')), '700');
    createPrivateKey(readFileSync(at('ios/push.key')));
    assert.match(readFileSync(at('ios/push.certSigningRequest'), 'utf8'), /BEGIN CERTIFICATE REQUEST/);
    assert.match(text, /developer\.apple\.com/);
    assert.match(text, /pushmill certs convert aps\.cer --key .*push\.key --out push\.pem/);
  });

  it('leaves what is there as it is, unless it is told otherwise', async () => {
    await run(['csr', '--out', folder]);
    const first = readFileSync(at('push.key'), 'utf8');
    await assert.rejects(
      run(['csr', '--out', folder]),
      /^CommandError: .*push\.key is there already and is left as it is.*--force\.$/,
    );
    assert.equal(readFileSync(at('push.key'), 'utf8'), first);
    const { document } = await run(['csr', '--out', folder, '--force', '--json']);
    assert.notEqual(readFileSync(at('push.key'), 'utf8'), first);
    assert.equal(mode(at('push.key')), '600');
    assert.equal((document as { key: string }).key, at('push.key'));
  });

  it('says what it cannot do', async () => {
    await assert.rejects(run(['csr', '--out', folder, '--country', 'Germany']), /two letters/);
    await assert.rejects(
      run(['csr', '--out', join(file('x', ''), 'y')]),
      /^CommandError: Cannot write .*: a part of its path is a file\.$/,
    );
  });
});

describe('certs inspect', () => {
  it('shows a .p12, with a password from a file, from standard input, or asked for', async () => {
    const p12 = file('a.p12', material.p12);
    const password = file('password', `${material.password}\n`);
    const shown = [
      (await run(['inspect', p12, '--password-file', password])).text,
      (await run(['inspect', p12, '--password-file', '-'], { input: material.password })).text,
      (await run(['inspect', p12], { answer: material.password })).text,
    ];
    for (const text of shown) {
      assert.match(text, /a\.p12: PKCS#12 \(\.p12\)/);
      assert.match(text, /protection +certificates not encrypted, key 3DES \(2048 rounds\), MAC SHA-1/);
      assert.match(text, /certificate +Apple Push Services: com\.example\.pushmill/);
      assert.match(text, /topics +com\.example\.pushmill, com\.example\.pushmill\.voip/);
      assert.match(text, /environments +sandbox, production/);
      assert.match(text, /team +PUSHMILL01/);
      assert.match(text, /validity +expires in 39\d days, on 20\d\d-\d\d-\d\d/);
      assert.match(text, /key +RSA 2048; its private key is in .*a\.p12/);
      assert.match(text, /as credential +complete/);
      assert.ok(!text.includes('PRIVATE KEY'));
    }
  });

  it('names the remedy where nobody can be asked, and shows what needs no password', async () => {
    await assert.rejects(
      run(['inspect', file('a.p12', material.p12)]),
      /protected by a password and none was given.*--password-file FILE/,
    );
    assert.match(terminal.lines.join('\n'), /protection +certificates not encrypted/);
  });

  it('tells programs everything, also of a file that is wrong', async () => {
    const paths = [file('a.p12', material.p12.subarray(0, 100)), file('b.txt', 'hello')];
    await assert.rejects(
      run(['inspect', ...paths, '--json']),
      /a\.p12: The file is incomplete.*\n.*b\.txt: This is neither a \.p12/,
    );
    const { files } = terminal.documents[0] as { files: { file: string; problem: { code: string } }[] };
    assert.deepEqual(
      files.map(({ file: name, problem }) => [name, problem.code]),
      [
        [paths[0], 'truncated'],
        [paths[1], 'not-a-credential'],
      ],
    );
  });

  it('says which file is not there', async () => {
    await assert.rejects(run(['inspect', at('none')]), /Cannot read .*none: there is no such file\./);
  });
});

describe('certs convert', () => {
  it('makes a clean PEM of a .p12, for the owner alone, and never over another file', async () => {
    const p12 = file('a.p12', material.p12);
    const { text } = await run(['convert', p12], { answer: material.password });
    const pem = readFileSync(at('a.pem'), 'utf8');
    assert.equal(mode(at('a.pem')), '600');
    assert.deepEqual(pem.match(/-----BEGIN .*-----/g), [
      '-----BEGIN PRIVATE KEY-----',
      '-----BEGIN CERTIFICATE-----',
    ]);
    assert.ok(new X509Certificate(pem).checkPrivateKey(createPrivateKey(pem)));
    assert.match(text, /channels add NAME --cert .*a\.pem --topic com\.example\.pushmill/);
    const given = { answer: material.password };
    await assert.rejects(run(['convert', p12], given), /a\.pem is there already.*--force\.$/);
    const { document } = await run(['convert', p12, '--force', '--json'], given);
    assert.equal((document as { problem: null }).problem, null);
    await assert.rejects(
      run(['convert', p12, '--out', at('none/a.pem')], given),
      /Cannot write .*a\.pem: its folder does not exist\./,
    );
    // The result is as good a source as any.
    await run(['convert', at('a.pem'), '--out', at('again.pem')]);
    assert.equal(readFileSync(at('again.pem'), 'utf8'), pem);
  });

  it('fails with the sentence of the API, and the way out', async () => {
    const p12 = file('a.p12', material.p12);
    await assert.rejects(run(['convert', p12]), /none was given.*Give the password with --password-file/);
    await assert.rejects(
      run(['convert', p12, '--password-file', '-'], { input: 'wrong' }),
      /The password is wrong, or the file is damaged/,
    );
    await run(['convert', p12], { answer: material.password });
    const pem = readFileSync(at('a.pem'), 'utf8');
    const cer = file('aps.cer', new X509Certificate(pem).raw);
    await assert.rejects(run(['convert', cer]), /came without its private key.*--key push\.key/);
    await run(['csr', '--out', folder]);
    await assert.rejects(
      run(['convert', cer, '--key', at('push.key'), '--out', at('b.pem')]),
      /The private key belongs to another certificate than "Apple Push Services/,
    );
    await assert.rejects(
      run(['convert', at('push.certSigningRequest')]),
      /This is a certificate signing request/,
    );
  });

  it('writes what no channel would take only when told to', async () => {
    const plain = file('plain.pem', plainPair());
    await assert.rejects(
      run(['convert', plain, '--out', at('out.pem')]),
      /is not a push certificate of Apple.*--anyway/,
    );
    const { notes } = await run(['convert', plain, '--out', at('out.pem'), '--anyway']);
    assert.match(notes, /is not a push certificate of Apple/);
    assert.match(readFileSync(at('out.pem'), 'utf8'), /BEGIN PRIVATE KEY/);
  });
});

/** A certificate for anything, with its key. */
function plainPair(): string {
  const options = ['-newkey', 'rsa:2048', '-nodes', '-days', '9', '-subj', '/CN=anything'];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      ...options,
      '-addext',
      'basicConstraints=critical,CA:FALSE',
      '-keyout',
      'k.pem',
      '-out',
      'c.pem',
    ],
    {
      cwd: folder,
      stdio: 'pipe',
    },
  );
  return readFileSync(at('k.pem'), 'utf8') + readFileSync(at('c.pem'), 'utf8');
}

describe('certs check', () => {
  const check = (p12: string, more: string[] = []) =>
    run(['check', p12, '--host', material.host, '--ca', file('ca.pem', material.ca), ...more], {
      answer: material.password,
    });

  it('tells each step, and that the certificate is accepted', async () => {
    const { text } = await check(file('a.p12', material.p12));
    for (const step of ['DNS', 'TCP', 'TLS', 'server certificate', 'client certificate', 'ALPN']) {
      assert.match(text, new RegExp(`^ {2}ok +${step} `, 'm'));
    }
    assert.match(text, /^Accepted: /m);
  });

  it('proves certificate and topic with a push', async () => {
    emulator.setFaults({ rejected: 1 });
    try {
      const { document } = await check(file('a.p12', material.p12), ['--probe', '--json']);
      const { accepted, verdict, sentence } = document as Record<string, unknown>;
      assert.deepEqual([accepted, verdict], [true, 'accepted']);
      assert.match(String(sentence), /BadDeviceToken, so certificate and topic are right/);
      await assert.rejects(
        check(at('a.p12'), ['--probe', '--topic', 'com.example.other']),
        /Refused: a push for com\.example\.other got/,
      );
    } finally {
      emulator.setFaults({});
    }
  });

  it('fails where the server is not to be trusted, in words and for programs', async () => {
    const p12 = file('a.p12', material.p12);
    const line = ['check', p12, '--host', material.host, '--json'];
    await assert.rejects(
      run(line, { answer: material.password }),
      /^CommandError: Not trusted, and left at once: .*--ca FILE\.$/,
    );
    const { accepted, verdict, steps } = terminal.documents[0] as {
      accepted: boolean;
      verdict: string;
      steps: { name: string; state: string }[];
    };
    assert.deepEqual([accepted, verdict], [false, 'untrusted']);
    assert.deepEqual(steps.at(-1)?.state, 'failed');
  });

  it('says of a .p8 that it is no certificate', async () => {
    const channel = emulator.channels.find(({ name }) => name === 'apns-token');
    const p8 = file('AuthKey_ABC123DEFG.p8', String(channel?.credential.privateKey));
    await assert.rejects(check(p8), /key for token authentication \(\.p8\) and no certificate/);
  });

  it('says that a file holds no authority', async () => {
    const p12 = file('a.p12', material.p12);
    const line = ['check', p12, '--host', material.host, '--ca', file('x', 'hello')];
    await assert.rejects(run(line, { answer: material.password }), /neither a \.p12 nor a PEM/);
  });
});

describe('from nothing to an accepted connection', () => {
  it('csr, an authority that signs, convert, inspect, check', async () => {
    await run(['csr', '--out', at('ios'), '--email', 'ops@example.com']);
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    openssl('req', '-in', 'ios/push.certSigningRequest', '-noout', '-verify');
    file('ca.pem', authority.certificate);
    file('ca.key', authority.key);
    // Apple does not keep the subject that was asked for; openssl does, and it does not matter.
    file(
      'apns.cnf',
      [
        'basicConstraints=critical,CA:FALSE',
        'extendedKeyUsage=clientAuth',
        '1.2.840.113635.100.6.3.1=ASN1:NULL',
        '1.2.840.113635.100.6.3.2=ASN1:NULL',
        '1.2.840.113635.100.6.3.6=ASN1:SEQUENCE:topics',
        '[topics]',
        't0=UTF8String:com.example.pushmill',
        'l0=SEQWRAP,UTF8String:app',
      ].join('\n'),
    );
    const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', '7', '-days', '35', '-sha256'];
    openssl(
      ...['x509', '-req', '-in', 'ios/push.certSigningRequest', ...signing],
      ...['-extfile', 'apns.cnf', '-outform', 'DER', '-out', 'aps.cer'],
    );

    const seen = await run(['inspect', at('aps.cer'), at('ios/push.key'), at('ios/push.certSigningRequest')]);
    assert.match(seen.text, /its private key is in .*push\.key/);
    assert.match(seen.text, /validity +expires in 3[45] days, on /);
    assert.match(
      seen.text,
      /belongs to the certificate in .*aps\.cer; made the signing request .*push\.certSigningRequest/,
    );

    await run(['convert', at('aps.cer'), '--key', at('ios/push.key'), '--out', at('push.pem')]);
    const { document } = await run(['inspect', at('push.pem'), '--json']);
    const [shown] = (document as { files: { credential: unknown; certificates: { topics: string[] }[] }[] })
      .files;
    assert.deepEqual(shown?.credential, { usable: true });
    assert.deepEqual(shown?.certificates[0]?.topics, ['com.example.pushmill']);

    const line = ['check', at('push.pem'), '--host', material.host, '--ca', at('ca.pem'), '--probe'];
    assert.match((await run(line)).text, /^Accepted: /m);
    // Without the PEM in between too.
    await run([...line.with(1, at('aps.cer')), '--key', at('ios/push.key')]);
  });
});
