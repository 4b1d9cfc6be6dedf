import { setTimeout as delay } from 'node:timers/promises';
import { type Acceptance, createClient, type MessageRequest, PushmillError } from '@pushmill/client';
import { CommandError } from '../failure.ts';

/** A producer that gives up on nothing: what is not answered is repeated at another api under the same key. */
export interface Producer {
  send(message: MessageRequest, idempotencyKey: string): Promise<Acceptance>;
  /** @returns when the cancellation was acknowledged, by this process's clock */
  cancel(messageId: string): Promise<number>;
  /** Calls that had to be repeated. */
  repeats(): number;
}

const PATIENCE_MS = 180_000;
const PAUSE_MS = 200;

export function createProducer(options: {
  urls: readonly string[];
  apiKey: string;
  signal: AbortSignal;
}): Producer {
  const { urls, apiKey, signal } = options;
  const clients = urls.map((url) => createClient({ url, apiKey, maxRetries: 0 }));
  let turn = 0;
  let repeats = 0;

  async function untilAnswered<T>(what: string, call: (index: number) => Promise<T>): Promise<T> {
    const deadline = Date.now() + PATIENCE_MS;
    for (let index = turn++; ; index++) {
      try {
        return await call(index % urls.length);
      } catch (error) {
        signal.throwIfAborted();
        if (!isPassing(error)) throw error;
        if (Date.now() > deadline) throw new CommandError(`${what} was not answered: ${error.message}`);
        repeats++;
        await delay(PAUSE_MS, undefined, { signal });
      }
    }
  }

  return {
    async send(message, idempotencyKey) {
      const accepted = await untilAnswered(`The message ${idempotencyKey}`, (index) =>
        (clients[index] as (typeof clients)[number]).messages.send(message, { idempotencyKey, signal }),
      );
      const [refused] = accepted.rejected;
      if (refused) throw new CommandError(`The api refused a recipient: ${refused.detail}`);
      return accepted;
    },

    cancel: (messageId) =>
      untilAnswered(`The cancellation of ${messageId}`, async (index) => {
        const answer = await fetch(`${urls[index]}/v1/messages/${messageId}/cancel`, {
          method: 'POST',
          headers: { authorization: `Bearer ${apiKey}` },
          signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
        });
        await answer.arrayBuffer();
        if (answer.ok) return Date.now();
        throw new PushmillError({ status: answer.status, code: '', title: 'Refused', detail: 'refused' });
      }),

    repeats: () => repeats,
  };
}

/** No answer, too busy, or an error of the api's own: the same call may succeed at once or elsewhere. */
function isPassing(error: unknown): error is Error {
  if (error instanceof PushmillError)
    return error.status === 0 || error.status === 429 || error.status >= 500;
  return error instanceof TypeError || (error as Error).name === 'TimeoutError';
}
