import type { X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import type { Environment } from './settings.ts';

const { asn1 } = forge;

/** What an X.509 certificate says about pushing. */
export interface PushCertificate {
  x509: X509Certificate;
  commonName: string;
  issuerName: string;
  /** Team id, where the subject carries one. */
  teamId: string | undefined;
  topics: string[];
  /** Empty when neither an extension nor the name tells. */
  environments: Environment[];
  /** Whether an Apple extension or an Apple name marks it as made for push. */
  forPush: boolean;
  /** Whether its name or its purpose marks it as made for signing code. */
  forCodeSigning: boolean;
  notBefore: Date;
  notAfter: Date;
}

const sandboxMark = '1.2.840.113635.100.6.3.1';
const productionMark = '1.2.840.113635.100.6.3.2';
const voipMark = '1.2.840.113635.100.6.3.4';
const topicListMark = '1.2.840.113635.100.6.3.6';
const clientAuth = '1.3.6.1.5.5.7.3.2';
const codeSigning = '1.3.6.1.5.5.7.3.3';

const both: readonly Environment[] = ['sandbox', 'production'];

/** Names that Apple gives, and the environments they stand for where the extensions are missing. */
const pushNames: readonly [prefix: string, environments: readonly Environment[]][] = [
  ['Apple Push Services: ', both],
  ['Apple Sandbox Push Services: ', ['sandbox']],
  ['Apple Development IOS Push Services: ', ['sandbox']],
  ['Apple Production IOS Push Services: ', ['production']],
  ['Apple Development Mac Push Services: ', ['sandbox']],
  ['Apple Production Mac Push Services: ', ['production']],
  ['VoIP Services: ', both],
  ['WatchKit Services: ', both],
  ['Pass Type ID: ', ['production']],
  ['Website Push ID: ', ['production']],
  ['APSP:', ['production']],
];

const codeSigningName =
  /^(Apple Development|Apple Distribution|iPhone Developer|iPhone Distribution|Mac Developer|3rd Party Mac Developer \w+|Developer ID \w+): /;

/**
 * Reads topics and environments: from Apple's extensions, else from the name.
 * @see Apple, "Establishing a certificate-based connection to APNs"
 */
export function readPushCertificate(x509: X509Certificate): PushCertificate {
  const { subject, issuer } = x509.toLegacyObject();
  const commonName = printable(first(subject?.CN) ?? '');
  const organizationalUnit = first(subject?.OU);
  const uid = first((subject as Record<string, string | string[]> | undefined)?.UID);
  const extensions = readExtensions(x509.raw);
  const marked: Environment[] = [];
  if (extensions.has(sandboxMark)) marked.push('sandbox');
  if (extensions.has(productionMark)) marked.push('production');
  const named = pushNames.find(([prefix]) => commonName.startsWith(prefix));
  const listed = topicsOf(extensions.get(topicListMark));
  const suffix = commonName.startsWith('VoIP Services: ')
    ? '.voip'
    : commonName.startsWith('WatchKit Services: ')
      ? '.complication'
      : '';
  const purposes: readonly string[] = x509.keyUsage ?? [];
  return {
    x509,
    commonName,
    issuerName: printable(first(issuer?.CN) ?? ''),
    teamId: organizationalUnit === undefined ? undefined : printable(organizationalUnit),
    topics: (listed.length > 0 ? listed : uid === undefined ? [] : [uid + suffix]).map(printable),
    environments: marked.length > 0 ? marked : [...(named?.[1] ?? [])],
    forPush: marked.length > 0 || named !== undefined || extensions.has(voipMark) || listed.length > 0,
    forCodeSigning:
      codeSigningName.test(commonName) || (purposes.includes(codeSigning) && !purposes.includes(clientAuth)),
    notBefore: x509.validFromDate,
    notAfter: x509.validToDate,
  };
}

/** Names are the file's own words, and are shown on terminals, which obey control characters. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are meant
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '\ufffd');
}

/** Extension values by OID: Node has no API for extensions that it does not know. */
function readExtensions(certificate: Buffer): Map<string, string> {
  const found = new Map<string, string>();
  const parsed = asn1.fromDer(certificate.toString('latin1'), { decodeBitStrings: false } as never);
  const body = children(parsed)[0];
  const list = children(body).find(
    (item) => item.tagClass === asn1.Class.CONTEXT_SPECIFIC && (item.type as number) === 3,
  );
  for (const extension of children(children(list)[0])) {
    // OID, an optional BOOLEAN for `critical`, the value.
    const parts = children(extension);
    const [id, value] = [parts[0], parts.at(-1)];
    if (typeof id?.value === 'string' && typeof value?.value === 'string') {
      found.set(asn1.derToOid(id.value), value.value);
    }
  }
  return found;
}

/** Every UTF8String of the outer sequence is a topic; labels follow in sequences of their own, or are missing. */
function topicsOf(value: string | undefined): string[] {
  if (value === undefined) return [];
  try {
    return children(asn1.fromDer(value))
      .filter((item) => item.type === asn1.Type.UTF8 && typeof item.value === 'string')
      .map((item) => forge.util.decodeUtf8(item.value as string));
  } catch {
    return [];
  }
}

function children(node: forge.asn1.Asn1 | undefined): forge.asn1.Asn1[] {
  return Array.isArray(node?.value) ? node.value : [];
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/**
 * The certificate and the issuers that were handed in beside it, leaf first. The root is left out: the peer has it.
 */
export function chainOf(leaf: X509Certificate, others: readonly X509Certificate[]): X509Certificate[] {
  const chain = [leaf];
  for (let last = leaf; ; ) {
    const issuer = others.find(
      (other) => !chain.includes(other) && last.checkIssued(other) && last.verify(other.publicKey),
    );
    if (issuer === undefined || issuer.checkIssued(issuer)) return chain;
    chain.push(issuer);
    last = issuer;
  }
}
