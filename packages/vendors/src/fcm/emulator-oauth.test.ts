import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { createAuthority } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import { type AssertionChoice, assertionOf, callHttp1, formOf, HandClient, keyFileOf } from './by-hand.ts';
import { type FcmEmulatorHandle, startFcmEmulator } from './emulator.ts';
import { TokenEndpoint } from './emulator-oauth.ts';

const start = 1_800_000_000_000;
const scope = (name: string) => `https://www.googleapis.com/auth/${name}`;

let authority: Authority;
let emulator: FcmEmulatorHandle;
let client: HandClient;
let now = start;
before(async () => {
  authority = await createAuthority(new Date());
  emulator = await startFcmEmulator({ port: 0, authority, seed: 1, now: () => now });
  client = new HandClient(emulator, authority, () => now);
});
after(async () => {
  client.close();
  await emulator.close();
});

describe('the token endpoint judges an assertion', () => {
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const strangersKey = stranger.export({ type: 'pkcs8', format: 'pem' }) as string;
  const iat = start / 1_000;
  const times = /^Invalid JWT: Token must be a short-lived token \(60 minutes\)/;
  const cases: [name: string, choice: AssertionChoice, error?: string, description?: RegExp][] = [
    ['a good one', {}],
    ['one without a key id', { header: { kid: undefined } }],
    ['one without a type', { header: { typ: undefined } }],
    ['for all of the cloud', { claims: { scope: scope('cloud-platform') } }],
    [
      'for several scopes',
      { claims: { scope: `${scope('firebase.database')} ${scope('firebase.messaging')}` } },
    ],
    ['a little early and a little late', { claims: { iat: iat + 299, exp: iat + 3_899 } }],
    ['another algorithm', { header: { alg: 'HS256' } }, 'invalid_grant', /^Invalid JWT$/],
    ['no algorithm', { header: { alg: 'none' } }, 'invalid_grant', /^Invalid JWT$/],
    ['another key id', { header: { kid: '0'.repeat(40) } }, 'invalid_grant', /^Invalid JWT Signature\.$/],
    ['another key', { key: strangersKey }, 'invalid_grant', /^Invalid JWT Signature\.$/],
    ['another account', { claims: { iss: 'a@b.c' } }, 'invalid_grant', /account not found$/],
    ['another address', { claims: { aud: 'https://example.com/token' } }, 'invalid_grant', /audience check$/],
    ['no address', { claims: { aud: undefined } }, 'invalid_grant', /audience check$/],
    ['an hour and a second', { claims: { exp: iat + 3_601 } }, 'invalid_grant', times],
    ['from the future', { claims: { iat: iat + 301, exp: iat + 3_901 } }, 'invalid_grant', times],
    ['of the past', { claims: { iat: iat - 3_901, exp: iat - 301 } }, 'invalid_grant', times],
    ['no times', { claims: { iat: undefined, exp: undefined } }, 'invalid_grant', times],
    ['times as texts', { claims: { iat: String(iat), exp: String(iat + 60) } }, 'invalid_grant', times],
    ['no scope', { claims: { scope: undefined } }, 'invalid_scope', /^Invalid OAuth scope/],
    ['a scope that is none', { claims: { scope: 'messaging' } }, 'invalid_scope', /^Invalid OAuth scope/],
    [
      'in the name of a person',
      { claims: { sub: 'ann@example.com' } },
      'unauthorized_client',
      /unauthorized/,
    ],
  ];
  for (const [name, choice, error, description] of cases) {
    it(`${name}: ${error ?? 'a token'}`, async () => {
      const { status, text } = await client.askToken(choice);
      const answer = JSON.parse(text) as Record<string, unknown>;
      if (error === undefined) {
        assert.deepEqual([status, answer.expires_in, answer.token_type], [200, 3_599, 'Bearer'], text);
        assert.match(answer.access_token as string, /^ya29\./);
        return;
      }
      assert.deepEqual([status, answer.error], [error === 'unauthorized_client' ? 401 : 400, error]);
      assert.match(answer.error_description as string, description as RegExp);
    });
  }

  it('a signature with one bit changed', async () => {
    const good = assertionOf(keyFileOf(emulator), now);
    const at = good.length - 100;
    const other = good[at] === 'A' ? 'B' : 'A';
    const answer = await post(formOf(good.slice(0, at) + other + good.slice(at + 1)));
    assert.deepEqual(answer, [400, 'invalid_grant']);
  });

  const post = async (body: string, type = 'application/x-www-form-urlencoded') => {
    const { status, text } = await client.call({ ':path': '/token', 'content-type': type }, body);
    return [status, (JSON.parse(text) as { error?: string }).error];
  };

  it('only in the form that the standard has', async () => {
    const good = formOf(assertionOf(keyFileOf(emulator), now));
    assert.deepEqual(await post(good, 'application/x-www-form-urlencoded;charset=UTF-8'), [200, undefined]);
    assert.deepEqual(await post(good, 'application/json'), [400, 'invalid_request']);
    assert.deepEqual(await post('grant_type=password'), [400, 'unsupported_grant_type']);
    assert.deepEqual(await post(good.split('&assertion')[0] as string), [400, 'invalid_request']);
    for (const nonsense of ['x', 'x.y', 'e30.e30', 'bm8.bm8.bm8', 'W10.W10.eA']) {
      assert.deepEqual(await post(formOf(nonsense)), [400, 'invalid_grant'], nonsense);
    }
  });

  it('over HTTP/1.1 as well, with the hour of the vendor', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const body = formOf(assertionOf(keyFileOf(emulator), now));
    const answer = await callHttp1(emulator, authority, { path: '/token', headers }, body);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.date, new Date(now).toUTCString());
  });
});

/*
 * RSASSA-PKCS1-v1_5 is deterministic, so this assertion could be computed apart from all code here; the key is for
 * tests only.
 */
it('an assertion that others computed is taken', () => {
  const publicKey = createPublicKey(`-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA3fG/5OVGTquix2ST/y5S
qG01e7+wRPm4HsGbMbXMmFroVVA7uV5ookU6Epdf6IkCicZU8sEGUfQaAyuOIdx9
4Ihl/NPtWCzGHAr2h9674mvIqeVa7RATWP5CkuR+YLnbrweCFJGJ/Vwerw0y2dV0
YR1uBJmyI0GI4M3GMCDurM/cmNb6IlrvNHDC3XOkqVxAZE/4vboJCaK05jmJzEXe
HTxNORUacQoH6z8NYshm6LJv1IqGNG3B3DDNEKJHLErgGkfEIXCWqlQK5+d/izc/
1/gsIWhfCE/cNFX5YygIHuSLjDE2XqDv6WRM8eD3ZZJuyVh3EX2eW30VthLARoD4
sQIDAQAB
-----END PUBLIC KEY-----
`);
  const assertion =
    'eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1NjcifQ.eyJpc3MiOiJzZW5kZXJAZGVtby1wcm9qZWN0LmlhbS5nc2VydmljZWFjY291bnQuY29tIiwic2NvcGUiOiJodHRwczovL3d3dy5nb29nbGVhcGlzLmNvbS9hdXRoL2ZpcmViYXNlLm1lc3NhZ2luZyIsImF1ZCI6Imh0dHBzOi8vb2F1dGgyLmdvb2dsZWFwaXMuY29tL3Rva2VuIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDM2MDB9.FKgEEgv1SnmWxG53yVR_TYghjekWLqPsa8yNmdZEs5Eyst3OXnKVdUiJV-28vm1RXir3KvxsYg6wBnjPadZsP-bC0POoBaIjBv1_ghdATDIAkjaylSrxf6TTLkIFP4d03kSDgdHVEj2lCNXhxugLhbAekN-JUextftumZb4xmjcGbIOK_A4wCDuXKwECn4qfAtmSbyphcTz3zADA9dCxmfCr4Me7T8QAvIhSQrF6JD86UjG8sRilAuQjs4ygVoTtL_UZYaMr7FPx6pT11TQZDS6YT-sVryF4EtbDQVfPF3W4CX4HZEkyeQ-sWEUop3DxGsJWwJPelWsOT7h4B1YNNg';
  const ask = (email: string, keyId: string) => {
    const endpoint = new TokenEndpoint({
      now: () => 1_700_000_000_000,
      account: { email, keys: new Map([[keyId, publicKey]]), projectId: 'demo-project' },
      expiresInSeconds: 3_600,
      skewSeconds: 0,
    });
    return endpoint.receive({
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: Buffer.from(formOf(assertion)),
    })?.status;
  };
  const email = 'sender@demo-project.iam.gserviceaccount.com';
  const keyId = '0123456789abcdef0123456789abcdef01234567';
  assert.equal(ask(email, keyId), 200);
  assert.equal(ask(email, `1${keyId.slice(1)}`), 400);
  assert.equal(ask(`a${email}`, keyId), 400);
});

describe('an access token', () => {
  const sendWith = async (authorization: string | undefined) => {
    const answer = await client.send({ token: emulator.newToken() }, { authorization });
    const info = answer.json.error?.details?.find(({ reason }) => reason !== undefined)?.reason;
    return [answer.status, answer.json.error?.status, info];
  };
  const newBearer = async (choice?: AssertionChoice) =>
    `Bearer ${(await client.askToken(choice)).json.access_token}`;
  const taken = [200, undefined, undefined];

  it('is asked for, and must be one', async () => {
    const missing = [401, 'UNAUTHENTICATED', 'CREDENTIALS_MISSING'];
    assert.deepEqual(await sendWith(undefined), missing);
    assert.deepEqual(await sendWith('key=AAAA'), missing);
    assert.deepEqual(await sendWith('Bearer ya29.nonsense'), [401, 'UNAUTHENTICATED', undefined]);
    assert.deepEqual(await sendWith(await newBearer()), taken);
  });

  it('must have the right scope', async () => {
    const bearer = await newBearer({ claims: { scope: scope('firebase.database') } });
    assert.deepEqual(await sendWith(bearer), [403, 'PERMISSION_DENIED', 'ACCESS_TOKEN_SCOPE_INSUFFICIENT']);
  });

  it('lives as long as was said', async () => {
    const bearer = await newBearer();
    now += 3_598_000;
    assert.deepEqual(await sendWith(bearer), taken);
    now += 1_000;
    assert.deepEqual(await sendWith(bearer), [401, 'UNAUTHENTICATED', 'ACCESS_TOKEN_EXPIRED']);
  });

  it('may be revoked, and another asked for', async () => {
    const bearer = await newBearer();
    emulator.revokeAccessTokens();
    assert.deepEqual(await sendWith(bearer), [401, 'UNAUTHENTICATED', undefined]);
    assert.deepEqual(await sendWith(await newBearer()), taken);
  });

  it('is not to be had when the endpoint is in trouble', async () => {
    const before = emulator.tokenRequests;
    const { requests } = emulator.account();
    for (const [trouble, status, error] of [
      ['account-gone', 400, 'invalid_grant'],
      ['key-gone', 400, 'invalid_grant'],
      ['disabled', 401, 'invalid_client'],
      ['unavailable', 503, 'internal_failure'],
    ] as const) {
      emulator.setTokenTrouble(trouble);
      const answer = await client.askToken();
      assert.deepEqual([answer.status, answer.json.error], [status, error], trouble);
    }
    emulator.setTokenTrouble('silent');
    const silent = client.askToken();
    // In order on one connection: the second answer shows that the first request was read.
    assert.equal(
      (await client.send({ token: emulator.newToken() }, { authorization: undefined })).status,
      401,
    );
    emulator.setTokenTrouble(undefined);
    assert.equal((await client.askToken()).status, 200);
    assert.equal(emulator.tokenRequests - before, 6);
    assert.equal(emulator.account().requests - requests, 1, 'the message alone');
    client.close();
    await assert.rejects(silent);
    client = new HandClient(emulator, authority, () => now);
  });
});

describe('the key of the account', () => {
  it('follows from authority and seed', async () => {
    const textOf = async (seed: number, of: Authority) => {
      // A copy is another object: nothing is shared with the one before.
      const one = await startFcmEmulator({ port: 0, authority: { ...of }, seed });
      await one.close();
      return one.channels[0]?.credential.serviceAccount as string;
    };
    const text = await textOf(1, authority);
    assert.equal(text, emulator.channels[0]?.credential.serviceAccount);
    const file = JSON.parse(text) as Record<string, string>;
    const other = JSON.parse(await textOf(2, authority)) as Record<string, string>;
    assert.notEqual(file.private_key, other.private_key);
    assert.match(file.private_key_id as string, /^[0-9a-f]{40}$/);
    const { asymmetricKeyDetails } = createPublicKey(file.private_key as string);
    assert.deepEqual(asymmetricKeyDetails, { modulusLength: 2048, publicExponent: 65_537n });
  });
});
