import { PushmillError } from './errors.ts';
import type { Transport } from './transport.ts';
import type { ServerEvent } from './types.ts';

export interface EventOptions {
  signal?: AbortSignal;
  /** Passed to the server as the query of `/v1/events`. */
  query?: Record<string, string>;
}

const DEFAULT_RECONNECT_MS = 1_000;

/**
 * Server-sent events, without end: a stream that breaks is opened again after the delay that the server named,
 * with `Last-Event-ID`. Ends quietly when the signal aborts; throws on an answer that waiting cannot cure.
 */
export async function* readEvents(transport: Transport, options: EventOptions): AsyncGenerator<ServerEvent> {
  const { signal } = options;
  const state = { lastId: undefined as string | undefined, reconnectMs: DEFAULT_RECONNECT_MS };
  while (!signal?.aborted) {
    try {
      const response = await transport.stream({
        method: 'GET',
        path: '/v1/events',
        query: options.query ?? {},
        accept: 'text/event-stream',
        headers: state.lastId === undefined ? {} : { 'last-event-id': state.lastId },
        signal,
      });
      if (response.body) yield* parseEvents(response.body, state);
    } catch (error) {
      if (signal?.aborted) return;
      // A stream that breaks in the middle throws fetch's own TypeError; an answer is ours.
      if (error instanceof PushmillError && error.status !== 0) throw error;
    }
    if (signal?.aborted) return;
    await transport.wait(state.reconnectMs, signal).catch(() => undefined);
  }
}

/** The events of one stream, by the WHATWG rules; `state` remembers what a reconnection needs. */
export async function* parseEvents(
  body: AsyncIterable<Uint8Array>,
  state: { lastId: string | undefined; reconnectMs: number },
): AsyncGenerator<ServerEvent> {
  let event = '';
  let data: string[] = [];
  for await (const line of lines(body)) {
    if (line === '') {
      if (data.length > 0)
        yield { id: state.lastId, event: event || 'message', data: parsed(data.join('\n')) };
      event = '';
      data = [];
      continue;
    }
    const colon = line.indexOf(':');
    if (colon === 0) continue; // a comment: the server's heartbeat
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id' && !value.includes('\0')) state.lastId = value;
    else if (field === 'retry' && /^\d+$/.test(value)) state.reconnectMs = Number(value);
  }
}

async function* lines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    // A lone CR at the end may be the first half of CRLF: leave it for the next chunk.
    const parts = rest.split(/\r\n|\n|\r(?!$)/);
    rest = parts.pop() as string;
    yield* parts;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
