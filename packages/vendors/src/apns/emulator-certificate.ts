import { X509Certificate } from 'node:crypto';

/** A client certificate as APNs judges it. */
export type CertificateVerdict =
  | { kind: 'good'; topics: readonly string[] }
  | { kind: 'bad'; reason: 'BadCertificate' | 'BadCertificateEnvironment' };

// Content octets of Apple's object identifiers, 1.2.840.113635.100.6.3.x.
const appleArc = '2a864886f763640603';
const marks = { sandbox: `${appleArc}01`, production: `${appleArc}02`, topics: `${appleArc}06` };
const userId = '0992268993f22c640101';

/**
 * Judges a certificate by its own bytes, with a reader of its own: issuer, dates, environment, topics.
 * @param now  milliseconds
 * @see Apple, "Establishing a certificate-based connection to APNs"
 */
export function judgeCertificate(
  certificate: Buffer,
  authority: X509Certificate,
  environment: 'production' | 'sandbox',
  now: number,
): CertificateVerdict {
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(certificate);
  } catch {
    return { kind: 'bad', reason: 'BadCertificate' };
  }
  const issued = parsed.checkIssued(authority) && parsed.verify(authority.publicKey);
  if (!issued || now < parsed.validFromDate.getTime() || now >= parsed.validToDate.getTime()) {
    return { kind: 'bad', reason: 'BadCertificate' };
  }
  const found = walk(certificate);
  if (
    found.topics === undefined &&
    !found.environments.has('production') &&
    !found.environments.has('sandbox')
  ) {
    return { kind: 'bad', reason: 'BadCertificate' };
  }
  if (!found.environments.has(environment)) return { kind: 'bad', reason: 'BadCertificateEnvironment' };
  return { kind: 'good', topics: found.topics ?? (found.userId === undefined ? [] : [found.userId]) };
}

interface Found {
  environments: Set<string>;
  topics: string[] | undefined;
  userId: string | undefined;
}

interface Element {
  tag: number;
  content: Buffer;
}

/** certificate → body → subject (for its UID), and [3] → extensions. */
function walk(certificate: Buffer): Found {
  const found: Found = { environments: new Set(), topics: undefined, userId: undefined };
  const [outer] = elements(certificate);
  const [body] = elements(outer?.content);
  for (const part of elements(body?.content)) {
    if (part.tag === 0x30) readName(part.content, found);
    if (part.tag !== 0xa3) continue;
    const [list] = elements(part.content);
    for (const extension of elements(list?.content)) readExtension(elements(extension.content), found);
  }
  return found;
}

/** The issuer is a name as well, and comes first: the subject's UID is the last that is found. */
function readName(content: Buffer, found: Found): void {
  for (const set of elements(content)) {
    if (set.tag !== 0x31) continue;
    for (const pair of elements(set.content)) {
      const [id, value] = elements(pair.content);
      if (id?.tag === 0x06 && id.content.toString('hex') === userId)
        found.userId = value?.content.toString('utf8');
    }
  }
}

function readExtension(parts: Element[], found: Found): void {
  const id = parts[0]?.content.toString('hex');
  if (id === marks.sandbox) found.environments.add('sandbox');
  else if (id === marks.production) found.environments.add('production');
  else if (id === marks.topics) {
    const [list] = elements(parts.at(-1)?.content);
    found.topics = elements(list?.content)
      .filter((item) => item.tag === 0x0c)
      .map((item) => item.content.toString('utf8'));
  }
}

/** The elements that follow one another in `bytes`; what is cut off is left out. */
function elements(bytes: Buffer | undefined): Element[] {
  const list: Element[] = [];
  if (bytes === undefined) return list;
  for (let at = 0; at + 2 <= bytes.length; ) {
    const tag = bytes[at] as number;
    let length = bytes[at + 1] as number;
    let start = at + 2;
    if (length > 0x80) {
      const count = length & 0x7f;
      if (count > 4 || start + count > bytes.length) break;
      length = bytes.readUIntBE(start, count);
      start += count;
    }
    if (start + length > bytes.length) break;
    list.push({ tag, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return list;
}
