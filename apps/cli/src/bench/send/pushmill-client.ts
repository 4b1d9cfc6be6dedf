import { formatPushId, pushIdentity } from '@pushmill/core';
import type { Client } from './client.ts';
import type { SendVendor } from './contenders.ts';

/** A vendor's sender as a worker opens it (channel-registry.ts) and calls it (batch-run.ts). */
export async function openPushmill(
  vendor: SendVendor,
  settings: Record<string, unknown>,
  input: Record<string, unknown>,
): Promise<Client> {
  // Here, so that the others' processes do not carry it.
  const { vendors } = await import('@pushmill/vendors');
  const { credential } = await vendors[vendor].prepareCredential(input, settings, new Date());
  const kept = new Map<string, string>();
  const sender = vendors[vendor].createSender(
    { id: 'bench', settings, credential },
    {
      now: Date.now,
      warn: (fields, message) => console.error(message, fields),
      shared: {
        async getOrMake(name, _ttlMs, make) {
          const value = kept.get(name) ?? (await make());
          kept.set(name, value);
          return value;
        },
        forget: async (name) => void kept.delete(name),
      },
    },
  );
  const cutOff = new AbortController();
  return {
    async send(push) {
      const outgoing = {
        id: formatPushId(push),
        identity: pushIdentity(push),
        token: push.token,
        environment: undefined,
        audience: undefined,
        message: push.message,
      };
      const [outcome] = await sender.send([outgoing], cutOff.signal);
      return outcome?.kind === 'accepted';
    },
    close: () => sender.close(1_000),
  };
}
