import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type CredentialOptions, readCredential } from './credential-files.ts';
import { silentTerminal } from './silent-terminal.ts';

const folder = mkdtempSync(join(tmpdir(), 'pushmill-credential-'));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const p8 = file('AuthKey_ABC123DEFG.p8', 'a key');
const p12 = file('c.p12', Buffer.from([1, 2, 3]));
const pem = file('c.pem', '-----BEGIN CERTIFICATE-----');
const key = file('k.pem', '-----BEGIN ENCRYPTED PRIVATE KEY-----');
const password = file('password', 'p w\n');

const read = (options: CredentialOptions, answer?: string) =>
  readCredential(options, silentTerminal({ answer }));

describe('readCredential', () => {
  it('reads a .p8, and the key id from its name', async () => {
    assert.deepEqual(await read({ p8, teamId: 'TEAM123456' }), {
      kind: 'token',
      keyId: 'ABC123DEFG',
      teamId: 'TEAM123456',
      privateKey: 'a key',
    });
  });

  it('reads a .p12 with a password from a file, or asked for', async () => {
    const expected = { kind: 'certificate', p12: 'AQID', password: 'p w' };
    assert.deepEqual(await read({ p12, passwordFile: password }), expected);
    assert.deepEqual(await read({ p12 }, 'p w'), expected);
    assert.deepEqual(await read({ p12 }), { ...expected, password: '' });
  });

  it('reads PEM, asking only for the password of an encrypted key', async () => {
    assert.deepEqual(await read({ cert: pem }, 'unasked'), {
      kind: 'certificate',
      certificate: '-----BEGIN CERTIFICATE-----',
      privateKey: '-----BEGIN CERTIFICATE-----',
    });
    assert.equal((await read({ cert: pem, key }, 'asked'))?.passphrase, 'asked');
  });

  it('hands in the key file of a service account as it is', async () => {
    const serviceAccount = file('key.json', '{"type":"service_account"}\n');
    assert.deepEqual(await read({ serviceAccount }), { serviceAccount: '{"type":"service_account"}\n' });
  });

  it('reads JSON of any vendor', async () => {
    assert.deepEqual(await read({ credential: file('c.json', '{"accessKeyId":"x"}') }), { accessKeyId: 'x' });
    assert.equal(await read({}), undefined);
  });

  for (const [name, options, expected] of [
    ['two credentials', { p12, p8 }, /only one of --p12 and --p8/],
    ['a service account beside another', { p8, serviceAccount: pem }, /of --p8 and --service-account\.$/],
    ['a .p8 of no known key', { p8: pem, teamId: 'x' }, /needs --key-id/],
    ['a .p8 without a team', { p8 }, /needs --team-id/],
    [
      'a file that is not there',
      { p12: join(folder, 'none') },
      /Cannot read .*none: there is no such file\./,
    ],
    ['JSON that is none', { credential: password }, /is not a JSON object\.$/],
  ] as const) {
    it(`refuses ${name}`, async () => {
      await assert.rejects(read(options), expected);
    });
  }
});
