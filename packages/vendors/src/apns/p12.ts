import { createHmac, timingSafeEqual } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import forge from 'node-forge';
import type { Node } from './p12-cipher.ts';
import {
  childAt,
  childrenOf,
  decrypt,
  deriveOld,
  derivePbkdf2,
  digestOf,
  IterationBudget,
  integerOf,
  octetsOf,
  oidOf,
  parse,
  pbmac1,
  purposes,
  toDer,
  unsupported,
  WrongKey,
} from './p12-cipher.ts';
import type { PasswordForm } from './p12-password.ts';
import { passwordForms } from './p12-password.ts';

const { asn1 } = forge;

/** DER: PKCS#8 keys and X.509 certificates, in the order of the file. */
export interface Pkcs12Content {
  keys: Buffer[];
  certificates: Buffer[];
}

const data = '1.2.840.113549.1.7.1';
const encryptedData = '1.2.840.113549.1.7.6';
const keyBag = '1.2.840.113549.1.12.10.1.1';
const shroudedKeyBag = '1.2.840.113549.1.12.10.1.2';
const certBag = '1.2.840.113549.1.12.10.1.3';
const safeContentsBag = '1.2.840.113549.1.12.10.1.6';
const x509Certificate = '1.2.840.113549.1.9.22.1';

/**
 * Opens a PKCS#12 file. forge takes the tree apart and does RC2; node:crypto does the rest. forge's own reader
 * is not used: it fails on EC keys, on RC2-128, on PBMAC1, and on passwords with an umlaut in an AES file, and
 * takes fifteen seconds where Node takes half a one.
 *
 * Deriving keys blocks, so this runs on a thread of its own.
 * @throws CredentialError  with a plain sentence
 * @see RFC 7292
 */
export function openPkcs12(file: Buffer, password: string): Pkcs12Content {
  const budget = new IterationBudget();
  try {
    const [version, contents, mac] = childrenOf(parse(file));
    if (integerOf(version) !== 3) throw new Error('The version is not 3');
    if (oidOf(childAt(contents, 0)) !== data) throw unsupported('integrity by public key');
    const safe = octetsOf(childAt(childAt(contents, 1), 0));
    const forms = passwordForms(password);
    const proven = mac === undefined ? undefined : forms.find((form) => macMatches(mac, safe, form, budget));
    if (mac !== undefined && proven === undefined) throw wrongPassword(password);
    return readSafe(safe, proven === undefined ? forms : [proven], budget, mac !== undefined, password);
  } catch (error) {
    if (error instanceof CredentialError) throw error;
    throw damaged();
  }
}

function readSafe(
  safe: Buffer,
  forms: readonly PasswordForm[],
  budget: IterationBudget,
  proven: boolean,
  password: string,
): Pkcs12Content {
  for (const form of forms) {
    try {
      const content: Pkcs12Content = { keys: [], certificates: [] };
      for (const part of childrenOf(parse(safe))) {
        readBags(parse(openPart(part, form, budget)), form, budget, content);
      }
      return content;
    } catch (error) {
      if (error instanceof CredentialError) throw error;
      // With a MAC that matched the password was right, so it is the file. Without one, padding and structure
      // are the only check there is, and a wrong key can pass the padding by chance.
      if (proven) throw damaged();
    }
  }
  throw wrongPassword(password);
}

function openPart(part: Node, form: PasswordForm, budget: IterationBudget): Buffer {
  const type = oidOf(childAt(part, 0));
  const content = childAt(childAt(part, 1), 0);
  if (type === data) return octetsOf(content);
  if (type !== encryptedData) throw unsupported('privacy by public key');
  const info = childAt(content, 1);
  return decrypt(childAt(info, 1), octetsOf(childAt(info, 2)), form, budget);
}

function readBags(bags: Node, form: PasswordForm, budget: IterationBudget, content: Pkcs12Content): void {
  for (const bag of childrenOf(bags)) {
    const type = oidOf(childAt(bag, 0));
    const value = childAt(childAt(bag, 1), 0);
    if (value === undefined) throw new WrongKey('A bag is empty');
    if (type === keyBag) content.keys.push(toDer(value));
    else if (type === shroudedKeyBag) {
      content.keys.push(decrypt(childAt(value, 0), octetsOf(childAt(value, 1)), form, budget));
    } else if (type === certBag) {
      if (oidOf(childAt(value, 0)) === x509Certificate) {
        content.certificates.push(octetsOf(childAt(childAt(value, 1), 0)));
      }
    } else if (type === safeContentsBag) readBags(value, form, budget, content);
    // Revocation lists and secrets do not concern pushing.
  }
}

/** The MAC covers the content octets of the safe, without tag and length. */
function macMatches(mac: Node, safe: Buffer, form: PasswordForm, budget: IterationBudget): boolean {
  const info = childAt(mac, 0);
  const algorithm = childAt(info, 0);
  const expected = octetsOf(childAt(info, 1));
  const oid = oidOf(childAt(algorithm, 0));
  let actual: Buffer;
  if (oid === pbmac1) {
    // RFC 9579: derivation and HMAC are parameters, and the fields beside are not used.
    const parameters = childAt(algorithm, 1);
    const digest = hmacDigests[oidOf(childAt(childAt(parameters, 1), 0))];
    if (digest === undefined) throw unsupported('PBMAC1 digest');
    const lengths = childrenOf(childAt(childAt(parameters, 0), 1)).filter(
      (item) => item.type === asn1.Type.INTEGER,
    );
    const key = derivePbkdf2(childAt(parameters, 0), form, integerOf(lengths[1]), budget);
    actual = createHmac(digest, key).update(safe).digest();
  } else {
    const digest = digestOf(oid);
    const count = childAt(mac, 2);
    const iterations = count === undefined ? 1 : integerOf(count);
    budget.spend(iterations);
    const key = deriveOld(
      digest,
      purposes.mac,
      form.wide,
      octetsOf(childAt(mac, 1)),
      iterations,
      digest.bytes,
    );
    actual = createHmac(digest.name, key).update(safe).digest();
  }
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}

const hmacDigests: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};

function wrongPassword(password: string): CredentialError {
  return password === ''
    ? new CredentialError(
        'wrong-password',
        'The file is protected by a password and none was given: enter the password chosen at export.',
        '/credential/password',
      )
    : new CredentialError(
        'wrong-password',
        'The password is wrong, or the file is damaged; the two cannot be told apart. If you are sure of the password, export the file again.',
        '/credential/password',
      );
}

function damaged(): CredentialError {
  return new CredentialError(
    'damaged',
    'The .p12 file is damaged: export or upload it again.',
    '/credential/p12',
  );
}
