import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Emulator } from '@pushmill/vendors';
import type { Producer } from '../producer.ts';
import type { Callback } from './callback.ts';

const RECIPIENTS_A_MESSAGE = 25_000;

/**
 * Has pushes sent through a channel, and keeps what the emulator signs and would tell the receipts service of them:
 * until these callbacks are handed in, the ledger has no receipt of these pushes. The emulator calls here from then on.
 * @returns  one callback a push, in the order in which the vendor called
 */
export async function makeSignedCallbacks(options: {
  count: number;
  channel: string;
  emulator: Emulator;
  producer: Producer;
  progress: (line: string) => void;
  signal: AbortSignal;
}): Promise<Callback[]> {
  const { count, channel, emulator, producer, progress, signal } = options;
  // By body: the emulator repeats a call that was not answered soon.
  const callbacks = new Map<string, Callback>();
  const receiver = createServer(async (request, response) => {
    const body = await bytesOf(request);
    const [, query = ''] = (request.url ?? '').split('?', 2);
    callbacks.set(body.toString(), { query, body });
    response.end('success');
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  try {
    emulator.setCallback(channel, `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`);
    for (let sent = 0; sent < count; sent += RECIPIENTS_A_MESSAGE) {
      const size = Math.min(RECIPIENTS_A_MESSAGE, count - sent);
      const tokens = Array.from({ length: size }, () => emulator.newToken(channel));
      await producer.send(
        {
          class: 'marketing',
          notification: { title: 'Offer', body: 'Ten per cent off' },
          to: [{ channel, tokens }],
        },
        `receipts-${sent}`,
      );
    }
    while (callbacks.size < count) {
      progress(`${callbacks.size} of ${count} callbacks are signed`);
      await delay(100, undefined, { signal });
    }
  } finally {
    receiver.closeAllConnections();
    receiver.close();
  }
  return [...callbacks.values()];
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
