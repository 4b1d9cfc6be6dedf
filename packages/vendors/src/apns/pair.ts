import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import type { PushCertificate } from './certificate.ts';
import { chainOf, readPushCertificate } from './certificate.ts';
import type { FileContent } from './files.ts';
import type { ApnsSettings } from './settings.ts';

export interface Pair {
  key: KeyObject;
  leaf: PushCertificate;
  /** Leaf first, root left out. */
  chain: X509Certificate[];
}

/** What a certificate must suit; what is not known is not asked for. */
export type Demands = Partial<Pick<ApnsSettings, 'environment' | 'topic' | 'origin'>>;

/**
 * The one key and certificate of a file that a channel can use.
 * @throws CredentialError  when there is none, with what is wrong with the best one; or when there are several
 */
export function choosePair(content: FileContent, demands: Demands, now: Date): Pair {
  const { pair, problem } = bestPair(content, demands, now);
  if (problem !== undefined) throw problem;
  return pair;
}

/**
 * The one key and certificate of a file that are meant, and what is wrong with them. Neither order nor position
 * says which they are: Node presents the first pair of a .p12, be it expired, and fails on a key that comes first
 * without one.
 * @throws CredentialError  when no key has its certificate, or several pairs would do
 */
export function bestPair(
  content: FileContent,
  demands: Demands,
  now: Date,
): { pair: Pair; problem: CredentialError | undefined } {
  const keys = content.keys.map((pem) => createPrivateKey(pem));
  const certificates = content.certificates.map((pem) => new X509Certificate(pem));
  const leaves = certificates.filter((certificate) => !certificate.ca);
  if (certificates.length === 0) throw keys.length === 0 ? nothing() : onlyKey(keys);
  if (keys.length === 0) throw onlyCertificate(leaves[0]);
  const pairs = keys.flatMap((key) =>
    leaves
      .filter((leaf) => leaf.checkPrivateKey(key))
      .map((leaf) => ({ key, leaf: readPushCertificate(leaf), chain: chainOf(leaf, certificates) })),
  );
  if (pairs.length === 0) throw keyOfAnother(leaves[0]);
  const judged = pairs.map((pair) => ({ pair, problem: problemOf(pair.leaf, demands, now) }));
  // A renewal under the old key leaves two certificates for one key: the one that lasts longer is meant.
  const good = distinctByKey(judged.filter(({ problem }) => problem === undefined).map(({ pair }) => pair));
  const [only] = good;
  if (only === undefined) return mostTelling(judged) as { pair: Pair; problem: CredentialError };
  if (good.length > 1) {
    throw new CredentialError(
      'several-certificates',
      `The file holds ${good.length} certificates that could be used (${good.map(({ leaf }) => leaf.commonName).join('; ')}): export just one with its key.`,
    );
  }
  return { pair: only, problem: undefined };
}

function distinctByKey(pairs: readonly Pair[]): Pair[] {
  const best: Pair[] = [];
  for (const pair of pairs) {
    const at = best.findIndex((other) => other.key.equals(pair.key));
    if (at < 0) best.push(pair);
    else if (pair.leaf.notAfter > (best[at] as Pair).leaf.notAfter) best[at] = pair;
  }
  return best;
}

/** Among certificates that all fail, the one that lasts longest is the one that the operator thinks of. */
function mostTelling(judged: readonly { pair: Pair; problem: CredentialError | undefined }[]) {
  return judged.toSorted((a, b) => b.pair.leaf.notAfter.getTime() - a.pair.leaf.notAfter.getTime())[0];
}

/** Everything that keeps a certificate from working for this channel, most basic first. */
function problemOf(leaf: PushCertificate, demands: Demands, now: Date): CredentialError | undefined {
  const problem = (code: string, sentence: string) => new CredentialError(code, sentence);
  if (leaf.forCodeSigning) {
    return problem(
      'code-signing',
      `"${leaf.commonName}" is a certificate for signing apps, not for push: make an Apple Push Notification service certificate in the developer portal.`,
    );
  }
  // Behind an origin of one's own, a proxy may hand out certificates of its own.
  if (!leaf.forPush && demands.origin === undefined) {
    return problem(
      'not-for-push',
      `"${leaf.commonName}" is not a push certificate of Apple: make an Apple Push Notification service certificate in the developer portal.`,
    );
  }
  if (now >= leaf.notAfter) {
    return problem(
      'expired',
      `The certificate expired on ${day(leaf.notAfter)}: make a new one in the Apple developer portal and upload it. Device tokens stay valid.`,
    );
  }
  if (now < leaf.notBefore) {
    return problem(
      'not-yet-valid',
      `The certificate is valid only from ${day(leaf.notBefore)}: check the clock of this machine, or wait until then.`,
    );
  }
  const details = leaf.x509.publicKey.asymmetricKeyDetails;
  if (details?.modulusLength !== undefined && details.modulusLength < 2048) {
    return problem(
      'weak-key',
      `The key of the certificate has ${details.modulusLength} bits; TLS demands 2048: make a new certificate.`,
    );
  }
  const { environment, topic: bundleId } = demands;
  if (environment !== undefined && leaf.environments.length > 0 && !leaf.environments.includes(environment)) {
    return problem(
      'wrong-environment',
      `The certificate is for the ${leaf.environments.join(' and ')} environment, and the channel is set to ${environment}: change the environment of the channel, or upload the other certificate.`,
    );
  }
  if (
    bundleId !== undefined &&
    leaf.topics.length > 0 &&
    !leaf.topics.some((topic) => belongs(topic, bundleId))
  ) {
    return problem(
      'wrong-topic',
      `The certificate is for ${leaf.topics[0]}, and the channel is set to ${bundleId}: upload the certificate of that app, or correct the bundle id.`,
    );
  }
  return undefined;
}

/** A VoIP certificate holds only the suffixed topic of its app. */
function belongs(topic: string, bundleId: string): boolean {
  return topic === bundleId || topic.startsWith(`${bundleId}.`);
}

function nothing(): CredentialError {
  return new CredentialError(
    'empty',
    'The file holds neither a certificate nor a private key: export both rows together from Keychain Access.',
  );
}

function onlyKey(keys: readonly KeyObject[]): CredentialError {
  if (keys.some((key) => key.asymmetricKeyType === 'ec')) {
    return new CredentialError(
      'token-key',
      'This is a key for token authentication (.p8) and no certificate: choose the kind token, and enter key id and team id.',
    );
  }
  return new CredentialError(
    'no-certificate',
    'The file holds a private key but no certificate: add the certificate that Apple made for this key.',
  );
}

function onlyCertificate(leaf: X509Certificate | undefined): CredentialError {
  const name = leaf === undefined ? '' : ` "${readPushCertificate(leaf).commonName}"`;
  return new CredentialError(
    'no-key',
    `The certificate${name} came without its private key: in Keychain Access, on the Mac that made the signing request, select the certificate and its key together and export them as .p12.`,
  );
}

function keyOfAnother(leaf: X509Certificate | undefined): CredentialError {
  const name = leaf === undefined ? '' : ` "${readPushCertificate(leaf).commonName}"`;
  return new CredentialError(
    'key-mismatch',
    `The private key belongs to another certificate than${name || ' the one given'}: upload the key with which its signing request was made.`,
  );
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
