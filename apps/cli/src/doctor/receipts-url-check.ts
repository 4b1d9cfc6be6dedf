import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { type Finding, failed, ok, reasonOf, warning } from './finding.ts';

const check = 'public receipts URL';
const LIMIT_MS = 5_000;

const ownNetworks = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  ownNetworks.addSubnet(network, prefix, 'ipv4');
}
ownNetworks.addAddress('::', 'ipv6');
ownNetworks.addAddress('::1', 'ipv6');
ownNetworks.addSubnet('fc00::', 7, 'ipv6');
ownNetworks.addSubnet('fe80::', 10, 'ipv6');

/** Who calls back: nobody, emulators on this machine, or vendors; undefined when the channels are not known. */
export type Callers = 'nobody' | 'emulators' | 'vendors' | undefined;

type Resolve = (hostname: string) => Promise<readonly string[]>;

/** Whether vendors can reach the receipts service by the address that channels show. */
export async function checkReceiptsUrl(
  url: string | undefined,
  callers: Callers,
  resolve: Resolve = addressesOf,
): Promise<Finding[]> {
  if (url === undefined) return [unset(callers)];
  const findings: Finding[] = [];
  const { protocol, hostname } = new URL(url);
  const addresses = await resolve(hostname.replace(/^\[|\]$/g, '')).catch(() => []);
  if (addresses.some(isOwn) && callers !== 'emulators') {
    findings.push(
      warning(
        check,
        `${url} is an address of this machine or of a private network: vendors cannot reach it`,
        'Set PUSHMILL_PUBLIC_RECEIPTS_URL to an address on the internet that leads to the receipts service.',
      ),
    );
  }
  if (protocol !== 'https:' && callers !== 'emulators') {
    findings.push(
      warning(
        check,
        `${url} is not https: on the way, receipts and the channels' keys can be read`,
        'Put the receipts service behind a proxy with a certificate, and set the https address.',
      ),
    );
  }
  const trouble = await visit(url);
  return trouble ? [...findings, trouble] : findings.length > 0 ? findings : [ok(check, `${url} is reached`)];
}

function unset(callers: Callers): Finding {
  if (callers === 'nobody') return ok(check, 'not set, and no channel of yours is called back');
  if (callers === 'emulators') return ok(check, 'not set, and only emulators on this machine call back');
  return warning(
    check,
    'not set: channels show an address of this machine, which no vendor can reach',
    'Set PUSHMILL_PUBLIC_RECEIPTS_URL to the https address under which vendors reach the receipts service.',
  );
}

async function visit(url: string): Promise<Finding | undefined> {
  try {
    const response = await fetch(`${url}/healthz`, {
      signal: AbortSignal.timeout(LIMIT_MS),
      redirect: 'manual',
    });
    const answer = (await response.json().catch(() => ({}))) as { status?: unknown };
    if (response.ok && answer.status === 'alive') return undefined;
    return warning(
      check,
      `${url}/healthz is answered with HTTP ${response.status}, and not by the receipts service`,
      'See that the proxy there passes /callbacks/ on to the receipts service; /healthz shows it here.',
    );
  } catch (error) {
    return failed(
      check,
      `${url} cannot be reached from here: ${reasonOf(error)}`,
      'See to its name, its certificate and the firewall; vendors keep their receipts or lose them meanwhile.',
    );
  }
}

function isOwn(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && ownNetworks.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

async function addressesOf(hostname: string): Promise<string[]> {
  return (await lookup(hostname, { all: true })).map(({ address }) => address);
}
