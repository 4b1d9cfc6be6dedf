/** What a file is, told from its bytes alone. */
export type FileKind =
  | 'empty'
  | 'pem'
  | 'pkcs12'
  | 'certificate'
  | 'csr'
  | 'private-key'
  | 'encrypted-private-key'
  | 'public-key'
  | 'cms'
  | 'jks'
  | 'zip'
  | 'xml'
  | 'base64'
  | 'truncated'
  | 'unknown';

export interface SniffedFile {
  kind: FileKind;
  /** The file without bytes after its DER, which some tools pad with and OpenSSL accepts. */
  bytes: Buffer;
  /** For DER: the length that its first bytes declare, header included. */
  declaredBytes?: number;
}

/** Never throws: whatever cannot be recognised is `unknown`. */
export function sniff(file: Buffer): SniffedFile {
  if (file.length === 0) return { kind: 'empty', bytes: file };
  const head = file.subarray(0, 4).toString('hex');
  if (head === 'feedfeed' || head === 'cececece') return { kind: 'jks', bytes: file };
  if (head === '504b0304') return { kind: 'zip', bytes: file };
  // Anywhere, because openssl writes bag attributes before the first block.
  if (file.includes('-----BEGIN ')) return { kind: 'pem', bytes: file };
  if (file[0] === 0x30) return sniffDer(file);
  const text = file.toString('latin1');
  if (/^\s*<(\?xml|!DOCTYPE|plist)/i.test(text)) return { kind: 'xml', bytes: file };
  if (/^[A-Za-z0-9+/\s]+=*\s*$/.test(text) && text.trim().length >= 16)
    return { kind: 'base64', bytes: file };
  return { kind: 'unknown', bytes: file };
}

function sniffDer(file: Buffer): SniffedFile {
  const outer = readHeader(file, 0);
  if (outer === undefined) return { kind: 'truncated', bytes: file };
  const declaredBytes = outer.length === undefined ? undefined : outer.start + outer.length;
  const declared = declaredBytes === undefined ? {} : { declaredBytes };
  if (declaredBytes !== undefined && declaredBytes > file.length) {
    return { kind: 'truncated', bytes: file, ...declared };
  }
  const bytes = declaredBytes === undefined ? file : file.subarray(0, declaredBytes);
  return { kind: kindOfSequence(bytes, outer.start), bytes, ...declared };
}

function kindOfSequence(bytes: Buffer, start: number): FileKind {
  const first = readHeader(bytes, start);
  if (first === undefined) return 'unknown';
  const second = first.length === undefined ? undefined : readHeader(bytes, first.start + first.length);
  if (first.tag === 0x02 && first.length === 1) {
    const version = bytes[first.start];
    if (version === 3 && second?.tag === 0x30) return 'pkcs12';
    // PKCS#8 has an algorithm where PKCS#1 has a number and SEC1 the key itself.
    if (version === 0 && (second?.tag === 0x30 || second?.tag === 0x02)) return 'private-key';
    if (version === 1 && (second?.tag === 0x04 || second?.tag === 0x30)) return 'private-key';
    return 'unknown';
  }
  if (first.tag === 0x06 && first.length !== undefined) {
    const oid = bytes.subarray(first.start, first.start + first.length).toString('hex');
    // 1.2.840.113549.1.7.2, signedData: a provisioning profile or a .p7b.
    return oid === '2a864886f70d010702' ? 'cms' : 'unknown';
  }
  if (first.tag !== 0x30) return 'unknown';
  if (second?.tag === 0x04) return 'encrypted-private-key';
  if (second?.tag === 0x03) return 'public-key';
  if (second?.tag !== 0x30) return 'unknown';
  const inner = readHeader(bytes, first.start);
  // A certificate starts with [0] version (or, in version 1, a long serial number); a request with INTEGER 0.
  return inner?.tag === 0x02 && inner.length === 1 && bytes[inner.start] === 0 ? 'csr' : 'certificate';
}

/** Tag, content start and content length of the element at `offset`; no length in the indefinite form. */
function readHeader(
  bytes: Buffer,
  offset: number,
): { tag: number; start: number; length: number | undefined } | undefined {
  const tag = bytes[offset];
  const lengthByte = bytes[offset + 1];
  if (tag === undefined || lengthByte === undefined) return undefined;
  if (lengthByte < 0x80) return { tag, start: offset + 2, length: lengthByte };
  const count = lengthByte & 0x7f;
  if (count === 0) return { tag, start: offset + 2, length: undefined };
  if (count > 4 || offset + 2 + count > bytes.length) return undefined;
  return { tag, start: offset + 2 + count, length: bytes.readUIntBE(offset + 2, count) };
}
