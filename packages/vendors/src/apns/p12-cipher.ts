import { createDecipheriv, hash, pbkdf2Sync } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import forge from 'node-forge';
import type { PasswordForm } from './p12-password.ts';

const { asn1 } = forge;
export type Node = forge.asn1.Asn1;

/** More than this for one derivation is an attack or a mistake; the strongest files in use have 600,000. */
const maxIterations = 1_000_000;
/** Over a whole file and every reading of its password. */
const maxTotalIterations = 4_000_000;

/** Counts before anything is derived, because the count in a file is whatever its maker wrote. */
export class IterationBudget {
  #left = maxTotalIterations;

  /** @throws CredentialError  when the file asks for more work than any honest one */
  spend(iterations: number): void {
    this.#left -= iterations;
    if (iterations < 1 || iterations > maxIterations || this.#left < 0) {
      throw new CredentialError(
        'too-many-iterations',
        `The file asks for ${iterations} rounds of key derivation, more than any real export: export it again from Keychain Access or with openssl pkcs12.`,
      );
    }
  }
}

/** The file needs something that no tool in use writes today. */
export function unsupported(what: string): CredentialError {
  return new CredentialError(
    'unsupported-encryption',
    `The file is encrypted in a way that cannot be read (${what}): export it again from Keychain Access, or convert it with openssl pkcs12.`,
  );
}

/** Decryption did not give sense: the password is another one, or the file is damaged. */
export class WrongKey extends Error {}

interface Digest {
  name: string;
  blockBytes: number;
  bytes: number;
}

const digests: Readonly<Record<string, Digest>> = {
  '1.3.14.3.2.26': { name: 'sha1', bytes: 20, blockBytes: 64 },
  '2.16.840.1.101.3.4.2.4': { name: 'sha224', bytes: 28, blockBytes: 64 },
  '2.16.840.1.101.3.4.2.1': { name: 'sha256', bytes: 32, blockBytes: 64 },
  '2.16.840.1.101.3.4.2.2': { name: 'sha384', bytes: 48, blockBytes: 128 },
  '2.16.840.1.101.3.4.2.3': { name: 'sha512', bytes: 64, blockBytes: 128 },
};

const pseudoRandomFunctions: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.8': 'sha224',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};

const blockCiphers: Readonly<Record<string, { name: string; keyBytes: number }>> = {
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyBytes: 24 },
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyBytes: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyBytes: 24 },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keyBytes: 32 },
};

/** The ciphers of PKCS#12 itself; RC2 is what Keychain Access uses, and Node cannot do it. */
const oldCiphers: Readonly<Record<string, { keyBytes: number; cipher: 'des3' | 'rc2' }>> = {
  '1.2.840.113549.1.12.1.3': { keyBytes: 24, cipher: 'des3' },
  '1.2.840.113549.1.12.1.4': { keyBytes: 16, cipher: 'des3' },
  '1.2.840.113549.1.12.1.5': { keyBytes: 16, cipher: 'rc2' },
  '1.2.840.113549.1.12.1.6': { keyBytes: 5, cipher: 'rc2' },
};

const pbes2 = '1.2.840.113549.1.5.13';
const pbkdf2 = '1.2.840.113549.1.5.12';
export const pbmac1 = '1.2.840.113549.1.5.14';

export function digestOf(oid: string): Digest {
  const digest = digests[oid];
  if (digest === undefined) throw unsupported(`digest ${oid}`);
  return digest;
}

/** What a derived key is for: its diversifier byte. */
export const purposes = { key: 1, iv: 2, mac: 3 } as const;

/**
 * The key derivation of PKCS#12.
 * @see RFC 7292 Appendix B.2
 */
export function deriveOld(
  digest: Digest,
  purpose: number,
  password: Buffer,
  salt: Buffer,
  iterations: number,
  bytes: number,
): Buffer {
  const { blockBytes } = digest;
  const diversifier = Buffer.alloc(blockBytes, purpose);
  const input = Buffer.concat([fill(salt, blockBytes), fill(password, blockBytes)]);
  const parts: Buffer[] = [];
  for (let made = 0; made < bytes; made += digest.bytes) {
    let block: Buffer = hash(digest.name, Buffer.concat([diversifier, input]), 'buffer');
    for (let round = 1; round < iterations; round++) block = hash(digest.name, block, 'buffer');
    parts.push(block);
    const addend = fill(block, blockBytes).subarray(0, blockBytes);
    for (let start = 0; start < input.length; start += blockBytes) {
      let carry = 1;
      for (let at = blockBytes - 1; at >= 0; at--) {
        carry += (input[start + at] as number) + (addend[at] as number);
        input[start + at] = carry & 0xff;
        carry >>= 8;
      }
    }
  }
  return Buffer.concat(parts).subarray(0, bytes);
}

/** Repeated up to the next multiple of the block; nothing stays nothing. */
function fill(bytes: Buffer, blockBytes: number): Buffer {
  return Buffer.alloc(Math.ceil(bytes.length / blockBytes) * blockBytes, bytes.length > 0 ? bytes : 0);
}

/**
 * Decrypts by an AlgorithmIdentifier.
 * @throws WrongKey  when the result has no valid padding; CredentialError for an algorithm that cannot be done
 */
export function decrypt(
  algorithm: Node | undefined,
  ciphertext: Buffer,
  password: PasswordForm,
  budget: IterationBudget,
): Buffer {
  const oid = oidOf(childAt(algorithm, 0));
  const parameters = childAt(algorithm, 1);
  if (oid === pbes2) return decryptPbes2(parameters, ciphertext, password, budget);
  const old = oldCiphers[oid];
  if (old === undefined)
    throw unsupported(oid.startsWith('1.2.840.113549.1.12.1.') ? 'RC4' : `algorithm ${oid}`);
  const salt = octetsOf(childAt(parameters, 0));
  const iterations = integerOf(childAt(parameters, 1));
  const digest = digestOf('1.3.14.3.2.26');
  budget.spend(iterations);
  const key = deriveOld(digest, purposes.key, password.wide, salt, iterations, old.keyBytes);
  const iv = deriveOld(digest, purposes.iv, password.wide, salt, iterations, 8);
  if (old.cipher === 'rc2') return decryptRc2(key, iv, ciphertext);
  // Two keys of 3DES are three of which the third repeats the first.
  const threeKeys = key.length === 16 ? Buffer.concat([key, key.subarray(0, 8)]) : key;
  return finish('des-ede3-cbc', threeKeys, iv, ciphertext);
}

function decryptPbes2(
  parameters: Node | undefined,
  ciphertext: Buffer,
  password: PasswordForm,
  budget: IterationBudget,
): Buffer {
  const encryption = childAt(parameters, 1);
  const cipher = blockCiphers[oidOf(childAt(encryption, 0))];
  if (cipher === undefined) throw unsupported(`cipher ${oidOf(childAt(encryption, 0))}`);
  const key = derivePbkdf2(childAt(parameters, 0), password, cipher.keyBytes, budget);
  return finish(cipher.name, key, octetsOf(childAt(encryption, 1)), ciphertext);
}

/** @see RFC 8018 A.2; the key length there is optional, the function defaults to HMAC with SHA-1 */
export function derivePbkdf2(
  derivation: Node | undefined,
  password: PasswordForm,
  bytes: number,
  budget: IterationBudget,
): Buffer {
  const oid = oidOf(childAt(derivation, 0));
  if (oid !== pbkdf2) throw unsupported(`key derivation ${oid}`);
  const [salt, iterations, ...rest] = childrenOf(childAt(derivation, 1));
  const named = rest.find((item) => item.type === asn1.Type.SEQUENCE);
  const prf = named === undefined ? 'sha1' : pseudoRandomFunctions[oidOf(childAt(named, 0))];
  if (prf === undefined) throw unsupported(`function ${oidOf(childAt(named, 0))}`);
  const count = integerOf(iterations);
  budget.spend(count);
  return pbkdf2Sync(password.narrow, octetsOf(salt), count, bytes, prf);
}

function finish(name: string, key: Buffer, iv: Buffer, ciphertext: Buffer): Buffer {
  try {
    const decipher = createDecipheriv(name, key, iv);
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  } catch (error) {
    throw new WrongKey('The padding is wrong', { cause: error });
  }
}

function decryptRc2(key: Buffer, iv: Buffer, ciphertext: Buffer): Buffer {
  const cipher = forge.rc2.createDecryptionCipher(key.toString('latin1'), key.length * 8);
  cipher.start(iv.toString('latin1'));
  cipher.update(forge.util.createBuffer(ciphertext.toString('latin1')));
  if (ciphertext.length === 0 || ciphertext.length % 8 !== 0 || !cipher.finish()) {
    throw new WrongKey('The padding is wrong');
  }
  return Buffer.from(cipher.output.getBytes(), 'latin1');
}

// Reading the tree. Every function throws for a tree of another form; the caller calls the file damaged.

export function parse(bytes: Buffer): Node {
  return asn1.fromDer(bytes.toString('latin1'), { decodeBitStrings: false } as never);
}

export function toDer(node: Node): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'latin1');
}

export function childrenOf(node: Node | undefined): Node[] {
  if (!Array.isArray(node?.value)) throw new Error('A constructed element was expected');
  return node.value;
}

export function childAt(node: Node | undefined, index: number): Node | undefined {
  return childrenOf(node)[index];
}

export function oidOf(node: Node | undefined): string {
  if (node?.type !== asn1.Type.OID || typeof node.value !== 'string') throw new Error('An OID was expected');
  return asn1.derToOid(node.value);
}

/** Primitive or, in BER, in chunks. */
export function octetsOf(node: Node | undefined): Buffer {
  if (node === undefined) throw new Error('An OCTET STRING was expected');
  if (Array.isArray(node.value)) return Buffer.concat(node.value.map(octetsOf));
  return Buffer.from(node.value as string, 'latin1');
}

export function integerOf(node: Node | undefined): number {
  const bytes = octetsOf(node);
  if (node?.type !== asn1.Type.INTEGER || bytes.length === 0) throw new Error('An INTEGER was expected');
  // Longer than any count that could be served: kept large, so that the budget refuses it.
  return bytes.length > 6 ? Number.MAX_SAFE_INTEGER : bytes.readUIntBE(0, bytes.length);
}
