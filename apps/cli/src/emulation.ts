import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Channel, Client } from '@pushmill/client';
import type { Authority, Emulator, EmulatorChannel, VendorName } from '@pushmill/vendors';
import { createAuthority, emulators } from '@pushmill/vendors/emulators';
import { CommandError } from './failure.ts';

export const emulatedVendors = Object.keys(emulators) as VendorName[];

/** A name that has an emulator, or a sentence that lists those that have one. */
export function emulatedVendor(name: string): VendorName {
  if (emulatedVendors.includes(name as VendorName)) return name as VendorName;
  throw new CommandError(`There is no emulator of "${name}"; there is one of ${emulatedVendors.join(', ')}.`);
}

export async function startEmulator(
  vendor: VendorName,
  options: { dataDir: string; seed: number; port?: number; host?: string },
): Promise<Emulator> {
  const authority = await installationAuthority(options.dataDir);
  const port = options.port ?? 0;
  try {
    const host = options.host === undefined ? {} : { host: options.host };
    return await emulators[vendor]({ port, ...host, authority, seed: options.seed });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new CommandError(
      `Port ${port} for the ${vendor} emulator is in use: choose another with --port N.`,
    );
  }
}

/** The installation's own certificate authority, made at first use. Whoever has its key can pose as a vendor here. */
async function installationAuthority(dataDir: string): Promise<Authority> {
  const folder = join(dataDir, 'emulators');
  const path = join(folder, 'authority.json');
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Authority;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new CommandError(`${path} cannot be read: delete it, and a new one is made.`);
    }
  }
  const authority = await createAuthority(new Date());
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify(authority));
  } finally {
    await file.close();
  }
  await rename(draft, path);
  return authority;
}

/** A channel that reaches an emulator. */
export interface EmulatedChannel extends Channel {
  /** Whether the emulator calls back about what it took through this channel. */
  receipts: boolean;
}

/**
 * Makes the installation's channels reach these emulators: created if absent, else given the present address
 * and credential, which change with every start. Then tells the emulators where their receipts go.
 * @throws CommandError  when a channel of the same name is a real one; it is left as it is
 */
export async function connectChannels(
  client: Client,
  running: readonly Emulator[],
): Promise<EmulatedChannel[]> {
  const existing = new Map((await client.channels.list()).map((channel) => [channel.name, channel]));
  const connected: EmulatedChannel[] = [];
  for (const emulator of running) {
    for (const wanted of emulator.channels) {
      const channel = await connectChannel(client, emulator, wanted, existing.get(wanted.name));
      if (channel.callbackUrl) emulator.setCallback(channel.name, channel.callbackUrl);
      connected.push({ ...channel, receipts: wanted.receipts === true });
    }
  }
  return connected;
}

async function connectChannel(
  client: Client,
  emulator: Emulator,
  wanted: EmulatorChannel,
  existing: Channel | undefined,
): Promise<Channel> {
  const { settings, credential } = wanted;
  if (!existing)
    return client.channels.create({ name: wanted.name, vendor: emulator.vendor, settings, credential });
  const isEmulated = existing.emulator === true || existing.settings.emulator === true;
  if (existing.vendor !== emulator.vendor || !isEmulated) {
    throw new CommandError(
      `The channel "${wanted.name}" is not an emulator's, so the demo leaves it alone: rename it, or run "pushmill up" without --demo.`,
    );
  }
  return client.channels.update(wanted.name, { settings, credential });
}
