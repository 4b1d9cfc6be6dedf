import { BlockList, isIP } from 'node:net';
import type { FieldProblem } from '@pushmill/core';
import { escapePointer } from './validation.ts';

/**
 * Addresses in a channel's settings are given by people and called from inside the installation's network, with
 * the channel's credential. Unless the channel is an emulator's, they must be https and not plainly of a private
 * network. (A public name that resolves to a private address passes: the network's own rules must hold there.)
 */
const privateNetworks = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  privateNetworks.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  ['::', 96],
  ['::1', 128],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  privateNetworks.addSubnet(network, prefix, 'ipv6');
}

const ADDRESS_FIELD = /^(host|origin|endpoint|proxy|url)$|(Host|Origin|Endpoint|Proxy|Url)$/;

/** The settings that say where a channel connects to, and whom it trusts there. */
export function addressesIn(settings: Readonly<Record<string, unknown>>): [field: string, value: unknown][] {
  return Object.entries(settings).filter(
    ([field, value]) =>
      ADDRESS_FIELD.test(field) ||
      field === 'ca' ||
      field === 'emulator' ||
      (typeof value === 'string' && /^[a-z][a-z0-9+.-]*:\/\//i.test(value)),
  );
}

/** What is wrong with the addresses in a channel's settings. */
export function checkAddresses(settings: Readonly<Record<string, unknown>>): FieldProblem[] {
  if (settings.emulator === true) return [];
  const problems: FieldProblem[] = [];
  for (const [field, value] of addressesIn(settings)) {
    if (typeof value !== 'string' || field === 'ca') continue;
    const fault = addressFault(value);
    if (fault) {
      const pointer = `/settings/${escapePointer(field)}`;
      problems.push({ pointer, code: 'address-not-allowed', detail: `settings.${field} ${fault}.` });
    }
  }
  return problems;
}

function addressFault(text: string): string | undefined {
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  const url = URL.parse(address);
  if (!url) return 'is not an address';
  if (url.protocol !== 'https:') return 'must be an https address';
  if (url.username !== '' || url.password !== '') return 'must not hold a user or password';
  if (isPrivate(url.hostname)) {
    return 'is an address of this machine or of a private network; only an emulator may have one (settings.emulator)';
  }
  return undefined;
}

/** `hostname` as URL gives it: in lower case, IPv4 in four numbers however it was written, IPv6 in brackets. */
function isPrivate(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const family = isIP(host);
  if (family !== 0) return privateNetworks.check(host, family === 4 ? 'ipv4' : 'ipv6');
  return /(^|\.)(localhost|local|internal|home\.arpa)$/.test(host) || !host.includes('.');
}
