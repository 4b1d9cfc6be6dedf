import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { CredentialError } from '@pushmill/core';
import { prepareCredential } from './credential.ts';
import { keyFileText, settingsWith, vector } from './fixtures.ts';
import type { FcmSettings } from './settings.ts';

const { keyFile } = vector;

function prepare(serviceAccount: unknown, settings: Partial<FcmSettings> = {}) {
  return prepareCredential({ serviceAccount }, settingsWith(settings));
}

function fault(serviceAccount: unknown, settings: Partial<FcmSettings> = {}): CredentialError {
  try {
    prepare(serviceAccount, settings);
  } catch (error) {
    assert.ok(error instanceof CredentialError);
    return error;
  }
  return assert.fail('it was taken');
}

describe('a key file', () => {
  test('as the console gives it is taken, and what is shown of it is no secret', () => {
    const { credential, shown } = prepare(JSON.stringify(keyFile, undefined, 2));
    assert.deepEqual(credential, {
      projectId: 'demo-project',
      clientEmail: keyFile.client_email,
      privateKeyId: keyFile.private_key_id,
      privateKey: keyFile.private_key,
      tokenUri: 'https://oauth2.googleapis.com/token',
    });
    assert.deepEqual(shown, {
      kind: 'service-account',
      projectId: 'demo-project',
      clientEmail: keyFile.client_email,
      keyId: keyFile.private_key_id,
    });
  });

  test('with a byte order mark, and with line breaks that were escaped twice, is the same', () => {
    const { credential } = prepare(keyFileText());
    assert.deepEqual(prepare(`\uFEFF${keyFileText()}\r\n`).credential, credential);
    const escaped = keyFileText({ private_key: keyFile.private_key.replaceAll('\n', '\\n') });
    assert.deepEqual(prepare(escaped).credential, credential);
  });

  test('may lack what is not needed', () => {
    const { credential, shown } = prepare(keyFileText({ private_key_id: undefined, token_uri: undefined }));
    assert.equal(credential.tokenUri, 'https://oauth2.googleapis.com/token');
    assert.ok(!('privateKeyId' in credential) && !('keyId' in shown));
  });

  test('shows the project that the channel sends for', () => {
    assert.equal(prepare(keyFileText(), { projectId: 'other-project' }).shown.projectId, 'other-project');
  });
});

describe('what is no key file', () => {
  const others: [what: string, text: string, words: RegExp][] = [
    ['a word', 'secret', /not the key file of a service account/],
    ['a list', '[]', /not the key file of a service account/],
    ['cut JSON', keyFileText().slice(0, 900), /cut or changed/],
    [
      'the file of an Android app',
      '{"project_info":{"project_id":"p"},"client":[]}',
      /google-services\.json/,
    ],
    ['the file of an iOS app', '<?xml version="1.0"?><plist></plist>', /GoogleService-Info\.plist/],
    ['a person’s login', '{"type":"authorized_user","refresh_token":"1//x"}', /authorized_user/],
    ['workload identity', '{"type":"external_account"}', /workload identity/],
    ['an OAuth client', '{"installed":{"client_id":"x"}}', /OAuth client/],
    ['a server key', `AAAAabcdefg:APA91b${'x'.repeat(134)}`, /server key/],
    ['the key alone', keyFile.private_key, /without the file around it/],
    ['base64 of the file', Buffer.from(keyFileText()).toString('base64'), /base64/],
  ];
  for (const [what, text, words] of others) {
    test(`${what} is called by its name`, () => {
      const { message, pointer } = fault(text);
      assert.match(message, words);
      assert.match(message, /FCM needs the key file|service accounts/);
      assert.equal(pointer, '/credential/serviceAccount');
    });
  }

  test('another shape is told from a file', () => {
    assert.equal(fault(undefined).code, 'credential-shape');
    assert.equal(fault(7).pointer, '/credential/serviceAccount');
    assert.throws(() => prepareCredential('x', settingsWith()), { code: 'credential-shape' });
  });
});

describe('a key file that was changed', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ecKey = ec.privateKey.export({ format: 'pem', type: 'pkcs8' });
  const changes: [what: string, change: Record<string, unknown>, words: RegExp][] = [
    ['has no e-mail', { client_email: undefined }, /has no client_email/],
    ['has another e-mail', { client_email: 'nobody' }, /client_email .* not what Google writes/],
    ['has no project', { project_id: undefined }, /has no project_id/],
    ['has a project with a path in it', { project_id: 'a/../b' }, /project_id/],
    ['has a key id of two words', { private_key_id: 'a b' }, /private_key_id/],
    ['has no key', { private_key: undefined }, /no private_key/],
    ['has half a key', { private_key: keyFile.private_key.slice(0, 400) }, /cannot be read/],
    ['has a key on a curve', { private_key: ecKey }, /RSA/],
  ];
  for (const [what, change, words] of changes) {
    test(`${what}: is refused without a part of the key`, () => {
      const { message } = fault(keyFileText(change));
      assert.match(message, words);
      assert.ok(!message.includes(keyFile.private_key.slice(40, 64)));
    });
  }
});

describe('the address that a key file names', () => {
  const elsewhere = keyFileText({ token_uri: 'https://tokens.example/t' });

  test('is Google’s, so that nobody makes us call another', () => {
    const others = [
      'https://tokens.example/t',
      'https://169.254.169.254/token',
      'https://evilgoogle.com/token',
      'https://googleapis.com.example/token',
      'https://oauth2.googleapis.com:8443/token',
      'https://user@oauth2.googleapis.com/token',
      'http://oauth2.googleapis.com/token',
      'token',
      7,
    ];
    for (const token_uri of others) assert.equal(fault(keyFileText({ token_uri })).code, 'token-uri');
    assert.ok(prepare(keyFileText({ token_uri: 'https://accounts.google.com/o/oauth2/token' })));
  });

  test('may be another where the settings say where to send, or the channel is an emulator’s', () => {
    const { credential } = prepare(elsewhere, { tokenOrigin: 'https://proxy.example' });
    assert.equal(credential.tokenUri, 'https://tokens.example/t');
    assert.ok(prepare(elsewhere, { emulator: true }));
    assert.equal(
      fault(keyFileText({ token_uri: 'http://tokens.example/t' }), { emulator: true }).code,
      'token-uri',
    );
  });
});
