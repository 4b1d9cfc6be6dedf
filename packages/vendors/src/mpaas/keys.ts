import type { KeyObject } from 'node:crypto';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { CredentialError } from '@pushmill/core';

/*
 * Both keys come as PEM or, as the console and Java tools print them, as base64 in one line; people wrap that line.
 * Either may be of the plain RSA form (PKCS#1) or of the general one (PKCS#8, SubjectPublicKeyInfo).
 */

const makeOne = 'make one with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048';

/** @throws CredentialError  one sentence: what is wrong and what to do, without any part of the key */
export function readPrivateKey(given: string | undefined): KeyObject {
  const refuse = (problem: string, sentence: string) =>
    new CredentialError(`private-key-${problem}`, sentence, '/credential/privateKey');
  if (given === undefined) {
    throw refuse('missing', `The rest interface needs your RSA private key; ${makeOne}.`);
  }
  const text = given.trim();
  const mistake = formMistake(text);
  if (mistake !== undefined) throw refuse(mistake.problem, `The private key ${mistake.sentence}`);
  // First as what it should be: OpenSSL reads a private key as a public one too, by leaving out the rest.
  const key = tryPrivate(text);
  if (key === undefined && tryPublic(text)) {
    throw refuse(
      'is-public',
      'This is a public key; hand in the private key of the pair and put this one into the console.',
    );
  }
  if (key === 'encrypted') {
    throw refuse(
      'encrypted',
      'The private key is protected by a password; take it off with openssl pkey and hand in the result.',
    );
  }
  if (key === undefined) throw refuse('unreadable', `The private key ${unreadable}`);
  if (!isRsa2048(key)) {
    throw refuse(
      'kind',
      `The private key is ${describe(key)}, mPaaS takes RSA of 2048 bits only; ${makeOne}.`,
    );
  }
  return key;
}

/** @throws CredentialError  one sentence: what is wrong and what to do */
export function readCallbackKey(given: string): KeyObject {
  const refuse = (problem: string, sentence: string) =>
    new CredentialError(`callback-key-${problem}`, sentence, '/credential/callbackPublicKey');
  const text = given.trim();
  // createPublicKey() would take a private key and derive the public one, so the mix-up must be asked for.
  if (text.includes('PRIVATE KEY') || tryPrivate(text)) {
    throw refuse(
      'is-private',
      'This is a private key; copy the public key that the console shows under the callback settings.',
    );
  }
  const mistake = formMistake(text);
  if (mistake !== undefined) throw refuse(mistake.problem, `The callback key ${mistake.sentence}`);
  const key = tryPublic(text);
  if (key === undefined) throw refuse('unreadable', `The callback key ${unreadable}`);
  if (!isRsa2048(key)) {
    throw refuse(
      'kind',
      `The callback key is ${describe(key)}, mPaaS signs with RSA of 2048 bits; copy the one that the console shows.`,
    );
  }
  return key;
}

const unreadable = 'has the form of a key and cannot be read; copy it again, whole.';

/** What can be said of a text without reading a key in it. */
function formMistake(text: string): { problem: string; sentence: string } | undefined {
  const label = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(text)?.[1];
  if (label === undefined) {
    if (text.includes('-----')) return cutOff;
    if (bareBase64(text) !== undefined) return undefined;
    return {
      problem: 'form',
      sentence:
        'is neither PEM nor base64; hand in the text that begins with -----BEGIN, or that of the console.',
    };
  }
  if (!text.includes(`-----END ${label}-----`)) return cutOff;
  if (label === 'CERTIFICATE' || label === 'CERTIFICATE REQUEST') {
    return { problem: 'is-certificate', sentence: 'is a certificate; mPaaS works with the bare key pair.' };
  }
  if (label === 'OPENSSH PRIVATE KEY') {
    return {
      problem: 'form',
      sentence: 'is in the form of OpenSSH; convert it with: ssh-keygen -p -m PKCS8.',
    };
  }
  return undefined;
}

const cutOff = {
  problem: 'cut-off',
  sentence: 'is cut off; copy it from the line with -----BEGIN to the line with -----END.',
};

function tryPrivate(text: string): KeyObject | 'encrypted' | undefined {
  // Both the PKCS#8 label and the header of the old form. Node's words for it differ with the form.
  if (text.includes('ENCRYPTED')) return 'encrypted';
  const bare = bareBase64(text);
  return firstOf(
    bare === undefined
      ? [() => createPrivateKey(text)]
      : (['pkcs8', 'pkcs1'] as const).map(
          (type) => () => createPrivateKey({ key: bare, format: 'der', type }),
        ),
  );
}

function tryPublic(text: string): KeyObject | undefined {
  if (text.includes('PRIVATE KEY')) return undefined;
  const bare = bareBase64(text);
  const key = firstOf(
    bare === undefined
      ? [() => createPublicKey(text)]
      : (['spki', 'pkcs1'] as const).map((type) => () => createPublicKey({ key: bare, format: 'der', type })),
  );
  return key === 'encrypted' ? undefined : key;
}

function firstOf(readings: readonly (() => KeyObject)[]): KeyObject | 'encrypted' | undefined {
  for (const read of readings) {
    try {
      return read();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE') return 'encrypted';
    }
  }
  return undefined;
}

/** Undefined when it is not bare base64, of either alphabet. */
function bareBase64(text: string): Buffer | undefined {
  const joined = text.replace(/\s+/g, '');
  return /^[A-Za-z0-9+/_-]+={0,2}$/.test(joined) && !joined.startsWith('-----')
    ? Buffer.from(joined, 'base64')
    : undefined;
}

function isRsa2048(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'rsa' && key.asymmetricKeyDetails?.modulusLength === 2048;
}

function describe(key: KeyObject): string {
  const bits = key.asymmetricKeyDetails?.modulusLength;
  return key.asymmetricKeyType === 'rsa' ? `RSA of ${bits} bits` : `of the kind ${key.asymmetricKeyType}`;
}
