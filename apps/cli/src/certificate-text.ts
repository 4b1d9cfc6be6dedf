import type { certificates } from '@pushmill/vendors';

type Row = [title: string, value: string];

/** What a file holds, for people. */
export function inspectionText(one: certificates.Inspection): string {
  const parts: Row[][] = [];
  if (one.protection !== null) parts.push([['protection', protectionText(one.protection)]]);
  for (const certificate of one.certificates) parts.push(certificateRows(certificate));
  for (const key of one.keys) parts.push(keyRows(key));
  for (const request of one.requests) {
    parts.push([
      ['request', request.subject],
      ['signature', request.signatureValid ? 'good' : 'not that of the key in it: Apple will refuse it'],
      [
        'key',
        `${request.keyType}, ${request.keyIn.length > 0 ? `in ${request.keyIn.join(', ')}` : 'which is not here'}`,
      ],
    ]);
  }
  const { credential } = one;
  const verdict = credential.usable ? 'complete: a channel takes it' : credential.message;
  // What could not be opened, the command says itself.
  if (one.problem === null) parts.push([['as credential', verdict]]);
  const rows = parts.flat();
  const width = Math.max(0, ...rows.map(([title]) => title.length));
  const lines = parts.map((part) =>
    part.map(([title, value]) => `  ${title.padEnd(width)}  ${value}`).join('\n'),
  );
  return [`${one.file}: ${one.title}`, ...lines].join('\n');
}

const uses: Readonly<Record<certificates.CertificateView['use'], string>> = {
  push: 'push',
  'code-signing': 'signing apps, not push',
  authority: 'authority, part of a chain',
  other: 'not marked for push',
};

function certificateRows(certificate: certificates.CertificateView): Row[] {
  const rows: Row[] = [
    ['certificate', certificate.commonName],
    ['made for', uses[certificate.use]],
    ['issuer', certificate.issuer],
  ];
  if (certificate.teamId !== null) rows.push(['team', certificate.teamId]);
  if (certificate.use === 'push') {
    rows.push(
      ['topics', certificate.topics.join(', ') || 'not named: any of the app that it was made for'],
      ['environments', certificate.environments.join(', ') || 'not named'],
    );
  }
  rows.push(
    ['validity', certificate.validity],
    ['fingerprint', certificate.fingerprint],
    ['serial number', certificate.serialNumber],
  );
  if (certificate.use !== 'authority') {
    const where =
      certificate.keyIn.length > 0
        ? `its private key is in ${certificate.keyIn.join(', ')}`
        : 'its private key is not here';
    rows.push(['key', `${certificate.keyType}; ${where}`]);
  }
  return rows;
}

function keyRows(key: certificates.KeyView): Row[] {
  const belongs = [
    ...(key.certificateIn.length > 0
      ? [`belongs to the certificate in ${key.certificateIn.join(', ')}`]
      : []),
    ...(key.requestIn.length > 0 ? [`made the signing request ${key.requestIn.join(', ')}`] : []),
  ];
  const use =
    belongs.length > 0
      ? belongs.join('; ')
      : key.forTokens
        ? 'for provider tokens (.p8), or for a certificate that is not here'
        : 'belongs to no certificate here';
  return [
    ['private key', `${key.keyType}; ${use}`],
    ['of key', `SHA-256 ${key.keyFingerprint}`],
  ];
}

/** `certificates RC2-40, key 3DES (2048 rounds); MAC SHA-1 (2048 rounds)`, and what it means. */
export function protectionText(protection: certificates.Protection): string {
  const parts = protection.parts.map(({ of, cipher, iterations }) =>
    cipher === 'none' ? `${of} not encrypted` : `${of} ${cipher} (${rounds(iterations)})`,
  );
  const { mac } = protection;
  parts.push(mac === null ? 'no MAC' : `MAC ${mac.algorithm} (${rounds(mac.iterations)})`);
  const told = [...new Set(parts)].join(', ');
  if (protection.opensEverywhere) return `${told}; Node and OpenSSL 3 open it too`;
  const origin = protection.fromKeychain ? 'Keychain export: ' : '';
  const ciphers = [...new Set(protection.parts.map(({ cipher }) => cipher))].filter(
    (name) => name !== 'none',
  );
  return `${told}. ${origin}${ciphers.join(' + ')}, opened here; Node and OpenSSL 3 alone would refuse it`;
}

function rounds(count: number): string {
  return count === 1 ? '1 round' : `${count} rounds`;
}

/** One line of a handshake. */
export function stepText(step: certificates.HandshakeStep): string {
  return `  ${step.state === 'ok' ? 'ok    ' : 'FAILED'}  ${step.name.padEnd(21)}  ${step.detail}${step.durationMs >= 1 ? ` (${step.durationMs} ms)` : ''}`;
}
