import type { Node } from './p12-cipher.ts';
import { childAt, childrenOf, integerOf, octetsOf, oidOf, parse, pbmac1 } from './p12-cipher.ts';

/** One cipher of a .p12, and how long its key takes to derive. */
export interface ProtectedPart {
  of: 'certificates' | 'key';
  /** `RC2-40`, `3DES`, `AES-256`, …; `none` where nothing is encrypted. */
  cipher: string;
  iterations: number;
}

/** How a .p12 is protected, as anyone can read without its password. */
export interface Protection {
  parts: ProtectedPart[];
  /** Null where the file has none. */
  mac: { algorithm: string; iterations: number } | null;
  /** Whether Node and OpenSSL 3 open it without their legacy ciphers. */
  opensEverywhere: boolean;
  /** Whether it has the form that Keychain Access writes. */
  fromKeychain: boolean;
}

const oldCiphers: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.12.1.1': 'RC4-128',
  '1.2.840.113549.1.12.1.2': 'RC4-40',
  '1.2.840.113549.1.12.1.3': '3DES',
  '1.2.840.113549.1.12.1.4': '3DES with two keys',
  '1.2.840.113549.1.12.1.5': 'RC2-128',
  '1.2.840.113549.1.12.1.6': 'RC2-40',
};

const pbes2 = '1.2.840.113549.1.5.13';
const pbes2Ciphers: Readonly<Record<string, string>> = {
  '1.2.840.113549.3.7': '3DES',
  '2.16.840.1.101.3.4.1.2': 'AES-128',
  '2.16.840.1.101.3.4.1.22': 'AES-192',
  '2.16.840.1.101.3.4.1.42': 'AES-256',
};

const macs: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'SHA-1',
  '2.16.840.1.101.3.4.2.4': 'SHA-224',
  '2.16.840.1.101.3.4.2.1': 'SHA-256',
  '2.16.840.1.101.3.4.2.2': 'SHA-384',
  '2.16.840.1.101.3.4.2.3': 'SHA-512',
};

const data = '1.2.840.113549.1.7.1';
const encryptedData = '1.2.840.113549.1.7.6';
const bags = {
  key: '1.2.840.113549.1.12.10.1.1',
  shroudedKey: '1.2.840.113549.1.12.10.1.2',
  certificate: '1.2.840.113549.1.12.10.1.3',
};

/**
 * Reads algorithms and counts, and derives nothing.
 * @returns  undefined for a file of another form
 * @see RFC 7292
 */
export function readProtection(file: Buffer): Protection | undefined {
  try {
    const [, contents, mac] = childrenOf(parse(file));
    const parts: ProtectedPart[] = [];
    for (const part of childrenOf(parse(octetsOf(childAt(childAt(contents, 1), 0))))) addParts(part, parts);
    const ciphers = (of: ProtectedPart['of']) => parts.filter((part) => part.of === of);
    const protection: Protection = {
      parts,
      mac: mac === undefined ? null : readMac(mac),
      opensEverywhere: !parts.some(({ cipher }) => /^RC[24]/.test(cipher)),
      fromKeychain: false,
    };
    protection.fromKeychain =
      protection.mac?.algorithm === 'SHA-1' &&
      ciphers('certificates').some(({ cipher }) => cipher === 'RC2-40') &&
      ciphers('key').some(({ cipher }) => cipher === '3DES');
    return protection;
  } catch {
    return undefined;
  }
}

function addParts(part: Node, parts: ProtectedPart[]): void {
  const type = oidOf(childAt(part, 0));
  const content = childAt(childAt(part, 1), 0);
  if (type === encryptedData) {
    parts.push({ of: 'certificates', ...readCipher(childAt(childAt(content, 1), 1)) });
  } else if (type === data) {
    for (const bag of childrenOf(parse(octetsOf(content)))) {
      const kind = oidOf(childAt(bag, 0));
      const value = childAt(childAt(bag, 1), 0);
      if (kind === bags.shroudedKey) parts.push({ of: 'key', ...readCipher(childAt(value, 0)) });
      else if (kind === bags.key) parts.push({ of: 'key', cipher: 'none', iterations: 0 });
      else if (kind === bags.certificate) parts.push({ of: 'certificates', cipher: 'none', iterations: 0 });
    }
  }
}

function readCipher(algorithm: Node | undefined): { cipher: string; iterations: number } {
  const oid = oidOf(childAt(algorithm, 0));
  const parameters = childAt(algorithm, 1);
  if (oid !== pbes2) {
    return { cipher: oldCiphers[oid] ?? oid, iterations: integerOf(childAt(parameters, 1)) };
  }
  const cipher = oidOf(childAt(childAt(parameters, 1), 0));
  const derivation = childAt(childAt(parameters, 0), 1);
  return { cipher: pbes2Ciphers[cipher] ?? cipher, iterations: integerOf(childAt(derivation, 1)) };
}

function readMac(mac: Node): { algorithm: string; iterations: number } {
  const algorithm = childAt(childAt(mac, 0), 0);
  const oid = oidOf(childAt(algorithm, 0));
  if (oid === pbmac1) {
    const derivation = childAt(childAt(childAt(algorithm, 1), 0), 1);
    return { algorithm: 'PBMAC1', iterations: integerOf(childAt(derivation, 1)) };
  }
  const count = childAt(mac, 2);
  return { algorithm: macs[oid] ?? oid, iterations: count === undefined ? 1 : integerOf(count) };
}
