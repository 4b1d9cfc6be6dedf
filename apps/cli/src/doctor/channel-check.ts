import { expiryText, expiryWarning } from '@pushmill/core';
import type { ChannelRow } from '@pushmill/store';
import { type Finding, failed, ok, skipped, warning } from './finding.ts';

/** A channel, and how it is called where there are several apps. */
export interface NamedChannel {
  title: string;
  row: Pick<ChannelRow, 'name' | 'vendor' | 'state' | 'pausedReason' | 'settings' | 'credentialShown'>;
}

export interface ChannelCheckDeps {
  now: Date;
  /** The installation's emulators run, so that channels to them are as they should be. */
  isDemo: boolean;
}

export function checkChannels(channels: readonly NamedChannel[], deps: ChannelCheckDeps): Finding[] {
  if (channels.length === 0)
    return [skipped('channels', 'there are none yet: "pushmill channels add --help"')];
  return channels.flatMap((channel) => checkChannel(channel, deps));
}

function checkChannel({ title, row }: NamedChannel, { now, isDemo }: ChannelCheckDeps): Finding[] {
  const check = `channel ${title}`;
  const problems = [
    pauseFinding(check, row),
    expiryFinding(check, row, now),
    isDemo ? undefined : emulatorFinding(check, row),
  ].filter((finding) => finding !== undefined);
  return problems.length > 0 ? problems : [ok(check, `${row.vendor}, on`)];
}

function pauseFinding(
  check: string,
  { name, state, pausedReason }: NamedChannel['row'],
): Finding | undefined {
  if (state !== 'paused') return undefined;
  const { by, at, code, detail } = pausedReason ?? {};
  const since = at ? ` since ${at}` : '';
  if (by === 'operator') {
    return warning(
      check,
      `paused by an operator${since}: ${detail}`,
      `Resume it with "pushmill channels resume ${name}" when its reason is gone.`,
    );
  }
  return failed(
    check,
    `paused${since}, as the vendor refused it: ${[code, detail].filter(Boolean).join(': ')}`,
    `Hand in what the vendor takes with "pushmill channels rotate ${name}"; see docs/runbook/channel-paused.md.`,
  );
}

function expiryFinding(check: string, row: NamedChannel['row'], now: Date): Finding | undefined {
  const expiresAt = new Date(String(row.credentialShown.expiresAt));
  const days = Number.isNaN(expiresAt.getTime()) ? undefined : expiryWarning(expiresAt, now);
  if (days === undefined) return undefined;
  const detail = `its credential ${expiryText(expiresAt, now)} (${expiresAt.toISOString()})`;
  const remedy = `Hand in a new one with "pushmill channels rotate ${row.name}"; see docs/runbook/credential-expiring.md.`;
  return days === 0 ? failed(check, detail, remedy) : warning(check, detail, remedy);
}

function emulatorFinding(check: string, { name, settings }: NamedChannel['row']): Finding | undefined {
  if (settings.emulator !== true) return undefined;
  return warning(
    check,
    'reaches an emulator and no device, and this is no demo',
    `Remove it with "pushmill channels delete ${name}" where it is not meant so.`,
  );
}
